"""What a command writes: tables or JSON on stdout; progress, notes and errors on stderr.

Provider text is never read as markup, and its control characters never reach a terminal.
"""

import errno
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from receiver.runtime.printable import escape_control
from submitter.errors import WhenfinalError

OK, WRONG, USAGE, INTERRUPTED = 0, 1, 2, 130

_UNWRITTEN = "the result can not be written: {}"

_PIPED_WIDTH = 240  # columns where no terminal sets them: a row stays one line for grep


class CommandFailed(WhenfinalError):
    """The command failed; `status` is its exit status."""

    def __init__(self, message: str, *, status: int = WRONG) -> None:
        super().__init__(message)
        self.status = status


class PlainConsole(Console):
    """A closed pipe raises BrokenPipeError, as in any other program; rich would exit from inside."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "the reader of the output has closed it")


def console(*, stderr: bool = False) -> Console:
    """Rich uses colours only on a terminal and without NO_COLOR."""
    stream: TextIO | None = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else _PIPED_WIDTH
    return PlainConsole(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def show(*parts: RenderableType) -> None:
    """Print to stdout, for people. Plain lines are never wrapped, so that a command in them can be copied."""
    out = console()
    with _written():
        if out.is_terminal:
            _print(out, parts)
            return
        with out.capture() as captured:
            _print(out, parts)
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
        sys.stdout.flush()


def _print(out: Console, parts: Sequence[RenderableType]) -> None:
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, str | Text))


def emit(value: object) -> None:
    """Print one JSON value as one line of ASCII on stdout, and flush it."""
    with _written():
        sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")
        sys.stdout.flush()


@contextmanager
def _written() -> Iterator[None]:
    """Raise CommandFailed when the output can not be written; a closed pipe stays a BrokenPipeError."""
    require_output()
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise unwritten(error) from error


def require_output() -> None:
    """Raise CommandFailed when there is no standard output, so that nothing is done whose result would be lost."""
    if sys.stdout is None:
        raise CommandFailed(_UNWRITTEN.format("standard output is closed"))


def unwritten(error: OSError) -> CommandFailed:
    """The error for an output that can not be written. What is still in its buffer is given up."""
    # Because the buffered rest would fail once more, with a traceback, when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CommandFailed(_UNWRITTEN.format(error.strerror))


def give_up_errors() -> None:
    """Forget what standard error does not take, because Python would replace the exit status for it by 120."""
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def note(text: str) -> None:
    """Print a line on stderr beside the result. It is dropped where stderr can not be written."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{escape_control(text)}\n")
            sys.stderr.flush()


def complain(lines: Sequence[str]) -> None:
    """Print errors on stderr, one a line."""
    for line in lines:
        note(f"whenfinal: {line}")


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation, unless `yes`. Raise CommandFailed without a terminal, and for any answer but yes."""
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandFailed("cannot prompt: not a terminal; give --yes to confirm", status=USAGE)
    if sys.stderr is not None:
        sys.stderr.write(f"{escape_control(question)} [y/N] ")
        sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandFailed("nothing was changed")


def progress(*columns: ProgressColumn) -> Progress:
    """Progress bars on stderr; hidden where stderr is no terminal. Without columns a bar counts items."""
    err = console(stderr=True)
    description = TextColumn("{task.description}")
    shown = columns or (SpinnerColumn(), description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*shown, console=err, transient=True, disable=not err.is_terminal)
