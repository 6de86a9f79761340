"""An endpoint in the process of the bench itself: each request is answered 200 at once, and its body is handed on."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Sink(asyncio.Protocol):
    """One connection. `take` gets the body of each request as soon as it is whole."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received += data
        head, end, body = self._received.partition(_END)
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        self._take(body)
        self._transport.write(_ANSWER)


@asynccontextmanager
async def open_sink(take: Callable[[bytes], None]) -> AsyncIterator[str]:
    """Give its URL."""
    server = await asyncio.get_running_loop().create_server(lambda: Sink(take), "127.0.0.1", 0, backlog=1024)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
