"""The tick that reads what is open and stores what was counted."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.config.settings import Settings
from receiver.metrics.snapshot import MOST, Snapshot
from receiver.runtime import snapshots as ticking
from receiver.runtime.background import snapshots
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import StoreUnavailable
from receiver.store.minutes import MINUTE_MS
from submitter.model import TaskState
from submitter.providers import schedule
from tests.support.builders import a_task

POLLS = "whenfinal_polls"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    return Settings.from_mapping({"WHENFINAL_DATABASE_URL": url, "HIAPI_API_KEY": "k" * 20})


def _poll(services: Services, times: int = 1) -> None:
    services.metrics.count(POLLS, "hiapi", "single", "open").add(times)


async def _polls(services: Services) -> list[tuple[str, str, int]]:
    found = await services.store.minutes.since(POLLS, since_ms=0)
    return [(each.provider, each.label, each.count) for each in found]


async def test_a_snapshot_has_the_budget_of_each_provider_and_the_size_of_the_ledger(settings: Settings) -> None:
    async with open_services(settings) as services:
        await services.store.submissions.open_task(a_task(state=TaskState.UNCERTAIN), services.clock())
        assert services.metrics.snapshot is None
        await services.snapshots.run_once()
        found = services.metrics.snapshot
    assert found is not None
    assert [(each.name, each.tasks["uncertain"]) for each in found.providers] == [("hiapi", 1)]
    assert (found.providers[0].budget_per_s or 0) > 0
    assert (found.database_bytes or 0) > 0
    assert found.wal_bytes is not None


async def test_the_price_of_a_poll_rises_while_more_are_due_than_the_budget_allows(settings: Settings) -> None:
    async with open_services(settings) as services:
        before = (await services.snapshots.take()).providers[0]
        now_ms = services.clock()
        began_ms = now_ms - 3_600_000
        for number in range(60):
            values = {"provider_task_id": f"p{number}", "sent_ms": began_ms, "submitted_ms": began_ms}
            task = a_task(f"tsk_{number}", state=TaskState.RUNNING, created_ms=began_ms, next_poll_ms=now_ms, **values)
            await services.store.submissions.open_task(task, began_ms)
        after = (await services.snapshots.take()).providers[0]
    assert (before.due_polls.number, after.due_polls.number) == (0, 60)
    assert (after.poll_price_s or 0) > (before.poll_price_s or 0) == schedule.POLL_PRICE_S


async def test_what_was_counted_is_stored_once(settings: Settings) -> None:
    async with open_services(settings) as services:
        _poll(services, 2)
        await services.snapshots.run_once()
        await services.snapshots.run_once()
        assert await _polls(services) == [("hiapi", "single/open", 2)]
        _poll(services)
        await services.snapshots.run_once()
        assert sum(count for *_, count in await _polls(services)) == 3


async def test_a_clean_stop_stores_what_was_counted_last(settings: Settings) -> None:
    async with open_services(settings) as services:
        _poll(services)
    async with open_services(settings) as services:
        assert await _polls(services) == [("hiapi", "single/open", 1)]
        assert (await services.store.minutes.since(POLLS, since_ms=0))[0].at_ms % MINUTE_MS == 0


async def test_a_duration_is_stored_by_its_bucket(settings: Settings) -> None:
    name = "whenfinal_task_duration_seconds"
    async with open_services(settings) as services:
        for seconds in (100, 120, 9000):
            services.metrics.distribution(name, "hiapi", "succeeded").observe(seconds)
        await services.snapshots.run_once()
        found = await services.store.minutes.since(name, since_ms=0)
    assert sorted((each.label, each.count) for each in found) == [("succeeded/+Inf", 1), ("succeeded/128", 2)]


async def test_while_the_ledger_cannot_be_read_the_last_snapshot_stays_and_nothing_counted_is_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_services(settings) as services:
        await services.snapshots.run_once()
        last = services.metrics.snapshot

        async def unavailable(*_: object, **__: object) -> None:
            raise StoreUnavailable("database is locked")

        with monkeypatch.context() as broken:
            broken.setattr(services.store.engine, "read", unavailable)
            broken.setattr(services.store.engine, "write", unavailable)
            _poll(services)
            await services.snapshots.run_once()
            await services.snapshots.flush()
            assert services.metrics.snapshot is last
        await services.snapshots.run_once()
        assert await _polls(services) == [("hiapi", "single/open", 1)]


async def test_a_fault_of_ours_is_logged_and_the_next_snapshot_is_taken(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticking, "EVERY_S", 0.001)
    async with open_services(settings) as services:
        faults = [ZeroDivisionError("a bug")]
        read = services.store.overview.snapshot

        async def faulty(*args: Any, **named: Any) -> Snapshot:
            if faults:
                raise faults.pop()
            return await read(*args, **named)

        monkeypatch.setattr(services.store.overview, "snapshot", faulty)
        with capture_logs() as lines:
            async with snapshots(services), asyncio.timeout(60):
                while services.metrics.snapshot is None:
                    await asyncio.sleep(0.001)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["snapshot_failed"]


async def test_a_number_is_counted_up_to_a_limit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 100_000
    monkeypatch.setattr("receiver.store.overview.MOST", 3)
    async with open_services(settings) as services:
        for number in range(5):
            task = a_task(f"tsk_{number}", state=TaskState.RUNNING, provider_task_id=f"p{number}")
            await services.store.submissions.open_task(task, services.clock())
        snapshot = await services.snapshots.take()
    assert snapshot.providers[0].tasks["running"] == 3


async def test_viewers_share_one_reading_and_one_that_is_fresh_is_not_read_again(settings: Settings) -> None:
    async with open_services(settings) as services:
        first, *others = await asyncio.gather(*(services.snapshots.fresh(60_000) for _ in range(5)))
        assert all(each is first for each in others)
        assert await services.snapshots.fresh(60_000) is first
        services.metrics.snapshot = replace(first, at_ms=first.at_ms - 60_001)
        later = await services.snapshots.fresh(60_000)
        assert later.at_ms >= first.at_ms
        assert later is services.metrics.snapshot
        services.metrics.snapshot = replace(first, at_ms=first.at_ms + 600_000)
        assert (await services.snapshots.fresh(60_000)).at_ms < first.at_ms + 600_000


async def test_a_viewer_that_goes_leaves_the_reading_to_the_others(settings: Settings) -> None:
    async with open_services(settings) as services:
        gone, stays = (asyncio.create_task(services.snapshots.fresh(0)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await stays).providers
        assert gone.cancelled()
