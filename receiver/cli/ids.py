"""Ids that a command takes: one or many, from the command line, or one a line from standard input."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from receiver.cli.console import USAGE, CommandFailed
from receiver.cli.options import read_input
from receiver.cli.remote import is_missing
from submitter.errors import ReceiverRefused

T = TypeVar("T")

STDIN = "-"

#: Any other text is the id of nothing. In the path of a request it may mean another address.
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def read_ids(given: Sequence[str]) -> list[str]:
    """Each id once, in its order; `-` stands for the lines of standard input, without blank ones and those with `#`.

    Raise CommandFailed for an input that can not be read or holds no id.
    """
    return list(dict.fromkeys(each for word in given for each in (_lines() if word == STDIN else (word,))))


def _lines() -> list[str]:
    try:
        lines = [line.strip() for line in read_input(STDIN).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise CommandFailed("standard input is not UTF-8; write one id a line", status=USAGE) from None
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise CommandFailed("standard input holds no id; write one a line", status=USAGE)
    return found


async def existing(work: Callable[[str], Awaitable[T]], given: str, *, missing: str) -> T:
    """What the work returns for an id. Raise CommandFailed, with `missing`, where there is no such thing."""
    absent = CommandFailed(missing.format(given))
    if not _ID.fullmatch(given):
        raise absent
    try:
        return await work(given)
    except ReceiverRefused as error:
        raise absent if is_missing(error.problem) else error from error
