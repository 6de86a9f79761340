"""The engine for many nodes: Postgres by psycopg 3, a few connections, transactions at READ COMMITTED.

Nothing of it lives in a session (no SET, no prepared statement, no lock beyond a transaction), so that a pooler in
transaction mode may stand between. A transaction is sent as a pipeline: only a statement whose answer is asked for
costs a round trip.
"""

import asyncio
import random
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from receiver.store.engine import (
    OtherWasFaster,
    Param,
    Reader,
    Row,
    Tx,
    Value,
    expand_lists,
    load_queries,
)
from receiver.store.errors import StoreError, StoreUnavailable
from receiver.store.migrate import split_script
from receiver.store.postgres_listener import ANNOUNCE, CHANNEL, PostgresListener
from receiver.store.postgres_pool import Connection, Pool

T = TypeVar("T")

log = structlog.get_logger(__name__)

OLDEST_SERVER = 14

CONNECT_S = 5

FREE_S = 5.0  # how long a transaction waits for a connection of the pool

CALLER_S = 40.0  # how long a caller waits in all; longer than the server lets any statement run

TRIES = 8  # of one transaction that others cut short; each time all but one of those that clash get on

#: For this transaction only. A node that stops in the middle of one must not hold the others up for ever.
_LIMITS = """SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '30s', true),
    set_config('idle_in_transaction_session_timeout', '15s', true)"""

_NO_LIMIT = "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)"

_HOLD_SCHEMA = "SELECT pg_advisory_xact_lock(7310893012281)"  # any number that no other program would choose

#: A dead peer is noticed within seconds. What the user's URL says goes before.
_MANNERS: Mapping[str, str | int] = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "fallback_application_name": "whenfinal",
    "client_encoding": "utf8",
}

_PLACEHOLDER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")

_TEXT = re.compile(r"\bTEXT\b")

#: Another transaction was in the way; the same one may well get through the next time.
_CLASHES = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation, OtherWasFaster)

_CANNOT_NOW = (
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
    """`:name` as psycopg wants it."""
    return _PLACEHOLDER.sub(r"%(\1)s", statement.replace("%", "%%"))


def _prepared(name: str, params: Mapping[str, Param]) -> tuple[str, dict[str, Any]]:
    statement, flat = expand_lists(_queries()[name], params)
    return placeholders(statement), _storable(flat)


def _storable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Postgres has no NUL in a text: one that got this far is shown as the mark for what can not be shown."""
    return {
        name: value.replace("\x00", "\ufffd") if isinstance(value, str) and "\x00" in value else value
        for name, value in params.items()
    }


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
    """The same inside a transaction, pipelined. An error shows at the next answer that is asked for."""

    def __init__(self, connection: Connection, pipeline: psycopg.AsyncPipeline, voice: str) -> None:
        super().__init__(connection)
        self._pipeline = pipeline
        self._voice = voice

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        cursor = await self._connection.execute(*_prepared(name, params))
        await self._pipeline.sync()  # without it the server would not count the time that nothing is asked of it
        return await cursor.fetchall()

    async def execute(self, name: str, /, **params: Param) -> int:
        cursor = await self._connection.execute(*_prepared(name, params))
        await self._pipeline.sync()
        return cursor.rowcount

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        if rows:
            statement = placeholders(_queries()[name])
            await self._connection.cursor().executemany(statement, map(_storable, rows))

    async def fetch_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> list[Row]:
        statement = placeholders(_queries()[name])
        sent = [await self._connection.execute(statement, _storable(params)) for params in rows]
        await self._pipeline.sync()
        return [found for cursor in sent for found in await cursor.fetchall()]

    async def announce(self) -> None:
        await self._connection.execute(ANNOUNCE, {"word": self._voice})

    async def hold_schema(self) -> None:
        await self._connection.execute(_NO_LIMIT)
        await self._connection.execute(_HOLD_SCHEMA)

    async def run_script(self, script: str) -> None:
        # Ids and cursors are compared: byte by byte as in SQLite, not by the dictionary of the server's country.
        for statement in split_script(_TEXT.sub('TEXT COLLATE "C"', script)):
            await self._connection.execute(statement.encode())
            await self._pipeline.sync()


class PostgresEngine:
    """Open with `open_postgres`."""

    def __init__(self, pool: Pool, conninfo: str) -> None:
        self._pool = pool
        self._conninfo = conninfo
        self._voice = secrets.token_hex(8)  # by which a process knows its own announcements
        self._turns: set[asyncio.Task[Any]] = set()

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        return await self._waited_for(self._turn(self._written(work)))

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        turn = self._turn(self._seen(work))
        try:
            return await self._waited_for(turn)
        finally:
            turn.cancel()  # whoever goes away no longer needs it

    def listener(self, url: str | None, on_news: Callable[[], None]) -> PostgresListener:
        conninfo = self._conninfo if url is None else conninfo_of(url)
        return PostgresListener(ear=lambda: _ear(conninfo), say=self._say, own=self._voice, on_news=on_news)

    async def _say(self, word: str) -> None:
        async with _translated(), self._pool.connection(patience_s=FREE_S) as connection:
            await connection.execute(ANNOUNCE, {"word": word})

    async def close(self) -> None:
        if self._turns:
            _, hanging = await asyncio.wait(self._turns, timeout=CALLER_S)
            for turn in hanging:
                turn.cancel()
        await self._pool.close()

    def _turn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        turn = asyncio.create_task(work)
        self._turns.add(turn)
        turn.add_done_callback(self._ended)
        return turn

    def _ended(self, turn: asyncio.Task[Any]) -> None:
        self._turns.discard(turn)
        if not turn.cancelled():
            turn.exception()  # a caller that went away leaves nobody else to look at it

    async def _waited_for(self, turn: asyncio.Task[T]) -> T:
        """The limits of the server end what takes too long; this is for a server that does nothing at all."""
        done, _ = await asyncio.wait({turn}, timeout=CALLER_S)
        if not done:
            raise StoreUnavailable(f"no answer from the database within {CALLER_S:g} s")
        return turn.result()

    async def _written(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        async with _translated():
            for turn in range(1, TRIES):
                try:
                    return await self._transaction(work)
                except _CLASHES as clash:
                    log.debug("transaction_again", turn=turn, clash=type(clash).__name__)
                    # Those that clashed must not come back in step.
                    await asyncio.sleep(random.uniform(0, 0.005 * 2**turn))  # noqa: S311 - no secret hangs on it
            return await self._transaction(work)

    async def _transaction(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        async with self._pool.connection(patience_s=FREE_S) as connection:
            try:
                async with connection.pipeline() as pipeline:
                    await connection.execute("BEGIN")
                    await connection.execute(_LIMITS)
                    result = await work(PostgresTx(connection, pipeline, self._voice))
                    await connection.execute("COMMIT")
            except BaseException as error:
                await _roll_back(connection, error)
                raise
            return result

    async def _seen(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        async with _translated(), self._pool.connection(patience_s=FREE_S) as connection:
            return await work(PostgresReader(connection))


async def _roll_back(connection: Connection, error: BaseException) -> None:
    if isinstance(error, errors.ReadOnlySqlTransaction):
        await connection.close()  # the server is no longer the one to write to; the name may mean another by now
    with suppress(psycopg.Error):
        await connection.execute("ROLLBACK")


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Postgres's errors as ours, in one line and without the row that they are about."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise StoreError(words_of(error)) from None
    except _CANNOT_NOW as error:
        raise StoreUnavailable(words_of(error)) from error
    except psycopg.Error as error:
        raise StoreError(words_of(error)) from error
    except OtherWasFaster as error:
        raise StoreUnavailable("others change the same rows without an end") from error


def words_of(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__


def conninfo_of(url: str) -> str:
    """Raise StoreError without the words of the library, which may repeat the password."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreError("its URL is not one that Postgres understands") from None
    return make_conninfo("", **{**_MANNERS, **given})


async def open_postgres(url: str, *, pool_size: int) -> PostgresEngine:
    """`pool_size`: connections at most. Raise StoreUnavailable or StoreError with what the server said."""
    conninfo = conninfo_of(url)

    async def connect() -> Connection:
        return await psycopg.AsyncConnection.connect(
            conninfo, autocommit=True, prepare_threshold=None, row_factory=dict_row
        )

    pool = Pool(connect, size=pool_size)
    async with _translated(), pool.connection(patience_s=FREE_S) as first:
        check_fit(first)
    return PostgresEngine(pool, conninfo)


@asynccontextmanager
async def _ear(conninfo: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection beside the pool that listens."""
    async with _translated():
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield connection
        finally:
            await connection.close()


def check_fit(connection: psycopg.BaseConnection[Any]) -> None:
    """Raise StoreError for a server or database that can not hold a ledger."""
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise StoreError(f"its server is Postgres {version}; it must be {OLDEST_SERVER} or newer")
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding != "UTF8":
        raise StoreError(f"its encoding is {encoding}; it must be UTF8 (create it with: ENCODING 'UTF8')")
