"""What a command writes: tables or JSON on stdout; progress, notes and errors on stderr.

Provider text is never read as markup, and its control characters never reach a terminal.
"""

import errno
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from receiver.runtime.printable import escape_control
from submitter.base_error import WhenfinalError

OK, WRONG, USAGE, INTERRUPTED = 0, 1, 2, 130

_UNWRITTEN = "the result can not be written: {}"


class CommandFailed(WhenfinalError):
    """The command failed; `status` is its exit status."""

    def __init__(self, message: str, *, status: int = WRONG) -> None:
        super().__init__(message)
        self.status = status


def show(*parts: object) -> None:
    """Print texts, and what rich can draw, to stdout.

    Plain lines are never wrapped, so that a command in them can be copied.
    """
    from receiver.cli.display.listing import plain_lines
    from receiver.runtime.environment import is_plain

    with _written():
        lines = plain_lines(parts) if is_plain(sys.stdout) else None
        if lines is not None:
            sys.stdout.writelines(f"{line.rstrip()}\n" for line in lines)
            sys.stdout.flush()
            return
        from receiver.cli.display.terminal import console, print_parts

        out = console()
        if out.is_terminal:
            print_parts(out, parts)
            return
        with out.capture() as captured:
            print_parts(out, parts)
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
        sys.stdout.flush()


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


def note_rest(shown: int, *, which: str = "newest") -> None:
    """With `--limit`: say that there is more, and which part of it is shown."""
    note(f"only the {which} {shown}; see more with --limit")


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
