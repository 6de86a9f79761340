"""What a running receiver answers, as values. Pure: JSON in, values out.

A member that is new to this version is ignored; one that is missing or of another type makes the answer unreadable.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from submitter.errors import ReceiverProblem, ReceiverUnreachable, Violation
from submitter.model import ENDED, Output, TaskError, TaskState

_PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the receiver tells it; times are RFC 3339 in UTC.

    `notify_secret` is set once, in the answer to the submit that made it.
    """

    id: str
    provider: str
    task_id: str | None
    model: str | None
    state: TaskState
    raw_state: str
    progress: int | None
    labels: Mapping[str, str]
    created_at: str
    submitted_at: str | None
    final_at: str | None
    outputs: tuple[Output, ...]
    error: TaskError | None
    supersedes: str | None
    callback_expected: bool
    polls: int
    notify_secret: str | None = field(default=None, repr=False)

    @property
    def is_ended(self) -> bool:
        """Nothing more is going to happen by itself: an end, or refused before there was a beginning."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`seq` is the cursor: events after it are not seen yet. `supersedes` names the event that this one replaces."""

    seq: int
    event_id: str
    type: str
    timestamp: str
    task: Task
    supersedes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    events: tuple[Event, ...]
    next_after: int


def read_task(body: bytes) -> Task:
    """Raise ReceiverUnreachable for what is no task."""
    return _task(_json(body))


def read_events(body: bytes) -> EventsPage:
    """Raise ReceiverUnreachable for what is no page of events."""
    page = _json(body)
    try:
        return EventsPage(events=tuple(_event(each) for each in page["events"]), next_after=int(page["next_after"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> ReceiverProblem | None:
    """None where the answer is not the receiver's: some proxy's, or another server's altogether."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _PROBLEM_TYPE:
        return None
    said = _json(body)
    return ReceiverProblem(
        status=status,
        type=str(said.get("type", "about:blank")),
        title=str(said.get("title", "")),
        detail=said.get("detail"),
        errors=tuple(_violation(each) for each in said.get("errors", ())),
        provider=said.get("provider"),
        task=said.get("task"),
        request_id=said.get("request_id"),
        retry_after_s=_seconds(headers.get("retry-after")),
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error
    if not isinstance(value, dict):
        raise ReceiverUnreachable("the answer is not a JSON object")
    return value


def _unreadable(error: Exception) -> ReceiverUnreachable:
    return ReceiverUnreachable(f"the answer cannot be read: {type(error).__name__}")


def _task(said: Mapping[str, Any]) -> Task:
    try:
        return Task(
            id=str(said["id"]),
            provider=str(said["provider"]),
            task_id=said["task_id"],
            model=said["model"],
            state=TaskState(said["state"]),
            raw_state=str(said["raw_state"]),
            progress=said["progress"],
            labels=dict(said["labels"]),
            created_at=str(said["created_at"]),
            submitted_at=said["submitted_at"],
            final_at=said["final_at"],
            outputs=tuple(_output(each) for each in said["outputs"]),
            error=None if said["error"] is None else _error(said["error"]),
            supersedes=said["supersedes"],
            callback_expected=bool(said["callback_expected"]),
            polls=int(said["polls"]),
            notify_secret=(said.get("notify") or {}).get("secret"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(error) from error


def _output(said: Mapping[str, Any]) -> Output:
    expires = said["expires_at"]
    return Output(
        url=str(said["url"]),
        type=str(said["type"]),
        expires_at_ms=None if expires is None else round(datetime.fromisoformat(expires).timestamp() * 1000),
        needs_key=bool(said["needs_key"]),
    )


def _error(said: Mapping[str, Any]) -> TaskError:
    return TaskError(code=str(said["code"]), message=str(said["message"]))


def _event(said: Mapping[str, Any]) -> Event:
    return Event(
        seq=int(said["seq"]),
        event_id=str(said["event_id"]),
        type=str(said["type"]),
        timestamp=str(said["timestamp"]),
        task=_task(said["task"]),
        supersedes=said["supersedes"],
    )


def _violation(said: Mapping[str, Any]) -> Violation:
    return Violation(field=str(said.get("field")), rule=str(said.get("rule")), accepted=str(said.get("accepted")))


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
