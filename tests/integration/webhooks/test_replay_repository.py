"""Past events, requeued for one subscription."""

import asyncio
import json
from typing import Any

import pytest

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.replay import ReplayRange, ReplayWhich, SubscriptionNotActive, SubscriptionNotFound
from receiver.webhooks.model.subscription import SubscriptionState
from receiver.webhooks.replay import LIMIT
from receiver.webhooks.replay_repository import SLICE_SEQS, ReplayBatch, ReplayScope
from tests.support.builders import T0
from tests.support.delivery_fixtures import (
    deliveries_of,
    finish,
    finish_all,
    lease,
    publish_event_of,
    publish_events,
    set_state,
    subscribe,
)
from tests.support.tables import rows_of

LATER = T0 + 60_000
PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD


async def _replay(store: Store, *, now_ms: int | None = LATER, limit: int = LIMIT, **bounds: Any) -> ReplayBatch:
    """All of a range at once: the batches added up. `now_ms` None only counts."""
    wanted = ReplayRange(**bounds)
    scope = await store.replays.plan("sub_1", wanted)
    total = ReplayBatch(next_after=scope.after_seq)
    while total.next_after < scope.last_seq:
        rest = ReplayScope(after_seq=total.next_after, last_seq=scope.last_seq)
        if now_ms is None:
            batch = await store.replays.count_batch("sub_1", wanted, rest, limit=limit)
        else:
            batch = await store.replays.requeue_batch("sub_1", wanted, rest, limit=limit, now_ms=now_ms)
        assert batch.next_after > total.next_after
        total = ReplayBatch(
            next_after=batch.next_after,
            matched=total.matched + batch.matched,
            seqs=total.seqs + batch.seqs,
        )
    return total


async def test_a_delivered_event_is_due_again_under_the_same_webhook_id(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    (first,) = await lease(store)
    await finish(store, [first])
    assert (await _replay(store)).requeued == 1
    (again,) = await lease(store, now_ms=LATER)
    assert (again.id, again.event_id, again.body, again.attempts) == (first.id, first.event_id, first.body, 0)


async def test_events_from_before_the_subscription_get_a_delivery(store: Store) -> None:
    await publish_events(store, 3)
    await subscribe(store)
    assert await deliveries_of(store) == []
    assert (await _replay(store)).requeued == 3
    assert [(each.event_seq, each.state, each.subscription) for each in await deliveries_of(store)] == [
        (seq, PENDING, "sub_1") for seq in (1, 2, 3)
    ]
    assert [due.url for due in await lease(store, now_ms=LATER)] == ["https://hooks.example/sub_1"] * 3


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"first_seq": 2, "last_seq": 3}, [2, 3]),
        ({"since_ms": T0 + 1, "until_ms": T0 + 3}, [2, 3]),
        ({"last_seq": 99}, [1, 2, 3, 4]),
        ({"first_seq": 5}, []),
        ({"first_seq": 3, "last_seq": 2}, []),
        ({"first_seq": 10**30, "until_ms": 10**30, "since_ms": -(10**30)}, []),
        ({"filter": EventFilter(providers=frozenset({"tokenbay"}))}, [2]),
        ({"filter": EventFilter(models=frozenset({"m3"}))}, [3]),
        ({"filter": EventFilter(labels={"film": "dawn"})}, [4]),
        ({"filter": EventFilter(types=frozenset({EventType.FAILED}))}, []),
    ],
)
async def test_numbers_times_and_filters_bound_a_replay(
    store: Store, bounds: dict[str, Any], expected: list[int]
) -> None:
    await publish_event_of(store, "t1", at_ms=T0)
    await publish_event_of(store, "t2", at_ms=T0 + 1, provider="tokenbay")
    await publish_event_of(store, "t3", at_ms=T0 + 2, model="m3")
    await publish_event_of(store, "t4", at_ms=T0 + 3, labels={"film": "dawn"})
    await subscribe(store)
    dry = await _replay(store, now_ms=None, **bounds)
    assert await deliveries_of(store) == []
    done = await _replay(store, **bounds)
    assert [each.event_seq for each in await deliveries_of(store)] == expected
    assert (dry.matched, dry.requeued) == (done.matched, done.requeued) == (len(expected), len(expected))


async def test_what_the_subscription_itself_does_not_want_is_never_replayed_to_it(store: Store) -> None:
    await publish_event_of(store, "t1")
    await publish_event_of(store, "t2", provider="tokenbay")
    await subscribe(store, filter=EventFilter(providers=frozenset({"tokenbay"})))
    done = await _replay(store, filter=EventFilter(types=frozenset({EventType.SUCCEEDED})))
    assert (done.matched, [each.event_seq for each in await deliveries_of(store)]) == (1, [2])


@pytest.mark.parametrize(
    ("which", "requeued"), [(ReplayWhich.ALL, [1, 2, 4]), (ReplayWhich.DEAD, [2]), (ReplayWhich.MISSING, [4])]
)
async def test_a_replay_requeues_all_or_only_dead_letters_or_only_what_has_no_delivery(
    store: Store, which: ReplayWhich, requeued: list[int]
) -> None:
    """1 was delivered, 2 is a dead letter, 3 is being posted, 4 has no delivery."""
    await subscribe(store)
    await publish_events(store, 3)
    one, two, three = await lease(store)
    await finish(store, [one])
    await finish(store, [two], DEAD)
    await set_state(store, SubscriptionState.DISABLED)
    await publish_events(store, 1, first=4)
    await set_state(store, SubscriptionState.ACTIVE)
    dry = await _replay(store, now_ms=None, which=which)
    done = await _replay(store, which=which)
    assert (dry.matched, done.matched) == (4, 4)
    assert dry.requeued == done.requeued == len(requeued)
    due = [each.event_seq for each in await deliveries_of(store) if each.due_ms == LATER]
    assert due == requeued
    assert three.id not in {each.id for each in await lease(store, now_ms=T0)}


async def test_a_delivery_that_is_being_posted_stays_leased_and_ends_as_it_would(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    (leased,) = await lease(store)
    assert (await _replay(store)).requeued == 0
    await finish(store, [leased])
    (delivery,) = await deliveries_of(store)
    assert (delivery.state, delivery.attempts) == (DELIVERED, 1)


async def test_replays_and_deliveries_side_by_side_never_double_what_is_due(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 40)
    ending = asyncio.create_task(finish_all(store, at_ms=LATER))
    batches = await asyncio.gather(*(_replay(store, limit=7) for _ in range(4)))
    ended = await ending + await finish_all(store, at_ms=LATER)
    requeued = sum(batch.requeued for batch in batches)
    deliveries = await deliveries_of(store)
    assert [each.event_seq for each in deliveries] == list(range(1, 41))
    assert {each.state for each in deliveries} == {DELIVERED}
    assert ended == 40 + requeued


async def test_two_replays_at_once_add_a_missing_delivery_once(store: Store) -> None:
    await publish_events(store, 30)
    await subscribe(store)
    counts = await asyncio.gather(*(_replay(store, limit=4, which=ReplayWhich.MISSING) for _ in range(3)))
    assert sum(batch.requeued for batch in counts) == 30
    assert [each.event_seq for each in await deliveries_of(store)] == list(range(1, 31))


async def test_one_batch_scans_a_bounded_part_of_the_log(store: Store) -> None:
    await publish_events(store, SLICE_SEQS + 10)
    await subscribe(store)
    wanted = ReplayRange(since_ms=T0 + 1)
    scope = await store.replays.plan("sub_1", wanted)
    batch = await store.replays.requeue_batch("sub_1", wanted, scope, limit=LIMIT, now_ms=LATER)
    assert batch == ReplayBatch(next_after=SLICE_SEQS)
    full = await store.replays.requeue_batch("sub_1", ReplayRange(), scope, limit=LIMIT, now_ms=LATER)
    assert full == ReplayBatch(next_after=LIMIT, matched=LIMIT, seqs=tuple(range(1, LIMIT + 1)))


async def test_a_replay_ends_with_the_newest_event_of_its_beginning(store: Store) -> None:
    await publish_events(store, 2)
    await subscribe(store)
    for wanted in (ReplayRange(), ReplayRange(last_seq=3), ReplayRange(last_seq=10**30)):
        scope = await store.replays.begin("sub_1", wanted, actor="ann", now_ms=LATER)
        assert scope == ReplayScope(after_seq=0, last_seq=2)


async def test_a_range_that_begins_before_the_oldest_stored_event_names_that_event(store: Store) -> None:
    await publish_events(store, 3)
    await subscribe(store)
    assert (await store.retention.remove_events((0, ""), limit=2, before_ms=T0 + 1)).count == 2
    asked = [await store.replays.plan("sub_1", ReplayRange(first_seq=first)) for first in (1, 3, None)]
    assert asked == [
        ReplayScope(after_seq=2, last_seq=3, oldest_seq=3),
        ReplayScope(after_seq=2, last_seq=3),
        ReplayScope(after_seq=2, last_seq=3),
    ]
    assert (await store.retention.remove_events((0, ""), limit=2, before_ms=T0 + 1)).count == 1
    nothing = await store.replays.plan("sub_1", ReplayRange(first_seq=1))
    assert nothing == ReplayScope(after_seq=3, last_seq=3, oldest_seq=4)


async def test_an_event_that_was_deleted_meanwhile_is_not_requeued(store: Store) -> None:
    await publish_events(store, 3)
    await subscribe(store)
    scope = await store.replays.plan("sub_1", ReplayRange())
    await store.retention.remove_events((0, ""), limit=2, before_ms=T0 + 1)
    batch = await store.replays.requeue_batch("sub_1", ReplayRange(), scope, limit=LIMIT, now_ms=LATER)
    assert (batch.matched, [each.event_seq for each in await deliveries_of(store)]) == (1, [3])


async def test_nothing_is_replayed_to_a_subscription_that_is_disabled_deleted_or_was_never_there(store: Store) -> None:
    await publish_events(store, 1)
    await subscribe(store, "sub_1")
    await subscribe(store, "sub_off", state=SubscriptionState.DISABLED, disabled_reason="by hand")
    await subscribe(store, "sub_gone")
    await store.subscriptions.delete("sub_gone", actor="ann", now_ms=T0)
    scope, wanted = ReplayScope(after_seq=0, last_seq=1), ReplayRange()
    outcomes = [
        ("sub_off", SubscriptionNotActive),
        ("sub_gone", SubscriptionNotFound),
        ("sub_none", SubscriptionNotFound),
    ]
    for name, expected in outcomes:
        for attempt in (
            store.replays.plan(name, wanted),
            store.replays.begin(name, wanted, actor="ann", now_ms=T0),
            store.replays.count_batch(name, wanted, scope, limit=LIMIT),
            store.replays.requeue_batch(name, wanted, scope, limit=LIMIT, now_ms=T0),
        ):
            with pytest.raises(expected) as caught:
                await attempt
            assert getattr(caught.value, "reason", None) == ("by hand" if name == "sub_off" else None)
    assert await deliveries_of(store) == []


async def test_the_beginning_of_a_replay_leaves_one_line_of_who_asked_for_what(store: Store, database_url: str) -> None:
    await subscribe(store)
    wanted = ReplayRange(first_seq=2, which=ReplayWhich.DEAD, filter=EventFilter(labels={"film": "dawn"}))
    await store.replays.plan("sub_1", wanted)
    await store.replays.begin("sub_1", wanted, actor="bob", now_ms=LATER)
    lines = rows_of(database_url, "SELECT at_ms, action, detail FROM audit WHERE actor = 'bob'")
    ((at_ms, action, detail),) = lines
    assert (at_ms, action) == (LATER, "subscription replayed")
    assert json.loads(detail) == {"subscription": "sub_1", "first_seq": 2, "which": "dead", "labels": {"film": "dawn"}}
