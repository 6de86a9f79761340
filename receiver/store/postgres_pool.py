"""A pool of connections to Postgres, opened when they are needed and reused.

None is opened ahead and nothing runs in the background: after an outage the next caller succeeds at once, and during
one it gets the error of the server at once. (`psycopg_pool` makes callers wait for its own back-off, several seconds.)
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

OLDEST_S = 3600.0  # then a new one is opened, because the name of the server may mean another machine by now


class Pool:
    """At most `size` connections. Raises StoreUnavailable when none comes free in time, else what `connect` raises."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, size: int) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._idle: list[tuple[Connection, float]] = []  # each with the time at which it was opened
        self._is_closed = False

    @asynccontextmanager
    async def connection(self, *, timeout_s: float) -> AsyncIterator[Connection]:
        """Borrow one. It goes back to the pool afterwards, or is closed when its transaction is not over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"no database connection came free within {timeout_s:g} s") from None
        try:
            connection, opened_s = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection, opened_s)
        finally:
            self._slots.release()

    async def _take(self) -> tuple[Connection, float]:
        if self._is_closed:
            raise StoreUnavailable("the database has been closed")
        while self._idle:
            connection, opened_s = self._idle.pop()  # the one used last, so that those that are not needed grow old
            if _is_open(connection):
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
        """Close idle connections now, and those in use when they come back."""
        self._is_closed = True
        while self._idle:
            await _close(self._idle.pop()[0])


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _close(connection: Connection) -> None:
    with suppress(psycopg.Error):
        await connection.close()


def _is_open(connection: Connection) -> bool:
    """Whether the server has not closed it: an idle server sends nothing but its goodbye. Costs no round trip."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
