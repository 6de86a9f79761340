"""The mark of a ledger, as it stands in the file beside it."""

import json
import os
from pathlib import Path
from typing import NamedTuple

SUFFIX = ".seq"

MOST_EVENTS = 2**52  # a larger number in a mark is not ours, and would leave none to give out

LONGEST_MARK = 1000  # characters; ours are shorter


class LedgerMark(NamedTuple):
    """How far a ledger has come. Neither number ever falls, whatever the clock does."""

    #: The number of the newest event.
    events: int
    #: Our id of the newest task; empty before the first.
    task: str

    def is_beyond(self, other: "LedgerMark") -> bool:
        return self.events > other.events or self.task > other.task


def mark_path(ledger: Path) -> Path:
    return ledger.absolute().with_name(ledger.name + SUFFIX)


def read_mark(path: Path) -> LedgerMark | None:
    """None when there is none, or nothing that can be read as one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place holds nobody up
        with os.fdopen(descriptor, encoding="utf-8") as file:
            found = json.loads(file.read(LONGEST_MARK))
        events, task = found["events"], found["task"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(events) is not int or not 0 <= events < MOST_EVENTS or not isinstance(task, str):
        return None
    return LedgerMark(events=events, task=task)
