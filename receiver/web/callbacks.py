"""Callbacks: hand headers and bytes to the intake, answer its outcome as a status.

Only `receiver.callbacks.intake` decides. An unauthenticated caller gets no reason; the reason goes to the log.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import assert_never

import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from receiver.callbacks.intake import Intake
from receiver.callbacks.model import (
    Accepted,
    Admitted,
    Challenged,
    IntakeOutcome,
    KeysUnavailable,
    Malformed,
    Unauthenticated,
    UnknownProvider,
)
from receiver.metrics.counting import Count
from receiver.metrics.registry import Metrics
from receiver.metrics.spans import Spans
from receiver.tasks.model.task import TaskMismatch, Verdict
from receiver.web.bodies import Bodies, Reading
from receiver.web.bounded_lines import BoundedLines
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.json_body import has_too_many_marks
from receiver.web.middleware import REQUEST_ID, trace_of
from receiver.web.problems import Kind, Problem, to_response
from receiver.web.schemas.tasks import AnyQuery, NoBody
from submitter.api_service import CallbackVerdict
from submitter.http.messages import Callback, Headers
from submitter.http.unpacking import unpacked
from submitter.model import TaskId

log = structlog.get_logger(__name__)

#: What is documented: plain JSON, and CloudEvents in their structured form. Any other type is read as well, because a
#: caller who has proved itself is not refused for form.
CALLBACK_TYPES = frozenset({"application/json", "application/cloudevents+json"})

#: RFC 9110 requires a challenge with every 401, although no client can answer this one.
_CHALLENGE = {"WWW-Authenticate": 'Callback realm="whenfinal"'}

Refusal = Unauthenticated | Malformed | KeysUnavailable | UnknownProvider | TaskMismatch


class CallbackTaker:
    """One for a process."""

    def __init__(self, intake: Intake, bodies: Bodies, metrics: Metrics, spans: Spans, public_url: str | None) -> None:
        self._intake = intake
        self._public_url = public_url
        self._bodies = bodies
        self._metrics = metrics
        self._spans = spans
        self._counts: dict[tuple[str, str], Count] = {}
        self._duration = metrics.distribution("whenfinal_callback_duration_seconds")
        self._refusal_lines = BoundedLines(_tell_other_refusals)

    async def take(self, provider: str, token: str | None, scope: Scope, receive: Receive) -> IntakeOutcome:
        """Take a callback with a token in its path or, from a provider that signs, without one.

        The token is checked before the body is read, because anybody can send a body. Raise a problem for a body that
        cannot be read within the limits.
        """
        admitted = self._intake.admit(provider, token)
        if not isinstance(admitted, Admitted):
            return admitted
        if not self._spans.is_on:
            return await self._take(admitted, scope, receive)
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
        task_id = None if admitted.token is None else admitted.token.task_id
        about = {"whenfinal.provider": provider}
        with self._spans.about("callback", task_id, about, incoming=given[0] if given else None):
            return await self._take(admitted, scope, receive)

    async def _take(self, admitted: Admitted, scope: Scope, receive: Receive) -> IntakeOutcome:
        headers = scope["headers"]
        pool = self._bodies.unproved if admitted.token is None else self._bodies.callbacks
        async with Reading(receive, headers, pool) as body:
            url = None if self._public_url is None else _address(self._public_url, scope)
            callback = _callback_of(Callback(headers=_readable(headers), body=body, url=url), pool.max_bytes)
            if has_too_many_marks(callback.body):
                return await self._intake.leave_unread(admitted, "the body holds too many values")
            return await self._intake.take(admitted, callback)

    def needs_200(self, provider: str) -> bool:
        """Whether a provider counts 200 alone as success."""
        configured = self._intake.providers.get(provider)
        return configured is not None and configured.adapter.CAPABILITIES.callback_needs_200

    def prepared(self, provider: str, outcome: IntakeOutcome) -> "PreparedAnswer":
        if isinstance(outcome, Challenged):
            answer = JSONResponse(outcome.answer)
            return PreparedAnswer(status=200, headers=tuple(answer.raw_headers), parts=(bytes(answer.body),))
        if not isinstance(outcome, Accepted):
            return _REFUSED[type(outcome)]
        is_told = outcome.verdict is Verdict.APPLIED and self.needs_200(provider)
        return _APPLIED_WITH_BODY if is_told else _ACCEPTED[outcome.verdict]

    def count(self, provider: str, outcome: IntakeOutcome, took_s: float) -> None:
        """Count a callback by its outcome. `took_s`: from its head until it was durable."""
        verdict: str = "rejected"
        if isinstance(outcome, Accepted):
            verdict = "thin" if outcome.is_thin else outcome.verdict
            self._duration.observe(took_s)
        elif isinstance(outcome, Challenged):
            verdict = "challenge"
        child = self._counts.get((provider, verdict))
        if child is None:
            label = self._metrics.provider(provider)
            child = self._metrics.count("whenfinal_callbacks", label, verdict)
            if label == provider:  # others could be any number
                self._counts[provider, verdict] = child
        child.add()

    def tell(self, provider: str, refusal: Refusal, request_id: str) -> None:
        """Log why a callback was refused. The name of an unknown provider is anybody's text, so it is not logged."""
        if isinstance(refusal, UnknownProvider):
            return
        kind = type(refusal).__name__
        if self._refusal_lines.may_write(f"{provider} {kind}"):
            log.warning(
                "callback_refused", provider=provider, outcome=kind, reason=refusal.reason, request_id=request_id
            )


def _tell_other_refusals(outcomes: Mapping[str, int]) -> None:
    log.warning("more_callbacks_refused", outcomes=outcomes)


async def receive_callback(context: RequestContext[AnyQuery, NoBody]) -> Response:
    """Take a callback that came by the router, because its address or its head is not plain."""
    request, provider = context.request, context.path_param("provider")
    taker: CallbackTaker = request.app.state.callbacks
    token = request.path_params.get("token")
    began_s = perf_counter()
    outcome = await taker.take(provider, token, request.scope, request.receive)
    taker.count(provider, outcome, perf_counter() - began_s)
    if isinstance(outcome, Accepted):
        return _response(outcome.verdict, with_body=taker.needs_200(provider))
    if isinstance(outcome, Challenged):
        return JSONResponse(outcome.answer)
    taker.tell(provider, outcome, trace_of(request.scope).request_id)
    raise _problem_of(outcome)


def _address(public_url: str, scope: Scope) -> str:
    """The address that a provider posted to: of the public URL and not of the `Host` field, which anybody can write."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    below = path[max(0, path.find(_BELOW_PUBLIC_URL)) :]  # a proxy may have put a prefix before it
    return public_url + (below + b"?" + query if query else below).decode("latin-1")


_BELOW_PUBLIC_URL = b"/callbacks/"


def _callback_of(came: Callback, max_bytes: int) -> Callback:
    """Raise a 413 problem for a body that unpacks to more than `max_bytes`."""
    coding = came.header("content-encoding")
    if coding is None:
        return came
    content = unpacked(came.body, coding, cap_bytes=max_bytes)
    if content is None:
        raise Problem(Kind.TOO_LARGE, f"The body may unpack to {max_bytes} bytes at most.")
    return replace(came, body=content, packed=came.body)


def _readable(raw: list[tuple[bytes, bytes]]) -> Headers:
    """In their order, repeated ones repeated; Latin-1 maps every byte to a character."""
    return tuple([(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw])


def _response(verdict: Verdict, *, with_body: bool = False) -> Response:
    """204 for a callback that changed the task, except for a provider that needs 200."""
    if verdict is Verdict.APPLIED and not with_body:
        return JsonAnswer(status=204).to_response()
    return JsonAnswer(body=CallbackVerdict.model_validate({"verdict": verdict})).to_response()


def _problem_of(outcome: Refusal) -> Problem:
    match outcome:
        case Unauthenticated():
            return Problem(Kind.NOT_OURS, headers=_CHALLENGE)
        case Malformed():
            return Problem(Kind.MALFORMED, "The body is not what the provider documents.")
        case KeysUnavailable():
            return Problem(Kind.NO_KEYS, headers={"Retry-After": "5"})
        case UnknownProvider():
            return Problem(Kind.NOT_FOUND, "No provider of that name is configured.")
        case TaskMismatch():
            return Problem(Kind.CONFLICT, "The token in the path was made for another task.")
        case _:
            assert_never(outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAnswer:
    """An answer that is made once, because it is the same for every callback but for the id of the request."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    #: The body, cut where the id stands in it.
    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, response: Response) -> "PreparedAnswer":
        """Of a response to a request whose id is `_MARK`."""
        parts = bytes(response.body).split(_MARK)
        return cls(status=response.status_code, headers=tuple(response.raw_headers), parts=tuple(parts))

    async def send(self, request_id: str, send: Send) -> None:
        headers, body = [*self.headers, (REQUEST_ID, request_id.encode())], self.parts[0]
        if len(self.parts) > 1:
            body = json.dumps(request_id)[1:-1].encode().join(self.parts)
            length = (_LENGTH, b"%d" % len(body))
            headers = [length if each[0] == _LENGTH else each for each in headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_LENGTH = b"content-length"

_MARK = b"{the id of the request}"

_ACCEPTED: Mapping[Verdict, PreparedAnswer] = {
    verdict: PreparedAnswer.of(_response(verdict))
    for verdict in (Verdict.APPLIED, Verdict.DUPLICATE, Verdict.STALE, Verdict.CONTRADICTION)
}

_APPLIED_WITH_BODY = PreparedAnswer.of(_response(Verdict.APPLIED, with_body=True))

_REFUSED: Mapping[type[Refusal], PreparedAnswer] = {
    type(refusal): PreparedAnswer.of(to_response(_problem_of(refusal), _MARK.decode()))
    for refusal in (
        Unauthenticated(reason=""),
        Malformed(reason=""),
        KeysUnavailable(reason=""),
        UnknownProvider(),
        TaskMismatch(expected_task_id=TaskId(""), reason=""),
    )
}
