"""Where the `whenfinal` command begins."""

import os
import sys


def main() -> None:
    """The console script. `whenfinal --help` needs no more than the list of commands, so that it is quick."""
    fill_closed_streams()
    arguments = sys.argv[1:]
    if arguments == ["--help"]:
        from receiver.cli.overview import print_overview

        if print_overview():
            return
    from receiver.cli.outcome import check_arguments, told
    from receiver.cli.short import run_short

    with told():
        check_arguments(arguments)
        if not run_short(arguments):
            from receiver.cli.program import run

            run(arguments)


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
