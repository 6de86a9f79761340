"""A run of an act, and what becomes of its items. Pure.

Times are unix milliseconds; the caller of each function passes the time in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from receiver.store.codec import RowCodec

NOTES_MOST = 100  # of one run: what was left out or went wrong, the first of it

NOTE_CHARACTERS = 500  # of one note; it may hold words of a provider


class RunState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    #: By a person, before its end.
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNote:
    """What became of one item, where that has to be said."""

    item: str
    words: str
    #: What was found, as JSON text for the page of the act; empty where nothing was looked for.
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRun:
    """One act as it was started, and how far it is."""

    id: str
    #: Of the form: the same form gives one run.
    nonce: str
    #: One of `acts.ACTS`.
    kind: str
    #: As audit lines name it.
    actor: str
    #: What it works on and how, as JSON values.
    condition: Mapping[str, Any]
    #: How many items the preview found; None where they were not counted to their end.
    expected: int | None = None
    #: Items that were worked on.
    done: int = 0
    #: Items that could not be worked on.
    failed: int = 0
    notes: tuple[RunNote, ...] = ()
    state: RunState = RunState.RUNNING
    #: Where its next page begins; None at the start.
    cursor: str | None = None
    created_ms: int
    ended_ms: int | None = None
    #: Why it failed, or why it is late.
    last_error: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state is RunState.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedRun:
    """A run that this process alone works on."""

    run: OperatorRun
    #: Of this lease and no other.
    owner: str


RUN_ROWS = RowCodec(OperatorRun)

run_row, run_of = RUN_ROWS.to_row, RUN_ROWS.from_row


@dataclass(frozen=True, slots=True, kw_only=True)
class RunItems:
    """The next items of a run."""

    items: tuple[str, ...]
    #: Where the page after them begins; None after the last one.
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """What became of one item."""

    item: str
    is_done: bool = True
    #: Shown where they are not empty.
    words: str = ""
    #: Kept with the words.
    found: str = ""


def after_page(run: OperatorRun, results: Sequence[ItemResult], next_cursor: str | None, now_ms: int) -> OperatorRun:
    """The run after a page of its items; it has finished when there is no next page."""
    done = sum(each.is_done for each in results)
    said = [
        RunNote(item=each.item, words=each.words[:NOTE_CHARACTERS], found=each.found) for each in results if each.words
    ]
    after = replace(
        run,
        done=run.done + done,
        failed=run.failed + len(results) - done,
        notes=(*run.notes, *said)[:NOTES_MOST],
        cursor=next_cursor,
        last_error=None,
    )
    return after if next_cursor is not None else replace(after, state=RunState.FINISHED, ended_ms=now_ms)
