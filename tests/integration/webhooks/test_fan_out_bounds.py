"""What makes deliveries from the log is bounded; lists, replays and retention see what it has not made yet."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import pytest

from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store
from receiver.store.audit import AuditEntry
from receiver.store.engine import Tx, Value
from receiver.store.errors import StoreUnavailable
from receiver.store.retention import START, RetentionRepository
from receiver.webhooks import fan_out
from receiver.webhooks.model.delivery import FanOutLag
from receiver.webhooks.model.replay import ReplayRange, ReplayWhich
from submitter.model import TaskId
from tests.support.builders import T0
from tests.support.deliverer_setup import open_deliverer
from tests.support.delivery_fixtures import (
    DAY_MS,
    deliveries_of,
    finish_all,
    lease,
    publish_event_of,
    publish_events,
    subscribe,
)
from tests.support.tables import rows_of

STORED = "SELECT subscription, event_seq FROM deliveries ORDER BY event_seq, subscription"


# Bounded


async def test_a_thousand_subscriptions_get_one_event_in_one_transaction(store: Store, database_url: str) -> None:
    for number in range(1000):
        await subscribe(store, f"sub_{number}")
    await publish_events(store, 1)
    assert rows_of(database_url, STORED) == []
    leased = [*await lease(store, limit=1000), *await lease(store, limit=1000)]
    assert len({due.endpoint_id for due in leased}) == len(leased) == 1000
    assert len(rows_of(database_url, STORED)) == 1000


async def test_ten_thousand_events_get_theirs_in_bounded_transactions(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 10_000)
    numbers = [0]
    while numbers[-1] < 10_000:
        await lease(store, limit=1)
        numbers.append(len(rows_of(database_url, STORED)))
    steps = {after - before for before, after in pairwise(numbers)}
    assert steps == {fan_out.DELIVERIES_AT_ONCE}


async def test_events_that_nobody_receives_are_passed_and_so_are_lost_numbers(store: Store, database_url: str) -> None:
    await publish_events(store, 3)

    async def skip(tx: Tx) -> None:
        await tx.execute("skip_event_numbers", value=100_000)

    await store.engine.write(skip)
    await subscribe(store)
    await publish_events(store, 1, first=4)
    assert [due.endpoint_id for due in await lease(store)] == ["sub_1"]
    reached = "SELECT value FROM numbers WHERE name = 'fanned_out'"
    assert rows_of(database_url, reached) == [(100_001,)]


async def test_a_run_that_leaves_events_without_deliveries_says_that_another_may_find_some(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "EVENTS_AT_ONCE", 1)
    await subscribe(store, filter=EventFilter(labels={"team": "red"}))
    await publish_events(store, 3)
    said: list[int] = []
    counts = []
    async with open_deliverer(store.outbox, on_capacity=lambda: said.append(1)) as deliverer:
        for _ in range(4):
            await deliverer.deliver_once(limit=9)
            counts.append(len(said))
    assert counts == [1, 2, 2, 2]


async def test_events_before_one_of_an_unknown_type_are_delivered_and_the_rest_waits_for_a_newer_version(
    store: Store, database_url: str
) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    await store.engine.write(_store_event_of_a_newer_version)
    await publish_events(store, 1, first=3)
    assert len(await lease(store, limit=1)) == 1
    assert len(await lease(store)) == 1
    with pytest.raises(StoreUnavailable, match=r"event 3 is of type task\.from_a_newer_version"):
        await lease(store)
    assert await _received(store) == [("sub_1", 1), ("sub_1", 2)]
    lag = await store.deliveries.fan_out_lag()
    assert lag == FanOutLag(events=2, type="task.from_a_newer_version", at_ms=T0)
    with pytest.raises(StoreUnavailable, match="newer"):
        await store.replays.begin("sub_1", ReplayRange(), actor="ann", now_ms=T0)
    assert (await store.retention.remove_events(START, limit=9, before_ms=T0 + 1)).count == 0
    assert "subscription replayed" not in str(rows_of(database_url, "SELECT action FROM audit"))


async def test_a_delivery_that_a_newer_version_made_of_an_unknown_type_is_posted_and_shown(store: Store) -> None:
    await subscribe(store)
    await store.engine.write(_store_event_of_a_newer_version)

    async def deliver(tx: Tx) -> None:
        row: dict[str, Value] = {
            "id": "dlv_1",
            "event_seq": 1,
            "event_id": "evt_new",
            "event_type": "task.from_a_newer_version",
            "task": "",
            "subscription": "sub_1",
            "endpoint_id": "sub_1",
            "endpoint": "https://hooks.example/sub_1",
            "due_ms": T0,
            "created_ms": T0,
        }
        await tx.execute_many("insert_delivery", [row])
        await tx.execute_many("schedule_endpoint", [{"id": "sub_1", "due_ms": T0}])
        await tx.execute("set_fan_out", seq=1)

    await store.engine.write(deliver)
    assert await store.deliveries.fan_out_lag() is None
    assert [due.event_type for due in await lease(store)] == ["task.from_a_newer_version"]
    assert [each.event_type for each in await deliveries_of(store)] == ["task.from_a_newer_version"]


async def _store_event_of_a_newer_version(tx: Tx) -> None:
    row = await tx.fetch_one("reserve_event_numbers", count=1)
    assert row is not None
    await tx.execute(
        "insert_event",
        seq=row["value"],
        id="evt_new",
        task="",
        type="task.from_a_newer_version",
        at_ms=T0,
        supersedes=None,
        body="{}",
    )


async def test_a_replay_behind_a_long_backlog_is_refused_before_it_began_and_goes_on_when_repeated(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "EVENTS_AT_ONCE", 1)
    await subscribe(store)
    await publish_events(store, fan_out.ADVANCES_AT_ONCE + 5)
    with pytest.raises(StoreUnavailable, match="5 events have no deliveries yet"):
        await store.replays.begin("sub_1", ReplayRange(), actor="ann", now_ms=T0)
    replayed = "SELECT action FROM audit WHERE action = 'subscription replayed'"
    assert rows_of(database_url, replayed) == []
    scope = await store.replays.begin("sub_1", ReplayRange(), actor="ann", now_ms=T0)
    assert scope.last_seq == fan_out.ADVANCES_AT_ONCE + 5
    assert len(rows_of(database_url, replayed)) == 1


async def test_a_change_that_does_not_decide_who_receives_an_event_keeps_nothing(
    store: Store, database_url: str
) -> None:
    before = await subscribe(store)
    await publish_events(store, 1)
    entry = AuditEntry(actor="ann", action="secret rotated")
    await store.subscriptions.change("sub_1", lambda each: replace(each, previous_secret=each.secret), entry, now_ms=T0)
    assert rows_of(database_url, "SELECT id FROM former_subscriptions") == []
    assert [(each.event_seq, each.endpoint) for each in await deliveries_of(store)] == [(1, before.url)]


# Views, replays and retention


@pytest.mark.parametrize("which", list(ReplayWhich))
async def test_a_replay_of_an_event_without_its_delivery_yet_leaves_one(store: Store, which: ReplayWhich) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    scope = await store.replays.begin("sub_1", ReplayRange(which=which), actor="ann", now_ms=T0)
    batch = await store.replays.requeue_batch("sub_1", ReplayRange(which=which), scope, limit=9, now_ms=T0)
    assert (batch.matched, batch.requeued) == (3, 0)  # they are pending already
    assert await _received(store) == [("sub_1", seq) for seq in (1, 2, 3)]


async def test_retention_deletes_no_event_before_its_deliveries_are_made(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    long_after = T0 + 40 * DAY_MS
    unmade = RetentionRepository(store.engine, _nothing)
    assert (await unmade.remove_events(START, limit=9, before_ms=long_after)).count == 0
    assert (
        await store.retention.remove_events(START, limit=9, before_ms=long_after)
    ).count == 0  # now they are pending
    assert await finish_all(store) == 2
    assert (await unmade.remove_events(START, limit=9, before_ms=long_after)).count == 2


async def test_lists_counts_and_timelines_show_deliveries_that_no_worker_has_made(store: Store) -> None:
    await subscribe(store)
    await publish_event_of(store, "tsk_1")
    kinds = [type(each).__name__ for each in await store.tasks.timeline(TaskId("tsk_1"))]
    assert "DeliveryEntry" in kinds
    await publish_event_of(store, "tsk_2")
    assert (await store.deliveries.backlog("sub_1")).pending == 2
    await publish_event_of(store, "tsk_3", notify_url="https://a.example/x", notify_secret="whsec_eA==")
    hosts = await store.endpoints.notify_hosts(only_failing=False, limit=9, cursor=None, now_ms=T0)
    assert [(each.endpoint.id, each.pending) for each in hosts.items] == [("https://a.example", 1)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_list_shows_what_is_stored_while_another_process_writes(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    await deliveries_of(store)
    await publish_events(store, 1, first=2)
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await _received(store) == [("sub_1", 1)]
        other.execute("ROLLBACK")
    assert await _received(store) == [("sub_1", 1), ("sub_1", 2)]


async def _received(store: Store) -> list[tuple[str | None, int]]:
    return [(each.subscription, each.event_seq) for each in await deliveries_of(store)]


async def _nothing() -> None:
    pass
