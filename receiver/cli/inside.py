"""The API inside the command's own process, on the ledger of its settings: no server, no socket.

A command uses the same client here as against a running service, so its output is the same.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import ASGIApp

from receiver.config.settings import Settings
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import StoreError
from receiver.web.application import NO_PAGES, make_application
from receiver.web.auth import CALLER, COMMAND_LINE
from receiver.web.streaming import EndedEarly

#: The host of the addresses that the client makes; nothing is sent there.
URL = "http://whenfinal"

_KEY = "none"  # the caller is the shell, so no key is compared

Message = MutableMapping[str, Any]


@dataclass(slots=True, eq=False)
class InsideTransport(httpx.AsyncBaseTransport):
    """Answers requests by the application, as they are read: a stream comes part by part.

    What kept the application from its ledger is raised as it is, instead of an answer that leaves out what went wrong.
    """

    app: ASGIApp
    #: What the lifespan gives each request.
    state: Mapping[str, Any]
    store_errors: list[StoreError] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        exchange = _Exchange(body=body)
        working = asyncio.create_task(self._answer(self._scope(request), exchange))
        working.add_done_callback(lambda _: exchange.messages.put_nowait(None))
        try:
            start = await exchange.messages.get()
        except asyncio.CancelledError:
            await _ended(working, exchange)
            raise
        if self.store_errors:
            await _ended(working, exchange)
            raise self.store_errors.pop()
        if start is None:
            await working
            raise httpx.RemoteProtocolError("the application gave no answer")
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(exchange, working))

    async def _answer(self, scope: dict[str, Any], exchange: "_Exchange") -> None:
        await self.app(scope, exchange.receive, exchange.send)

    def _scope(self, request: httpx.Request) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "server": (request.url.host, 80),
            "client": ("127.0.0.1", 0),
            "state": dict(self.state),
            CALLER: COMMAND_LINE,
        }


@dataclass(slots=True, kw_only=True, eq=False)
class _Exchange:
    """One request on its way into the application, and the parts of its answer on their way out."""

    body: bytes
    #: None after the last one.
    messages: asyncio.Queue[Message | None] = field(default_factory=asyncio.Queue)
    is_left: asyncio.Event = field(default_factory=asyncio.Event)
    _is_sent: bool = False

    async def receive(self) -> Message:
        if self._is_sent:
            await self.is_left.wait()
            return {"type": "http.disconnect"}
        self._is_sent = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        await self.messages.put(message)


class _Body(httpx.AsyncByteStream):
    def __init__(self, exchange: _Exchange, working: asyncio.Task[None]) -> None:
        self._exchange, self._working = exchange, working

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._exchange.messages.get()
            if message is None:
                await _whole(self._working)
                return
            if message["type"] == "http.response.body":
                yield message.get("body", b"")
                if not message.get("more_body", False):
                    return

    async def aclose(self) -> None:
        await _ended(self._working, self._exchange)


async def _whole(working: asyncio.Task[None]) -> None:
    """Raise RemoteProtocolError for an answer that broke off, as over a connection."""
    try:
        await working
    except EndedEarly as error:
        raise httpx.RemoteProtocolError(str(error)) from error


async def _ended(working: asyncio.Task[None], exchange: _Exchange) -> None:
    """The application notices that the reader has gone, and comes to its end before this is cancelled.

    The ledger is closed then, and what a request has done at a provider must be in it.
    """
    exchange.is_left.set()
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


@asynccontextmanager
async def inside(settings: Settings, *, creating: bool, polling: bool) -> AsyncIterator[InsideTransport]:
    """Open the ledger and the providers, and the application over them. Raise as `open_services`.

    `polling`: the process polls and delivers as a worker does, until it is left.
    """

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        async with open_services(settings, migrating=creating) as services, AsyncExitStack() as stack:
            if polling:
                from receiver.runtime.background import commit_listener, working  # most commands do without a scheduler

                await stack.enter_async_context(commit_listener(services))
                await stack.enter_async_context(working(services))
            yield services

    app = make_application(opened, pages=NO_PAGES, takes_on_runs=False)
    async with app.router.lifespan_context(app) as state:
        transport = InsideTransport(app=app, state=dict(state or {}))
        app.state.on_store_error = transport.store_errors.append
        yield transport
