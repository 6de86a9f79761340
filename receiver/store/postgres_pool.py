"""Connections to Postgres, opened when they are needed and kept for the next who needs one.

None is opened ahead and nothing runs in the background: after an outage the next caller gets on at once, and during one
it hears at once what the server said. (`psycopg_pool` lets callers wait for its own back-off, several seconds long.)
"""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from receiver.store.engine import Row
from receiver.store.errors import StoreUnavailable

Connection = psycopg.AsyncConnection[Row]

OLDEST_S = 3600.0  # then another is opened: the name of the server may mean another machine by now


class Pool:
    """At most `size` connections. Raises StoreUnavailable when none comes free in time, else what `connect` raises."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, size: int) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._idle: list[tuple[Connection, float]] = []  # each with the time at which it was opened
        self._is_closed = False

    @asynccontextmanager
    async def connection(self, *, patience_s: float) -> AsyncIterator[Connection]:
        """It goes back when its transaction is over, and is closed if that is not so."""
        try:
            async with asyncio.timeout(patience_s):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"no database connection came free within {patience_s:g} s") from None
        try:
            connection, opened_s = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection, opened_s)
        finally:
            self._places.release()

    async def _take(self) -> tuple[Connection, float]:
        if self._is_closed:
            raise StoreUnavailable("the database has been closed")
        while self._idle:
            connection, opened_s = self._idle.pop()  # the one used last: what is not needed grows old
            if _still_there(connection):
                return connection, opened_s
            await _close(connection)
        return await self._connect(), _now_s()

    async def _give_back(self, connection: Connection, opened_s: float) -> None:
        is_over = not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE
        if is_over and not self._is_closed and _now_s() - opened_s < OLDEST_S:
            self._idle.append((connection, opened_s))
        else:
            await _close(connection)

    async def close(self) -> None:
        """What is in use is closed when it comes back."""
        self._is_closed = True
        while self._idle:
            await _close(self._idle.pop()[0])


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _close(connection: Connection) -> None:
    with suppress(psycopg.Error):
        await connection.close()


def _still_there(connection: Connection) -> bool:
    """An idle server has nothing to say: if there are words, it took its leave. Costs no round trip."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
