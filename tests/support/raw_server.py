"""A server of bytes on a real socket: what it answers, and how it breaks off, is up to the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

#: Called for each whole request with the connection and the number of requests that this server has had, from 1.
Answering = Callable[["Peer", int], Awaitable[None]]


@dataclass(eq=False)
class Peer:
    """One connection. `gone` is set when the client has closed it."""

    writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST, so that the client's next read or write fails."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


@dataclass(eq=False)
class RawServer:
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/a"

    async def until_requests(self, count: int) -> None:
        async with self.came:
            await self.came.wait_for(lambda: len(self.requests) >= count)


def reply(body: bytes = b"ok", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", b"")
    return b"\r\n".join(lines) + body


def replying(raw: bytes) -> Answering:
    async def answer(peer: Peer, _: int) -> None:
        await peer.say(raw)

    return answer


async def hanging(peer: Peer, _: int) -> None:
    """Never an answer; the connection stays open until the client leaves."""
    await peer.gone.wait()


@asynccontextmanager
async def serving(answer: Answering) -> AsyncIterator[RawServer]:
    server = RawServer()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(writer)
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        task.add_done_callback(talks.discard)
        with suppress(ConnectionError, asyncio.CancelledError):
            await _serve_peer(server, answer, reader, peer)
        peer.gone.set()
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=256)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _serve_peer(server: RawServer, answer: Answering, reader: asyncio.StreamReader, peer: Peer) -> None:
    server.peers.append(peer)
    while request := await _read_request(reader):
        async with server.came:
            server.requests.append(request)
            server.came.notify_all()
        number = len(server.requests)
        watching = asyncio.create_task(_watch(reader, peer))
        try:
            await answer(peer, number)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _watch(reader: asyncio.StreamReader, peer: Peer) -> None:
    """Clients of these tests never send ahead, so while an answer is under way only an end can come."""
    while not reader.at_eof():
        await asyncio.sleep(0.005)
    peer.gone.set()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    return head + await reader.readexactly(length)
