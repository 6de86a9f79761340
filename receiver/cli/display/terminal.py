"""The terminal of a command, as rich writes to it."""

import errno
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from receiver.cli.display.listing import PIPED_WIDTH, is_wide

WIDE = 4_000  # columns: the terminal wraps a longer line by itself


class PlainConsole(Console):
    """A closed pipe raises BrokenPipeError, as in any other program; rich would exit from inside."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "the reader of the output has closed it")


def console(*, stderr: bool = False) -> Console:
    """Rich uses colours only on a terminal and without NO_COLOR."""
    stream: TextIO | None = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else PIPED_WIDTH
    if is_wide.get() and not stderr:
        width = WIDE
    return PlainConsole(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def print_parts(out: Console, parts: Sequence[object]) -> None:
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, str | Text))
