"""A lease says whether it left some, so that the end of a post starts another run only where there may be work."""

from collections.abc import Callable

import pytest

from receiver.runtime.store import Store
from receiver.webhooks import fan_out
from receiver.webhooks.model.delivery import Lease
from tests.support.builders import T0
from tests.support.deliverer_setup import open_deliverer
from tests.support.delivery_fixtures import publish_events, subscribe
from tests.support.raw_server import reply, replying, serving


async def _lease(store: Store, *, limit: int = 100, per_endpoint: int = 8) -> Lease:
    return await store.outbox.lease_deliveries(
        owner="w", now_ms=T0, lease_ms=10_000, limit=limit, per_endpoint=per_endpoint
    )


@pytest.mark.parametrize(("events", "limit", "per_endpoint"), [(3, 2, 8), (3, 100, 2), (2, 100, 2)])
async def test_what_a_limit_may_have_left_is_told(store: Store, events: int, limit: int, per_endpoint: int) -> None:
    await subscribe(store)
    await publish_events(store, events)
    assert (await _lease(store, limit=limit, per_endpoint=per_endpoint)).has_more


async def test_nothing_is_left_when_all_that_is_due_was_leased(store: Store) -> None:
    await subscribe(store)
    await subscribe(store, "sub_2")
    assert not (await _lease(store)).has_more
    await publish_events(store, 3)
    taken = await _lease(store)
    assert (len(taken.deliveries), taken.has_more) == (6, False)
    assert not (await _lease(store)).has_more


async def test_what_waits_behind_posts_in_flight_is_told(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    assert len((await _lease(store, per_endpoint=2)).deliveries) == 2
    taken = await _lease(store, per_endpoint=2)
    assert (len(taken.deliveries), taken.has_more) == (0, True)


async def test_an_endpoint_for_which_no_slot_was_left_is_told(store: Store) -> None:
    await subscribe(store)
    await subscribe(store, "sub_2")
    await publish_events(store, 1)
    taken = await _lease(store, limit=1)
    assert (len(taken.deliveries), taken.has_more) == (1, True)


async def test_events_without_their_deliveries_are_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "DELIVERIES_AT_ONCE", 1)
    await subscribe(store)
    await publish_events(store, 2)
    assert [(len(each.deliveries), each.has_more) for each in [await _lease(store), await _lease(store)]] == [
        (1, True),
        (1, False),
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("events", "wakes"), [(1, False), (9, True)])
async def test_the_end_of_a_post_starts_a_run_only_where_some_was_left(store: Store, events: int, wakes: bool) -> None:
    woken: list[int] = []
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, events)
        async with open_deliverer(store.outbox, on_capacity=lambda: woken.append(1)) as deliverer:
            assert (await deliverer.deliver_once(limit=64)).delivered == min(events, 8)
    assert bool(woken) is wakes


@pytest.mark.parametrize(("status", "is_durable"), [(b"204 OK", False), (b"500 No", True), (b"410 Gone", True)])
async def test_only_the_record_of_a_success_does_not_wait_for_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch, status: bytes, is_durable: bool
) -> None:
    asked: list[bool] = []
    write = type(store.engine).write

    async def noted(engine: object, work: Callable[..., object], **rest: object) -> object:
        asked.append(rest.get("is_durable", True) is True)
        return await write(engine, work, **rest)  # type: ignore[arg-type]  # each engine has its own

    async with serving(replying(reply(status=status))) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 1)
        async with open_deliverer(store.outbox) as deliverer:
            monkeypatch.setattr(type(store.engine), "write", noted)
            await deliverer.deliver_once(limit=1)
    assert asked[-1] is is_durable
