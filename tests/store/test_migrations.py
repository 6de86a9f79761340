"""Migrations: from empty, at once, and a database that is behind."""

import asyncio

import pytest

from receiver.errors import SchemaBehind, StoreError
from receiver.store import open_store
from receiver.store.engine import Tx
from receiver.store.migrate import known_migrations, migrate
from tests.builders import T0
from tests.store.tables import engine_at

KNOWN = tuple(name for name, _ in known_migrations())


async def test_migrations_are_applied_once_in_order(empty_url: str) -> None:
    async with engine_at(empty_url) as engine:
        assert await migrate(engine, T0) == KNOWN
        assert await migrate(engine, T0) == ()


async def test_processes_that_migrate_at_once_agree(empty_url: str) -> None:
    async with engine_at(empty_url) as one, engine_at(empty_url) as two, engine_at(empty_url) as three:
        applied = await asyncio.gather(*(migrate(engine, T0) for engine in (one, two, three)))
    assert sorted(sum(applied, ())) == list(KNOWN)


async def test_an_empty_database_is_behind_and_says_what_to_run(empty_url: str) -> None:
    with pytest.raises(SchemaBehind, match=r"0001_ledger.*whenfinal migrate"):
        async with open_store(empty_url, clock=lambda: T0, migrating=False):
            pass


async def test_a_broken_migration_leaves_nothing_behind(empty_url: str) -> None:
    async def work(tx: Tx) -> None:
        await tx.run_script("CREATE TABLE half (a TEXT);\nCREATE TABLE half (a TEXT);\n")

    async def again(tx: Tx) -> None:
        await tx.run_script("CREATE TABLE half (a TEXT);\n")

    async with engine_at(empty_url) as engine:
        with pytest.raises(StoreError):
            await engine.write(work)
        await engine.write(again)
