"""A load balancer in front of many `web` processes: each new connection goes to the next one that accepts it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass(slots=True, kw_only=True, eq=False)
class Balancer:
    """Open it with `open_balancer`. `taken` counts connections by the port that accepted them."""

    behind: Sequence[int]
    port: int = 0
    taken: Counter[int] = field(default_factory=Counter)
    _next_at: int = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either end closes; then both are closed."""
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
            self._next_at += 1
            port = self.behind[self._next_at % len(self.behind)]
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
    """On a free port of this machine, in front of those ports."""
    balancer = Balancer(behind=behind)
    server = await asyncio.start_server(balancer.pass_on, "127.0.0.1", 0)
    balancer.port = server.sockets[0].getsockname()[1]
    try:
        yield balancer
    finally:
        server.close()
