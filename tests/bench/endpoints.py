"""Endpoints of webhooks: `/hung/…` holds the connection and says nothing, all others answer 200 at once.

`python -m tests.bench.endpoints` prints its URL, and serves until its standard input ends. A request costs it a few
microseconds, so that it is not what a case measures.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _nothing(body: bytes) -> None:
    """Nobody wants the bodies."""


class Endpoint(asyncio.Protocol):
    """One connection. `take` gets the body of each request as soon as it is whole, before the answer."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._came = b""
        self._is_hung = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._came += data
        while not self._is_hung and (whole := _first(self._came)) is not None:
            head, end = whole
            self._is_hung = b" /hung/" in self._came[: self._came.index(b"\r\n")]
            body, self._came = self._came[head:end], self._came[end:]
            if not self._is_hung:
                self._take(body)
                self._transport.write(OK)


def _first(came: bytes) -> tuple[int, int] | None:
    """Where the body of the first request begins and ends; None until it is whole."""
    head = came.find(_END)
    if head < 0:
        return None
    length = _LENGTH.search(came, 0, head)
    end = head + len(_END) + (int(length[1]) if length else 0)
    return (head + len(_END), end) if len(came) >= end else None


@asynccontextmanager
async def open_endpoints(take: Callable[[bytes], None] = _nothing) -> AsyncIterator[str]:
    """In this process, at the URL that is given."""
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(take), "127.0.0.1", 0, backlog=1024)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def serve() -> None:
    async with open_endpoints() as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve())
