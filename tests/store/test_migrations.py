"""Migrations: from empty, at once, and a database that is behind."""

import asyncio
from pathlib import Path

import pytest

from receiver.errors import ConfigError, SchemaBehind, StoreError
from receiver.store import open_store
from receiver.store.engine import Engine, Tx
from receiver.store.migrate import known_migrations, migrate
from receiver.store.opening import sqlite_path
from receiver.store.sqlite import open_sqlite
from tests.builders import T0


async def test_migrations_are_applied_once_in_order(tmp_path: Path) -> None:
    engine: Engine = await open_sqlite(tmp_path / "a.db", busy_timeout_ms=1000)
    assert await migrate(engine, T0) == tuple(name for name, _ in known_migrations())
    assert await migrate(engine, T0) == ()
    await engine.close()


async def test_processes_that_migrate_at_once_agree(tmp_path: Path) -> None:
    engines = [await open_sqlite(tmp_path / "a.db", busy_timeout_ms=5000) for _ in range(3)]
    applied = await asyncio.gather(*(migrate(engine, T0) for engine in engines))
    assert sorted(sum(applied, ())) == [name for name, _ in known_migrations()]
    for engine in engines:
        await engine.close()


async def test_an_empty_database_is_behind_and_says_what_to_run(database_url: str) -> None:
    with pytest.raises(SchemaBehind, match=r"0001_ledger.*whenfinal migrate"):
        async with open_store(database_url, clock=lambda: T0, migrating=False):
            pass


async def test_a_broken_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    engine = await open_sqlite(tmp_path / "a.db", busy_timeout_ms=1000)

    async def work(tx: Tx) -> None:
        await tx.run_script("CREATE TABLE half (a TEXT);\nCREATE TABLE half (a TEXT);\n")

    with pytest.raises(StoreError):
        await engine.write(work)

    async def again(tx: Tx) -> None:
        await tx.run_script("CREATE TABLE half (a TEXT);\n")

    await engine.write(again)
    await engine.close()


@pytest.mark.parametrize(
    "url",
    ["", "sqlite://", "sqlite:///", "mysql://x/y", "sqlite://host/x.db", "sqlite:///a.db?mode=ro", "whenfinal.db"],
)
def test_a_url_that_names_no_file_is_refused_with_the_cure(url: str) -> None:
    with pytest.raises(ConfigError, match="use sqlite:///whenfinal"):
        sqlite_path(url)


def test_urls_name_relative_and_absolute_files() -> None:
    assert sqlite_path("sqlite:///whenfinal.db") == Path("whenfinal.db")
    assert sqlite_path("sqlite:////var/lib/a%20b.db") == Path("/var/lib/a b.db")
