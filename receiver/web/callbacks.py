"""The endpoint for callbacks: hand headers and bytes to the intake, answer its outcome as a status.

Only `receiver.callbacks.intake` decides. An unauthenticated caller gets no reason; the reason goes to the log.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

import structlog
from starlette.responses import Response

from receiver.callbacks.model import Accepted, Admitted, IntakeOutcome, Malformed, Unauthenticated, UnknownProvider
from receiver.tasks.model.task import TaskMismatch, Verdict
from receiver.web.bodies import Bodies, Reading
from receiver.web.bounded_lines import BoundedLines
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.json_body import has_too_many_marks
from receiver.web.problems import Kind, Problem
from receiver.web.schemas.tasks import AnyQuery, NoBody
from submitter.api import CallbackVerdict
from submitter.http.messages import Callback, Headers
from submitter.http.unpacking import unpacked

log = structlog.get_logger(__name__)

#: What is documented: plain JSON, and CloudEvents in their structured form. Any other type is read as well, because a
#: caller who has proved itself is not refused for form.
CALLBACK_TYPES = frozenset({"application/json", "application/cloudevents+json"})

#: RFC 9110 requires a challenge with every 401, although no client can answer this one.
_CHALLENGE = {"WWW-Authenticate": 'Callback realm="whenfinal"'}


#: Made once, because they are the same for every callback.
_ANSWERS: Mapping[Verdict, Response] = {
    verdict: JsonAnswer(body=CallbackVerdict.model_validate({"verdict": verdict})).to_response()
    for verdict in (Verdict.DUPLICATE, Verdict.STALE, Verdict.CONTRADICTION)
} | {Verdict.APPLIED: JsonAnswer(status=204).to_response()}


async def receive_callback(context: RequestContext[AnyQuery, NoBody]) -> Response:
    """Take a callback with a token in its path or, from a provider that signs, without one.

    The token is checked before the body is read, because anybody can send a body.
    """
    request, intake, provider = context.request, context.services.intake, context.path_param("provider")
    admitted = intake.admit(provider, request.path_params.get("token"))
    if not isinstance(admitted, Admitted):
        raise _refusal(context, admitted)
    bodies: Bodies = request.app.state.bodies
    pool = bodies.unproved if admitted.token is None else bodies.callbacks
    async with Reading(request, pool) as body:
        callback = _callback_of(_headers(request.scope["headers"]), body, pool.max_bytes)
        if has_too_many_marks(callback.body):
            outcome: IntakeOutcome = await intake.leave_unread(admitted, "the body holds too many values")
        else:
            outcome = await intake.take(admitted, callback)
    if isinstance(outcome, Accepted):
        return _ANSWERS[outcome.verdict]
    raise _refusal(context, outcome)


def _callback_of(headers: Headers, body: bytes, max_bytes: int) -> Callback:
    """Raise a 413 problem for a body that unpacks to more than `max_bytes`."""
    came = Callback(headers=headers, body=body)
    coding = came.header("content-encoding")
    if coding is None:
        return came
    content = unpacked(body, coding, cap_bytes=max_bytes)
    if content is None:
        raise Problem(Kind.TOO_LARGE, f"The body may unpack to {max_bytes} bytes at most.")
    return replace(came, body=content, packed=body)


def _headers(raw: list[tuple[bytes, bytes]]) -> Headers:
    """In their order, repeated ones repeated; Latin-1 maps every byte to a character."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)


def _refusal(
    context: RequestContext[AnyQuery, NoBody], outcome: Unauthenticated | Malformed | UnknownProvider | TaskMismatch
) -> Problem:
    if not isinstance(outcome, UnknownProvider):  # its name is anybody's text
        provider, kind = context.path_param("provider"), type(outcome).__name__
        lines: BoundedLines = context.request.app.state.refusal_lines
        if lines.may_write(f"{provider} {kind}"):
            log.warning("callback_refused", provider=provider, outcome=kind, reason=outcome.reason)
    return _problem_of(outcome)


def tell_other_refusals(outcomes: Mapping[str, int]) -> None:
    log.warning("more_callbacks_refused", outcomes=outcomes)


def _problem_of(outcome: Unauthenticated | Malformed | UnknownProvider | TaskMismatch) -> Problem:
    match outcome:
        case Unauthenticated():
            return Problem(Kind.NOT_OURS, headers=_CHALLENGE)
        case Malformed():
            return Problem(Kind.MALFORMED, "The body is not what the provider documents.")
        case UnknownProvider():
            return Problem(Kind.NOT_FOUND, "No provider of that name is configured.")
        case TaskMismatch():
            return Problem(Kind.CONFLICT, "The token in the path was made for another task.")
        case _:
            assert_never(outcome)
