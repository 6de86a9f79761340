"""The endpoint for callbacks: hand headers and bytes to the intake, answer its outcome as a status.

Only `receiver.callbacks.intake` decides. An unauthenticated caller gets no reason; the reason goes to the log.
"""

from typing import assert_never

import structlog

from receiver.callbacks.model import Accepted, IntakeOutcome, Malformed, Unauthenticated, UnknownProvider
from receiver.tasks.model.task import TaskMismatch, Verdict
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.json_body import check_type, read_body
from receiver.web.problems import Kind, Problem
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api import CallbackVerdict
from submitter.http.messages import Callback, Headers

log = structlog.get_logger(__name__)

#: Plain JSON, and CloudEvents in their structured form.
CALLBACK_TYPES = frozenset({"application/json", "application/cloudevents+json"})

#: RFC 9110 requires a challenge with every 401, although no client can answer this one.
_CHALLENGE = {"WWW-Authenticate": 'Callback realm="whenfinal"'}


async def receive_callback(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """Take a callback with a token in its path or, from a provider that signs, without one."""
    provider = context.path_param("provider")
    if provider not in context.services.providers:
        raise _problem_of(UnknownProvider())
    check_type(context.request, CALLBACK_TYPES)
    body = await read_body(context.request, max_bytes=context.services.settings.callbacks.max_bytes)
    callback = Callback(headers=_headers(context.request.scope["headers"]), body=body)
    outcome = await context.services.intake.receive(provider, context.request.path_params.get("token"), callback)
    return _answer(provider, outcome)


def _headers(raw: list[tuple[bytes, bytes]]) -> Headers:
    """In their order, repeated ones repeated; Latin-1 maps every byte to a character."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)


def _answer(provider: str, outcome: IntakeOutcome) -> JsonAnswer:
    if isinstance(outcome, Accepted):
        if outcome.verdict is Verdict.APPLIED:
            return JsonAnswer(status=204)
        return JsonAnswer(body=CallbackVerdict.model_validate(outcome))
    log.warning("callback_refused", provider=provider, outcome=type(outcome).__name__, reason=_reason(outcome))
    raise _problem_of(outcome)


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


def _reason(outcome: Unauthenticated | Malformed | UnknownProvider | TaskMismatch) -> str | None:
    return None if isinstance(outcome, UnknownProvider) else outcome.reason
