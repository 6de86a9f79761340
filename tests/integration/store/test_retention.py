"""Runs of retention: bounded, with pauses, going on where the last one stopped, and safe to be killed."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.runtime.store import Store, open_store
from receiver.store import retention
from receiver.store.retention import Pruner, PruneReport
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from tests.support.builders import SECRET, T0
from tests.support.delivery_fixtures import (
    DAY_MS,
    deliveries_of,
    event_numbers,
    finish,
    finish_all,
    lease,
    publish_events,
    set_state,
    subscribe,
)
from tests.support.service import served

NOW = T0 + 40 * DAY_MS


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LIMIT", 10)
    monkeypatch.setattr(retention, "BATCHES", 3)


def _pruner(store: Store, *, now_ms: int = NOW, **days: float) -> Pruner:
    """Each kind is deleted after a month, unless `days` says another age."""
    ages = {"events_days": 30.0, "attempts_days": 30.0, "observations_days": 30.0, **days}
    return Pruner(repository=store.retention, clock=lambda: now_ms, guard=None, **ages)


async def test_each_kind_goes_by_its_own_age(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 4)
    await finish_all(store)
    attempts_first = _pruner(store, events_days=50, observations_days=50)
    assert await attempts_first.prune_once() == PruneReport(attempts=4)
    observations_next = _pruner(store, events_days=50, attempts_days=50)
    assert await observations_next.prune_once() == PruneReport(observations=4)
    assert await _pruner(store).prune_once() == PruneReport(events=4)
    assert (await deliveries_of(store), await event_numbers(store)) == ([], [])


async def test_what_is_young_stays_and_a_run_without_work_logs_nothing(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 4)
    await finish_all(store)
    with capture_logs() as lines:
        assert await _pruner(store, now_ms=T0 + 29 * DAY_MS).prune_once() == PruneReport()
    assert (lines, await event_numbers(store)) == ([], [1, 2, 3, 4])


@pytest.mark.usefixtures("small")
async def test_a_run_is_bounded_and_the_next_one_goes_on(store: Store) -> None:
    await publish_events(store, 100)
    pruner, reports = _pruner(store), list[PruneReport]()
    while not reports or reports[-1].has_more:
        reports.append(await pruner.prune_once())
    assert [report.events for report in reports] == [30, 30, 30, 10]
    assert [report.observations for report in reports] == [30, 30, 30, 10]
    assert await pruner.prune_once() == PruneReport()


@pytest.mark.usefixtures("small")
async def test_rows_that_have_to_stay_do_not_keep_a_run_from_those_behind_them(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 30)
    leased = await lease(store)
    await finish(store, leased[:25], DeliveryState.PENDING)
    await finish(store, leased[25:], at_ms=T0 + 1)
    assert (await _pruner(store).prune_once()).attempts == 5


async def test_ten_thousand_rows_of_each_kind_go_in_small_transactions(store: Store, tmp_path: Path) -> None:
    await subscribe(store)
    await publish_events(store, 10_000)
    await _end_everything(store)
    pruner, others = _pruner(store), 0
    pruning_all = asyncio.create_task(_prune_all(pruner))
    while not pruning_all.done():
        await store.check()
        others += 1
    report = await pruning_all
    assert (report.events, report.observations) == (10_000, 10_000)
    assert others > 20
    assert _count(tmp_path, "events", "deliveries", "attempts", "observations", "tasks") == [0, 0, 0, 0, 10_000]


async def _end_everything(store: Store) -> None:
    """As deliveries end, but many in one transaction."""
    while leased := await lease(store, limit=4_000):
        await finish(store, leased)


async def _prune_all(pruner: Pruner) -> PruneReport:
    events = observations = 0
    while True:
        report = await pruner.prune_once()
        events, observations = events + report.events, observations + report.observations
        if not report.has_more:
            return PruneReport(events=events, observations=observations)


def _ask(folder: Path, question: str) -> list[Any]:
    connection = sqlite3.connect(folder / "ledger.db")
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


def _count(folder: Path, *tables: str) -> list[int]:
    return [_ask(folder, f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]


async def test_pruning_beside_deliveries_removes_nothing_that_is_pending(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 60)
    pruner = _pruner(store)
    delivered = 0
    while leased := await lease(store, now_ms=NOW, limit=40):
        await pruner.prune_once()
        assert {due.id for due in leased} <= {each.id for each in await deliveries_of(store)}
        await asyncio.gather(finish(store, leased, at_ms=NOW), pruner.prune_once())
        delivered += len(leased)
    await pruner.prune_once()
    assert (delivered, await event_numbers(store)) == (60, [])


async def test_what_waits_for_a_disabled_subscription_goes_in_the_same_run_and_is_logged(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    await set_state(store, SubscriptionState.DISABLED)
    with capture_logs() as lines:
        report = await _pruner(store).prune_once()
    assert (report.stalled, report.events, await deliveries_of(store)) == (3, 3, [])
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("pruned", "info"),
        ("deliveries_given_up", "warning"),
    ]


async def test_a_deleted_subscription_is_removed_in_one_run(store: Store, tmp_path: Path) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    report = await _pruner(store, now_ms=T0).prune_once()
    assert report == PruneReport(deleted=3)
    assert {each.state for each in await deliveries_of(store)} == {DeliveryState.DEAD}
    assert _count(tmp_path, "subscriptions", "endpoints", "events") == [0, 0, 3]


async def test_the_running_service_prunes_as_its_settings_say(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_KEEP_EVENTS_DAYS="10", WHENFINAL_KEEP_ATTEMPTS_DAYS="0.5") as service:
        pruner = service.services.pruner
        assert (pruner.events_days, pruner.attempts_days, pruner.observations_days) == (10, 0.5, 30)
        assert await pruner.prune_once() == PruneReport()


_ENDLESSLY = """
import asyncio, sys
from receiver.runtime.store import open_store
from receiver.store import retention
from receiver.store.retention import Pruner

retention.LIMIT, now_ms = 7, int(sys.argv[2])

async def main():
    async with open_store(sys.argv[1], clock=lambda: now_ms, migrating=False) as store:
        days = {"events_days": 30, "attempts_days": 30, "observations_days": 30}
        pruner = Pruner(repository=store.retention, clock=lambda: now_ms, guard=None, **days)
        while (await pruner.prune_once()).has_more:
            print("run", flush=True)

asyncio.run(main())
"""


async def test_a_process_killed_while_it_prunes_leaves_whole_events_and_another_one_goes_on(
    store: Store, tmp_path: Path
) -> None:
    await subscribe(store)
    await publish_events(store, 1_199)
    await finish_all(store)
    await publish_events(store, 301, first=1_200)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ENDLESSLY, url, str(NOW), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    await child.stdout.readuntil(b"run\n")
    await child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    left = await event_numbers(store)
    assert 1 < left[0] < 1_200
    assert left == [each.event_seq for each in await deliveries_of(store)] == list(range(left[0], 1_501))
    _is_whole(tmp_path)
    await _prune_all(_pruner(store))
    assert (
        await event_numbers(store)
        == [each.event_seq for each in await deliveries_of(store)]
        == list(range(1_200, 1_501))
    )
    _is_whole(tmp_path)


def _is_whole(folder: Path) -> None:
    """No delivery without its event, no attempt without its delivery, and a sound file."""
    assert _ask(folder, "SELECT id FROM deliveries WHERE event_seq NOT IN (SELECT seq FROM events)") == []
    assert _ask(folder, "SELECT id FROM attempts WHERE delivery NOT IN (SELECT id FROM deliveries)") == []
    assert _ask(folder, "PRAGMA integrity_check") == [("ok",)]


async def test_keys_of_a_rotation_that_is_over_are_cleared_in_a_run(store: Store) -> None:
    await subscribe(store, previous_secret=SECRET, previous_until_ms=NOW)
    assert await _pruner(store, now_ms=NOW - 1).prune_once() == PruneReport()
    assert await _pruner(store).prune_once() == PruneReport(keys=1)
    seen = await store.subscriptions.find("sub_1")
    assert seen is not None
    assert (seen.subscription.previous_secret, seen.subscription.previous_until_ms) == (None, None)
