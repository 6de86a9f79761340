"""The only outbound HTTP.

One call, one request on the wire: no redirect is followed, no cookie kept, no proxy or credential taken from the
environment, and no request repeated. httpx never repeats; aiohttp repeats on a stale connection only methods that are
idempotent by definition, which POST is not. The transport of httpx is used without its client, because the client
reads `Location` even when it does not follow it, and a malformed one would cost us the reply to a paid POST.

Every exception of the libraries is translated here by one question: may a byte of the request have been sent?
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
from submitter.http.messages import Headers, HttpCall, HttpReply
from submitter.http.reply_body import ReplyBody
from submitter.http.resolver import Names

#: Shorter than the 5 s after which common servers drop an idle connection: a POST that meets the drop is uncertain.
KEEPALIVE_S = 4.0

INTERIM_MOST = 16  # 1xx before an answer

_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,  # refused, unreachable, name not found, TLS failed
    aiohttp.ConnectionTimeoutError,  # connecting, or waiting for one of our own connections to be free
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)

_AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str | int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """`connect_s` includes waiting for a free connection; `whole_s` is from the call to the reply's last byte.

    `cut_replies`: keep the first `max_reply_bytes` of a longer reply instead of raising ReplyTooLarge.
    """

    connect_s: float = 5.0
    whole_s: float = 30.0
    max_reply_bytes: int = 8 * 1024 * 1024
    connections: int = 100
    cut_replies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileReply:
    """A reply whose body is still to come: `chunks` as they were sent, to be read once and only while it is open."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]

    def header(self, name: str) -> str | None:
        """First value of a header given in lower case."""
        return next((value for key, value in self.headers if key == name), None)


class Transport:
    """Made by `open_transport`. Any number of calls at once."""

    def __init__(self, inner: AiohttpTransport, limits: TransportLimits, guard: AddressGuard | None) -> None:
        self._inner = inner
        self._limits = limits
        self._guard = guard
        self._agent = f"whenfinal/{version('whenfinal')}"
        self._is_closed = False

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        """`timeout_s` takes the place of `whole_s`. Raise a kind of TransportError, and nothing else.

        Cancelling it closes the connection.
        """
        whole_s = self._limits.whole_s if timeout_s is None else timeout_s
        request = self._request(call, whole_s)
        with _translated(request.url.host, f"no whole reply within {whole_s:g} s"):
            async with asyncio.timeout(whole_s):
                return await self._exchange(request)

    @asynccontextmanager
    async def stream(self, call: HttpCall, *, idle_s: float) -> AsyncIterator[FileReply]:
        """A reply of any length, for a file: no cap, no gzip asked for, and `idle_s` bounds each wait for more of it.

        Raise a kind of TransportError, also while its chunks are read.
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
        """Everything that can be wrong with the call itself is found here, where surely nothing has been sent."""
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
    """Without a guard every address may be reached: for providers, whose addresses the operator sets."""
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
    """1xx after 1xx, each of which costs far more to read than to send."""


class _Response(aiohttp.ClientResponse):
    """Two ends that aiohttp leaves loose: 1xx answers without number, and a reason phrase that is no UTF-8.

    On the phrase, which nobody reads, the layer between aiohttp and httpx would fail.
    """

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        if protocol is None:
            raise aiohttp.ServerDisconnectedError
        read, answers = protocol.read, itertools.count()

        async def read_few() -> tuple[aiohttp.http.RawResponseMessage, aiohttp.StreamReader]:
            if next(answers) > INTERIM_MOST:
                raise TooManyInterimAnswers
            return await read()

        protocol.read = read_few  # type: ignore[method-assign]  # for this answer only
        try:
            started = await super().start(connection)
        finally:
            del protocol.read
        self.reason = None
        return started


class _GuardedResolver(AbstractResolver):
    """Refuses a name when any of its addresses is forbidden: which one is taken would be chance."""

    def __init__(self, guard: AddressGuard | None) -> None:
        self._guard = guard
        self._resolver = Names()

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
    """The last look, at the very address about to be reached: a literal host never meets the resolver."""

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

    async def following() -> bytes | None:
        with _translated(where, f"nothing more within {idle_s:g} s"):
            async with asyncio.timeout(idle_s):
                return await anext(parts, None)

    while (chunk := await following()) is not None:
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
    """By the exception of aiohttp beneath: httpx's kinds call a lost connection a connect timeout."""
    cause = error.__cause__
    told = f"{where}: {_words(cause)}"
    if isinstance(cause, _NEVER_CONNECTED):
        return ConnectFailed(told)
    if isinstance(cause, TimeoutError):
        return ExchangeTimeout(told)
    return ExchangeBroken(told)


def _words(cause: BaseException | None) -> str:
    """Never a library's own text as a whole: it may quote the address with its query, or bytes of the reply."""
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not to be trusted"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return cause.os_error.strerror or type(cause.os_error).__name__
    return type(cause).__name__


def _headers_of(response: httpx.Response) -> Headers:
    """Latin-1 takes any byte, so that an odd header never costs the reply."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw)
