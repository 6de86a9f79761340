"""From the bytes of a receiver's answer or webhook to the models of `submitter.api`. Pure.

A missing member, or one of another type, makes an answer unreadable; an unknown one is ignored.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from submitter.api import (
    SUBSCRIPTION_DISABLED,
    AnyEvent,
    EventsPage,
    Message,
    OtherMessage,
    ResetNotice,
    SubmittedTask,
    Task,
)
from submitter.errors import CursorExpired, ReceiverProblem, ReceiverRefused, ReceiverUnreachable, Violation
from submitter.http.messages import read_retry_after

T = TypeVar("T")

PROBLEM_TYPE = "application/problem+json"

_EXPIRED = "urn:whenfinal:problem:cursor-expired"

_TASK = TypeAdapter(Task)

_SUBMITTED = TypeAdapter(SubmittedTask)

_EVENTS = TypeAdapter(EventsPage)

_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

_RESET = TypeAdapter(ResetNotice)

_MESSAGE = TypeAdapter(OtherMessage)


def read_task(body: bytes) -> Task:
    """Return the task. Raise ReceiverUnreachable for anything else."""
    return _read(_TASK, body)


def read_submitted(body: bytes) -> SubmittedTask:
    """Return the task of an answer to a submit. Raise ReceiverUnreachable for anything else."""
    return _read(_SUBMITTED, body)


def read_events(body: bytes) -> EventsPage:
    """Return a page of events. Raise ReceiverUnreachable for anything else."""
    return _read(_EVENTS, body)


def read_event(body: bytes) -> AnyEvent:
    """Return the event of a stream. Raise ReceiverUnreachable for anything else."""
    return _read(_EVENT, body)


def read_oldest_after(body: bytes) -> int:
    """Return the cursor with which a stream resets. Raise ReceiverUnreachable for anything else."""
    return _read(_RESET, body).oldest_after


def read_message(body: bytes) -> Message:
    """Return the message of a webhook. Raise ReceiverUnreachable for what is not a receiver's."""
    message = _read(_MESSAGE, body)
    if message.type != SUBSCRIPTION_DISABLED and message.data.get("task") is None:
        return message
    try:
        return _EVENT.validate_python({**message.data, "type": message.type, "timestamp": message.timestamp})
    except ValidationError as error:
        raise _unreadable(error) from error


def _read(adapter: TypeAdapter[T], body: bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise _unreadable(error) from error


def _unreadable(error: ValidationError) -> ReceiverUnreachable:
    """Name the first fault, without the value: a body may hold a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    return ReceiverUnreachable(f"the answer cannot be read: {place}: {first['msg']}")


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> ReceiverProblem | None:
    """Return the problem, or None for an answer that is not a receiver's, such as a proxy's.

    Members of another type are left out, because the status alone says that the request failed.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM_TYPE:
        return None
    members = _object(body)
    errors, oldest_after = members.get("errors"), members.get("oldest_after")
    return ReceiverProblem(
        status=status,
        type=str(members.get("type", "about:blank")),
        title=str(members.get("title", "")),
        detail=members.get("detail"),
        errors=tuple(_violation(each) for each in errors if isinstance(each, dict)) if isinstance(errors, list) else (),
        provider=members.get("provider"),
        task=members.get("task"),
        request_id=members.get("request_id"),
        retry_after_s=read_retry_after(headers.get("retry-after")),
        oldest_after=oldest_after if isinstance(oldest_after, int) else None,
    )


def _violation(members: Mapping[str, Any]) -> Violation:
    return Violation(
        field=str(members.get("field")), rule=str(members.get("rule")), accepted=str(members.get("accepted"))
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReceiverUnreachable(f"the answer cannot be read: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise ReceiverUnreachable("the answer is not a JSON object")
    return value


def error_of(problem: ReceiverProblem) -> ReceiverRefused | CursorExpired:
    """Return the exception to raise for a problem."""
    if problem.type == _EXPIRED and problem.oldest_after is not None:
        return CursorExpired(problem.oldest_after)
    return ReceiverRefused(problem)
