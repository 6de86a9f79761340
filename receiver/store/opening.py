"""From a database URL to the rooms of the store."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

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


def sqlite_path(database_url: str) -> Path:
    """`sqlite:///relative.db` or `sqlite:////absolute.db`. Raise ConfigError for anything else."""
    parts = urlsplit(database_url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "sqlite" or parts.netloc or parts.query or parts.fragment or not path or "\x00" in path:
        raise ConfigError(
            "WHENFINAL_DATABASE_URL is not a database that this version can open",
            cure="use sqlite:///whenfinal.db or sqlite:////absolute/path.db",
        )
    return Path(path)


@asynccontextmanager
async def open_store(
    database_url: str, *, clock: Callable[[], int], migrating: bool, busy_timeout_ms: int = 5000
) -> AsyncIterator[Store]:
    """Raise SchemaBehind unless the schema is complete or `migrating`, StoreUnavailable when there is no opening it."""
    engine = await open_sqlite(sqlite_path(database_url), busy_timeout_ms=busy_timeout_ms)
    try:
        if migrating:
            await migrate(engine, clock())
        else:
            await check_schema(engine)
        yield store_on(engine)
    finally:
        await engine.close()


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
