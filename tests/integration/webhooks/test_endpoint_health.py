"""How endpoints are throttled, paused, probed and disabled, given how they answer. Real sockets and ledger."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store, open_store
from receiver.runtime.worker import DELIVERING_AT_ONCE, JobRunner
from receiver.store.audit import AuditEntry
from receiver.webhooks.deliverer import DeliveryReport
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.endpoint_health import BreakerState, breaker_state
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from tests.support.builders import T0, a_report, notified
from tests.support.deliverer_setup import (
    Clock,
    body_of,
    cancel,
    deliver_once,
    endpoint_of,
    headers_of,
    open_deliverer,
    wait_until,
)
from tests.support.delivery_fixtures import DAY_MS, deliveries_of, publish_events, subscribe
from tests.support.raw_server import Answering, Peer, hanging, reply, replying, serving

NOTHING = DeliveryReport()
OPERATORS = EventFilter(types=frozenset({EventType.SUBSCRIPTION_DISABLED}))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


def first_then(first: bytes, times: int, then: bytes) -> Answering:
    async def answer(peer: Peer, number: int) -> None:
        await peer.say(first if number <= times else then)

    return answer


async def found(store: Store, name: str = "sub_1") -> Subscription:
    seen = await store.subscriptions.find(name)
    assert seen is not None
    return seen.subscription


async def enable(store: Store, name: str = "sub_1") -> None:
    entry = AuditEntry(actor="ann", action="enabled")
    await store.subscriptions.change(
        name, lambda before: replace(before, state=SubscriptionState.ACTIVE), entry, now_ms=T0, reset_health=True
    )


@pytest.mark.parametrize("status", [b"429 Slow", b"503 Busy"])
@pytest.mark.parametrize(
    "asked", [b"90", format_datetime(datetime.fromtimestamp(T0 / 1000 + 90, UTC), usegmt=True).encode()]
)
async def test_one_request_to_wait_makes_the_whole_subscription_wait_and_spends_no_attempt(
    store: Store, status: bytes, asked: bytes
) -> None:
    async with serving(first_then(reply(b"", b"Retry-After: " + asked, status=status), 1, reply())) as server:
        await subscribe(store, url=server.url, max_in_flight=1)
        await publish_events(store, 3)
        reports = [await deliver_once(store, now_ms=T0 + step_ms) for step_ms in (0, 1, 5_001, 89_999)]
        assert reports == [DeliveryReport(leased=1, failed=1), NOTHING, NOTHING, NOTHING]
        assert [each.attempts for each in await deliveries_of(store)] == [1, 0, 0]
        assert (await deliver_once(store, now_ms=T0 + 90_000)).delivered == 1
    assert len(server.requests) == 2


async def test_a_throttled_subscription_is_sent_its_lower_rate_until_successes_raise_it(store: Store) -> None:
    async with serving(first_then(reply(status=b"429 Slow"), 1, reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 30)
        clock = Clock()
        async with open_deliverer(store.outbox, clock=clock, per_endpoint=1) as deliverer:
            await deliverer.deliver_once(limit=64)
        assert (await endpoint_of(store)).throttled_rate_per_s == 4.0
        sent = []
        async with open_deliverer(store.outbox, clock=clock, per_endpoint=8) as deliverer:
            for second in range(1, 5):
                clock.now_ms = T0 + second * 1000
                sent.append((await deliverer.deliver_once(limit=64)).delivered)
        assert sent == [4, 5, 6, 7]
        assert (await endpoint_of(store)).throttled_rate_per_s == pytest.approx(4 + 22 * 0.25)


async def test_a_throttled_subscription_delays_no_other(store: Store) -> None:
    async with serving(replying(reply(status=b"503 Busy"))) as busy, serving(replying(reply())) as well:
        await subscribe(store, "sub_busy", url=busy.url)
        await subscribe(store, "sub_well", url=well.url)
        await publish_events(store, 20)
        for step_ms in range(10):
            await deliver_once(store, now_ms=T0 + step_ms)
    assert len(well.requests) == 20
    assert len(busy.requests) < 20


async def test_an_endpoint_that_is_gone_disables_its_subscription_and_operators_get_an_event(store: Store) -> None:
    async with serving(replying(reply(status=b"410 Gone"))) as gone, serving(replying(reply())) as operator:
        await subscribe(store, url=f"{gone.url}?key=hidden")
        await subscribe(store, "sub_ops", url=operator.url, filter=OPERATORS)
        await publish_events(store, 2)
        calls: list[int] = []
        with capture_logs() as logs:
            await deliver_once(store, per_endpoint=1, on_events=lambda: calls.append(1))
        await deliver_once(store, now_ms=T0 + DAY_MS)
        await publish_events(store, 1, first=3)
    subscription = await found(store)
    assert (subscription.state, subscription.disabled_ms) == (SubscriptionState.DISABLED, T0)
    assert subscription.disabled_reason == "answered 410 Gone"
    assert [(each.state, each.attempts) for each in await deliveries_of(store, "sub_1")] == [
        (DeliveryState.DEAD, 1),
        (DeliveryState.PENDING, 0),
    ]
    assert (len(gone.requests), len(operator.requests), calls) == (1, 1, [1])
    body = json.loads(body_of(operator.requests[0]))
    assert body["type"] == "subscription.disabled"
    assert body["data"]["task"] is None
    assert body["data"]["subscription"] == {
        "id": "sub_1",
        "url": gone.url,
        "reason": "answered 410 Gone",
        "disabled_at": body["timestamp"],
    }
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["subscription_disabled"]


async def test_pending_deliveries_of_a_disabled_subscription_are_sent_once_it_is_enabled_again(store: Store) -> None:
    async with serving(first_then(reply(status=b"410 Gone"), 1, reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 3)
        await deliver_once(store, per_endpoint=1)
        assert await deliver_once(store, now_ms=T0 + DAY_MS) == NOTHING
        await enable(store)
        assert (await deliver_once(store, now_ms=T0 + DAY_MS)).delivered == 2


async def test_a_tasks_own_endpoint_that_is_gone_loses_only_that_delivery(store: Store) -> None:
    async with serving(first_then(reply(status=b"410 Gone"), 1, reply())) as server:
        for name in ("tsk_1", "tsk_2"):
            await store.submissions.open_task(notified(name, server.url), T0)
            await store.ledger.record([a_report(provider_task_id=name, expected_task_id=name)], T0)
        assert await deliver_once(store, per_endpoint=1) == DeliveryReport(leased=1, dead=1)
        assert await deliver_once(store) == DeliveryReport(leased=1, delivered=1)
    assert [event.type for event in await store.events.events(0)] == [EventType.SUCCEEDED] * 2


async def test_a_subscription_that_was_changed_meanwhile_is_not_disabled_for_its_old_address(store: Store) -> None:
    async def gone(peer: Peer, _: int) -> None:
        entry = AuditEntry(actor="ann", action="moved")
        await store.subscriptions.change(
            "sub_1", lambda before: replace(before, changed_ms=T0 + 1), entry, now_ms=T0 + 1
        )
        await peer.say(reply(status=b"410 Gone"))

    async with serving(gone) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 1)
        assert (await deliver_once(store)).dead == 1
    assert (await found(store)).state is SubscriptionState.ACTIVE


async def test_after_five_failures_due_deliveries_wait_until_one_probe_is_answered(store: Store) -> None:
    async with serving(first_then(reply(status=b"500 No"), 6, reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 5)
        clock = Clock()
        async with open_deliverer(store.outbox, clock=clock) as deliverer:
            assert (await deliverer.deliver_once(limit=64)).failed == 5
            await publish_events(store, 3, first=6, at_ms=T0 + 1)
            clock.now_ms = T0 + 29_000  # everything is due, and nothing is tried
            assert await deliverer.deliver_once(limit=64) == NOTHING
            clock.now_ms = (await endpoint_of(store)).paused_until_ms or 0
            assert await deliverer.deliver_once(limit=64) == DeliveryReport(leased=1, failed=1)
            endpoint = await endpoint_of(store)
            assert (endpoint.failures, breaker_state(endpoint, clock.now_ms)) == (6, BreakerState.OPEN)
            clock.now_ms = endpoint.paused_until_ms or 0
            assert await deliverer.deliver_once(limit=64) == DeliveryReport(leased=1, delivered=1)
            assert (await deliverer.deliver_once(limit=64)).delivered == 7
    assert (await endpoint_of(store)).failures == 0
    assert {each.state for each in await deliveries_of(store)} == {DeliveryState.DELIVERED}
    assert len(server.requests) == 5 + 1 + 1 + 7


async def test_the_probe_is_the_newest_so_that_one_poisoned_delivery_does_not_block_the_others(store: Store) -> None:
    async def poisoned(peer: Peer, number: int) -> None:
        is_poisoned = json.loads(body_of(server.requests[number - 1]))["data"]["seq"] == 1
        await peer.say(reply(status=b"500 No") if is_poisoned else reply())

    async with serving(poisoned) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 1)
        clock = Clock()
        async with open_deliverer(store.outbox, clock=clock, backoff_s=(0.0,) * 20) as deliverer:
            for _ in range(5):
                await deliverer.deliver_once(limit=64)
            await publish_events(store, 3, first=2, at_ms=T0 + 1)
            clock.now_ms = (await endpoint_of(store)).paused_until_ms or 0
            assert (await deliverer.deliver_once(limit=64)).delivered == 1
            assert (await deliverer.deliver_once(limit=64)).delivered == 2


async def test_only_one_probe_is_in_flight_however_many_runs_there_are(store: Store) -> None:
    async def failing_then_hanging(peer: Peer, number: int) -> None:
        await (peer.say(reply(status=b"500 No")) if number <= 5 else peer.gone.wait())

    async with serving(failing_then_hanging) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 5)
        clock = Clock()
        async with open_deliverer(store.outbox, clock=clock) as deliverer:
            await deliverer.deliver_once(limit=64)
            clock.now_ms = T0 + 40_000
            runs = [asyncio.create_task(deliverer.deliver_once(limit=64)) for _ in range(3)]
            await server.until_requests(6)
            await wait_until(lambda: sum(run.done() for run in runs) == 2)
            assert len(server.requests) == 6
            await cancel(runs)


async def test_five_days_of_nothing_but_failures_disable_a_subscription_with_the_last_reason(store: Store) -> None:
    async with serving(replying(reply(status=b"500 No"))) as server, serving(replying(reply())) as operator:
        await subscribe(store, url=server.url)
        await subscribe(store, "sub_ops", url=operator.url, filter=OPERATORS)
        for day in range(5):
            await publish_events(store, 1, first=day + 1, at_ms=T0 + day * DAY_MS)
            await deliver_once(store, now_ms=T0 + day * DAY_MS)
        assert (await found(store)).state is SubscriptionState.ACTIVE
        await publish_events(store, 1, first=6, at_ms=T0 + 5 * DAY_MS)
        await deliver_once(store, now_ms=T0 + 5 * DAY_MS)
        await deliver_once(store, now_ms=T0 + 5 * DAY_MS)
    subscription = await found(store)
    assert subscription.state is SubscriptionState.DISABLED
    assert subscription.disabled_reason == "nothing but failures for 5 days, last: answered 500"
    assert len(operator.requests) == 1


async def test_one_success_within_the_five_days_leaves_a_subscription_enabled(store: Store) -> None:
    async with serving(first_then(reply(status=b"500 No"), 1, reply())) as server:
        await subscribe(store, url=server.url)
        for day in (0, 6):
            await publish_events(store, 1, first=day + 1, at_ms=T0 + day * DAY_MS)
            await deliver_once(store, now_ms=T0 + day * DAY_MS)
    assert (await found(store)).state is SubscriptionState.ACTIVE
    assert (await endpoint_of(store)).failing_since_ms is None


async def test_one_subscription_that_hangs_with_a_long_backlog_holds_up_nobody_else(store: Store) -> None:
    async with serving(hanging) as hung, serving(replying(reply())) as well:
        await subscribe(store, "sub_hung", url=hung.url)
        await publish_events(store, 400)
        for number in range(20):
            await subscribe(store, f"sub_w{number}", url=f"{well.url}/{number}")
        await publish_events(store, 5, first=500)
        async with open_deliverer(store.outbox, concurrency=32) as deliverer:
            runs = []
            async with asyncio.timeout(30):
                while len(well.requests) < 100:
                    runs.append(asyncio.create_task(deliverer.deliver_once(limit=64)))
                    await asyncio.sleep(0.01)
            assert 1 <= len(hung.requests) <= 8
            assert any(not run.done() for run in runs)
            await cancel(runs)


async def test_a_backlog_is_delivered_run_after_run_without_waiting_for_ticks(
    store: Store,
) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 100)
        async with open_deliverer(store.outbox) as deliverer:
            job = JobRunner(
                "deliver", lambda: deliverer.deliver_once(limit=64), at_once=DELIVERING_AT_ONCE, clock=lambda: T0
            )
            deliverer.on_capacity = job.start_run
            job.start_run()
            async with asyncio.timeout(30):
                await server.until_requests(100)
            await job.close()
    assert {each.state for each in await deliveries_of(store)} == {DeliveryState.DELIVERED}


async def test_a_run_without_a_slot_is_repeated_when_the_slots_were_not_needed(store: Store) -> None:
    asked: list[int] = []
    async with open_deliverer(store.outbox, concurrency=1) as deliverer:
        deliverer.on_capacity = lambda: asked.append(1)
        await asyncio.gather(deliverer.deliver_once(limit=64), deliverer.deliver_once(limit=64))
        assert asked == [1]
        await deliverer.deliver_once(limit=64)
    assert asked == [1]


async def test_a_subscriptions_own_cap_beats_the_services(store: Store) -> None:
    async with serving(hanging) as server:
        await subscribe(store, url=server.url, max_in_flight=2)
        await publish_events(store, 20)
        async with open_deliverer(store.outbox) as deliverer:
            runs = [asyncio.create_task(deliverer.deliver_once(limit=64)) for _ in range(3)]
            await server.until_requests(2)
            await wait_until(lambda: sum(run.done() for run in runs) == 2)
            assert len(server.requests) == 2
            await cancel(runs)


async def test_a_subscriptions_own_rate_is_kept(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url, rate_per_s=2.0)
        await publish_events(store, 9)
        sent = [(await deliver_once(store, now_ms=T0 + second * 1000)).delivered for second in range(4)]
    assert sent == [2, 2, 2, 2]
    assert len({headers_of(request)["webhook-id"] for request in server.requests}) == 8
