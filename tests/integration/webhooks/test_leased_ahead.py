"""Of endpoints that answer quickly more is leased than may be in flight. Real sockets, real ledger."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.store import Store, open_store
from receiver.store.errors import StoreUnavailable
from receiver.webhooks import recorder
from receiver.webhooks.deliverer import DeliveryReport
from receiver.webhooks.model.delivery import DeliveryState, DueDelivery, Lease
from receiver.webhooks.model.endpoint_health import AHEAD_MS, MOST_PER_SLOT, QUICK_MS
from tests.support.builders import T0
from tests.support.deliverer_setup import Clock, headers_of, open_deliverer, wait_until
from tests.support.delivery_fixtures import deliveries_of, lease, publish_events, subscribe
from tests.support.raw_server import Answering, Peer, RawServer, reply, replying, serving

MOST = 4


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


class Crowd:
    """Answers each request, and notes how many it had in hand at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, peer: Peer, _: int) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        await peer.say(reply())


def quick_then(answer: Answering) -> Answering:
    """The first request is answered at once, so that what follows may be leased ahead."""

    async def answering(peer: Peer, number: int) -> None:
        await (peer.say(reply()) if number == 1 else answer(peer, number))

    return answering


async def _all_delivered(store: Store) -> bool:
    return all(each.state is DeliveryState.DELIVERED for each in await deliveries_of(store))


def assert_each_once(server: RawServer, count: int) -> None:
    names = [headers_of(request)["webhook-id"] for request in server.requests]
    assert len(names) == len(set(names)) == count


async def test_a_run_posts_many_to_an_endpoint_that_answers_quickly_and_never_more_at_once_than_the_limit(
    store: Store,
) -> None:
    crowd = Crowd()
    async with serving(crowd) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 3 * MOST + MOST * MOST_PER_SLOT)
        async with open_deliverer(store.outbox, per_endpoint=MOST) as deliverer:
            reports = [await deliverer.deliver_once(limit=1000) for _ in range(3)]
    assert [each.delivered for each in reports] == [MOST, MOST * MOST_PER_SLOT, 2 * MOST]
    assert crowd.most == MOST
    assert await _all_delivered(store)


async def test_workers_together_never_have_more_in_flight_than_the_limit_and_post_nothing_twice(store: Store) -> None:
    crowd = Crowd()
    async with serving(crowd) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 400)
        async with (
            open_deliverer(store.outbox, owner="a", per_endpoint=MOST) as one,
            open_deliverer(store.outbox, owner="b", per_endpoint=MOST) as two,
        ):
            while not await _all_delivered(store):
                await asyncio.gather(*(each.deliver_once(limit=64) for each in (one, two) for _ in range(2)))
    assert crowd.most <= MOST
    assert_each_once(server, 400)


async def test_what_another_worker_has_leased_ahead_takes_the_places_in_flight(store: Store) -> None:
    may_answer = asyncio.Event()

    async def later(peer: Peer, _: int) -> None:
        await may_answer.wait()
        await peer.say(reply())

    async with serving(quick_then(later)) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 30)
        async with (
            open_deliverer(store.outbox, owner="a", per_endpoint=1) as one,
            open_deliverer(store.outbox, owner="b", per_endpoint=1) as two,
        ):
            assert (await one.deliver_once(limit=1)).delivered == 1
            run = asyncio.create_task(one.deliver_once(limit=10))
            await server.until_requests(2)
            assert await two.deliver_once(limit=10) == DeliveryReport()
            may_answer.set()
            assert (await run).delivered == 10


@pytest.mark.parametrize("limit", [{"max_in_flight": 2}, {"rate_per_s": 1000.0}], ids=["in flight", "rate"])
async def test_an_endpoint_with_a_limit_of_its_own_is_never_leased_ahead(store: Store, limit: dict[str, Any]) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url, **limit)
        await publish_events(store, 30)
        clock = Clock()
        async with open_deliverer(store.outbox, clock=clock, per_endpoint=2) as deliverer:
            for _ in range(4):
                clock.now_ms += 1000
                assert (await deliverer.deliver_once(limit=64)).delivered == 2


async def test_a_slow_endpoint_is_not_leased_ahead(store: Store) -> None:
    clock = Clock()

    async def slowly(peer: Peer, _: int) -> None:
        clock.now_ms += QUICK_MS + 1
        await peer.say(reply())

    async with serving(slowly) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 10)
        async with open_deliverer(store.outbox, clock=clock, per_endpoint=1) as deliverer:
            assert [(await deliverer.deliver_once(limit=64)).delivered for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("status", [b"500 No", b"429 Slow", b"410 Gone"])
async def test_after_a_failure_what_was_leased_ahead_is_given_back_unposted(store: Store, status: bytes) -> None:
    async with serving(quick_then(replying(reply(status=status)))) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 30)
        async with open_deliverer(store.outbox, per_endpoint=1) as deliverer:
            assert (await deliverer.deliver_once(limit=1)).delivered == 1
            assert (await deliverer.deliver_once(limit=64)).leased == 1
    assert len(server.requests) == 2
    waiting = [each for each in await deliveries_of(store) if each.attempts == 0]
    assert [each.state for each in waiting] == [DeliveryState.PENDING] * 28
    if status == b"500 No":
        assert len(await lease(store)) == 28


async def test_what_was_leased_ahead_is_given_back_when_it_has_waited_for_too_long(store: Store) -> None:
    clock = Clock()

    async def later(peer: Peer, number: int) -> None:
        clock.now_ms += AHEAD_MS // 2 if number < 5 else 0
        await peer.say(reply())

    async with serving(quick_then(later)) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 30)
        async with open_deliverer(store.outbox, clock=clock, per_endpoint=1) as deliverer:
            assert (await deliverer.deliver_once(limit=1)).delivered == 1
            assert (await deliverer.deliver_once(limit=64)).delivered == 1  # the second request was slow
            assert (await deliverer.deliver_once(limit=64)).delivered == 1
            assert len(await lease(store, now_ms=clock.now_ms)) == 27
    assert_each_once(server, 3)


async def test_what_was_leased_ahead_is_due_again_when_its_lease_ends(store: Store) -> None:
    """As after the end of the process that had leased it."""

    async def hanging_later(peer: Peer, _: int) -> None:
        await peer.gone.wait()

    async with serving(quick_then(hanging_later)) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 30)
        async with open_deliverer(store.outbox, per_endpoint=1) as deliverer:
            assert (await deliverer.deliver_once(limit=1)).delivered == 1
            run = asyncio.create_task(deliverer.deliver_once(limit=64))
            await server.until_requests(2)
            run.cancel()
            await asyncio.wait([run])
    assert await lease(store, now_ms=T0 + 59_999) == []
    assert len(await lease(store, now_ms=T0 + 60_000)) == 29


async def test_nothing_is_leased_ahead_where_a_post_may_take_as_long_as_its_lease(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be given back at once, and leased again."""
    leased: list[int] = []
    whole = store.outbox.lease_deliveries

    async def counted(**given: Any) -> Lease:
        found = await whole(**given)
        leased.append(len(found.deliveries))
        return found

    monkeypatch.setattr(store.outbox, "lease_deliveries", counted)
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 30)
        async with open_deliverer(store.outbox, per_endpoint=2, timeout_s=60.0) as deliverer:
            assert [(await deliverer.deliver_once(limit=64)).delivered for _ in range(3)] == [2, 2, 2]
    assert leased == [2, 2, 2]


async def test_while_attempts_cannot_be_recorded_nothing_is_posted_ahead_and_no_error_is_left_unread(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any, **__: Any) -> int:
        raise StoreUnavailable("locked")

    unread: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context["message"]))
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 200)
        async with open_deliverer(store.outbox, per_endpoint=MOST) as deliverer:
            assert (await deliverer.deliver_once(limit=1000)).delivered == MOST
            with monkeypatch.context() as broken:
                broken.setattr(recorder, "PAUSES_S", (0.0, 0.0))
                broken.setattr(store.outbox, "record_attempts", failing)
                with pytest.raises(StoreUnavailable):
                    await deliverer.deliver_once(limit=1000)
                posted = len(server.requests)
                assert (
                    posted <= MOST + 2 * MOST
                )  # each slot may have begun its second post when the first record failed
                with pytest.raises(StoreUnavailable):
                    await deliverer.deliver_once(limit=1000)
                assert len(server.requests) - posted <= MOST  # nothing is leased ahead
            assert len(await lease(store, limit=1000)) == 200 - len(server.requests)
    gc.collect()
    assert unread == []


async def test_a_failure_waits_for_its_record_also_where_another_post_was_quick_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else posts would follow that the endpoint's breaker does not know of."""
    may_answer, may_record = asyncio.Event(), asyncio.Event()
    release, record = store.outbox.release, store.outbox.record_attempts

    async def answer(peer: Peer, number: int) -> None:
        await (may_answer.wait() if number == 4 else asyncio.sleep(0))
        await peer.say(reply(status=b"500 No" if number == 3 else b"200 OK"))

    async with serving(answer) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 40)
        async with open_deliverer(store.outbox, per_endpoint=2) as deliverer:

            async def release_after_a_quick_post(leased: Sequence[DueDelivery], now_ms: int) -> None:
                may_answer.set()
                await wait_until(lambda: "sub_1" in deliverer._quick)
                await release(leased, now_ms)

            async def record_later(*given: Any, **named: Any) -> int:
                await may_record.wait()
                return await record(*given, **named)

            assert (await deliverer.deliver_once(limit=8)).delivered == 2
            monkeypatch.setattr(store.outbox, "release", release_after_a_quick_post)
            monkeypatch.setattr(store.outbox, "record_attempts", record_later)
            run = asyncio.create_task(deliverer.deliver_once(limit=64))
            await wait_until(lambda: may_answer.is_set() and deliverer._slots.free == deliverer.settings.concurrency)
            assert deliverer._in_flight["sub_1"] == 1
            may_record.set()
            assert (await run).failed == 1
