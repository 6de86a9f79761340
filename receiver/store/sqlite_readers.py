"""The connections that read a SQLite ledger, lent out in the order in which callers ask."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiosqlite

from receiver.store.errors import StoreUnavailable


class Readers:
    """Raises StoreUnavailable when no connection has come back for `wait_ms`.

    A queue that moves has no limit: thousands that read at once wait for each other, and nothing is locked.
    """

    def __init__(self, connections: Sequence[aiosqlite.Connection], *, wait_ms: int) -> None:
        self._connections = tuple(connections)
        self._idle = deque(connections)
        self._waiting: deque[asyncio.Future[aiosqlite.Connection]] = deque()
        self._wait_s = wait_ms / 1000
        self._came_back_s = 0.0  # when the last one did

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[aiosqlite.Connection]:
        connection = self._idle.popleft() if self._idle else await self._next()
        try:
            yield connection
        finally:
            self._came_back_s = asyncio.get_running_loop().time()
            self._pass_on(connection)

    def _pass_on(self, connection: aiosqlite.Connection) -> None:
        """To the first who still waits. It is not put down in between, so that no newcomer takes it."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(connection)
                return
        self._idle.append(connection)

    async def _next(self) -> aiosqlite.Connection:
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[aiosqlite.Connection] = loop.create_future()
        self._waiting.append(mine)
        until_s = loop.time() + self._wait_s
        try:
            while not mine.done() and (left_s := until_s - loop.time()) > 0:
                await asyncio.wait({mine}, timeout=left_s)
                until_s = max(until_s, self._came_back_s + self._wait_s)
        except asyncio.CancelledError:
            if mine.done():
                self._pass_on(mine.result())
            raise
        finally:
            mine.cancel()  # without effect on one that has its connection
        if mine.cancelled():
            raise StoreUnavailable(f"database is locked: no read ended within {self._wait_s:g} s")
        return mine.result()

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()
