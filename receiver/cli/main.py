"""Where the `whenfinal` command begins."""

import os
import sys

from receiver.cli.overview import print_overview


def main() -> None:
    """The console script. `whenfinal --help` needs no more than the list of commands, so that it is quick."""
    fill_closed_streams()
    if sys.argv[1:] == ["--help"] and print_overview():
        return
    from receiver.cli.program import run_program

    run_program(sys.argv[1:])


def fill_closed_streams() -> None:
    """Open nothing in place of each standard stream that is closed.

    Otherwise the next file that is opened takes its number, and what a library writes to that number lands in the file.
    `sys.stdin`, `sys.stdout` and `sys.stderr` stay None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
