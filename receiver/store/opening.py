"""From a database URL to the rooms of the store."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from receiver.database_url import CURE, LedgerFile, LedgerServer, read_database_url
from receiver.errors import ConfigError
from receiver.ids import id_maker
from receiver.store.emitting import Emitter
from receiver.store.engine import Engine, Tx
from receiver.store.kept import Kept
from receiver.store.ledger import Ledger
from receiver.store.migrate import check_schema, migrate
from receiver.store.outbox import Outbox
from receiver.store.polls import Polls
from receiver.store.pruning import Pruning
from receiver.store.reading import Reading
from receiver.store.replaying import Replays
from receiver.store.sqlite import open_sqlite
from receiver.store.submits import Submits
from receiver.store.subscriptions import Subscriptions

EXTRA = "run: pip install 'whenfinal[postgres]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The rooms, over one engine."""

    ledger: Ledger
    submits: Submits
    polls: Polls
    outbox: Outbox
    subscriptions: Subscriptions
    reading: Reading
    replays: Replays
    pruning: Pruning
    kept: Kept
    engine: Engine

    async def check(self) -> None:
        """Raise StoreUnavailable when the ledger can not be written now: commits a row that nobody reads."""

        async def work(tx: Tx) -> None:
            await tx.execute("prove_writable")

        await self.engine.write(work)


def ledger_at(database_url: str) -> LedgerFile | LedgerServer:
    """Where the ledger is. Raise ConfigError for a URL that names none."""
    place = read_database_url(database_url)
    if place is None:
        raise ConfigError("WHENFINAL_DATABASE_URL is not a database that this version can open", cure=CURE)
    return place


@asynccontextmanager
async def open_store(
    database_url: str, *, clock: Callable[[], int], migrating: bool, busy_timeout_ms: int = 5000, pool_size: int = 10
) -> AsyncIterator[Store]:
    """Raise SchemaBehind unless the schema is complete or `migrating`, StoreUnavailable when there is no opening it.

    `busy_timeout_ms` is for a file, `pool_size` (connections of this process at most) for a server.
    """
    place = ledger_at(database_url)
    engine: Engine
    if isinstance(place, LedgerFile):
        engine = await open_sqlite(place.path, busy_timeout_ms=busy_timeout_ms)
    else:
        engine = await _open_server(place, pool_size)
    try:
        if migrating:
            await migrate(engine, clock())
        else:
            await check_schema(engine)
        yield store_on(engine)
    finally:
        await engine.close()


async def _open_server(place: LedgerServer, pool_size: int) -> Engine:
    try:
        from receiver.store.postgres import open_postgres  # noqa: PLC0415 - its library is an extra
    except ImportError as error:
        raise ConfigError(f"the library for Postgres is missing ({error})", cure=EXTRA) from error
    return await open_postgres(place.url, pool_size=pool_size)


def store_on(engine: Engine) -> Store:
    new_id = id_maker(secrets.token_bytes)
    emitter = Emitter(new_id)
    return Store(
        ledger=Ledger(engine, new_id, emitter),
        submits=Submits(engine, new_id),
        polls=Polls(engine, new_id),
        outbox=Outbox(engine, new_id, emitter),
        subscriptions=Subscriptions(engine, new_id),
        reading=Reading(engine),
        replays=Replays(engine, new_id),
        pruning=Pruning(engine),
        kept=Kept(engine),
        engine=engine,
    )
