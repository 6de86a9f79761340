"""The connections of a transport: which addresses they may reach, and how the bytes of a reply are taken.

aiohttp's own reader gives up a reply for a header over 8190 bytes, for a repeated Content-Length and for a body that
breaks off. `_Connection` hands it a head that it reads, and takes a cut body as far as it came.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from submitter.errors import AddressForbidden
from submitter.http.address_guard import AddressGuard
from submitter.http.reply_head import HEAD_CAP_BYTES, LINES_CAP, HeadUnreadable, ReplyHead
from submitter.http.resolver import ThreadedResolver

#: Shorter than the 5 s after which common servers close an idle connection, because a POST sent into the closing
#: connection is uncertain.
KEEPALIVE_S = 4.0

_AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str | int, ...]]


class BadHead(aiohttp.ClientError):
    """The head of the reply cannot be read. The message is ours."""


class Connection(ResponseHandler):
    """aiohttp's connection, with a reader of heads before its parser.

    `was_cut` tells whether the last body ended before its stated end.
    """

    was_cut = False
    #: How many requests were sent over it.
    requests = 0
    _head: ReplyHead | None = None
    _ends_with_connection = False

    def set_response_params(self, **given: Any) -> None:  # noqa: ANN401 - aiohttp names and changes its own
        """A request is about to be sent, so that the next bytes are the head of its reply."""
        self._head, self.was_cut = ReplyHead(), False
        self.requests += 1
        super().set_response_params(**given)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket. The head goes to the parser alone, because an error behind it would lose it."""
        reading = self._head
        if reading is None or not data:
            super().data_received(data)
            return
        try:
            read = reading.feed(data)
        except HeadUnreadable as error:
            self._head = None
            if self.transport is not None:
                self.transport.close()
            self.set_exception(BadHead(str(error)))
            return
        if read is not None:
            head, rest = read
            self._head, self._ends_with_connection = None, reading.ends_with_connection
            super().data_received(head)
            if rest:
                super().data_received(rest)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End a body that is cut here, so that its reader gets what came of it; aiohttp would throw that away."""
        payload = self._payload
        if payload is not None and not payload.is_eof():
            self.was_cut = exc is not None or not self._ends_with_connection
            if self.was_cut:
                self._payload = None
                payload.feed_eof()
        super().connection_lost(exc)


#: The connection of the request that is being sent in this context.
current_connection: ContextVar[Connection | None] = ContextVar("current_connection", default=None)


class Response(aiohttp.ClientResponse):
    """Tells the sender of the request which connection its reply comes over."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if isinstance(connection.protocol, Connection):
            current_connection.set(connection.protocol)
        return await super().start(connection)


class Connector(aiohttp.TCPConnector):
    """Makes connections that take odd replies, only to addresses that the guard allows."""

    def __init__(self, guard: AddressGuard | None, *, limit: int, tls: ssl.SSLContext) -> None:
        super().__init__(
            limit=limit,
            keepalive_timeout=KEEPALIVE_S,
            ssl=tls,
            resolver=_GuardedResolver(guard),
            socket_factory=_guarded_sockets(guard),
        )
        self._factory = partial(_new_connection, loop=self._loop)


def _new_connection(*, loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return Connection(loop=loop)


def open_session(connector: Connector) -> aiohttp.ClientSession:
    """Open a session that adds nothing to a request and changes nothing of a reply."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        response_class=Response,
        skip_auto_headers=("Content-Type",),
        max_line_size=HEAD_CAP_BYTES,
        max_field_size=HEAD_CAP_BYTES,
        max_headers=LINES_CAP + 2,
    )


def guard_address(guard: AddressGuard | None, text: str) -> None:
    """Raise AddressForbidden for an address that the guard forbids."""
    kind = guard.forbids(ip_address(text)) if guard else None
    if kind is not None:
        raise AddressForbidden(f"the address {text} is {kind}")


class _GuardedResolver(AbstractResolver):
    """Refuses a name if any of its addresses is forbidden, because the address that is used is chosen at random."""

    def __init__(self, guard: AddressGuard | None) -> None:
        self._guard = guard
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            found = await self._resolver.resolve(host, port, family)
        except UnicodeError as error:  # a label that is empty or too long
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
        for each in found:
            guard_address(self._guard, each["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _guarded_sockets(guard: AddressGuard | None) -> Callable[[_AddrInfo], socket.socket]:
    """Return a socket factory that checks the address of each connection, because IP literals skip the resolver."""

    def make(info: _AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        guard_address(guard, str(address[0]))
        return socket.socket(family, kind, protocol)

    return make
