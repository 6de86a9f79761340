"""Answers of a provider that could not be used: how they become lines of a task's timeline. Pure.

The same answer again is counted and makes no line of its own, and a task has at most `MOST_LINES` lines of each kind.
So a task that is polled in vain, or refused for the moment again and again, does not grow in days.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.store.codec import Row
from receiver.tasks.model.task import Verdict
from submitter.model import Denied, Source, StatusOutcome, Unavailable
from submitter.timestamps import rfc3339

MOST_LINES = 10

#: Members of a line that count; all others are what was answered.
_COUNTS = ("times", "last_at", "left_out")

#: The first of these names says with which lines of the task a line is counted: answers, and ways out of the queue.
_COUNTED = ("reason", "from_queue", "again")

#: Members that prove something, so that their line is never overwritten by one without them.
_PROOFS = ("task_id", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """What a line of the timeline says about an answer. Only one of `_COUNTED` is counted with its like."""

    source: Source
    verdict: Verdict
    detail: Mapping[str, Any]
    #: Redacted and cut; empty where there was no reply.
    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """An answer to a poll that says nothing about its task."""

    reason: str
    #: The reply, redacted and cut; empty where no reply came.
    raw: bytes = b""

    def line(self) -> NewLine:
        return NewLine(source=Source.POLL, verdict=Verdict.UNUSABLE, detail={"reason": self.reason}, raw=self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldLine:
    """A line that is there already, with what it says now."""

    id: str
    detail: Mapping[str, Any]


def unusable_answer(answer: StatusOutcome, raw: bytes) -> Unusable | None:
    """None for an answer that was understood, and for one that only slows us down. `raw` is the redacted reply."""
    match answer:
        case Unavailable():
            return Unusable(reason=answer.reason, raw=raw)
        case Denied():
            return Unusable(reason=f"answered {answer.status}: {answer.message}", raw=raw)
        case _:
            return None


def is_counted(detail: Mapping[str, Any]) -> bool:
    """Whether a line may be counted in another one. One that is not becomes a line of its own."""
    return _kind(detail) is not None


def line_to_change(rows: Sequence[Row], detail: Mapping[str, Any], raw: str, now_ms: int) -> OldLine | None:
    """The line that takes the answer, or None when it becomes a line of its own.

    `rows` are the task's lines of this kind, the newest first. Without room the newest line that proves nothing is
    overwritten.
    """
    found = [(row, json.loads(row["detail"])) for row in rows]
    kind = _kind(detail)
    found = [(row, old) for row, old in found if _kind(old) == kind]
    if not found or kind is None:
        return None
    row, old = found[0]
    if row["raw"] == raw and _answered(old) == dict(detail):
        return OldLine(id=row["id"], detail={**old, "times": old.get("times", 1) + 1, "last_at": rfc3339(now_ms)})
    if len(found) < MOST_LINES:
        return None
    row, old = next(((each, its) for each, its in found if not any(name in its for name in _PROOFS)), found[0])
    left_out = old.get("left_out", 0) + old.get("times", 1)
    return OldLine(id=row["id"], detail={**detail, "left_out": left_out, "last_at": rfc3339(now_ms)})


def _kind(detail: Mapping[str, Any]) -> str | None:
    return next((name for name in _COUNTED if name in detail), None)


def _answered(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name not in _COUNTS}
