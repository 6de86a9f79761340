"""Send HTTP requests: one request on the wire for each call.

No redirect is followed, no cookie is stored, no proxy or credential is read from the environment, and no request is
repeated: aiohttp repeats one on a stale connection only if its method is idempotent by definition, which POST is not.
aiohttp is used without httpx in front of it, because httpx takes more processor time for a request than aiohttp does.

Every exception of the library is translated by one question: can a byte of the request have been sent?
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version

import aiohttp
import certifi
from yarl import URL

from submitter.errors import ConnectFailed, ExchangeBroken, ExchangeTimeout, TransportError
from submitter.http.address_guard import AddressGuard, literal_address
from submitter.http.connector import BadHead, Connection, Connector, current_connection, guard_address, open_session
from submitter.http.messages import Headers, HttpCall, HttpReply, Received
from submitter.http.reply_body import ReplyBody
from submitter.http.time_limit import time_limit

HOSTS_REMEMBERED = 1024  # that the guard has allowed as they are written

_LINE_END = re.compile(r"[\r\n\0]")

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

    def __init__(self, session: aiohttp.ClientSession, limits: TransportLimits, guard: AddressGuard | None) -> None:
        self._session = session
        self._limits = limits
        self._ours = {"user-agent": f"whenfinal/{version('whenfinal')}", "accept": "*/*", "accept-encoding": "gzip"}
        self._is_closed = False

        @lru_cache(maxsize=HOSTS_REMEMBERED)
        def check_host(host: str) -> None:
            address = literal_address(host) if guard else None
            if address is not None:
                guard_address(guard, str(address))

        self._check_host = check_host

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        """Send a request and return the reply. Raise a kind of TransportError, and nothing else.

        Once status and headers are read there is a reply: what then breaks off, hangs or cannot be unpacked gives a
        body that is not complete. `timeout_s` replaces the limit `whole_s`. Cancellation closes the connection.
        """
        whole_s = self._limits.whole_s if timeout_s is None else timeout_s
        deadline_s = asyncio.get_running_loop().time() + whole_s
        response = await self._open(call, whole_s)
        connection = current_connection.get()
        headers = _headers_of(response)
        async with response:
            body, is_complete = await self._read(response, headers, deadline_s)
        return HttpReply(
            status=response.status,
            headers=headers,
            body=body,
            is_complete=is_complete and not (connection is not None and connection.was_cut),
        )

    @asynccontextmanager
    async def stream(self, call: HttpCall, *, idle_s: float) -> AsyncIterator[FileReply]:
        """Send a request for a file, whose reply may have any length. gzip is not requested.

        `idle_s` limits the wait for the headers and for each chunk. Raise a kind of TransportError, also while the
        chunks are read.
        """
        response = await self._open(replace(call, headers=(*call.headers, ("accept-encoding", "identity"))), idle_s)
        connection = current_connection.get()
        async with response:
            chunks = _chunks(response, idle_s, connection)
            yield FileReply(status=response.status, headers=_headers_of(response), chunks=chunks)

    async def aclose(self) -> None:
        self._is_closed = True
        await self._session.close()

    async def _open(self, call: HttpCall, whole_s: float) -> aiohttp.ClientResponse:
        """Send a request and wait for the head of its reply."""
        url, headers = self._checked(call)
        connect_s = min(self._limits.connect_s, whole_s)
        with _translated(url.host or "", f"no reply within {whole_s:g} s"):
            async with time_limit(asyncio.get_running_loop().time() + whole_s):
                return await self._session.request(
                    call.method,
                    url,
                    headers=headers,
                    data=call.body or None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(connect=connect_s, sock_connect=connect_s),
                )

    def _checked(self, call: HttpCall) -> tuple[URL, list[tuple[str, str]]]:
        """Return address and headers. Every fault of the call itself is found here, where nothing has been sent."""
        if self._is_closed:
            raise ConnectFailed("the transport is closed")
        text = "".join([part for pair in call.headers for part in pair])
        if _LINE_END.search(text):
            raise ConnectFailed("a header holds a line break or NUL")
        try:
            text.encode("ascii")
            url = URL(call.url)
            host = url.host or ""
        except (ValueError, TypeError) as error:
            raise ConnectFailed(f"the call can not be written as HTTP: {type(error).__name__}") from error
        if url.scheme not in {"http", "https"} or not host or url.raw_user or url.raw_password:
            raise ConnectFailed("not an http address, or one with a user name")
        self._check_host(host)
        given = {name.lower() for name, _ in call.headers}
        return url, [*(pair for pair in self._ours.items() if pair[0] not in given), *call.headers]

    async def _read(self, response: aiohttp.ClientResponse, headers: Headers, deadline_s: float) -> tuple[bytes, bool]:
        """Return what there is of the body, and whether that is all of it."""
        coding = ", ".join([value for name, value in headers if name == "content-encoding"])
        body = ReplyBody(cap_bytes=self._limits.max_reply_bytes, coding=coding)
        if self._limits.body_s is not None:
            deadline_s = min(deadline_s, asyncio.get_running_loop().time() + self._limits.body_s)
        try:
            with _translated("", ""):
                if response.content.is_eof():  # all of it came with the head
                    body.feed(response.content.read_nowait())
                    return body.end()
                async with time_limit(deadline_s):
                    while not body.is_full and (chunk := await response.content.readany()):
                        body.feed(chunk)
        except TransportError:
            return body.end()[0], False
        return body.end()


@asynccontextmanager
async def open_transport(limits: TransportLimits, guard: AddressGuard | None = None) -> AsyncIterator[Transport]:
    """Open a transport. Without a guard it reaches every address, as for providers, whose URLs the operator sets."""
    tls = ssl.create_default_context(cafile=certifi.where())
    session = open_session(Connector(guard, limit=limits.connections, tls=tls))
    transport = Transport(session, limits, guard)
    try:
        yield transport
    finally:
        await transport.aclose()


async def _chunks(
    response: aiohttp.ClientResponse, idle_s: float, connection: Connection | None
) -> AsyncIterator[bytes]:
    where = response.url.host or ""

    async def next_chunk() -> bytes:
        with _translated(where, f"nothing more within {idle_s:g} s"):
            async with time_limit(asyncio.get_running_loop().time() + idle_s):
                return await response.content.readany()

    while chunk := await next_chunk():
        yield chunk
    if connection is not None and connection.was_cut:
        raise ExchangeBroken(f"{where}: the connection ended before the whole file")


@contextmanager
def _translated(where: str, late: str) -> Iterator[None]:
    try:
        yield
    except TransportError:
        raise
    except _NEVER_CONNECTED as error:
        raise ConnectFailed(f"{where}: {_reason(error)}") from error
    except aiohttp.ServerTimeoutError as error:
        raise ExchangeTimeout(f"{where}: {type(error).__name__}") from error
    except TimeoutError as error:
        raise ExchangeTimeout(f"{where}: {late}") from error
    except BadHead as error:
        raise ExchangeBroken(f"{where}: {error}") from error
    except Exception as error:  # the library's own fault after the request may have left
        raise ExchangeBroken(f"{where}: {type(error).__name__}") from error


def _reason(cause: BaseException) -> str:
    """Never return a library's whole message: it can contain the URL with its query, or bytes of the reply."""
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not to be trusted"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return cause.os_error.strerror or type(cause.os_error).__name__
    return type(cause).__name__


def _headers_of(response: aiohttp.ClientResponse) -> Headers:
    """Decode as Latin-1, which accepts any byte, so that no odd header loses the reply."""
    return tuple([(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers])
