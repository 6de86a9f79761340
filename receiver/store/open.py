"""From a database URL to an engine."""

from receiver.store.engine import Engine
from receiver.store.errors import DatabaseMisconfigured
from receiver.store.sqlite import open_sqlite
from receiver.store.url import FORMS, LedgerFile, LedgerServer, read_database_url


def ledger_at(database_url: str) -> LedgerFile | LedgerServer:
    """The database that a URL names. Raise DatabaseMisconfigured when it names none."""
    place = read_database_url(database_url)
    if place is None:
        raise DatabaseMisconfigured("WHENFINAL_DATABASE_URL is not a database that this version can open", hint=FORMS)
    return place


async def open_engine(database_url: str, *, busy_timeout_ms: int, pool_size: int) -> Engine:
    """Open the database; its schema is not checked.

    `busy_timeout_ms` is for SQLite: how long a write waits for another process. `pool_size` is for Postgres: the most
    connections of this process. Raise StoreUnavailable when it cannot be opened, DatabaseMisconfigured when the library
    for Postgres is not installed.
    """
    place = ledger_at(database_url)
    if isinstance(place, LedgerFile):
        return await open_sqlite(place.path, busy_timeout_ms=busy_timeout_ms)
    try:
        from receiver.store.postgres import open_postgres  # noqa: PLC0415 - psycopg is an extra, which an installation for SQLite lacks
    except ImportError as error:
        raise postgres_missing(error) from error
    return await open_postgres(place.url, pool_size=pool_size)


def postgres_missing(error: ImportError) -> DatabaseMisconfigured:
    """The error when the extra `postgres` is not installed."""
    return DatabaseMisconfigured(
        f"the library for Postgres is missing ({error})", hint="run: pip install '.[postgres]'"
    )
