"""The application over its routes: the tracing middleware, and the answer to everything that a handler raises.

Callbacks come past the router: see `Application`. `receiver.web.app` adds the dashboard and the description of the API.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from receiver.callbacks.model import Accepted, Challenged
from receiver.runtime.keyring import keys_read
from receiver.runtime.operator_runs.runner import operating
from receiver.runtime.services import Services
from receiver.store.errors import LedgerGone, StoreError
from receiver.web.bodies import Bodies
from receiver.web.bounded_lines import BoundedLines
from receiver.web.callbacks import CallbackTaker
from receiver.web.cors import CrossOrigin, Preflights
from receiver.web.endpoint import Endpoint
from receiver.web.media import MediaSlots
from receiver.web.middleware import (
    REQUEST_ID,
    RequestTimes,
    Trace,
    Tracing,
    answer_unexpected,
    is_host,
    problem_response,
    request_id,
    stamped,
    tell,
    tell_other_callbacks,
    trace_of,
)
from receiver.web.problems import Kind, Problem, invalid, with_retry_after
from receiver.web.routes import ROUTES
from receiver.web.routes.callbacks import CALLBACK, SIGNED_CALLBACK
from submitter.errors import InvalidRequest

log = structlog.get_logger(__name__)

#: Exceptions that are an answer; the middleware answers any other one.
EXPECTED = (Problem, InvalidRequest, StoreError, HTTPException, ClientDisconnect)

#: A locked ledger is free again within this time; with a full disk a caller only tries in vain.
STORE_RETRY_S = 2.0

_GONE = "The ledger's file was deleted, moved or replaced under this process. Its log names the file."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What an application has for people beside the API."""

    routes: Sequence[BaseRoute]
    #: Whether a request is for one of them. Its problems are answered by `to_page`.
    is_page: Callable[[Scope], bool]
    to_page: Callable[[Scope, Problem], Response]
    #: What they need in `app.state`, made at each start.
    state: Callable[[], Mapping[str, Any]]


#: Of an application that only programs reach.
NO_PAGES = Pages(routes=(), is_page=lambda _: False, to_page=problem_response, state=dict)


def make_application(
    open_services: Callable[[], AbstractAsyncContextManager[Services]], *, pages: Pages, takes_on_runs: bool
) -> "Application":
    """Return the application over services that its lifespan opens.

    `takes_on_runs`: it goes on with runs of processes that have died, beside its own.
    """

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[Mapping[str, Any]]:
        async with (
            open_services() as services,
            operating(services, takes_on=takes_on_runs) as runs,
            keys_read(services.keyring),
        ):
            app.state.bodies = Bodies.of(services.settings)
            app.callbacks = app.state.callbacks = CallbackTaker(
                services.intake,
                app.state.bodies,
                services.metrics,
                services.reporter.spans,
                services.settings.public_url,
            )
            app.state.on_store_error = None
            app.state.media_slots = MediaSlots()
            for name, value in pages.state().items():
                setattr(app.state, name, value)
            app.requests = RequestTimes(services.metrics)
            yield {"services": services, "runs": runs}

    app = Application(
        pages,
        routes=[*(_route(endpoint) for endpoint in ROUTES), *pages.routes],
        middleware=[
            Middleware(CrossOrigin),
            Middleware(Tracing, answer=pages_or_problems(pages)),
            Middleware(Preflights, answer=problem_response),
        ],
        exception_handlers=dict.fromkeys(EXPECTED, _answer_error),
        lifespan=lifespan,
    )
    # No provider would follow a redirect of its callback; `tidy_path` takes an added slash away.
    app.router.redirect_slashes = False
    return app


def pages_or_problems(pages: Pages) -> Callable[[Scope, Problem], Response]:
    """A page for people at a page, `application/problem+json` for everybody else."""

    def to_answer(scope: Scope, problem: Problem) -> Response:
        make = pages.to_page if pages.is_page(scope) else problem_response
        return make(scope, problem)

    return to_answer


#: The address of a callback, as the documents have it and nothing added.
_PLAIN_ADDRESS = re.compile(rb"/callbacks/([A-Za-z0-9._~-]+)(?:/([A-Za-z0-9._~-]+))?")


class Application(Starlette):
    """Takes callbacks past the middleware and the router, whose layers cost more than a callback does.

    Only those with a plain address and a plain head; the router has the others. The answers are the same.
    """

    #: Both are set by the lifespan.
    callbacks: CallbackTaker
    requests: RequestTimes

    def __init__(self, pages: Pages, **options: Any) -> None:  # noqa: ANN401 - Starlette's own
        super().__init__(**options)
        self.pages = pages
        self._lines = BoundedLines(tell_other_callbacks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            address = _PLAIN_ADDRESS.fullmatch(scope.get("raw_path") or b"")
            if address is not None and (fields := _plain_head(scope)) is not None:
                trace = Trace(
                    request_id=request_id(fields.get(REQUEST_ID)),
                    route=SIGNED_CALLBACK.path if address[2] is None else CALLBACK.path,
                )
                await self._take_callback(address, trace, scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    async def _take_callback(
        self, address: re.Match[bytes], trace: Trace, scope: Scope, receive: Receive, send: Send
    ) -> None:
        started_s = perf_counter()
        provider = address[1].decode()
        token = None if address[2] is None else address[2].decode()
        try:
            outcome = await self.callbacks.take(provider, token, scope, receive)
            self.callbacks.count(provider, outcome, perf_counter() - started_s)
            if not isinstance(outcome, Accepted | Challenged):
                self.callbacks.tell(provider, outcome, trace.request_id)
            answer = self.callbacks.prepared(provider, outcome)
            trace.status = answer.status
            await answer.send(trace.request_id, send)
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            scope["app"] = self  # as the framework sets it for what comes through the middleware
            await _answer_raised(error, trace, scope, receive, stamped(send, trace))
        finally:
            took_s = perf_counter() - started_s
            self.requests.observe("POST", trace, took_s)
            if self._lines.may_write(str(trace.status)):
                tell("POST", trace, took_s)


def _plain_head(scope: Scope) -> Mapping[bytes, bytes] | None:
    """The fields of a head that names a host and repeats no field, else None."""
    fields = dict(scope["headers"])
    is_plain = len(fields) == len(scope["headers"]) and is_host(fields.get(b"host", b" "))  # a blank is no host
    return fields if is_plain else None


async def _answer_raised(error: BaseException, trace: Trace, scope: Scope, receive: Receive, send: Send) -> None:
    scope.setdefault("state", {})["trace"] = trace
    with bound_contextvars(request_id=trace.request_id):
        if isinstance(error, EXPECTED) and trace.status is None:
            answer = await _answer_error(Request(scope), error)
            await answer(scope, receive, send)
        else:
            await answer_unexpected(error, scope, receive, send)


def _route(endpoint: Endpoint) -> Route:
    route = Route(endpoint.path, endpoint.serve, methods=[endpoint.method])
    if endpoint.streams and route.methods is not None:
        route.methods.discard("HEAD")
    return route


async def _answer_error(request: Request, error: Exception) -> Response:
    return pages_or_problems(request.app.pages)(request.scope, _problem_of(request, error))


def _problem_of(request: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case InvalidRequest():
            return invalid(Kind.INVALID, *error.violations)
        case StoreError():
            return _store_problem(request, error)
        case HTTPException():
            return _refusal_of_framework(request, error.status_code)
        case ClientDisconnect():
            # The client has gone, so this answer only reaches the log.
            return Problem(Kind.MALFORMED, "The connection ended before the whole body had come.")
        case _:
            return Problem(Kind.INTERNAL)


def _store_problem(request: Request, error: StoreError) -> Problem:
    """Where the application runs inside a command, the command itself tells what is wrong with its ledger."""
    if (tell_command := request.app.state.on_store_error) is not None:
        tell_command(error)
        return Problem(Kind.UNAVAILABLE)
    is_gone = isinstance(error, LedgerGone)
    level = logging.DEBUG if is_gone else logging.ERROR  # that one is logged once, where it is noticed
    log.log(level, "store_unavailable", route=trace_of(request.scope).route, error=str(error))
    return with_retry_after(Problem(Kind.UNAVAILABLE, _GONE if is_gone else None), STORE_RETRY_S)


def _refusal_of_framework(request: Request, status: int) -> Problem:
    """Return the problem of an unknown path or method."""
    if status == 404:
        is_page = request.app.pages.is_page(request.scope)
        return Problem(Kind.NOT_FOUND, None if is_page else "No such address; see /openapi.json.")
    if status == 405:
        return Problem(Kind.METHOD, headers={"Allow": ", ".join(_methods(request))})
    return Problem(Kind.OTHER, status=status)


def _methods(request: Request) -> list[str]:
    """Return the methods of a path over all its routes; the framework would name those of the first one only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})
