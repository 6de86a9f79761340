"""The embedded engine: one SQLite file in WAL mode, one writer, a few readers.

A transaction is one function, run in a task of its own that no caller can cancel, because a coroutine cancelled inside
`BEGIN IMMEDIATE` would leave the only writer in a transaction that never ends. The writer has a lock, because two
coroutines on one connection would mix their transactions. Waiting for that lock and for other processes is one wait.

Each commit and each read compares the file that is open with the one at the ledger's path: see `ledger_file`.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from receiver.store.engine import PLACEHOLDER, Param, Reader, Row, Tx, Value, load_queries
from receiver.store.errors import StoreError, StoreUnavailable
from receiver.store.ledger_file import OpenLedgerFile, create_ledger_file
from receiver.store.migrate import split_script
from receiver.store.sqlite_readers import Readers

T = TypeVar("T")

READERS = 2  # connections; a read is short, and more threads than cores are not faster

RETRY_S = 0.02  # between attempts of what SQLite does not wait for itself

SHORT_WAIT_MS = 100  # for the writer's lock; the wait for other processes is not shortened by less than this

#: FULL: a commit is on the disk before a provider hears 2xx. The WAL is copied into the ledger at 4,000 pages (16 MiB),
#: because the commit that does it takes its time, and it may grow to 64 MiB before it is cut back.
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 67108864",
    "cache_size = -32768",
)


@lru_cache(maxsize=1)
def _queries() -> Mapping[str, str]:
    return load_queries(lock="", skip_locked="")


@lru_cache(maxsize=1024)
def _names(statement: str) -> tuple[tuple[str, bool], ...]:
    """The values that it takes, one after the other, and whether each is a list."""
    return tuple((name, bool(dots)) for name, dots in PLACEHOLDER.findall(statement))


@lru_cache(maxsize=1024)
def _text(statement: str, sizes: tuple[int, ...]) -> str:
    """The statement for lists of these sizes, with its values by position, because names cost several times more."""
    left = iter(sizes)
    return PLACEHOLDER.sub(lambda found: ", ".join("?" * next(left)) if found[2] else "?", statement)


def bind(statement: str, params: Mapping[str, Param]) -> tuple[str, list[Value]]:
    """The statement as SQLite takes it, and its values.

    A list is padded with its last value to a power of two, so that few different texts reach the statement cache; an
    empty one becomes one NULL, which equals nothing.
    """
    values: list[Value] = []
    sizes: list[int] = []
    for name, is_list in _names(statement):
        given = params[name]
        if is_list:
            each = list(given) if isinstance(given, Sequence) and given else [None]
            each += [each[-1]] * ((1 << (len(each) - 1).bit_length()) - len(each))
            sizes.append(len(each))
            values += each
        else:
            values.append(given)  # type: ignore[arg-type]  # a sequence is given for a list only
    return _text(statement, tuple(sizes)), values


class SqliteReader:
    """Statements on one connection, in autocommit."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        found = list(await self._connection.execute_fetchall(*bind(_queries()[name], params)))
        if not found:
            return []
        names = found[0].keys()
        return [dict(zip(names, row, strict=True)) for row in found]

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        rows = await self.fetch_all(name, **params)
        return rows[0] if rows else None


class SqliteTx(SqliteReader):
    """The writer's connection inside `BEGIN IMMEDIATE`."""

    async def execute(self, name: str, /, **params: Param) -> int:
        return (await self._connection.execute(*bind(_queries()[name], params))).rowcount

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        if not rows:
            return
        statement = _queries()[name]
        names = [each for each, _ in _names(statement)]
        values = [tuple([row[each] for each in names]) for row in rows]
        await self._connection.executemany(_text(statement, ()), values)

    async def fetch_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> list[Row]:
        return [found for params in rows for found in await self.fetch_all(name, **params)]

    async def announce(self) -> None:
        """Nothing to do: other processes on the same file poll, because SQLite cannot notify them."""

    async def lock_schema(self) -> None:
        """Nothing to do: no other process can write during this transaction."""

    async def run_script(self, script: str) -> None:
        # sqlite3's own executescript would commit first and so tear the transaction in two.
        for statement in split_script(script):
            await self._connection.execute(statement)


class SqliteEngine:
    """Open with `open_sqlite`. `wait_ms`: how long a caller waits, in all, for what others write."""

    def __init__(
        self,
        writer: aiosqlite.Connection,
        readers: Sequence[aiosqlite.Connection],
        *,
        file: OpenLedgerFile,
        wait_ms: int,
    ) -> None:
        self._writer = writer
        self._readers = Readers(readers, wait_ms=wait_ms)
        self._file = file
        self._wait_ms = wait_ms
        self._busy_timeout_ms = wait_ms  # of the writer's connection, as it is set now
        self._synchronous = "FULL"  # of the writer's connection, as it is set now
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def write(self, work: Callable[[Tx], Awaitable[T]], *, waited_s: float = 0.0, is_durable: bool = True) -> T:
        until_s = asyncio.get_running_loop().time() + self._wait_ms / 1000 - waited_s
        running = asyncio.create_task(self._transaction(work, until_s, is_durable=is_durable))
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, running: asyncio.Task[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # asyncio logs exceptions that nobody reads, such as one whose caller was cancelled

    async def _transaction(self, work: Callable[[Tx], Awaitable[T]], until_s: float, *, is_durable: bool) -> T:
        await self._take_turn(self._lock.acquire(), until_s)
        try:
            with _translated():
                self._check()
                await self._synchronize("FULL" if is_durable else "NORMAL")
                await self._begin(until_s)
                try:
                    result = await work(SqliteTx(self._writer))
                    self._check()
                    await self._writer.execute("COMMIT")
                except BaseException:
                    await self._roll_back()
                    raise
                self._check()  # what was committed into a file that is gone must not be acknowledged
                return result
        finally:
            self._lock.release()

    async def _take_turn(self, turn: Awaitable[T], until_s: float) -> T:
        """Nothing runs on a connection during this wait, so its end cancels no statement."""
        try:
            async with asyncio.timeout_at(until_s):
                return await turn
        except TimeoutError:
            raise StoreUnavailable(f"database is locked: no turn came within {self._wait_ms / 1000:g} s") from None

    async def _synchronize(self, mode: str) -> None:
        """NORMAL: a commit is written to the WAL and not synced; the next one under FULL syncs both."""
        if mode != self._synchronous:
            await self._writer.execute(f"PRAGMA synchronous = {mode}")
            self._synchronous = mode

    async def _begin(self, until_s: float) -> None:
        """Wait for other processes no longer than what is left of the caller's time."""
        left_ms = max(0, round((until_s - asyncio.get_running_loop().time()) * 1000))
        if left_ms > self._wait_ms - SHORT_WAIT_MS:
            left_ms = self._wait_ms
        if left_ms != self._busy_timeout_ms:
            await self._writer.execute(f"PRAGMA busy_timeout = {left_ms}")
            self._busy_timeout_ms = left_ms
        await self._writer.execute("BEGIN IMMEDIATE")

    async def _roll_back(self) -> None:
        # After some errors (disk full) SQLite has rolled back by itself, and a second time would be an error.
        if self._writer.in_transaction:
            await self._writer.execute("ROLLBACK")

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        async with self._readers.borrowed() as connection:
            with _translated():
                self._check()
                return await work(SqliteReader(connection))

    def listener(self, url: str | None, on_commit: Callable[[], None]) -> None:
        return None

    def _check(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the database has been closed")
        self._file.check()

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        self._is_closed = True
        await self._readers.close()
        await self._writer.close()


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors as ours. Programming errors (a wrong statement, a broken constraint) stay what they are."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(str(error)) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        raise StoreError(str(error)) from error
    except ValueError as error:
        if "no active connection" in str(error).lower() or "closed" in str(error).lower():
            raise StoreUnavailable("the database has been closed") from error
        raise


async def _set_waiting(connection: aiosqlite.Connection, pragma: str, until_s: float) -> None:
    """Try again while others lock the file: SQLite's own wait leaves out the change of a new file to WAL mode."""
    while True:
        try:
            await connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            # The last byte, because the code may say more precisely what the file is busy with.
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or asyncio.get_running_loop().time() >= until_s:
                raise
            await asyncio.sleep(RETRY_S)
        else:
            return


async def open_sqlite(path: Path, *, busy_timeout_ms: int) -> SqliteEngine:
    """Open or create the file. `busy_timeout_ms`: how long a call waits in all for others that write."""
    opened: list[aiosqlite.Connection] = []
    until_s = asyncio.get_running_loop().time() + busy_timeout_ms / 1000
    try:
        with _translated():
            path = create_ledger_file(path)
            # What can not be opened fails here: aiosqlite would leave a thread behind that outlives the event loop.
            sqlite3.connect(path).close()
            for _ in range(1 + READERS):
                connection = await aiosqlite.connect(path, isolation_level=None)
                opened.append(connection)
                connection.row_factory = sqlite3.Row  # knows the names of its columns
                await connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
                for pragma in _PRAGMAS:
                    await _set_waiting(connection, pragma, until_s)
                # The first read opens the files beside the ledger, which are compared with those at their paths.
                await (await connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")).fetchall()
            for reader in opened[1:]:
                await reader.execute("PRAGMA query_only = ON")
            file = OpenLedgerFile(path)
    except BaseException:
        for connection in opened:
            await connection.close()
        raise
    return SqliteEngine(opened[0], opened[1:], file=file, wait_ms=busy_timeout_ms)
