"""Send HTTP requests: one request on the wire for each call.

No redirect is followed, no cookie is stored, no proxy or credential is read from the environment, and no request is
repeated. httpx never repeats a request; aiohttp repeats one on a stale connection only if its method is idempotent by
definition, which POST is not. The httpx transport is used without the httpx client, because the client parses
`Location` even when it does not follow it, and a malformed one would lose the reply to a paid POST.

Every exception of the libraries is translated by one question: can a byte of the request have been sent?
"""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from ipaddress import ip_address

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from submitter.errors import AddressForbidden, ConnectFailed, ExchangeBroken, ExchangeTimeout, TransportError
from submitter.http.address_guard import AddressGuard, literal_address
from submitter.http.messages import Headers, HttpCall, HttpReply, Received
from submitter.http.reply_body import ReplyBody
from submitter.http.resolver import ThreadedResolver

#: Shorter than the 5 s after which common servers close an idle connection, because a POST sent into the closing
#: connection is uncertain.
KEEPALIVE_S = 4.0

INTERIM_MOST = 16  # 1xx responses before the final one

_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,  # refused, unreachable, name not found, TLS failed
    aiohttp.ConnectionTimeoutError,  # while connecting, or while waiting for a free connection of our own
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)

_AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str | int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """The limits of one transport."""

    #: For connecting, the wait for a free connection included.
    connect_s: float = 5.0
    #: From the call to the last byte of the reply.
    whole_s: float = 30.0
    max_reply_bytes: int = 8 * 1024 * 1024
    #: Open at the same time.
    connections: int = 100
    #: Cut a longer reply at `max_reply_bytes` instead of raising ReplyTooLarge.
    cut_replies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileReply(Received):
    """A reply whose body has not been read yet."""

    status: int
    #: The body, not decompressed; can be read once, while the reply is open.
    chunks: AsyncIterator[bytes]


class Transport:
    """Sends requests, any number at once. Made by `open_transport`."""

    def __init__(self, inner: AiohttpTransport, limits: TransportLimits, guard: AddressGuard | None) -> None:
        self._inner = inner
        self._limits = limits
        self._guard = guard
        self._agent = f"whenfinal/{version('whenfinal')}"
        self._is_closed = False

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        """Send a request and return the whole reply. Raise a kind of TransportError, and nothing else.

        `timeout_s` replaces the limit `whole_s`. Cancellation closes the connection.
        """
        whole_s = self._limits.whole_s if timeout_s is None else timeout_s
        request = self._request(call, whole_s)
        with _translated(request.url.host, f"no whole reply within {whole_s:g} s"):
            async with asyncio.timeout(whole_s):
                return await self._exchange(request)

    @asynccontextmanager
    async def stream(self, call: HttpCall, *, idle_s: float) -> AsyncIterator[FileReply]:
        """Send a request for a file, whose reply may have any length. gzip is not requested.

        `idle_s` limits the wait for the headers and for each chunk. Raise a kind of TransportError, also while the
        chunks are read.
        """
        unpacked = replace(call, headers=(*call.headers, ("accept-encoding", "identity")))
        request = self._request(unpacked, idle_s)
        with _translated(request.url.host, f"no reply within {idle_s:g} s"):
            async with asyncio.timeout(idle_s):
                response = await self._inner.handle_async_request(request)
        try:
            chunks = _chunks(response, request.url.host, idle_s)
            yield FileReply(status=response.status_code, headers=_headers_of(response), chunks=chunks)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        self._is_closed = True
        await self._inner.aclose()

    def _request(self, call: HttpCall, whole_s: float) -> httpx.Request:
        """Build the request. Every fault of the call itself is found here, where nothing has been sent."""
        if self._is_closed:
            raise ConnectFailed("the transport is closed")
        if any(set(name + value) & {"\r", "\n", "\0"} for name, value in call.headers):
            raise ConnectFailed("a header holds a line break or NUL")
        connect_s = min(self._limits.connect_s, whole_s)
        timeout = {"connect": connect_s, "pool": connect_s, "read": None, "write": None}
        try:
            request = httpx.Request(
                call.method, call.url, headers=self._headers(call), content=call.body, extensions={"timeout": timeout}
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise ConnectFailed(f"the call can not be written as HTTP: {type(error).__name__}") from error
        self._check_host(request.url)
        return request

    def _headers(self, call: HttpCall) -> list[tuple[str, str]]:
        ours = (("user-agent", self._agent), ("accept", "*/*"), ("accept-encoding", "gzip"))
        given = {name.lower() for name, _ in call.headers}
        return [*(pair for pair in ours if pair[0] not in given), *call.headers]

    def _check_host(self, url: httpx.URL) -> None:
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            raise ConnectFailed("not an http address, or one with a user name")
        address = literal_address(url.host) if self._guard else None
        if address is not None:
            _guard_address(self._guard, str(address))

    async def _exchange(self, request: httpx.Request) -> HttpReply:
        response = await self._inner.handle_async_request(request)
        try:
            body = await self._read(response)
        finally:
            await response.aclose()
        headers = _headers_of(response)
        return HttpReply(status=response.status_code, headers=headers, body=body)

    async def _read(self, response: httpx.Response) -> bytes:
        body = ReplyBody(
            cap_bytes=self._limits.max_reply_bytes,
            cutting=self._limits.cut_replies,
            coding=response.headers.get("content-encoding"),
        )
        async for chunk in response.aiter_raw():
            body.feed(chunk)
            if body.is_full:
                break
        return body.end()


@asynccontextmanager
async def open_transport(limits: TransportLimits, guard: AddressGuard | None = None) -> AsyncIterator[Transport]:
    """Open a transport. Without a guard it reaches every address, as for providers, whose URLs the operator sets."""
    tls = httpx.create_ssl_context(trust_env=False)
    resolver = _GuardedResolver(guard)
    connector = aiohttp.TCPConnector(
        limit=limits.connections,
        keepalive_timeout=KEEPALIVE_S,
        ssl=tls,
        resolver=resolver,
        socket_factory=_guarded_sockets(guard),
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        response_class=_Response,
        skip_auto_headers=("Content-Type",),
    )
    transport = Transport(AiohttpTransport(verify=tls, trust_env=False, client=session), limits, guard)
    try:
        yield transport
    finally:
        await transport.aclose()
        await resolver.close()


class TooManyInterimAnswers(aiohttp.ClientError):
    """The server sends 1xx responses without end. Each costs far more to read than to send."""


class _Response(aiohttp.ClientResponse):
    """Adds to aiohttp a limit for 1xx responses, and drops the reason phrase.

    A phrase that is not UTF-8 would make httpx_aiohttp fail, and the phrase is not used.
    """

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        if protocol is None:
            raise aiohttp.ServerDisconnectedError
        read, responses = protocol.read, itertools.count()

        async def read_limited() -> tuple[aiohttp.http.RawResponseMessage, aiohttp.StreamReader]:
            if next(responses) > INTERIM_MOST:
                raise TooManyInterimAnswers
            return await read()

        protocol.read = read_limited  # type: ignore[method-assign]  # for this response only
        try:
            started = await super().start(connection)
        finally:
            del protocol.read
        self.reason = None
        return started


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
            _guard_address(self._guard, each["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _guarded_sockets(guard: AddressGuard | None) -> aiohttp.SocketFactoryType:
    """Return a socket factory that checks the address of each connection, because IP literals skip the resolver."""

    def make(info: _AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        _guard_address(guard, str(address[0]))
        return socket.socket(family, kind, protocol)

    return make


def _guard_address(guard: AddressGuard | None, text: str) -> None:
    kind = guard.forbids(ip_address(text)) if guard else None
    if kind is not None:
        raise AddressForbidden(f"the address {text} is {kind}")


async def _chunks(response: httpx.Response, where: str, idle_s: float) -> AsyncIterator[bytes]:
    parts = response.aiter_raw()

    async def next_chunk() -> bytes | None:
        with _translated(where, f"nothing more within {idle_s:g} s"):
            async with asyncio.timeout(idle_s):
                return await anext(parts, None)

    while (chunk := await next_chunk()) is not None:
        yield chunk


@contextmanager
def _translated(where: str, late: str) -> Iterator[None]:
    try:
        yield
    except TransportError:
        raise
    except TimeoutError as error:
        raise ExchangeTimeout(f"{where}: {late}") from error
    except httpx.HTTPError as error:
        raise _translate(error, where) from error
    except Exception as error:  # a library's own fault after the request may have left
        raise ExchangeBroken(f"{where}: {type(error).__name__}") from error


def _translate(error: httpx.HTTPError, where: str) -> TransportError:
    """Translate by aiohttp's exception, the cause, because httpx calls some lost connections a connect timeout."""
    cause = error.__cause__
    message = f"{where}: {_reason(cause)}"
    if isinstance(cause, _NEVER_CONNECTED):
        return ConnectFailed(message)
    if isinstance(cause, TimeoutError):
        return ExchangeTimeout(message)
    return ExchangeBroken(message)


def _reason(cause: BaseException | None) -> str:
    """Never return a library's whole message: it can contain the URL with its query, or bytes of the reply."""
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not to be trusted"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return cause.os_error.strerror or type(cause.os_error).__name__
    return type(cause).__name__


def _headers_of(response: httpx.Response) -> Headers:
    """Decode as Latin-1, which accepts any byte, so that no odd header loses the reply."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw)
