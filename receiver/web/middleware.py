"""The outermost middleware: request id, log line, check of the path, and the answer to an unexpected error.

The log names a path by its route's template, because the path of a callback holds its token.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from time import perf_counter
from urllib.parse import unquote_to_bytes

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from receiver.metrics.counting import Distribution
from receiver.metrics.registry import OTHER, Metrics
from receiver.metrics.spans import LONGEST_TRACEPARENT, caller_trace
from receiver.web.bounded_lines import BoundedLines
from receiver.web.problems import Kind, Problem, to_response
from receiver.web.streaming import EndedEarly

log = structlog.get_logger(__name__)

UNROUTED = "-"

#: The routes of callbacks, whose lines are bounded, because anybody can post to them.
CALLBACK_ROUTES = "/callbacks/"

_GIVEN_ID = re.compile(rb"[!-~]{1,128}")

REQUEST_ID = b"x-request-id"

#: What nothing of the rest of the checks can be wrong with.
_PLAIN_PATH = re.compile(rb"[!-$&-~]*")

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

#: A name, an address or nothing, and a port; all that RFC 3986 allows in it.
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")

#: Control characters, plain and escaped; no id or name of ours holds one.
_CONTROL = re.compile(rb"[\x00-\x20\x7f]|%[01][0-9A-Fa-f]|%7[Ff]")


@dataclass(slots=True, kw_only=True)
class Trace:
    """What is known of a request so far."""

    request_id: str
    #: The template of the path.
    route: str = UNROUTED
    #: The name of the caller's key.
    key: str | None = None
    #: None until the answer has begun.
    status: int | None = None
    #: The task that the request is about, by our id, and its provider; None for any other request.
    task: str | None = None
    provider: str | None = None


def trace_of(scope: Scope) -> Trace:
    """Return the trace of a request. Raise TypeError for a request that did not pass the middleware."""
    trace = scope["state"]["trace"]
    if not isinstance(trace, Trace):
        raise TypeError("the request did not come through Tracing")
    return trace


def problem_response(scope: Scope, problem: Problem) -> Response:
    """Answer with a problem of the API."""
    return to_response(problem, trace_of(scope).request_id)


#: The methods of our routes; any other word of a caller counts as `other`.
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})


class RequestTimes:
    """How long requests take, by method, route and status."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._children: dict[tuple[str, str, int | None], Distribution] = {}

    def observe(self, method: str, trace: Trace, took_s: float) -> None:
        key = (method, trace.route, trace.status)
        child = self._children.get(key)
        if child is None:
            name = method if method in _METHODS else OTHER
            labels = (name, trace.route, "none" if trace.status is None else str(trace.status))
            child = self._metrics.distribution("http_server_request_duration_seconds", *labels)
            if name == method:
                self._children[key] = child
        child.observe(took_s)


class Tracing:
    """Gives each request a trace, logs and times it, and turns an unexpected error into a problem."""

    def __init__(self, app: ASGIApp, answer: Callable[[Scope, Problem], Response] = problem_response) -> None:
        self._app = app
        self._answer = answer
        self._callback_lines = BoundedLines(tell_other_callbacks)
        self._times: RequestTimes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == REQUEST_ID]
        trace = Trace(request_id=request_id(given[0] if len(given) == 1 else None))
        scope.setdefault("state", {})["trace"] = trace
        services = scope["state"].get("services")
        if self._times is None and services is not None:
            self._times = RequestTimes(services.metrics)
        if services is not None and services.reporter.spans.is_on:
            sent = [value for name, value in scope["headers"] if name == b"traceparent"]
            is_one = len(sent) == 1 and len(sent[0]) <= LONGEST_TRACEPARENT
            caller_trace.set(sent[0].decode("latin-1") if is_one else None)
        started_s = perf_counter()
        bound = bind_contextvars(request_id=trace.request_id)
        try:
            await self._guarded(scope, receive, stamped(send, trace))
        finally:
            took_s = perf_counter() - started_s
            if self._times is not None:
                self._times.observe(scope["method"], trace, took_s)
            if not trace.route.startswith(CALLBACK_ROUTES) or self._callback_lines.may_write(str(trace.status)):
                tell(scope["method"], trace, took_s)
            reset_contextvars(**bound)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            fault = _fault_of(scope)
            scope["path"] = tidy_path(scope["path"])
            answer = self._app if fault is None else self._answer(scope, Problem(Kind.MALFORMED, fault))
            await answer(scope, receive, send)
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            await answer_unexpected(error, scope, receive, send, self._answer)


async def answer_unexpected(
    error: BaseException,
    scope: Scope,
    receive: Receive,
    send: Send,
    answer: Callable[[Scope, Problem], Response] = problem_response,
) -> None:
    """Log an error that nobody expected, and answer it. Raise it where the answer has begun."""
    trace = trace_of(scope)
    if isinstance(error, asyncio.CancelledError):
        # The server cancels a request only when its stop has waited as long as it may.
        log.warning("request_cut", route=trace.route)
        kind = Kind.STOPPING
    elif isinstance(error, EndedEarly):
        log.info("answer_ended_early", route=trace.route, error=str(error.__cause__ or error))
        raise error
    else:
        log.error("request_failed", route=trace.route, exc_info=error)
        kind = Kind.INTERNAL
    if trace.status is not None:
        raise error  # the server can only close the connection
    await answer(scope, Problem(kind))(scope, receive, send)


def tell(method: str, trace: Trace, took_s: float) -> None:
    """Write the line of a request."""
    about = {} if trace.task is None else {"task": trace.task, "provider": trace.provider}
    log.info(
        "request",
        method=method,
        route=trace.route,
        status=trace.status,
        key=trace.key,
        took_ms=round(took_s * 1000, 1),
        request_id=trace.request_id,
        **about,
    )


def tell_other_callbacks(statuses: Mapping[str, int]) -> None:
    log.info("more_requests", route=CALLBACK_ROUTES, statuses=statuses)


def _fault_of(scope: Scope) -> str | None:
    """Return what is wrong with the head of a request, in a sentence."""
    if not is_clean(scope.get("raw_path") or b""):
        return "The path is not UTF-8, percent-encoded, without control characters."
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
        return "Send one Host header."
    return None if all(map(is_host, hosts)) else "The Host header is not a host with or without a port."


def is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def tidy_path(path: str) -> str:
    """Return the path of a callback without doubled slashes and a slash at the end; any other path as it is.

    Some frameworks and gateways add them, and a redirect is no help: no provider follows one of its callback.
    """
    parts = [part for part in path.split("/") if part]
    return "/" + "/".join(parts) if parts[:1] == ["callbacks"] else path


def is_clean(raw_path: bytes) -> bool:
    """Whether a path, as it came over the wire, is percent-encoded UTF-8 without control characters."""
    if _PLAIN_PATH.fullmatch(raw_path):
        return True
    if _BAD_ESCAPE.search(raw_path) or _CONTROL.search(raw_path):
        return False
    try:
        unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def request_id(given: bytes | None) -> str:
    """Return the caller's own id if it is visible ASCII, else a new one."""
    if given is not None and _GIVEN_ID.fullmatch(given):
        return given.decode("ascii")
    beginning, numbers = _own_ids()
    return f"{beginning}{next(numbers):012x}"


@cache
def _own_ids() -> tuple[str, Iterator[int]]:
    """The beginning of all ids of this process, and what follows. An id proves nothing, so a count will do."""
    return f"req_{secrets.token_hex(6)}", count(1)


def stamped(send: Send, trace: Trace) -> Send:
    """Add the request's id to the answer, and keep the answer's status."""

    async def stamp(message: Message) -> None:
        if message["type"] == "http.response.start":
            trace.status = message["status"]
            message["headers"] = [*message["headers"], (REQUEST_ID, trace.request_id.encode("ascii"))]
        await send(message)

    return stamp
