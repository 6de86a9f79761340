"""What a command writes: tables for people, JSON for programs on stdout; progress and troubles on stderr.

Provider words are never markup, and their control characters never reach a terminal.
"""

import errno
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from submitter.errors import WhenfinalError

OK, WRONG, USAGE, INTERRUPTED = 0, 1, 2, 130

_UNWRITTEN = "the result can not be written: {}"

_PIPED_WIDTH = 240  # columns when nobody's terminal sets them: a line stays a line for grep


class CommandFailed(WhenfinalError):
    """A command can not do what it was told; `status` is its exit status."""

    def __init__(self, message: str, *, status: int = WRONG) -> None:
        super().__init__(message)
        self.status = status


class PlainConsole(Console):
    """A reader that has gone ends a command as it ends any other program, not as an exit from inside rich."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more")


def console(*, stderr: bool = False) -> Console:
    """Colours only on a terminal and without NO_COLOR, which rich sees to by itself."""
    stream: TextIO | None = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else _PIPED_WIDTH
    return PlainConsole(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def show(*parts: RenderableType) -> None:
    """To stdout, for people. Plain lines are never broken, so that a command in them can be copied."""
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
    """One JSON value as one line of ASCII on stdout, at once."""
    with _written():
        sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")
        sys.stdout.flush()


@contextmanager
def _written() -> Iterator[None]:
    """Raise CommandFailed when the output can not be written. A reader that has gone is another matter."""
    if sys.stdout is None:
        raise CommandFailed(_UNWRITTEN.format("standard output is closed"))
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        # What is still buffered would fail once more, with a traceback, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CommandFailed(_UNWRITTEN.format(error.strerror)) from error


def note(text: str) -> None:
    """A line on stderr beside the result; lost when nothing takes it, for there is nowhere to say so."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{printable(text)}\n")
            sys.stderr.flush()


def complain(lines: Sequence[str]) -> None:
    """What went wrong, a line each, on stderr."""
    for line in lines:
        note(f"whenfinal: {line}")


def confirm(question: str, *, yes: bool) -> None:
    """Go on only when somebody at a terminal agrees, or `yes` was said before. Raise CommandFailed."""
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandFailed("nobody can be asked here; say --yes to go on without", status=USAGE)
    if sys.stderr is not None:
        sys.stderr.write(f"{printable(question)} [y/N] ")
        sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandFailed("nothing was changed")


def printable(text: str) -> str:
    """Control characters as escapes, so that no provider's words can steer a terminal; line ends stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _escaped(letter) for letter in text)


def progress() -> Progress:
    """A bar on stderr; nothing at all when nobody watches."""
    err = console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
