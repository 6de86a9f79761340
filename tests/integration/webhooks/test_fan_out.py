"""Deliveries are made from the log: once, in bounded transactions, for the subscriptions as they were."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store, open_store
from receiver.store.audit import AuditEntry
from receiver.store.engine import Tx
from receiver.store.errors import StoreUnavailable
from receiver.store.postgres import PostgresTx
from receiver.store.retention import START, RetentionRepository
from receiver.store.sqlite_writer import SqliteTx
from receiver.webhooks import fan_out
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState, DueDelivery
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.model import TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_report, a_task, notified
from tests.support.delivery_fixtures import (
    deliveries_of,
    finish,
    finish_all,
    lease,
    publish_events,
    set_state,
    subscribe,
)
from tests.support.tables import rows_of

ENTRY = AuditEntry(actor="ann", action="changed")
FAILED_ONLY = EventFilter(types=frozenset({EventType.FAILED}))
RED = EventFilter(labels={"team": "red"})
STORED = "SELECT subscription, event_seq FROM deliveries ORDER BY event_seq, subscription"
PAUSE_S = 0.02  # without it one process after the other takes the writer of SQLite, and some never get it in time


async def _narrow(store: Store, wanted: EventFilter, subscription_id: str = "sub_1") -> None:
    assert await store.subscriptions.change(
        subscription_id, lambda before: replace(before, filter=wanted), ENTRY, now_ms=T0
    )


async def _received(store: Store) -> list[tuple[str | None, int]]:
    found = [(each.subscription, each.event_seq) for each in await deliveries_of(store)]
    return sorted(found, key=lambda each: (each[1], each[0] or ""))


async def _publish_notified(store: Store, count: int) -> None:
    tasks = [f"tsk_{number}" for number in range(count)]
    for name in tasks:
        await store.submissions.open_task(notified(name), T0)
    await store.ledger.record([a_report(provider_task_id=name, expected_task_id=name) for name in tasks], T0)


async def test_what_records_an_observation_writes_no_delivery(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    assert rows_of(database_url, STORED) == []
    assert [due.event_type for due in await lease(store)] == [EventType.SUCCEEDED] * 3
    assert rows_of(database_url, STORED) == [("sub_1", 1), ("sub_1", 2), ("sub_1", 3)]


async def test_a_delivery_is_as_if_it_was_made_with_its_event(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1, at_ms=T0 - 7)
    (delivery,) = await deliveries_of(store)
    assert (delivery.created_ms, delivery.due_ms) == (T0 - 7, T0 - 7)
    assert await lease(store, now_ms=T0 - 8) == []
    assert [due.id for due in await lease(store, now_ms=T0 - 7)] == [delivery.id]


async def test_what_a_clock_that_was_ahead_stored_is_due_at_once(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1, at_ms=T0 + 3_600_000)  # then the clock is set back to T0
    await publish_events(store, 1, first=2)
    assert len(await lease(store, now_ms=T0)) == 2
    assert [(each.created_ms, each.due_ms) for each in await deliveries_of(store)] == [
        (T0 + 3_600_000, T0),
        (T0, T0),
    ]


async def test_a_task_s_own_notify_gets_the_events_about_tasks_and_no_others(store: Store) -> None:
    await _publish_notified(store, 1)
    await store.submissions.open_task(notified("tsk_lost", deadline_ms=T0 + 1), T0)
    lost = Uncertain(reason="the reply was lost")
    await store.submissions.store_uncertain(TaskId("tsk_lost"), lost, next_poll_ms=None, now_ms=T0)
    await store.ledger.mark_overdue(T0 + 2)
    types = [event.type for event in await store.events.events(0)]
    assert types == [EventType.SUCCEEDED, EventType.UNCERTAIN, EventType.OVERDUE]
    assert [(each.event_seq, each.endpoint) for each in await deliveries_of(store)] == [
        (1, "https://hooks.example/a"),
        (3, "https://hooks.example/a"),
    ]


# The subscriptions as they were


async def test_one_that_was_created_later_gets_no_earlier_event(store: Store) -> None:
    await publish_events(store, 2)
    await subscribe(store)
    await publish_events(store, 1, first=3)
    assert await _received(store) == [("sub_1", 3)]


async def test_each_event_meets_the_filter_and_the_url_of_its_time(store: Store) -> None:
    before = await subscribe(store)
    await publish_events(store, 1)
    await _narrow(store, FAILED_ONLY)
    await publish_events(store, 1, first=2)
    await _narrow(store, EventFilter())
    await store.subscriptions.change(
        "sub_1", lambda stored: replace(stored, url="https://new.example/"), ENTRY, now_ms=T0
    )
    await publish_events(store, 1, first=3)
    assert [(each.event_seq, each.endpoint) for each in await deliveries_of(store)] == [
        (1, before.url),
        (3, "https://new.example/"),
    ]
    assert {due.url for due in await lease(store)} == {"https://new.example/"}  # posts go to where it is now


async def test_one_that_is_disabled_keeps_what_it_was_due_and_misses_the_rest(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    await set_state(store, SubscriptionState.DISABLED)
    await publish_events(store, 1, first=2)
    await set_state(store, SubscriptionState.ACTIVE)
    await publish_events(store, 1, first=3)
    assert await _received(store) == [("sub_1", 1), ("sub_1", 3)]


async def test_one_that_is_deleted_ends_with_its_last_deliveries_dead(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    await publish_events(store, 1, first=3)
    unmade = RetentionRepository(store.engine, _nothing)
    assert (await unmade.dead_letter_deleted(START, limit=9, now_ms=T0)).cursor is None  # it waits for them
    cursor = START
    while (batch := await store.retention.dead_letter_deleted(cursor, limit=9, now_ms=T0)).cursor is not None:
        cursor = batch.cursor
    assert [(each.event_seq, each.state) for each in await deliveries_of(store)] == [
        (1, DeliveryState.DEAD),
        (2, DeliveryState.DEAD),
    ]
    assert rows_of(database_url, "SELECT * FROM subscriptions") == []


async def test_the_event_that_one_was_disabled_goes_to_the_others_that_name_it(store: Store) -> None:
    wanted = EventFilter(types=frozenset({EventType.SUBSCRIPTION_DISABLED, EventType.SUCCEEDED}))
    for name in ("sub_1", "sub_2"):
        await subscribe(store, name, filter=wanted)
    await publish_events(store, 1)
    leased = await lease(store)
    await publish_events(store, 1, first=2)
    (mine,) = [due for due in leased if due.endpoint_id == "sub_1"]
    assert await store.outbox.record_attempts([_gone(mine)], T0) == 1
    assert await _received(store) == [
        *[(name, 1) for name in ("sub_1", "sub_2")],
        *[(name, 2) for name in ("sub_1", "sub_2")],
        ("sub_2", 3),
    ]


def _gone(due: DueDelivery) -> AttemptResult:
    attempt = Attempt(at_ms=T0, latency_ms=1, status=410, error=None)
    return AttemptResult(
        delivery=due.id,
        owner=due.owner,
        endpoint_id=due.endpoint_id,
        attempt=attempt,
        state=DeliveryState.DEAD,
        due_ms=None,
    )


async def test_what_was_kept_of_former_subscriptions_goes_with_their_last_event(
    store: Store, database_url: str
) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    await _narrow(store, FAILED_ONLY)
    await _narrow(store, RED)  # no event in between: nothing to keep
    kept = "SELECT id, after_seq, until_seq FROM former_subscriptions"
    assert rows_of(database_url, kept) == [("sub_1", 0, 1)]
    await lease(store)
    assert rows_of(database_url, kept) == []
    await _narrow(store, FAILED_ONLY)  # every event has its deliveries
    assert rows_of(database_url, kept) == []


@pytest.mark.parametrize("seed", range(3))
async def test_late_deliveries_are_those_that_would_have_been_made_at_once(
    store: Store, database_url: str, seed: int
) -> None:
    """The same changes and events twice, the second time with deliveries made after each."""
    late = await _history(store, random.Random(seed), 1, after=_nothing)
    shift = await store.events.last_seq()
    prompt = await _history(store, random.Random(seed), 2, after=lambda: lease(store, limit=1))
    assert late
    assert prompt == {(name.replace("r1", "r2"), seq + shift) for name, seq in late}


async def _history(
    store: Store, rng: random.Random, run: int, *, after: Callable[[], Awaitable[object]]
) -> set[tuple[str, int]]:
    names: list[str] = []
    filters = (EventFilter(), FAILED_ONLY, RED)
    for step in range(40):
        deed = rng.choice(("create", "filter", "state", "delete", "end", "end", "end"))
        wanted, picked = rng.choice(filters), rng.random()
        name = names[int(picked * len(names))] if names else ""
        if deed == "create" or not names:
            names.append(f"sub_r{run}_{step:02}")
            await subscribe(store, names[-1], filter=wanted)
        elif deed == "filter":
            await _narrow(store, wanted, name)
        elif deed == "state":
            state = rng.choice((SubscriptionState.ACTIVE, SubscriptionState.DISABLED))
            await set_state(store, state, name)
        elif deed == "delete" and len(names) > 2:
            names.remove(name)
            await store.subscriptions.delete(name, actor="ann", now_ms=T0)
        else:
            end = rng.choice((TaskState.SUCCEEDED, TaskState.FAILED))
            team = rng.choice(("red", "blue"))
            task = f"tsk_{run}_{step}"
            await store.submissions.open_task(a_task(task, labels={"team": team}), T0)
            await store.ledger.record([a_report(end, provider_task_id=task, expected_task_id=task)], T0)
        await after()
    for name in names:
        await store.subscriptions.delete(name, actor="ann", now_ms=T0)
    received = await _received(store)
    return {(name, seq) for name, seq in received if name is not None and f"r{run}_" in name}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_change_waits_for_the_events_that_are_being_committed(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribe(store)
    is_numbered, may_commit = asyncio.Event(), asyncio.Event()
    announce = PostgresTx.announce

    async def held(tx: PostgresTx) -> None:
        is_numbered.set()
        await may_commit.wait()
        await announce(tx)

    monkeypatch.setattr(PostgresTx, "announce", held)
    publishing = asyncio.create_task(publish_events(store, 1))
    await is_numbered.wait()
    changing = asyncio.create_task(_narrow(store, FAILED_ONLY))
    done, _ = await asyncio.wait([changing], timeout=0.2)
    assert not done
    may_commit.set()
    await asyncio.gather(publishing, changing)
    assert await _received(store) == [("sub_1", 1)]


# Once


_DYING = """
import asyncio, os, signal, sys
from receiver.runtime.store import open_store
from receiver.store.postgres import PostgresTx
from receiver.store.sqlite_writer import SqliteTx
from tests.support.builders import T0
from tests.support.delivery_fixtures import lease, publish_events

for engine in (SqliteTx, PostgresTx):
    async def execute(tx, name, /, _run=engine.execute, **params):
        if name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        return await _run(tx, name, **params)
    engine.execute = execute

async def main():
    async with open_store(sys.argv[1], clock=lambda: T0, migrating=False) as store:
        await publish_events(store, 5)
        if sys.argv[2] == "nothing":
            os.kill(os.getpid(), signal.SIGKILL)
        await lease(store)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["nothing", "set_fan_out"])
async def test_a_process_that_is_killed_before_or_while_it_makes_them_leaves_them_to_the_next(
    store: Store, database_url: str, when: str
) -> None:
    await subscribe(store)
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _DYING, database_url, when], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert rows_of(database_url, STORED) == []
    assert len(await lease(store)) == 5
    assert await lease(store) == []
    assert rows_of(database_url, STORED) == [("sub_1", seq) for seq in range(1, 6)]


async def test_a_transaction_that_fails_leaves_nothing_and_is_made_up_for(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribe(store)
    await _publish_notified(store, 3)

    async def failing(tx: Tx, name: str, /, **params: Any) -> int:
        raise StoreUnavailable("disk full")

    for engine in (SqliteTx, PostgresTx):
        monkeypatch.setattr(engine, "execute", failing)
    with pytest.raises(StoreUnavailable):
        await lease(store)
    monkeypatch.undo()
    assert rows_of(database_url, STORED) == []
    assert len(await lease(store)) == 6


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_what_has_its_delivery_does_not_wait_for_what_has_none(store: Store, database_url: str) -> None:
    """Another process stands still in the transaction that makes them."""
    await subscribe(store)
    await publish_events(store, 2)
    assert len(await lease(store, limit=1)) == 1
    await publish_events(store, 1, first=3)
    with closing(psycopg.connect(database_url)) as other:
        other.execute("SELECT value FROM numbers WHERE name = 'fanned_out' FOR UPDATE")
        assert len(await lease(store)) == 1
        with pytest.raises(StoreUnavailable):
            await lease(store)
    assert len(await lease(store)) == 1


@pytest.fixture
async def nodes(store: Store, database_url: str) -> AsyncIterator[list[Store]]:
    """Three processes' worth of stores on one ledger."""
    async with AsyncExitStack() as stack:
        yield [
            store,
            *[
                await stack.enter_async_context(open_store(database_url, clock=lambda: T0, migrating=False))
                for _ in range(2)
            ],
        ]


async def test_workers_that_make_them_at_once_while_subscriptions_change_make_each_once(
    nodes: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "DELIVERIES_AT_ONCE", 7)
    store = nodes[0]
    for name in ("sub_1", "sub_2"):
        await subscribe(store, name)
    is_over = asyncio.Event()

    async def working(node: Store) -> None:
        while not is_over.is_set():
            await finish(node, await lease(node, limit=20))
            await asyncio.sleep(PAUSE_S)

    async def changing() -> None:
        while not is_over.is_set():
            await set_state(nodes[1], SubscriptionState.ACTIVE, "sub_2")
            await asyncio.sleep(PAUSE_S)

    running = [asyncio.create_task(work) for work in (*map(working, nodes), changing())]
    for first in range(0, 60, 20):
        tasks = [f"tsk_{number}" for number in range(first, first + 20)]
        for name in tasks:
            await store.submissions.open_task(notified(name), T0)
        reports = [a_report(provider_task_id=name, expected_task_id=name) for name in tasks]
        await asyncio.gather(*(node.ledger.record(reports[each::3], T0) for each, node in enumerate(nodes)))
    is_over.set()
    await asyncio.gather(*running)
    await finish_all(store)
    counts = Counter(await _received(store))
    assert counts == Counter({(name, seq): 1 for name in (None, "sub_1", "sub_2") for seq in range(1, 61)})
    assert {each.state for each in await deliveries_of(store)} == {DeliveryState.DELIVERED}


async def _nothing() -> None:
    pass
