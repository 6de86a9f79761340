"""Send HTTP requests: one request on the wire for each call.

No redirect is followed, no cookie is stored, no proxy or credential is read from the environment, and no request is
repeated. httpx never repeats a request; aiohttp repeats one on a stale connection only if its method is idempotent by
definition, which POST is not. The httpx transport is used without the httpx client, because the client parses
`Location` even when it does not follow it, and a malformed one would lose the reply to a paid POST.

Every exception of the libraries is translated by one question: can a byte of the request have been sent?
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from importlib.metadata import version

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from submitter.errors import ConnectFailed, ExchangeBroken, ExchangeTimeout, TransportError
from submitter.http.address_guard import AddressGuard, literal_address
from submitter.http.connector import BadHead, Connection, Connector, current_connection, guard_address, open_session
from submitter.http.messages import Headers, HttpCall, HttpReply, Received
from submitter.http.reply_body import ReplyBody
from submitter.http.time_limit import time_limit

REMEMBERED = 1024  # addresses that were read, and hosts that were found allowed

_LINE_END = re.compile(r"[\r\n\0]")

_read_url = lru_cache(maxsize=REMEMBERED)(httpx.URL)

_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,  # refused, unreachable, name not found, TLS failed
    aiohttp.ConnectionTimeoutError,  # while connecting, or while waiting for a free connection of our own
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """The limits of one transport."""

    #: For connecting, the wait for a free connection included.
    connect_s: float = 5.0
    #: From the call to the last byte of the reply.
    whole_s: float = 30.0
    #: For the body alone, where only the status counts; None: up to `whole_s`.
    body_s: float | None = None
    #: A longer reply is cut there.
    max_reply_bytes: int = 8 * 1024 * 1024
    #: Open at the same time.
    connections: int = 100


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
        self._ours = (
            ("user-agent", f"whenfinal/{version('whenfinal')}"),
            ("accept", "*/*"),
            ("accept-encoding", "gzip"),
        )
        self._is_closed = False
        #: Called when a reply has begun, with whether its connection was used before.
        self.on_reply: Callable[[bool], None] = lambda _is_reused: None
        self._check_host = lru_cache(maxsize=REMEMBERED)(partial(_check_literal, guard))

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        """Send a request and return the reply. Raise a kind of TransportError, and nothing else.

        Once status and headers are read there is a reply: what then breaks off, hangs or cannot be unpacked gives a
        body that is not complete. `timeout_s` replaces the limit `whole_s`. Cancellation closes the connection.
        """
        whole_s = self._limits.whole_s if timeout_s is None else timeout_s
        deadline_s = asyncio.get_running_loop().time() + whole_s
        request = self._request(call, whole_s)
        with _translated(request.url.host, f"no reply within {whole_s:g} s"):
            async with time_limit(deadline_s):
                response = await self._inner.handle_async_request(request)
        connection = current_connection.get()
        self.on_reply(connection is not None and connection.requests > 1)
        try:
            body, is_complete = await self._read(response, deadline_s)
        finally:
            await response.aclose()
        return HttpReply(
            status=response.status_code,
            headers=_headers_of(response),
            body=body,
            is_complete=is_complete and not (connection is not None and connection.was_cut),
        )

    @asynccontextmanager
    async def stream(self, call: HttpCall, *, idle_s: float) -> AsyncIterator[FileReply]:
        """Send a request for a file, whose reply may have any length. gzip is not requested.

        `idle_s` limits the wait for the headers and for each chunk. Raise a kind of TransportError, also while the
        chunks are read.
        """
        unpacked = replace(call, headers=(*call.headers, ("accept-encoding", "identity")))
        request = self._request(unpacked, idle_s)
        with _translated(request.url.host, f"no reply within {idle_s:g} s"):
            async with time_limit(asyncio.get_running_loop().time() + idle_s):
                response = await self._inner.handle_async_request(request)
        connection = current_connection.get()
        try:
            chunks = _chunks(response, request.url.host, idle_s, connection)
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
        if any(_LINE_END.search(part) for pair in call.headers for part in pair):
            raise ConnectFailed("a header holds a line break or NUL")
        connect_s = min(self._limits.connect_s, whole_s)
        timeout = {"connect": connect_s, "pool": connect_s, "read": None, "write": None}
        try:
            request = httpx.Request(
                call.method,
                _read_url(call.url),
                headers=self._headers(call),
                content=call.body,
                extensions={"timeout": timeout},
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise ConnectFailed(f"the call can not be written as HTTP: {type(error).__name__}") from error
        if request.url.scheme not in {"http", "https"} or not request.url.host or request.url.userinfo:
            raise ConnectFailed("not an http address, or one with a user name")
        self._check_host(request.url.host)
        return request

    def _headers(self, call: HttpCall) -> list[tuple[str, str]]:
        given = {name.lower() for name, _ in call.headers}
        return [*(pair for pair in self._ours if pair[0] not in given), *call.headers]

    async def _read(self, response: httpx.Response, deadline_s: float) -> tuple[bytes, bool]:
        """Return what there is of the body, and whether that is all of it."""
        body = ReplyBody(cap_bytes=self._limits.max_reply_bytes, coding=response.headers.get("content-encoding"))
        if self._limits.body_s is not None:
            deadline_s = min(deadline_s, asyncio.get_running_loop().time() + self._limits.body_s)
        try:
            with _translated("", ""):
                async with time_limit(deadline_s):
                    async for chunk in _stream_of(response):
                        body.feed(chunk)
                        if body.is_full:
                            break
        except TransportError:
            return body.end()[0], False
        return body.end()


def _check_literal(guard: AddressGuard | None, host: str) -> None:
    """Raise AddressForbidden for a host that is an address which the guard forbids. Names are checked when found."""
    address = literal_address(host) if guard else None
    if address is not None:
        guard_address(guard, str(address))


@cache
def tls_context() -> ssl.SSLContext:
    """The certificates that are trusted, read once for a process: that takes longer than opening all else here."""
    return httpx.create_ssl_context(trust_env=False)


@asynccontextmanager
async def open_transport(limits: TransportLimits, guard: AddressGuard | None = None) -> AsyncIterator[Transport]:
    """Open a transport. Without a guard it reaches every address, as for providers, whose URLs the operator sets."""
    tls = tls_context()
    session = open_session(Connector(guard, limit=limits.connections, tls=tls))
    transport = Transport(AiohttpTransport(verify=tls, trust_env=False, client=session), limits, guard)
    try:
        yield transport
    finally:
        await transport.aclose()


async def _chunks(
    response: httpx.Response, where: str, idle_s: float, connection: Connection | None
) -> AsyncIterator[bytes]:
    parts = aiter(_stream_of(response))

    async def next_chunk() -> bytes | None:
        with _translated(where, f"nothing more within {idle_s:g} s"):
            async with time_limit(asyncio.get_running_loop().time() + idle_s):
                return await anext(parts, None)

    while (chunk := await next_chunk()) is not None:
        yield chunk
    if connection is not None and connection.was_cut:
        raise ExchangeBroken(f"{where}: the connection ended before the whole file")


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
    except BadHead as error:
        raise ExchangeBroken(f"{where}: {error}") from error
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


def _stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    """The body as it comes, without the chunks that httpx would make of it."""
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError("the stream of an asynchronous transport")
    return response.stream


def _headers_of(response: httpx.Response) -> Headers:
    """Decode as Latin-1, which accepts any byte, so that no odd header loses the reply."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw)
