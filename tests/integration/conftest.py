"""What integration tests share: empty ledgers of each engine, and the application on one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from receiver.runtime.store import Store, open_store
from tests.support.builders import T0
from tests.support.postgres import Databases
from tests.support.service import Served, served
from tests.support.tables import empty, migrated

ENGINES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def _server_ledger(databases: Databases) -> Iterator[str]:
    """One database with every migration for all tests: emptying it costs less than making another."""
    url = databases.make()
    migrated(url)
    yield url
    databases.drop(url)


@pytest.fixture
def postgres_url(_server_ledger: str) -> str:
    """A ledger on Postgres, migrated and empty."""
    empty(_server_ledger)
    return _server_ledger


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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger, or where `store` will make one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url, clock=lambda: T0, migrating=True) as opened:
        yield opened


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    """The application with default settings on an empty ledger."""
    async with served(tmp_path) as opened:
        yield opened
