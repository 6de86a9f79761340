"""`/metrics` in the form of Prometheus: a route of `serve` and `web`, and a small server of its own in `worker`.

A scrape is answered from memory. It never reads the ledger, so it works while the ledger is locked; then the gauges are
those of the last snapshot, and `whenfinal_snapshot_timestamp_seconds` says of when that is.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.config.api_keys import Scope
from receiver.runtime.keyring import keys_read
from receiver.runtime.services import Services
from receiver.web.auth import caller_of, check_scope, check_unlimited, token_of
from receiver.web.endpoint import RequestContext
from receiver.web.middleware import Tracing, trace_of
from receiver.web.problems import Kind, Problem, to_response
from receiver.web.schemas.tasks import AnyQuery, NoBody
from receiver.web.server import Unsignalled, server_config

PATH = "/metrics"

_ELSEWHERE = "This process answers /metrics only."


async def show_metrics(context: RequestContext[AnyQuery, NoBody]) -> Response:
    """Raise a 401 or 403 problem unless the key may read or the setting opens it."""
    return _metrics(context.request, context.services)


def _metrics(request: Request, services: Services) -> Response:
    if services.settings.metrics.access == "key":
        key = services.keyring.known(token_of(request.scope))  # from memory, as all of the answer is
        caller = caller_of(key)
        trace_of(request.scope).key = caller.name
        check_scope(caller, Scope.READ)
        check_unlimited(caller)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    text = encode(services.metrics.registry)
    return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


@asynccontextmanager
async def serving_metrics(listener: socket.socket, services: Services) -> AsyncIterator[None]:
    """Answer `/metrics`, and nothing else, on this socket."""

    async def show(request: Request) -> Response:
        trace_of(request.scope).route = PATH
        try:
            return _metrics(request, services)
        except Problem as problem:
            return to_response(problem, trace_of(request.scope).request_id)

    app = Starlette(
        routes=[Route(PATH, show)], middleware=[Middleware(Tracing)], exception_handlers={HTTPException: _refused}
    )
    server = Unsignalled(server_config(app), state={"services": services})
    running = asyncio.create_task(server.serve(sockets=[listener]))
    async with keys_read(services.keyring):
        try:
            yield
        finally:
            server.should_exit = True
            await running


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kinds = {404: Problem(Kind.NOT_FOUND, _ELSEWHERE), 405: Problem(Kind.METHOD, headers={"Allow": "GET, HEAD"})}
    problem = kinds.get(status, Problem(Kind.OTHER, status=status))
    return to_response(problem, trace_of(request.scope).request_id)
