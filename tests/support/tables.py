"""Read and write tables directly, without repositories, on either engine."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import psycopg
from psycopg import sql

from receiver.runtime.store import open_store
from receiver.store.engine import Engine
from receiver.store.migrate import known_migrations
from receiver.store.open import ledger_at
from receiver.store.postgres import open_postgres
from receiver.store.sqlite import open_sqlite
from receiver.store.url import LedgerFile
from tests.support.builders import T0


def rows_of(database_url: str, statement: str) -> list[Any]:
    place = ledger_at(database_url)
    if isinstance(place, LedgerFile):
        with closing(sqlite3.connect(place.path)) as file:
            return file.execute(statement).fetchall()
    with closing(psycopg.connect(database_url)) as server:
        return server.execute(statement.encode()).fetchall()


@contextmanager
def reading_on(database_url: str, statement: str) -> Iterator[Iterator[Any]]:
    """The rows of one statement, fetched while they are read."""
    place = ledger_at(database_url)
    if isinstance(place, LedgerFile):
        with closing(sqlite3.connect(place.path)) as file:
            yield file.execute(statement)
        return
    with closing(psycopg.connect(database_url)) as server, server.cursor(name="reading") as cursor:
        cursor.itersize = 5
        cursor.execute(statement.encode())
        yield iter(cursor)


@asynccontextmanager
async def engine_at(database_url: str) -> AsyncIterator[Engine]:
    """The database as it is; migrations are not checked."""
    place = ledger_at(database_url)
    engine: Engine = (
        await open_sqlite(place.path, busy_timeout_ms=5000)
        if isinstance(place, LedgerFile)
        else await open_postgres(place.url, pool_size=4)
    )
    try:
        yield engine
    finally:
        await engine.close()


def migrated(url: str) -> None:
    """Make an empty database a ledger."""

    async def migrate() -> None:
        async with open_store(url, clock=lambda: T0, migrating=True):
            pass

    asyncio.run(migrate())


def _counters() -> list[str]:
    """The names of the counters that the migrations insert."""
    with closing(sqlite3.connect(":memory:")) as file:
        for _, script in known_migrations():
            file.executescript(script)
        return [name for (name,) in file.execute("SELECT name FROM numbers")]


def empty(url: str) -> None:
    """A ledger on Postgres as its migrations left it; other connections to it are closed."""
    with closing(psycopg.connect(url)) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            if table == "numbers":
                server.execute("DELETE FROM numbers")
                for counter in _counters():
                    server.execute("INSERT INTO numbers (name, value) VALUES (%s, 0)", (counter,))
            elif table != "migrations":
                server.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        server.commit()
