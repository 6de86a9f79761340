"""The engine for many nodes: Postgres with psycopg 3, a small pool, transactions at READ COMMITTED.

It stores no state in a session (no SET, no prepared statement, no lock beyond a transaction), so that a pooler in
transaction mode may be in between. A transaction is sent as a pipeline: only a statement whose result is read costs a
round trip.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.rows import dict_row

from receiver.store.codec import to_json
from receiver.store.engine import (
    PLACEHOLDER,
    EngineFacts,
    Param,
    Reader,
    RetryTransaction,
    Row,
    Tx,
    Value,
    load_queries,
)
from receiver.store.errors import StoreError, StoreUnavailable
from receiver.store.migrate import split_script
from receiver.store.postgres_listener import ANNOUNCE, CHANNEL, PostgresListener
from receiver.store.postgres_pool import Connection, Pool
from receiver.store.postgres_server import check_server, conninfo_of, facts_of, message_of

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: How long a caller waits, in all, for a connection of the pool and for the locks of others. The server counts a row
#: that another caller waits for too as two locks, one after the other, so it may be twice as long.
WAIT_S = 5.0

SHORTEST_WAIT_S = 0.1  # for one lock, also when a caller's time is up: most locks are free

SLACK_S = 0.25  # the limit of the server is lowered only when a transaction has taken so long

CALL_TIMEOUT_S = 40.0  # how long a caller waits in all; more than the statement timeout of the server

TRIES = 8  # of one transaction that conflicts with others; of those in conflict, at least one succeeds each time

#: For this transaction only. A node that stops in the middle of one must not block the others for ever.
_LIMITS = """SELECT set_config('lock_timeout', %(wait)s, true), set_config('statement_timeout', '30s', true),
    set_config('idle_in_transaction_session_timeout', '15s', true)"""

#: The commit returns before it is on the disk. The order of commits stays.
_WITHOUT_SYNC = "SET LOCAL synchronous_commit TO off"

_LOCK_LIMIT = "SELECT set_config('lock_timeout', %(wait)s, true)"

_NO_LIMIT = "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)"

_LOCK_SCHEMA = "SELECT pg_advisory_xact_lock(7310893012281)"  # any number that no other program would choose

#: `IN` and a list in brackets.
_IN_LIST = re.compile(r"\bIN \(:([a-z_][a-z0-9_]*)\.\.\.\)")

#: An `INSERT` of one row that changes none that is there.
_INSERT = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^()]*)\)\s+VALUES \((?P<values>.*)\)"
    r"(?P<end>\s+ON CONFLICT(?: \([^()]*\))? DO NOTHING)?",
    re.DOTALL,
)

#: An `UPDATE` that stores values in columns of their names, in the row of an id.
_UPDATE_BY_ID = re.compile(r"UPDATE (?P<table>\w+) SET\s+(?P<changes>(?:(\w+) = :\3,?\s+)+)WHERE id = :id")

_OF_ROW = r"r.\1"

_JSON_NUL = "\\u0000"

_TEXT = re.compile(r"\bTEXT\b")

#: Another transaction was in the way; the same one may succeed when it is run again.
_CONFLICTS = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation, RetryTransaction)

_UNAVAILABLE = (
    psycopg.OperationalError,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
    errors.InFailedSqlTransaction,
)


@lru_cache(maxsize=1)
def _queries() -> Mapping[str, str]:
    return load_queries(lock="FOR UPDATE", skip_locked="FOR UPDATE SKIP LOCKED")


@lru_cache(maxsize=1024)
def placeholders(statement: str) -> str:
    """A statement with the placeholders of psycopg instead of `:name`, and one array for each list."""
    return PLACEHOLDER.sub(r"%(\1)s", _IN_LIST.sub(r"= ANY(:\1)", statement.replace("%", "%%")))


@lru_cache(maxsize=256)
def batch_statement(statement: str) -> str | None:
    """The statement for all rows at once, which are one JSON array `rows` of objects; None where it has no such form.

    A value has the type of the column of its name. The order in which an update takes its rows is not defined, so they
    must be locked already.
    """
    insert, update = _INSERT.fullmatch(statement), _UPDATE_BY_ID.fullmatch(statement)
    if insert and set(_names(insert["values"])) <= set(insert["columns"].replace(",", " ").split()):
        table, end = insert["table"], insert["end"] or ""
        chosen = f"INSERT INTO {table} ({insert['columns']}) SELECT {insert['values']} "
    elif update:
        table, end = update["table"], f" WHERE {update['table']}.id = r.id"
        chosen = f"UPDATE {table} SET {update['changes']}"  # noqa: S608 - both parts are of a named statement of ours; values are parameters
    else:
        return None
    return f"{PLACEHOLDER.sub(_OF_ROW, chosen)}FROM json_populate_recordset(NULL::{table}, %(rows)s::json) AS r{end}"


def _names(statement: str) -> list[str]:
    return [name for name, _ in PLACEHOLDER.findall(statement)]


def _prepared(name: str, params: Mapping[str, Param]) -> tuple[str, dict[str, Any]]:
    return placeholders(_queries()[name]), _storable(params)


def _storable(params: Mapping[str, Param]) -> dict[str, Any]:
    """Texts with U+FFFD instead of NUL, which Postgres cannot store."""
    return {name: _without_nul(value) for name, value in params.items()}


def _without_nul(value: Param) -> Param:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd") if "\x00" in value else value
    if isinstance(value, Sequence):
        return [each.replace("\x00", "\ufffd") if isinstance(each, str) else each for each in value]
    return value


def _json_of(rows: Sequence[Mapping[str, Value]]) -> str:
    """With U+FFFD instead of NUL."""
    encoded = to_json(rows)
    if _JSON_NUL in encoded:  # or a backslash before the same letters, which comes to the same
        encoded = to_json([_storable(row) for row in rows])
    return encoded


class PostgresReader:
    """Statements on one connection, in autocommit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        return await (await self._connection.execute(*_prepared(name, params))).fetchall()

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        rows = await self.fetch_all(name, **params)
        return rows[0] if rows else None


class PostgresTx(PostgresReader):
    """The same inside a transaction, pipelined: what returns nothing is sent without waiting for its result."""

    def __init__(
        self, connection: Connection, pipeline: psycopg.AsyncPipeline, *, node_id: str, until_s: float
    ) -> None:
        super().__init__(connection)
        self._pipeline = pipeline
        self._node_id = node_id
        self._until_s = until_s
        self._wait_s = 0.0  # the limit of the server for one lock; 0 is none

    async def begin(self) -> None:
        self._wait_s = _left_s(self._until_s)
        await self._connection.execute("BEGIN")
        await self._connection.execute(_LIMITS, {"wait": _milliseconds(self._wait_s)})

    async def _limit_wait(self) -> None:
        """The limit of the server is for one lock, so it is lowered by what the transaction has taken already."""
        left_s = _left_s(self._until_s)
        if self._wait_s - left_s > SLACK_S:
            self._wait_s = left_s
            await self._connection.execute(_LOCK_LIMIT, {"wait": _milliseconds(left_s)})

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        await self._limit_wait()
        cursor = await self._connection.execute(*_prepared(name, params))
        await self._pipeline.sync()  # without it the idle timeout of the server would not run
        return await cursor.fetchall()

    async def execute(self, name: str, /, **params: Param) -> None:
        await self._limit_wait()
        await self._connection.execute(*_prepared(name, params))

    async def execute_and_count(self, name: str, /, **params: Param) -> int:
        await self._limit_wait()
        cursor = await self._connection.execute(*_prepared(name, params))
        await self._pipeline.sync()
        return cursor.rowcount

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        if rows:
            await self._limit_wait()
            statement = _queries()[name]
            if len(rows) > 1 and (batch := batch_statement(statement)):
                await self._connection.execute(batch, {"rows": _json_of(rows)})
            else:
                await self._connection.cursor().executemany(placeholders(statement), map(_storable, rows))

    async def fetch_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> list[Row]:
        await self._limit_wait()
        statement = placeholders(_queries()[name])
        sent = [await self._connection.execute(statement, _storable(params)) for params in rows]
        await self._pipeline.sync()
        return [found for cursor in sent for found in await cursor.fetchall()]

    async def announce(self) -> None:
        await self._connection.execute(ANNOUNCE, {"payload": self._node_id})

    async def lock_schema(self) -> None:
        self._wait_s = 0.0
        await self._connection.execute(_NO_LIMIT)
        await self._connection.execute(_LOCK_SCHEMA)

    async def run_script(self, script: str) -> None:
        # Ids and cursors are compared byte by byte, as in SQLite, and not in the order of the server's locale.
        for statement in split_script(_TEXT.sub('TEXT COLLATE "C"', script)):
            await self._connection.execute(statement.encode())
            await self._pipeline.sync()


class PostgresEngine:
    """Open with `open_postgres`."""

    def __init__(self, pool: Pool, conninfo: str) -> None:
        self._pool = pool
        self._conninfo = conninfo
        self._node_id = secrets.token_hex(8)  # by which a process recognises its own announcements
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, work: Callable[[Tx], Awaitable[T]], *, waited_s: float = 0.0, is_durable: bool = True) -> T:
        until_s = asyncio.get_running_loop().time() + WAIT_S - waited_s
        writing = self._write_with_retries(work, until_s, is_durable=is_durable)
        return await self._result_in_time(self._start(writing))

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        reading = self._start(self._read(work))
        try:
            return await self._result_in_time(reading)
        finally:
            reading.cancel()  # a cancelled caller no longer needs it

    def listener(self, url: str | None, on_commit: Callable[[], None]) -> PostgresListener:
        conninfo = self._conninfo if url is None else conninfo_of(url)
        return PostgresListener(
            connect=lambda: _listening_connection(conninfo),
            announce=self._announce,
            node_id=self._node_id,
            on_commit=on_commit,
        )

    async def _announce(self, payload: str) -> None:
        async with _translated(), self._pool.connection(timeout_s=WAIT_S) as connection:
            await connection.execute(ANNOUNCE, {"payload": payload})

    async def facts(self) -> EngineFacts:
        async with _translated(), self._pool.connection(timeout_s=WAIT_S) as connection:
            return await facts_of(connection)

    async def close(self) -> None:
        if self._running:
            _, hanging = await asyncio.wait(self._running, timeout=CALL_TIMEOUT_S)
            for task in hanging:
                task.cancel()
        await self._pool.close()

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run it in a task of its own, so that a cancelled caller does not cut a transaction in half."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio logs exceptions that nobody reads, such as one whose caller was cancelled

    async def _result_in_time(self, task: asyncio.Task[T]) -> T:
        """The server's own limits end what takes too long; this one is for a server that does not answer at all."""
        done, _ = await asyncio.wait({task}, timeout=CALL_TIMEOUT_S)
        if not done:
            raise StoreUnavailable(f"no answer from the database within {CALL_TIMEOUT_S:g} s")
        return task.result()

    async def _write_with_retries(self, work: Callable[[Tx], Awaitable[T]], until_s: float, *, is_durable: bool) -> T:
        async with _translated():
            for attempt in range(1, TRIES):
                try:
                    return await self._transaction(work, until_s, is_durable=is_durable)
                except _CONFLICTS as conflict:
                    log.debug("transaction_retried", attempt=attempt, conflict=type(conflict).__name__)
                    # Random, because transactions that conflicted must not start again at the same time.
                    await asyncio.sleep(secrets.SystemRandom().uniform(0, 0.005 * 2**attempt))
            return await self._transaction(work, until_s, is_durable=is_durable)

    async def _transaction(self, work: Callable[[Tx], Awaitable[T]], until_s: float, *, is_durable: bool) -> T:
        async with self._pool.connection(timeout_s=_left_s(until_s)) as connection:
            try:
                async with connection.pipeline() as pipeline:
                    tx = PostgresTx(connection, pipeline, node_id=self._node_id, until_s=until_s)
                    await tx.begin()
                    if not is_durable:
                        await connection.execute(_WITHOUT_SYNC)
                    result = await work(tx)
                    await connection.execute("COMMIT")
            except BaseException as error:
                await _roll_back(connection, error)
                raise
            return result

    async def _read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        async with _translated(), self._pool.connection(timeout_s=WAIT_S) as connection:
            return await work(PostgresReader(connection))


def _left_s(until_s: float) -> float:
    return max(SHORTEST_WAIT_S, until_s - asyncio.get_running_loop().time())


def _milliseconds(wait_s: float) -> str:
    return f"{round(wait_s * 1000)}ms"


async def _roll_back(connection: Connection, error: BaseException) -> None:
    if isinstance(error, errors.ReadOnlySqlTransaction):
        await connection.close()  # it is a standby by now, and its name may lead to the new primary
    with suppress(psycopg.Error):
        await connection.execute("ROLLBACK")


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Raise Postgres's errors as ours, in one line and without the row that they are about."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise StoreError(message_of(error)) from None
    except _UNAVAILABLE as error:
        raise StoreUnavailable(message_of(error)) from error
    except psycopg.Error as error:
        raise StoreError(message_of(error)) from error
    except RetryTransaction as error:
        raise StoreUnavailable("other transactions change the same rows all the time") from error


async def open_postgres(url: str, *, pool_size: int) -> PostgresEngine:
    """`pool_size`: connections at most. Raise StoreUnavailable or StoreError with what the server said."""
    conninfo = conninfo_of(url)

    async def connect() -> Connection:
        return await psycopg.AsyncConnection.connect(
            conninfo, autocommit=True, prepare_threshold=None, row_factory=dict_row
        )

    pool = Pool(connect, size=pool_size)
    async with _translated(), pool.connection(timeout_s=WAIT_S) as first:
        check_server(first)
    return PostgresEngine(pool, conninfo)


@asynccontextmanager
async def _listening_connection(conninfo: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection outside the pool that listens."""
    async with _translated():
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield connection
        finally:
            await connection.close()
