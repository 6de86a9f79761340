"""How a subscription stands, counted up to limits; on both engines."""

import pytest

from receiver.runtime.store import Store
from receiver.webhooks.model.delivery import RECENT_MS, DeliveryState, Figures
from tests.support.builders import T0
from tests.support.delivery_fixtures import finish, lease, publish_events, subscribe


async def test_figures_count_what_waits_what_is_dead_and_what_was_delivered_of_the_newest(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 6)
    leased = await lease(store)
    await finish(store, leased[:3])
    await finish(store, leased[3:5], DeliveryState.DEAD)
    (found,) = await store.deliveries.figures(["sub_1"], now_ms=T0)
    assert (found.pending, found.dead, found.made, found.delivered) == (1, 2, 6, 3)
    assert found.failed is not None
    assert found.failed.event_seq == 5
    (later,) = await store.deliveries.figures(["sub_1"], now_ms=T0 + RECENT_MS + 1)
    assert later.made == 0
    assert await store.deliveries.figures(["sub_none"], now_ms=T0) == [Figures()]


async def test_a_delivery_that_will_be_tried_again_is_the_last_error_before_a_dead_letter(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    first, second = await lease(store)
    await finish(store, [first], DeliveryState.PENDING)
    await finish(store, [second], DeliveryState.DEAD)
    (found,) = await store.deliveries.figures(["sub_1"], now_ms=T0)
    assert found.failed is not None
    assert (found.failed.event_seq, found.failed.last_status) == (1, 429)


async def test_no_count_goes_beyond_its_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.webhooks.delivery_repository.COUNTED_MOST", 3)
    monkeypatch.setattr("receiver.webhooks.delivery_repository.RECENT_MOST", 4)
    await subscribe(store)
    await publish_events(store, 10)
    leased = await lease(store)
    await finish(store, leased[:5], DeliveryState.DEAD)
    (found,) = await store.deliveries.figures(["sub_1"], now_ms=T0)
    assert (found.pending, found.dead, found.made) == (3, 3, 4)


async def test_the_deliveries_of_one_event_are_found_up_to_a_limit(store: Store) -> None:
    for number in range(4):
        await subscribe(store, f"sub_{number}")
    await publish_events(store, 2)
    found = await store.deliveries.deliveries_of_event(2, limit=3)
    assert [each.event_seq for each in found] == [2, 2, 2]
    assert len(await store.deliveries.deliveries_of_event(2, limit=9)) == 4
