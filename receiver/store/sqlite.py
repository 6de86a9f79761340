"""The embedded engine: one SQLite file in WAL mode, one writer, a few readers.

A transaction is one function, run in a task of its own that no caller can cancel, so that it always comes to its end.
Its coroutine stays on the event loop, and only its statements run in the writer's thread: see `sqlite_writer`. The
writer has a lock, because two coroutines on one connection would mix their transactions. Waiting for that lock and for
other processes is one wait.

Each commit and each read compares the file that is open with the one at the ledger's path: see `ledger_file`.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from receiver.store.engine import EngineFacts, Param, Reader, Row, Tx
from receiver.store.errors import StoreError, StoreUnavailable
from receiver.store.ledger_file import OpenLedgerFile, create_ledger_file
from receiver.store.sqlite_readers import Readers
from receiver.store.sqlite_statements import named
from receiver.store.sqlite_writer import Writer

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

#: The first read opens the files beside the ledger, which are compared with those at their paths.
_FIRST_READ = "SELECT 1 FROM sqlite_master LIMIT 1"


class SqliteReader:
    """Statements on one connection, in autocommit."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        found = list(await self._connection.execute_fetchall(*named(name, params)))
        if not found:
            return []
        names = found[0].keys()
        return [dict(zip(names, row, strict=True)) for row in found]

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        rows = await self.fetch_all(name, **params)
        return rows[0] if rows else None


class SqliteEngine:
    """Open with `open_sqlite`. `wait_ms`: how long a caller waits, in all, for what others write."""

    def __init__(
        self,
        writer: Writer,
        readers: Sequence[aiosqlite.Connection],
        *,
        file: OpenLedgerFile,
        wait_ms: int,
    ) -> None:
        self._writer = writer
        self._readers = Readers(readers, wait_ms=wait_ms)
        self._file = file
        self._wait_ms = wait_ms
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
        await self._take_turn(until_s)
        try:
            with _translated():
                self._check_open()
                tx = self._writer.transaction(self._file, wait_ms=self._left_ms(until_s), is_durable=is_durable)
                try:
                    result = await work(tx)
                    await tx.commit()
                except BaseException:
                    await tx.roll_back()
                    raise
                return result
        finally:
            self._lock.release()

    async def _take_turn(self, until_s: float) -> None:
        """Nothing runs on the connection during this wait, so its end cancels no statement."""
        if len(self._running) == 1:  # this transaction is alone, and a limit costs more than the lock
            await self._lock.acquire()
            return
        try:
            async with asyncio.timeout_at(until_s):
                await self._lock.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"database is locked: no turn came within {self._wait_ms / 1000:g} s") from None

    def _left_ms(self, until_s: float) -> int:
        """How long a caller may still wait for other processes."""
        left_ms = max(0, round((until_s - asyncio.get_running_loop().time()) * 1000))
        return self._wait_ms if left_ms > self._wait_ms - SHORT_WAIT_MS else left_ms

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        async with self._readers.borrowed() as connection:
            with _translated():
                self._check_open()
                self._file.check()
                return await work(SqliteReader(connection))

    def listener(self, url: str | None, on_commit: Callable[[], None]) -> None:
        return None

    async def facts(self) -> EngineFacts:
        self._check_open()
        database_bytes, wal_bytes = self._file.sizes()
        return EngineFacts(
            name="SQLite", version=sqlite3.sqlite_version, database_bytes=database_bytes, wal_bytes=wal_bytes
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the database has been closed")

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        if self._is_closed:
            return
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


async def _waiting(until_s: float, run: Callable[[], Awaitable[object]]) -> None:
    """Try again while others lock the file: SQLite's own wait leaves out the change of a new file to WAL mode."""
    while True:
        try:
            await run()
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
    opened: list[Writer | aiosqlite.Connection] = []
    until_s = asyncio.get_running_loop().time() + busy_timeout_ms / 1000
    try:
        with _translated():
            path = create_ledger_file(path)
            # What can not be opened fails here: aiosqlite would leave a thread behind that outlives the event loop.
            sqlite3.connect(path).close()
            writer = await Writer.open(path)
            opened.append(writer)
            pragmas = [f"PRAGMA busy_timeout = {int(busy_timeout_ms)}", *(f"PRAGMA {each}" for each in _PRAGMAS)]
            for statement in (*pragmas, _FIRST_READ):
                await _waiting(until_s, partial(writer.run, statement))
            readers = []
            for _ in range(READERS):
                reader = await aiosqlite.connect(path, isolation_level=None)
                opened.append(reader)
                readers.append(reader)
                reader.row_factory = sqlite3.Row  # knows the names of its columns
                for statement in (*pragmas, _FIRST_READ):
                    await _waiting(until_s, partial(reader.execute_fetchall, statement))
                await reader.execute("PRAGMA query_only = ON")
            file = OpenLedgerFile(path)
    except BaseException:
        for each in opened:
            await each.close()
        raise
    return SqliteEngine(writer, readers, file=file, wait_ms=busy_timeout_ms)
