"""One store suite for every engine: each test gets an empty ledger of each kind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.store import Store, open_store
from tests.builders import T0


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"sqlite": f"sqlite:///{tmp_path / 'ledger.db'}"}[request.param]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url, clock=lambda: T0, migrating=True) as opened:
        yield opened
