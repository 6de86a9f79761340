"""From the bytes of a receiver's answer or webhook to the models of `submitter.api`. Pure.

A missing member, or one of another type, makes an answer unreadable; an unknown one is ignored.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from submitter.api import OPERATOR_TYPES, AnyEvent, Message, OtherMessage
from submitter.errors import CursorExpired, ReceiverProblem, ReceiverRefused, ReceiverUnreachable, Violation
from submitter.http.messages import read_retry_after_s

M = TypeVar("M", bound=BaseModel)

T = TypeVar("T")

PROBLEM_TYPE = "application/problem+json"

_EXPIRED = "urn:whenfinal:problem:cursor-expired"

_ANOTHER = "perhaps it is no service of whenfinal, or one of another version"

_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def read_reply(model: type[M], body: bytes) -> M:
    """Return the body of an answer as `model`. Raise ReceiverUnreachable for anything else."""
    return _read(model.model_validate_json, body)


def read_nothing(body: bytes) -> None:
    """The answer says no more than its status."""


def read_event(body: bytes) -> AnyEvent:
    """Return the event of a stream. Raise ReceiverUnreachable for anything else."""
    return _read(_EVENT.validate_json, body)


def read_message(body: bytes) -> Message:
    """Return the message of a webhook. Raise ReceiverUnreachable for what is not a receiver's."""
    message = read_reply(OtherMessage, body)
    if message.type not in OPERATOR_TYPES and message.data.get("task") is None:
        return message
    return _read(_EVENT.validate_python, {**message.data, "type": message.type, "timestamp": message.timestamp})


def _read(validate: Callable[[Any], T], value: object) -> T:
    try:
        return validate(value)
    except ValidationError as error:
        raise _unreadable(error) from error


def _unreadable(error: ValidationError) -> ReceiverUnreachable:
    """Name the first fault, without the value: a body may hold a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    return ReceiverUnreachable(f"the answer cannot be read: {place}: {first['msg']}; {_ANOTHER}")


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
        detail=_text(members.get("detail")),
        errors=tuple(_violation(each) for each in errors if isinstance(each, dict)) if isinstance(errors, list) else (),
        provider=_texts(members.get("provider")),
        task=_text(members.get("task")),
        request_id=_text(members.get("request_id")),
        retry_after_s=read_retry_after_s(headers.get("retry-after")),
        oldest_after=oldest_after if isinstance(oldest_after, int) else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> Mapping[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {name: text for name, text in value.items() if isinstance(text, str)}


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


def error_of(problem: ReceiverProblem, *, may_be_done: bool = False) -> ReceiverRefused | CursorExpired:
    """Return the exception to raise for a problem. `may_be_done`: an earlier try may have been carried out."""
    if problem.type == _EXPIRED and problem.oldest_after is not None:
        return CursorExpired(problem.oldest_after)
    return ReceiverRefused(problem, may_be_done=may_be_done)
