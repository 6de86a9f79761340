"""A process says in the ledger that it runs, and takes that back when it stops."""

import asyncio
from pathlib import Path

import pytest

from receiver.config.settings import Settings
from receiver.runtime import presence as telling
from receiver.runtime.background import present
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import StoreUnavailable
from receiver.store.processes import ProcessRow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_mapping({"WHENFINAL_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}"})


async def _seen(services: Services) -> list[ProcessRow]:
    while not (found := await services.store.processes.all()):
        await asyncio.sleep(0.005)
    return found


async def test_a_process_is_there_while_it_runs_and_gone_after_a_clean_stop(settings: Settings) -> None:
    async with open_services(settings) as services:
        async with present(services, "worker"):
            (found,) = await _seen(services)
        assert (found.id, found.role, found.pruned_ms) == (services.owner, "worker", None)
        assert found.version
        assert found.python.startswith("3.")
        assert await services.store.processes.all() == []


async def test_it_says_when_it_last_pruned(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "EVERY_S", 0.01)
    async with open_services(settings) as services, present(services, "serve"):
        await _seen(services)
        services.metrics.tick_succeeded("prune", 1_790_000_000_123)
        while (await services.store.processes.all())[0].pruned_ms != 1_790_000_000_123:
            await asyncio.sleep(0.005)


async def test_a_ledger_that_cannot_be_written_is_told_again_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_services(settings) as services:
        tried = asyncio.Event()

        async def fails(*_: object) -> None:
            tried.set()
            raise StoreUnavailable("database is locked")

        monkeypatch.setattr(telling, "EVERY_S", 0.01)
        with monkeypatch.context() as broken:
            broken.setattr(type(services.store.processes), "seen", fails)
            running = present(services, "web")
            await running.__aenter__()
            await tried.wait()
        assert len(await _seen(services)) == 1
        monkeypatch.setattr(type(services.store.processes), "stopped", fails)
        await running.__aexit__(None, None, None)
