"""A wire to Postgres that is as long as one likes, and counts the statements that go over it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

CHUNK = 262_144
EXECUTE = ord("E")  # a message of the extended protocol, which a pipeline speaks
HEAD = 5  # a message's type and its length, which counts itself


@dataclass(slots=True, kw_only=True, eq=False)
class Wire:
    """`delay_s` each way; it may be changed while nothing is on its way. `statements`: those that were executed."""

    host: str
    port: int
    delay_s: float = 0.0
    statements: int = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):  # the end of the loop
            their_reader, their_writer = await asyncio.open_connection(self.host, self.port)
            executes = executions()
            next(executes)

            def count(chunk: bytes) -> None:
                self.statements += executes.send(chunk)

            await asyncio.gather(
                self._carry(reader, their_writer, count), self._carry(their_reader, writer, lambda _: None)
            )

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_chunk: Callable[[bytes], None]
    ) -> None:
        """Everything is on its way for `delay_s`, however much else is."""
        loop = asyncio.get_running_loop()
        underway: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(_arrive(underway, writer))
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                on_chunk(chunk)
                underway.put_nowait((loop.time() + self.delay_s, chunk))
        underway.put_nowait((loop.time(), b""))
        await arriving


async def _arrive(underway: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        at_s, chunk = await underway.get()
        if (left_s := at_s - loop.time()) > 0:
            await asyncio.sleep(left_s)
        if not chunk:
            break
        writer.write(chunk)
    writer.close()


def executions() -> Generator[int, bytes, None]:
    """Takes what a client sends, in pieces of any size; gives how many statements began to run with each piece."""
    pending = yield 0
    while len(pending) < 4 or len(pending) < (length := int.from_bytes(pending[:4], "big")):
        pending += yield 0
    pending = pending[length:]  # the first message has no type
    while True:
        found = 0
        while len(pending) >= HEAD and len(pending) > (length := int.from_bytes(pending[1:HEAD], "big")):
            found += pending[0] == EXECUTE
            pending = pending[1 + length :]
        pending += yield found


@asynccontextmanager
async def open_wire(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """To the server of a database's URL, and the URL by which to go over it; nothing on it is encrypted."""
    parts = urlsplit(url)
    wire = Wire(host=parts.hostname or "127.0.0.1", port=parts.port or 5432)
    server = await asyncio.start_server(wire.pass_on, "127.0.0.1", 0)
    user, at, _ = parts.netloc.rpartition("@")
    place = f"{user}{at}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire, parts._replace(netloc=place, query="sslmode=disable&gssencmode=disable").geturl()
    finally:
        server.close()
