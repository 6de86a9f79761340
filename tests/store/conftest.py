"""One store suite for every engine: each test gets an empty ledger of each kind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from receiver.store import Store, open_store
from tests.builders import T0
from tests.postgres import Databases, name_of

ENGINES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def template(databases: Databases) -> str:
    """Name of a database that has had every migration: a copy of it is made faster than another one."""
    url = databases.make()

    async def migrate() -> None:
        async with open_store(url, clock=lambda: T0, migrating=True):
            pass

    asyncio.run(migrate())
    return name_of(url)


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.make()
    yield url
    databases.drop(url)


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that `store` is or will be over."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.make(request.getfixturevalue("template"))
    yield url
    databases.drop(url)


@pytest.fixture
def postgres_url(databases: Databases, template: str) -> Iterator[str]:
    """A ledger on Postgres, migrated and empty."""
    url = databases.make(template)
    yield url
    databases.drop(url)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url, clock=lambda: T0, migrating=True) as opened:
        yield opened
