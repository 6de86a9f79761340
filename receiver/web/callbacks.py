"""What providers post to us: bytes and headers in, one outcome of the intake out, as a status.

Only `receiver.intake` judges. A stranger is told no more than that it is a stranger; the reason goes to the log.
"""

from typing import assert_never

import structlog

from receiver.callbacks.model import Accepted, IntakeOutcome, Malformed, Unauthenticated, UnknownProvider
from receiver.tasks.model.task import TaskMismatch, Verdict
from receiver.web.endpoint import Answer, RequestContext
from receiver.web.json_body import check_type, read_body
from receiver.web.problems import Kind, Problem, ProblemError
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.http.messages import Callback, Headers

log = structlog.get_logger(__name__)

#: Plain JSON, and CloudEvents in their structured form.
CALLBACK_TYPES = frozenset({"application/json", "application/cloudevents+json"})

#: RFC 9110 wants a challenge with every 401; what is asked for here no client can make up by itself.
_CHALLENGE = {"WWW-Authenticate": 'Callback realm="whenfinal"'}


async def receive_callback(call: RequestContext[NoQuery, NoBody]) -> Answer:
    """With a token in the path or, for providers that sign, without."""
    provider = call.part("provider")
    if provider not in call.services.providers:
        raise ProblemError(_problem_of(UnknownProvider()))
    check_type(call.request, CALLBACK_TYPES)
    body = await read_body(call.request, max_bytes=call.services.settings.callbacks.max_bytes)
    callback = Callback(headers=_headers(call.request.scope["headers"]), body=body)
    outcome = await call.services.intake.receive(provider, call.request.path_params.get("token"), callback)
    return _answer(provider, outcome)


def _headers(raw: list[tuple[bytes, bytes]]) -> Headers:
    """As they came, the repeated ones repeated; Latin-1 gives every byte a character."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)


def _answer(provider: str, outcome: IntakeOutcome) -> Answer:
    if isinstance(outcome, Accepted):
        applied = outcome.verdict is Verdict.APPLIED
        return Answer(status=204) if applied else Answer(body={"verdict": outcome.verdict.value})
    log.warning("callback_refused", provider=provider, outcome=type(outcome).__name__, reason=_reason(outcome))
    raise ProblemError(_problem_of(outcome))


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
