"""The one connection that writes a SQLite ledger, in a thread of its own.

A hand-off to another thread and back costs more processor time than most statements. Here it runs any number of them;
with aiosqlite each statement is a hand-off, because its public interface runs no function in its thread. The thread of
an executor would do, but its hand-off costs twice as much.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn, TypeVar

from receiver.store.engine import Param, Row, Value
from receiver.store.ledger_file import OpenLedgerFile
from receiver.store.migrate import split_script
from receiver.store.sqlite_statements import fetched, named, named_for_rows

T = TypeVar("T")

_Call = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class WriterThread:
    """Calls functions one after the other, in the order in which they came."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        # A process ends without waiting for it. What it leaves open then, SQLite rolls back at the next opening.
        self._thread = Thread(target=_serve, args=(self._calls,), name="ledger-writer", daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], T]) -> T:
        """Return or raise what the function does. It runs also when the caller is cancelled meanwhile."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((function, result))
        return await result

    def stop(self) -> None:
        """End the thread after the functions that came before. Nothing may be called any more."""
        self._calls.put(None)
        self._thread.join()


def _serve(calls: "SimpleQueue[_Call | None]") -> None:
    while _answer(calls.get()):
        pass


def _answer(call: _Call | None) -> bool:
    """Call one function; a function of its own, so that nothing is kept while the next one is awaited."""
    if call is None:
        return False
    function, result = call
    try:
        settle = partial(result.set_result, function())
    except BaseException as error:  # noqa: BLE001 - the caller gets it, whatever it is
        settle = partial(result.set_exception, error)
    with suppress(RuntimeError):  # the event loop was closed meanwhile, and nobody waits any more
        result.get_loop().call_soon_threadsafe(_settle, result, settle)
    return True


def _settle(result: "asyncio.Future[Any]", settle: Callable[[], None]) -> None:
    if not result.done():  # its caller may have been cancelled
        settle()


class Writer:
    """The connection and its thread. Only one transaction may be open at a time."""

    def __init__(self, connection: sqlite3.Connection, thread: WriterThread) -> None:
        self.connection = connection
        self.thread = thread
        self._busy_timeout_ms = -1  # as it is set now; not known yet
        self._synchronous = ""

    @classmethod
    async def open(cls, path: Path) -> "Writer":
        """Raise what SQLite raises."""
        thread = WriterThread()
        try:
            connect = partial(sqlite3.connect, path, isolation_level=None, check_same_thread=False)
            return cls(await thread.call(connect), thread)
        except BaseException:
            thread.stop()
            raise

    async def run(self, statement: str) -> None:
        """One statement outside a transaction. Its result is not read."""
        await self.thread.call(lambda: self.connection.execute(statement).fetchall())

    def transaction(self, file: OpenLedgerFile, *, wait_ms: int, is_durable: bool) -> "SqliteTx":
        """A transaction that begins with its first statement, and then waits so long for other processes."""
        synchronous = "FULL" if is_durable else "NORMAL"
        return SqliteTx(self, file, begin=partial(self._begin, wait_ms, synchronous))

    def _begin(self, wait_ms: int, synchronous: str) -> None:
        """Under NORMAL a commit is written to the WAL and not synced; the next one under FULL syncs both."""
        if synchronous != self._synchronous:
            self.connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        if wait_ms != self._busy_timeout_ms:
            self.connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
            self._busy_timeout_ms = wait_ms
        self.connection.execute("BEGIN IMMEDIATE")

    async def close(self) -> None:
        """After what is running."""
        try:
            await self.thread.call(self.connection.close)
        finally:
            self.thread.stop()


class SqliteTx:
    """The writer inside `BEGIN IMMEDIATE`.

    What returns nothing is gathered, and is run in one hand-off with the next statement whose result is read, or with
    the commit.
    """

    def __init__(self, writer: Writer, file: OpenLedgerFile, *, begin: Callable[[], None]) -> None:
        self._writer = writer
        self._connection = writer.connection
        self._file = file
        self._gathered: list[Callable[[], object]] = [begin]

    async def _call(self, last: Callable[[], T]) -> T:
        """Run what was gathered, and then this. After an error nothing is run any more, and each call raises it."""
        gathered, self._gathered = self._gathered, []
        try:
            return await self._writer.thread.call(partial(_in_turn, gathered, last))
        except Exception as error:
            self._gathered = [partial(_raise, error)]
            raise

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        return await self._call(partial(_rows, self._connection, *named(name, params)))

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        rows = await self.fetch_all(name, **params)
        return rows[0] if rows else None

    async def fetch_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> list[Row]:
        if not rows:
            return []
        return await self._call(partial(_rows_of_each, self._connection, *named_for_rows(name, rows)))

    async def execute(self, name: str, /, **params: Param) -> None:
        self._gathered.append(partial(self._connection.execute, *named(name, params)))

    async def execute_and_count(self, name: str, /, **params: Param) -> int:
        return await self._call(partial(_count, self._connection, *named(name, params)))

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        if rows:
            self._gathered.append(partial(self._connection.executemany, *named_for_rows(name, rows)))

    async def announce(self) -> None:
        """Nothing to do: other processes on the same file poll, because SQLite cannot notify them."""

    async def lock_schema(self) -> None:
        """Nothing to do: no other process can write during this transaction."""

    async def run_script(self, script: str) -> None:
        # sqlite3's own executescript would commit first and so tear the transaction in two.
        self._gathered += [partial(self._connection.execute, statement) for statement in split_script(script)]

    async def commit(self) -> None:
        await self._call(self._commit)

    def _commit(self) -> None:
        self._file.check()
        self._connection.execute("COMMIT")
        self._file.check()  # what was committed into a file that is gone must not be acknowledged

    async def roll_back(self) -> None:
        """Also after a commit that failed, or that was cut off and may have succeeded.

        Raise LedgerGone when that may be why it failed.
        """
        self._gathered.clear()
        await self._writer.thread.call(self._roll_back)

    def _roll_back(self) -> None:
        # After some errors (disk full) SQLite has rolled back by itself, and a second time would be an error.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._file.check()


def _in_turn(first: Sequence[Callable[[], object]], last: Callable[[], T]) -> T:
    for each in first:
        each()
    return last()


def _raise(error: Exception) -> NoReturn:
    raise error


def _rows(connection: sqlite3.Connection, statement: str, values: Sequence[Value]) -> list[Row]:
    return fetched(connection.execute(statement, values))


def _rows_of_each(
    connection: sqlite3.Connection, statement: str, values_of_rows: Sequence[Sequence[Value]]
) -> list[Row]:
    return list(chain.from_iterable(_rows(connection, statement, values) for values in values_of_rows))


def _count(connection: sqlite3.Connection, statement: str, values: Sequence[Value]) -> int:
    return connection.execute(statement, values).rowcount
