"""What stands before many `web` processes: each new connection goes to the next that takes it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass(slots=True, kw_only=True, eq=False)
class Balancer:
    """`taken` counts connections by the port that took them. Open it with `open_balancer`."""

    behind: Sequence[int]
    port: int = 0
    taken: Counter[int] = field(default_factory=Counter)
    _turn: int = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either end hangs up, and then both have."""
        with suppress(ConnectionError):
            there = await self._next()
            if there is not None:
                ways = [asyncio.create_task(_copy(reader, there[1])), asyncio.create_task(_copy(there[0], writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                there[1].close()
        writer.close()

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.behind:
            self._turn += 1
            port = self.behind[self._turn % len(self.behind)]
            with suppress(OSError):
                found = await asyncio.open_connection("127.0.0.1", port)
                self.taken[port] += 1
                return found
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def open_balancer(behind: Sequence[int]) -> AsyncIterator[Balancer]:
    """On a free port of this machine, before those ports."""
    balancer = Balancer(behind=behind)
    server = await asyncio.start_server(balancer.pass_on, "127.0.0.1", 0)
    balancer.port = server.sockets[0].getsockname()[1]
    try:
        yield balancer
    finally:
        server.close()
