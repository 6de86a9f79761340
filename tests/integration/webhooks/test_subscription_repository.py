"""Storing subscriptions: what is added, changed, found and deleted."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store, open_store
from receiver.store.audit import AuditEntry
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from receiver.webhooks.model.rows import subscription_row
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS
from tests.support.builders import SECRET, T0
from tests.support.delivery_fixtures import deliveries_of, finish, lease, publish_events, subscribe
from tests.support.tables import rows_of

ENTRY = AuditEntry(actor="ann", action="subscription changed")


async def _change(
    store: Store, name: str = "sub_1", *, reset_health: bool = False, **changes: Any
) -> Subscription | None:
    return await store.subscriptions.change(
        name, lambda stored: replace(stored, **changes), ENTRY, now_ms=T0, reset_health=reset_health
    )


async def _counter(store: Store) -> int:
    row = await store.engine.read(lambda reader: reader.fetch_one("fan_out_place"))
    assert row is not None
    return int(row["version"])


async def _found(store: Store, name: str = "sub_1") -> Subscription:
    seen = await store.subscriptions.find(name)
    assert seen is not None
    return seen.subscription


async def test_what_is_added_is_found_as_it_was(store: Store) -> None:
    wanted = EventFilter(
        types=frozenset({EventType.FAILED}), providers=frozenset({"hiapi"}), models=frozenset({"m"}), labels={"a": "完"}
    )
    made = await subscribe(
        store,
        description="电影",
        filter=wanted,
        signing_key="whsk_1",
        previous_secret="whsec_0",
        previous_signing_key="whsk_0",
        previous_until_ms=T0 + 9,
        cloudevents=True,
        handshake=True,
        rate_per_s=0.25,
        granted_per_s=2.0,
        max_in_flight=3,
    )
    seen = await store.subscriptions.find("sub_1")
    assert seen is not None
    assert (seen.subscription, seen.endpoint) == (made, None)
    assert await store.subscriptions.find("sub_2") is None


async def test_an_endpoint_is_found_with_the_lower_of_the_limits(store: Store) -> None:
    await subscribe(store, rate_per_s=5.0, granted_per_s=2.0, max_in_flight=3)
    await publish_events(store, 1)
    seen = await store.subscriptions.find("sub_1")
    assert seen is not None
    assert seen.endpoint is not None
    assert (seen.endpoint.next_due_ms, seen.endpoint.limit_per_s, seen.endpoint.max_in_flight) == (T0, 2.0, 3)


async def test_pages_are_newest_first_and_end(store: Store) -> None:
    for number in range(5):
        await subscribe(store, f"sub_{number}")
    first = await store.subscriptions.page(limit=3, cursor=None)
    assert [seen.subscription.id for seen in first.items] == ["sub_4", "sub_3", "sub_2"]
    rest = await store.subscriptions.page(limit=3, cursor=first.next_cursor)
    assert ([seen.subscription.id for seen in rest.items], rest.next_cursor) == (["sub_1", "sub_0"], None)
    assert (await store.subscriptions.page(limit=3, cursor="sub_0")).items == ()


async def test_no_more_are_stored_than_the_limit(store: Store) -> None:
    rows = [subscription_row(_subscription(f"sub_{number:04d}")) for number in range(MOST_SUBSCRIPTIONS)]
    await store.engine.write(lambda tx: tx.execute_many("insert_subscription", rows))
    before = await _counter(store)
    assert not await store.subscriptions.add(_subscription("sub_new"), actor="ann", now_ms=T0)
    assert await store.subscriptions.find("sub_new") is None
    assert await store.subscriptions.delete("sub_0000", actor="ann", now_ms=T0)
    assert await store.subscriptions.add(_subscription("sub_new"), actor="ann", now_ms=T0)
    assert await _counter(store) > before


def _subscription(name: str) -> Subscription:
    return Subscription(id=name, url="https://hooks.example/a", secret=SECRET, created_ms=T0, changed_ms=T0)


async def test_every_change_is_counted(store: Store) -> None:
    counts = [await _counter(store)]
    await subscribe(store)
    counts.append(await _counter(store))
    await _change(store, description="x")
    counts.append(await _counter(store))
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    counts.append(await _counter(store))
    assert counts == sorted(set(counts))


async def test_recipients_follow_the_changes_at_once(store: Store) -> None:
    await publish_events(store, 1, first=1)
    await subscribe(store)
    await publish_events(store, 1, first=2)
    await _change(store, state=SubscriptionState.DISABLED)
    await publish_events(store, 1, first=3)
    await _change(store, state=SubscriptionState.ACTIVE, filter=EventFilter(providers=frozenset({"other"})))
    await publish_events(store, 1, first=4)
    await _change(store, filter=EventFilter())
    await publish_events(store, 1, first=5)
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    await publish_events(store, 1, first=6)
    assert [delivery.event_seq for delivery in await deliveries_of(store, "sub_1")] == [2, 5]


async def test_a_change_that_fails_leaves_everything_as_it_was(store: Store) -> None:
    made = await subscribe(store)
    before = await _counter(store)

    def fail(_: Subscription) -> Subscription:
        raise LookupError

    with pytest.raises(LookupError):
        await store.subscriptions.change("sub_1", fail, ENTRY, now_ms=T0)
    assert (await _found(store), await _counter(store)) == (made, before)


async def test_changes_at_once_lose_nothing_even_by_two_processes(store: Store, database_url: str) -> None:
    await subscribe(store)
    async with open_store(database_url, clock=lambda: T0, migrating=False) as other:

        async def add(index: int) -> None:
            repository = (store, other)[index % 2].subscriptions

            def change(stored: Subscription) -> Subscription:
                return replace(stored, description=stored.description + f"{index:x}")

            await repository.change("sub_1", change, ENTRY, now_ms=T0)

        await asyncio.gather(*(add(index) for index in range(16)))
    assert sorted((await _found(store)).description) == list("0123456789abcdef")


async def test_a_new_url_or_a_reset_clears_the_old_failures(store: Store) -> None:
    for name in ("sub_moved", "sub_reset", "sub_described"):
        await subscribe(store, name)
    await publish_events(store, 6)
    await finish(store, await lease(store), DeliveryState.DEAD)
    before = [await _failures(store, name) for name in ("sub_moved", "sub_reset", "sub_described")]
    assert min(before) > 0
    await _change(store, "sub_moved", url="https://hooks.example/new")
    await _change(store, "sub_reset", reset_health=True)
    await _change(store, "sub_described", description="x")
    assert await _failures(store, "sub_moved") == await _failures(store, "sub_reset") == 0
    assert await _failures(store, "sub_described") == before[2]
    seen = await store.subscriptions.find("sub_moved")
    assert seen is not None
    assert seen.endpoint is not None
    assert (seen.endpoint.paused_until_ms, seen.endpoint.failing_since_ms, seen.endpoint.throttled_rate_per_s) == (
        None,
        None,
        None,
    )


async def _failures(store: Store, name: str) -> int:
    seen = await store.subscriptions.find(name)
    assert seen is not None
    assert seen.endpoint is not None
    return seen.endpoint.failures


async def test_a_deleted_one_is_not_found_and_has_no_secrets(store: Store, database_url: str) -> None:
    await subscribe(store, signing_key="whsk_1", previous_secret="whsec_0", previous_until_ms=T0 + 9)
    assert await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    assert not await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    assert await store.subscriptions.find("sub_1") is None
    assert (await store.subscriptions.page(limit=5, cursor=None)).items == ()
    assert await _change(store, description="x") is None
    keys = "secret, previous_secret, signing_key, previous_signing_key"
    assert rows_of(database_url, f"SELECT {keys} FROM subscriptions") == [("", None, None, None)]


async def test_an_attempt_that_ends_after_the_deletion_is_recorded(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    leased = await lease(store)
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    gone = Attempt(at_ms=T0, latency_ms=1, status=410, error="answered 410")
    results = [
        AttemptResult(
            delivery=due.id, owner=due.owner, endpoint_id=due.endpoint_id, attempt=gone, state=DeliveryState.DEAD
        )
        for due in leased
    ]
    assert await store.outbox.record_attempts(results, T0) == 0
    assert [delivery.state for delivery in await deliveries_of(store, "sub_1")] == [DeliveryState.DEAD]
