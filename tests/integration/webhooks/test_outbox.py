"""The outbox: leases, attempts, and what follows from them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store, open_store
from receiver.store.audit import AuditEntry
from receiver.store.engine import Tx, Value
from receiver.store.errors import StoreUnavailable
from receiver.store.postgres import PostgresTx
from receiver.store.sqlite import SqliteEngine
from receiver.store.sqlite_writer import SqliteTx
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState, DueDelivery
from receiver.webhooks.model.subscription import SubscriptionState
from tests.support.builders import SECRET, T0, a_report, notified
from tests.support.delivery_fixtures import deliveries_of, publish_event_of, publish_events, set_state, subscribe


async def _add_deliveries(store: Store, count: int, url: str = "https://hooks.example/a") -> None:
    for index in range(count):
        name = f"{url[-1]}{index}"
        await store.submissions.open_task(notified(f"tsk_{name}", url), T0)
        await store.ledger.record([a_report(provider_task_id=name, expected_task_id=f"tsk_{name}")], T0)


async def _lease(store: Store, owner: str = "a", *, now_ms: int = T0, per_endpoint: int = 8) -> list[DueDelivery]:
    leased = await store.outbox.lease_deliveries(
        owner=owner, now_ms=now_ms, lease_ms=10_000, limit=100, per_endpoint=per_endpoint
    )
    return list(leased.deliveries)


def _result(due: DueDelivery, state: DeliveryState, due_ms: int | None = None, status: int = 500) -> AttemptResult:
    attempt = Attempt(at_ms=T0, latency_ms=12, status=status, error=None, response="no\x00")
    return AttemptResult(
        delivery=due.id, owner=due.owner, endpoint_id=due.endpoint_id, attempt=attempt, state=state, due_ms=due_ms
    )


async def test_a_leased_delivery_has_all_that_an_attempt_needs(store: Store) -> None:
    await _add_deliveries(store, 1)
    (due,) = await _lease(store)
    (event,) = await store.events.events(0)
    assert (due.url, due.secrets, due.body, due.event_id, due.attempts) == (
        "https://hooks.example/a",
        (SECRET,),
        event.body,
        event.id,
        0,
    )
    assert (due.task_id, due.provider) == ("tsk_a0", "hiapi")
    assert SECRET not in repr(due)


async def test_two_workers_never_lease_the_same_delivery(store: Store) -> None:
    for letter in "abcd":
        await _add_deliveries(store, 5, f"https://{letter}.example/{letter}")
    runs = await asyncio.gather(*(_lease(store, f"w{n}", per_endpoint=2) for n in range(4)))
    leased = [due.id for run in runs for due in run]
    assert len(leased) == len(set(leased)) == 8


async def test_an_endpoint_never_has_more_in_flight_than_its_share(store: Store) -> None:
    await _add_deliveries(store, 6)
    assert len(await _lease(store, per_endpoint=4)) == 4
    assert await _lease(store, "b", per_endpoint=4) == []


async def test_endpoints_share_a_lease(store: Store) -> None:
    await _add_deliveries(store, 50, "https://a.example/a")
    await _add_deliveries(store, 1, "https://b.example/b")
    leased = await store.outbox.lease_deliveries(owner="a", now_ms=T0, lease_ms=1, limit=2, per_endpoint=8)
    assert {due.url for due in leased.deliveries} == {"https://a.example/a", "https://b.example/b"}


async def test_a_failed_attempt_is_due_again_at_its_time(store: Store) -> None:
    await _add_deliveries(store, 1)
    (due,) = await _lease(store)
    await store.outbox.record_attempts([_result(due, DeliveryState.PENDING, T0 + 5_000)], T0)
    assert await _lease(store, now_ms=T0 + 4_999) == []
    (again,) = await _lease(store, now_ms=T0 + 5_000)
    assert again.attempts == 1
    (attempt,) = await store.deliveries.attempts(due.id)
    assert (attempt.status, attempt.response) == (500, "no\\x00")


async def test_a_dead_letter_is_not_leased_until_it_is_redelivered(store: Store) -> None:
    await _add_deliveries(store, 1)
    (due,) = await _lease(store)
    await store.outbox.record_attempts([_result(due, DeliveryState.DEAD)], T0)
    assert await _lease(store, now_ms=T0 + 10**9) == []
    assert len((await store.deliveries.deliveries(state=DeliveryState.DEAD)).items) == 1
    requeued = await store.outbox.redeliver(due.id, actor="ann", now_ms=T0 + 1)
    assert requeued is not None
    (again,) = await _lease(store, now_ms=T0 + 1)
    assert (again.id, again.event_id, again.attempts) == (due.id, due.event_id, 0)


async def test_an_owner_that_lost_its_lease_adds_only_its_attempt(store: Store) -> None:
    await _add_deliveries(store, 1)
    (late,) = await _lease(store, "late")
    (taken,) = await _lease(store, "next", now_ms=T0 + 10_000)
    await store.outbox.record_attempts([_result(taken, DeliveryState.DELIVERED, status=204)], T0 + 10_001)
    await store.outbox.record_attempts([_result(late, DeliveryState.DEAD)], T0 + 10_002)
    delivery = await store.deliveries.delivery(late.id)
    assert delivery is not None
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)
    assert len(await store.deliveries.attempts(late.id)) == 2


async def test_a_leased_delivery_carries_the_current_url_and_every_key_that_signs(store: Store) -> None:
    keys = {"signing_key": "whsk_new", "previous_signing_key": "whsk_old"}
    await subscribe(store, previous_secret="whsec_old", previous_until_ms=T0 + 10, cloudevents=True, **keys)
    await publish_events(store, 1)
    moved = AuditEntry(actor="ann", action="moved")
    await store.subscriptions.change("sub_1", lambda s: replace(s, url="https://new.example/"), moved, now_ms=T0)
    (due,) = await _lease(store, now_ms=T0 + 9)
    assert (due.endpoint_id, due.url, due.cloudevents) == ("sub_1", "https://new.example/", True)
    assert (due.secrets, due.signing_keys) == ((SECRET, "whsec_old"), ("whsk_new", "whsk_old"))
    assert not any(word in repr(due) for word in (SECRET, "whsec_old", "whsk_new", "whsk_old"))
    (later,) = await _lease(store, now_ms=T0 + 20_000)
    assert (later.secrets, later.signing_keys) == ((SECRET,), ("whsk_new",))


async def test_an_endpoint_holds_when_a_delivery_of_it_can_be_leased_next(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    assert await _next_due(store) == T0
    one, two = await _lease(store)
    assert await _next_due(store) == T0 + 10_000  # when the leases end, should nobody come back
    await store.outbox.record_attempts([_result(one, DeliveryState.PENDING, T0 + 5_000)], T0 + 1)
    assert await _next_due(store) == T0 + 5_000
    await store.outbox.record_attempts([_result(two, DeliveryState.DEAD)], T0 + 2)
    (again,) = await _lease(store, now_ms=T0 + 5_000)
    await store.outbox.record_attempts([_result(again, DeliveryState.DELIVERED, status=200)], T0 + 5_001)
    assert await _next_due(store) is None


async def _next_due(store: Store) -> int | None:
    seen = await store.subscriptions.find("sub_1")
    assert seen is not None
    assert seen.endpoint is not None
    return seen.endpoint.next_due_ms


async def test_a_subscription_is_disabled_once_however_many_of_its_deliveries_say_so(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    due = await _lease(store)
    results = [_result(each, DeliveryState.DEAD, status=410) for each in due]
    assert await store.outbox.record_attempts(results[:2], T0) == 1
    assert await store.outbox.record_attempts(results[2:], T0) == 0
    events = await store.events.events(3)
    assert [(event.type, event.task_id) for event in events] == [(EventType.SUBSCRIPTION_DISABLED, None)]


async def test_an_attempt_of_a_subscription_that_was_deleted_meanwhile_is_recorded_all_the_same(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    (due,) = await _lease(store)
    assert await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    assert await store.outbox.record_attempts([_result(due, DeliveryState.DEAD, status=410)], T0) == 0
    assert len(await store.deliveries.attempts(due.id)) == 1
    requeued = await store.outbox.redeliver(due.id, actor="ann", now_ms=T0 + 1)
    assert requeued is not None
    assert requeued.state is DeliveryState.DEAD


async def test_a_change_by_any_process_counts_from_the_next_event_on(store: Store, database_url: str) -> None:
    async with open_store(database_url, clock=lambda: T0, migrating=False) as other:
        await publish_events(store, 1)
        await subscribe(other)
        await publish_events(store, 1, first=2)
        await set_state(other, SubscriptionState.DISABLED)
        await publish_events(store, 1, first=3)
    assert [each.event_seq for each in await deliveries_of(store)] == [2]


async def test_a_disabling_that_is_rolled_back_is_not_cached(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    (due,) = await _lease(store)

    for engine in (SqliteTx, PostgresTx):
        monkeypatch.setattr(engine, "execute_many", _failing_at("insert_event", engine.execute_many))
    await subscribe(store, "sub_ops", filter=EventFilter(types=frozenset({EventType.SUBSCRIPTION_DISABLED})))
    with pytest.raises(StoreUnavailable):
        await store.outbox.record_attempts([_result(due, DeliveryState.DEAD, status=410)], T0)
    monkeypatch.undo()
    await subscribe(store, "sub_2")  # raises the counter to where the failed transaction had it
    await publish_events(store, 1, first=2)
    assert {each.subscription for each in await deliveries_of(store) if each.event_seq == 2} == {"sub_1", "sub_2"}


def _failing_at(statement: str, run: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def execute_many(tx: Tx, name: str, rows: Any, /) -> None:
        if name == statement:
            raise StoreUnavailable("disk full")
        await run(tx, name, rows)

    return execute_many


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_leasing_costs_no_more_when_an_endpoint_has_a_hundred_thousand_pending(store: Store) -> None:
    await subscribe(store, "sub_long")
    await subscribe(store, "sub_short", filter=EventFilter(labels={"team": "red"}))
    await publish_event_of(store, "tsk_1", labels={"team": "red"})
    few = await _steps(store, "a", T0)
    await _add_backlog(store, "sub_long", 100_000)
    many = await _steps(store, "b", T0 + 20_000)
    assert many < 10 * few, (few, many)


async def _add_backlog(store: Store, endpoint_id: str, count: int) -> None:
    """Straight into the table: a backlog of days."""
    rows: list[dict[str, Value]] = [
        {
            "id": f"dlv_x{n:06d}",
            "event_seq": 1_000 + n,
            "event_id": f"evt_x{n}",
            "event_type": "task.succeeded",
            "task": "tsk_1",
            "subscription": endpoint_id,
            "endpoint_id": endpoint_id,
            "endpoint": "https://hooks.example/x",
            "due_ms": T0 + n // 1000,
            "created_ms": T0 + n // 1000,
        }
        for n in range(count)
    ]
    events = [
        {"seq": row["event_seq"], "id": row["event_id"], "task": "", "type": row["event_type"], "body": "{}"}
        | {"at_ms": T0, "supersedes": None}
        for row in rows
    ]
    await store.engine.write(lambda tx: tx.execute_many("insert_event", events))
    await store.engine.write(lambda tx: tx.execute_many("insert_delivery", rows))


async def _steps(store: Store, owner: str, now_ms: int) -> int:
    """Instructions, in hundreds, that SQLite's writer spent on one lease and on what became of it."""
    assert isinstance(store.engine, SqliteEngine)
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    store.engine._writer.connection.set_progress_handler(count, 100)
    leased = await _lease(store, owner, now_ms=now_ms)
    assert len(leased) >= 2
    results = [_result(due, DeliveryState.PENDING, now_ms + 9_000) for due in leased]
    await store.outbox.record_attempts(results, now_ms)
    store.engine._writer.connection.set_progress_handler(None, 0)
    return counted[0]


async def test_redelivering_an_unknown_delivery_changes_nothing(store: Store) -> None:
    assert await store.outbox.redeliver("dlv_none", actor="ann", now_ms=T0) is None
