"""What a running receiver answers and posts, as values. Pure: JSON in, values out.

A member that is new to this version is ignored; one that is missing or of another type makes the answer unreadable.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from submitter.errors import CursorExpired, ReceiverProblem, ReceiverRefused, ReceiverUnreachable, Violation
from submitter.model import ENDED, Output, TaskError, TaskState

#: Types of the events that are about a task.
TaskEventType = Literal["task.succeeded", "task.failed", "task.canceled", "task.expired", "task.overdue"]

TASK_TYPES: tuple[TaskEventType, ...] = get_args(TaskEventType)

_EXPIRED = "urn:whenfinal:problem:cursor-expired"

_PROBLEM_TYPE = "application/problem+json"

_DISABLED = "subscription.disabled"

_NOT_AS_EXPECTED = (KeyError, TypeError, ValueError, AttributeError)


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
    """News of a task. `seq` is the cursor: events after it are not seen yet.

    `event_id` is the same each time it is told, so it is what to compare against doubles. `supersedes` names the event
    that this one replaces. `task` is the task as it was then.
    """

    seq: int
    event_id: str
    type: str
    timestamp: str
    task: Task
    supersedes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionDisabled:
    """An event for the operator: webhooks to `url` have stopped, for the `reason` told. `subscription` is its id."""

    seq: int
    event_id: str
    type: str
    timestamp: str
    subscription: str
    url: str
    reason: str
    disabled_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMessage:
    """A webhook that is no event: `webhook.test`, or what only a later version knows."""

    type: str
    timestamp: str
    data: Mapping[str, Any]


AnyEvent = Event | SubscriptionDisabled

Message = AnyEvent | OtherMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """`has_more`: ask on at once, from `next_after`; no event need be in it for that."""

    events: tuple[AnyEvent, ...]
    next_after: int
    has_more: bool


def read_task(body: bytes) -> Task:
    """Raise ReceiverUnreachable for what is no task."""
    return _task(_json(body))


def read_events(body: bytes) -> EventsPage:
    """Raise ReceiverUnreachable for what is no page of events."""
    page = _json(body)
    try:
        return EventsPage(
            events=tuple(_event(each) for each in page["events"]),
            next_after=int(page["next_after"]),
            has_more=bool(page["has_more"]),
        )
    except _NOT_AS_EXPECTED as error:
        raise _unreadable(error) from error


def read_event(body: bytes) -> AnyEvent:
    """Raise ReceiverUnreachable for what is no event."""
    said = _json(body)
    try:
        return _event(said)
    except _NOT_AS_EXPECTED as error:
        raise _unreadable(error) from error


def read_oldest_after(body: bytes) -> int:
    """What a stream says when it starts anew. Raise ReceiverUnreachable for anything else."""
    try:
        return int(_json(body)["oldest_after"])
    except _NOT_AS_EXPECTED as error:
        raise _unreadable(error) from error


def read_message(body: bytes) -> Message:
    """The body of a webhook. Raise ReceiverUnreachable for what is none of ours."""
    said = _json(body)
    try:
        kind, timestamp, data = str(said["type"]), str(said["timestamp"]), dict(said["data"])
        if kind == _DISABLED or data.get("task") is not None:
            return _event({**data, "type": kind, "timestamp": timestamp})
        return OtherMessage(type=kind, timestamp=timestamp, data=data)
    except _NOT_AS_EXPECTED as error:
        raise _unreadable(error) from error


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> ReceiverProblem | None:
    """None where the answer is not the receiver's: some proxy's, or another server's altogether."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _PROBLEM_TYPE:
        return None
    said = _json(body)
    errors, oldest_after = said.get("errors"), said.get("oldest_after")
    return ReceiverProblem(
        status=status,
        type=str(said.get("type", "about:blank")),
        title=str(said.get("title", "")),
        detail=said.get("detail"),
        errors=tuple(_violation(each) for each in errors if isinstance(each, dict)) if isinstance(errors, list) else (),
        provider=said.get("provider"),
        task=said.get("task"),
        request_id=said.get("request_id"),
        retry_after_s=read_retry_after(headers),
        oldest_after=oldest_after if isinstance(oldest_after, int) else None,
    )


def refusal(problem: ReceiverProblem) -> ReceiverRefused | CursorExpired:
    """The exception that a problem comes to."""
    if problem.type == _EXPIRED and problem.oldest_after is not None:
        return CursorExpired(problem.oldest_after)
    return ReceiverRefused(problem)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the receiver gives them as a number, and a date, which a proxy may give, counts as nothing said."""
    try:
        seconds = float(headers.get("retry-after") or "nan")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


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
    except _NOT_AS_EXPECTED as error:
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


def _event(said: Mapping[str, Any]) -> AnyEvent:
    seq, event_id, kind, timestamp = int(said["seq"]), str(said["event_id"]), str(said["type"]), str(said["timestamp"])
    if kind == _DISABLED:
        about = said["subscription"]
        return SubscriptionDisabled(
            seq=seq,
            event_id=event_id,
            type=kind,
            timestamp=timestamp,
            subscription=str(about["id"]),
            url=str(about["url"]),
            reason=str(about["reason"]),
            disabled_at=str(about["disabled_at"]),
        )
    return Event(
        seq=seq,
        event_id=event_id,
        type=kind,
        timestamp=timestamp,
        task=_task(said["task"]),
        supersedes=said["supersedes"],
    )


def _violation(said: Mapping[str, Any]) -> Violation:
    return Violation(field=str(said.get("field")), rule=str(said.get("rule")), accepted=str(said.get("accepted")))
