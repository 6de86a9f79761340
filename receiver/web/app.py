"""The application: the endpoints behind the tracing middleware, and the answer to everything that a handler raises.

Callbacks come past the router: see `CallbackEntrance`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.config.settings import Settings
from receiver.runtime.background import commit_listener, snapshots, working
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import LedgerGone, StoreError
from receiver.web.bodies import Bodies
from receiver.web.bounded_lines import BoundedLines
from receiver.web.callbacks import receive_callback, tell_other_refusals
from receiver.web.endpoint import Endpoint, RequestContext
from receiver.web.middleware import Tracing, trace_of
from receiver.web.openapi import build_document
from receiver.web.problems import Kind, Problem, invalid, to_response, with_retry_after
from receiver.web.routes import ROUTES
from receiver.web.routes.callbacks import CALLBACK, SIGNED_CALLBACK
from receiver.web.schemas.tasks import AnyQuery, NoBody
from submitter.errors import InvalidRequest

log = structlog.get_logger(__name__)

#: Exceptions that are an answer; the middleware answers any other one.
EXPECTED = (Problem, InvalidRequest, StoreError, HTTPException, ClientDisconnect)

#: A locked ledger is free again within this time; with a full disk a caller only tries in vain.
STORE_RETRY_S = 2.0

_ANY_QUERY, _NO_BODY = AnyQuery(), NoBody()

_GONE = "The ledger's file was deleted, moved or replaced under this process. Its log names the file."


def create_app(settings: Settings, *, with_worker: bool, show_key: Callable[[str], None]) -> Starlette:
    """Return the application of a process; its lifespan opens and closes everything.

    `with_worker`: it also runs the periodic jobs. `show_key` gets the first API key when one is made.
    """

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        async with (
            open_services(settings, show_key=show_key) as services,
            commit_listener(services),
            snapshots(services),
            AsyncExitStack() as stack,
        ):
            if with_worker:
                await stack.enter_async_context(working(services))
            yield services

    return build_app(opened)


def build_app(open_services: Callable[[], AbstractAsyncContextManager[Services]]) -> Starlette:
    """Return the application over services that its lifespan opens."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with open_services() as services:
            app.state.bodies = Bodies.of(services.settings)
            app.state.refusal_lines = BoundedLines(tell_other_refusals)
            yield {"services": services}

    app = Starlette(
        routes=[_route(endpoint) for endpoint in ROUTES],
        middleware=[Middleware(Tracing), Middleware(CallbackEntrance)],
        exception_handlers=dict.fromkeys(EXPECTED, _answer_error),
        lifespan=lifespan,
    )
    # No provider would follow a redirect of its callback; `tidy_path` takes an added slash away.
    app.router.redirect_slashes = False
    app.state.openapi = build_document(ROUTES, version=version("whenfinal"))
    return app


class CallbackEntrance:
    """Takes callbacks past the router and its layers, which cost more than a callback does; answers stay the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["path"].split("/")[1:] if scope["type"] == "http" and scope["method"] == "POST" else []
        if address[:1] != ["callbacks"] or len(address) not in {2, 3}:
            await self._app(scope, receive, send)
            return
        endpoint = CALLBACK if len(address) == 3 else SIGNED_CALLBACK
        trace_of(scope).route = endpoint.path
        scope["path_params"] = dict(zip(("provider", "token"), address[1:], strict=False))
        request = Request(scope, receive)
        context = RequestContext(request=request, services=request.state.services, query=_ANY_QUERY, body=_NO_BODY)
        try:
            answer = await receive_callback(context)
        except EXPECTED as error:
            answer = await _answer_error(request, error)
        await answer(scope, receive, send)


def _route(endpoint: Endpoint) -> Route:
    route = Route(endpoint.path, endpoint.serve, methods=[endpoint.method])
    if endpoint.streams and route.methods is not None:
        route.methods.discard("HEAD")
    return route


async def _answer_error(request: Request, error: Exception) -> Response:
    return to_response(_problem_of(request, error), trace_of(request.scope).request_id)


def _problem_of(request: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case InvalidRequest():
            return invalid(Kind.INVALID, *error.violations)
        case StoreError():
            is_gone = isinstance(error, LedgerGone)
            level = logging.DEBUG if is_gone else logging.ERROR  # that one is logged once, where it is noticed
            log.log(level, "store_unavailable", route=trace_of(request.scope).route, error=str(error))
            return with_retry_after(Problem(Kind.UNAVAILABLE, _GONE if is_gone else None), STORE_RETRY_S)
        case HTTPException():
            return _refusal_of_framework(request, error.status_code)
        case ClientDisconnect():
            # The client has gone, so this answer only reaches the log.
            return Problem(Kind.MALFORMED, "The connection ended before the whole body had come.")
        case _:
            return Problem(Kind.INTERNAL)


def _refusal_of_framework(request: Request, status: int) -> Problem:
    """Return the problem of an unknown path or method."""
    if status == 404:
        return Problem(Kind.NOT_FOUND, "No such address; see /openapi.json.")
    if status == 405:
        return Problem(Kind.METHOD, headers={"Allow": ", ".join(_methods(request))})
    return Problem(Kind.OTHER, status=status)


def _methods(request: Request) -> list[str]:
    """Return the methods of a path over all its routes; the framework would name those of the first one only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})
