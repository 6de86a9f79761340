"""Deliveries over real sockets, from a real ledger."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import standardwebhooks

from receiver.runtime.store import Store, open_store
from receiver.store.errors import StoreUnavailable
from receiver.store.ids import id_maker
from receiver.webhooks.deliverer import DeliveryReport
from receiver.webhooks.fan_out import FanOut
from receiver.webhooks.model.delivery import AttemptResult, DeliveryState, Lease, OwnPosts
from receiver.webhooks.outbox import GIVE_UP_MS, Outbox
from receiver.webhooks.publisher import EventPublisher
from receiver.webhooks.recorder import PAUSES_S
from submitter.http.address_guard import AddressGuard
from submitter.standard_webhooks import verify_webhook
from tests.support.builders import SECRET, T0, a_report, notified
from tests.support.deliverer_setup import cancel, deliver_once, headers_of, only_delivery, open_deliverer, wait_until
from tests.support.delivery_fixtures import lease, publish_events, subscribe
from tests.support.raw_server import Peer, RawServer, hanging, reply, replying, serving


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


class ObservedOutbox(Outbox):
    """The outbox, which also notes each call. The first `faults` recordings fail."""

    def __init__(self, store: Store, *, faults: int = 0) -> None:
        new_id = id_maker(secrets.token_bytes)
        super().__init__(
            store.engine, new_id, EventPublisher(), FanOut(store.engine, new_id, lambda: T0, on_failure=lambda _: None)
        )
        self.faults = faults
        self.limits: list[int] = []
        self.batches: list[list[AttemptResult]] = []

    async def lease_deliveries(
        self, *, owner: str, now_ms: int, lease_ms: int, limit: int, per_endpoint: int, own: OwnPosts | None = None
    ) -> Lease:
        self.limits.append(limit)
        return await super().lease_deliveries(
            owner=owner, now_ms=now_ms, lease_ms=lease_ms, limit=limit, per_endpoint=per_endpoint, own=own
        )

    async def record_attempts(
        self, results: Sequence[AttemptResult], now_ms: int, *, give_up_ms: int = GIVE_UP_MS
    ) -> int:
        if self.faults:
            self.faults -= 1
            raise StoreUnavailable("locked")
        events = await super().record_attempts(results, now_ms, give_up_ms=give_up_ms)
        self.batches.append(list(results))
        return events

    @property
    def recorded(self) -> set[str]:
        """Ids of the endpoints whose attempts are stored."""
        return {result.endpoint_id for batch in self.batches for result in batch}


async def _add_one_each(store: Store, *subscribers: tuple[str, str]) -> None:
    """One due delivery for each (subscription id, URL)."""
    for subscription_id, url in subscribers:
        await subscribe(store, subscription_id, url=url)
    await publish_events(store, 1)


async def _add_deliveries(store: Store, url: str, count: int = 1) -> None:
    for index in range(count):
        await store.submissions.open_task(notified(f"tsk_{index}", url), T0)
        await store.ledger.record([a_report(provider_task_id=f"p{index}", expected_task_id=f"tsk_{index}")], T0)


async def test_a_due_event_is_posted_as_signed_json_and_delivered(store: Store) -> None:
    async with serving(replying(reply(b"", status=b"204 No Content"))) as server:
        await _add_deliveries(store, server.url)
        assert await deliver_once(store) == DeliveryReport(leased=1, delivered=1)
    (event,) = await store.events.events(0)
    headers, body = headers_of(server.requests[0]), server.requests[0].partition(b"\r\n\r\n")[2]
    assert (body, headers["content-type"]) == (event.body.encode(), "application/json")
    assert headers["webhook-id"] == event.id == json.loads(body)["data"]["event_id"]
    verify_webhook((SECRET,), tuple(headers.items()), body, now_s=T0 // 1000)


async def test_the_published_library_verifies_what_arrives(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await store.submissions.open_task(notified("tsk_1", server.url, labels={"film": "完成"}), T0)
        await store.ledger.record([a_report(expected_task_id="tsk_1")], T0)
        async with open_deliverer(
            store.outbox, clock=lambda: int(time.time() * 1000)
        ) as deliverer:  # the library's own clock
            await deliverer.deliver_once(limit=1)
    request = server.requests[0]
    read = standardwebhooks.Webhook(SECRET).verify(request.partition(b"\r\n\r\n")[2], headers_of(request))
    assert read["data"]["task"]["labels"] == {"film": "完成"}


async def test_a_delivered_event_is_posted_once(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url)
        await deliver_once(store)
        assert await deliver_once(store, now_ms=T0 + 10**9) == DeliveryReport()
    delivery, attempts = await only_delivery(store)
    assert (delivery.state, len(attempts), len(server.requests)) == (DeliveryState.DELIVERED, 1, 1)


async def test_a_failure_is_repeated_with_the_same_message_until_it_is_a_dead_letter(store: Store) -> None:
    async with serving(replying(reply(b"later", status=b"500 No"))) as server:
        await _add_deliveries(store, server.url)
        reports = [await deliver_once(store, now_ms=T0 + step_ms) for step_ms in (0, 4_999, 5_000, 35_000, 10**9)]
    failed, nothing = DeliveryReport(leased=1, failed=1), DeliveryReport()
    assert reports == [failed, nothing, failed, DeliveryReport(leased=1, dead=1), nothing]
    delivery, attempts = await only_delivery(store)
    assert (delivery.state, delivery.last_error, len(attempts)) == (DeliveryState.DEAD, "answered 500", 3)
    assert len({headers_of(request)["webhook-id"] for request in server.requests}) == 1


async def test_an_endpoint_that_is_gone_is_not_asked_again(store: Store) -> None:
    async with serving(replying(reply(status=b"410 Gone"))) as server:
        await _add_deliveries(store, server.url)
        assert await deliver_once(store) == DeliveryReport(leased=1, dead=1)


async def test_an_endpoint_that_asks_to_wait_is_not_sent_anything_meanwhile(store: Store) -> None:
    async with serving(replying(reply(b"", b"Retry-After: 90", status=b"429 Slow"))) as server:
        await _add_deliveries(store, server.url)
        await deliver_once(store)
    delivery, _ = await only_delivery(store)
    assert delivery.due_ms == T0 + 90_000


async def test_a_redirect_is_a_failure_that_names_where_it_leads(store: Store) -> None:
    async with serving(replying(reply(b"", b"Location: http://elsewhere/b", status=b"308 There"))) as server:
        await _add_deliveries(store, server.url)
        assert await deliver_once(store) == DeliveryReport(leased=1, failed=1)
        assert len(server.requests) == 1
    delivery, _ = await only_delivery(store)
    assert "http://elsewhere/b" in (delivery.last_error or "")


async def test_an_address_that_webhooks_may_not_reach_is_a_dead_letter_at_once(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url)
        assert await deliver_once(store, AddressGuard()) == DeliveryReport(leased=1, dead=1)
        assert server.peers == []
    delivery, (attempt,) = await only_delivery(store)
    assert attempt.status is None
    assert "127.0.0.1 is loopback; see WHENFINAL_ALLOW_PRIVATE" in (delivery.last_error or "")


async def test_an_endpoint_that_is_down_is_tried_again(store: Store) -> None:
    async with serving(hanging) as server:
        url = server.url
    await _add_deliveries(store, url)
    assert await deliver_once(store) == DeliveryReport(leased=1, failed=1)
    delivery, (attempt,) = await only_delivery(store)
    assert (attempt.status, delivery.due_ms) == (None, T0 + 5_000)
    assert (attempt.error or "").startswith("ConnectFailed")


@pytest.mark.parametrize(
    "body",
    [b"x" * 100_000, "完".encode() * 5_000, b"\xff\xfe\x00" * 5_000, b"ok"],
    ids=["long", "wide", "odd", "short"],
)
async def test_the_answer_is_stored_as_text_of_at_most_four_kibibytes(store: Store, body: bytes) -> None:
    async with serving(replying(reply(body))) as server:
        await _add_deliveries(store, server.url)
        assert (await deliver_once(store)).delivered == 1
    _, (attempt,) = await only_delivery(store)
    stored = attempt.response.replace("\\x00", "\0").encode()
    assert 0 < len(stored) <= 4_096
    assert body.decode("utf-8", "replace").startswith(stored.decode())


async def test_a_secret_that_can_not_sign_is_a_dead_letter_and_stays_unsaid(store: Store) -> None:
    await subscribe(store, url="http://127.0.0.1:1/", secret="hidden")
    await publish_events(store, 1)
    assert await deliver_once(store) == DeliveryReport(leased=1, dead=1)
    _, (attempt,) = await only_delivery(store)
    error = attempt.error or ""
    assert "can not be signed" in error
    assert "hidden" not in error


async def test_an_endpoint_that_hangs_holds_up_no_other_record(store: Store) -> None:
    async with serving(hanging) as slow, serving(replying(reply())) as quick:
        await _add_one_each(store, ("slow", slow.url), *((f"sub_{n}", quick.url) for n in range(8)))
        outbox = ObservedOutbox(store)
        async with open_deliverer(outbox) as deliverer:
            run = asyncio.create_task(deliverer.deliver_once(limit=9))
            await wait_until(lambda: len(outbox.recorded) == 8)
            assert "slow" not in outbox.recorded
            assert not run.done()
            run.cancel()
            await asyncio.wait([run])


async def test_what_is_ready_at_the_same_time_is_recorded_together(store: Store) -> None:
    everybody = asyncio.Barrier(20)

    async def together(peer: Peer, _: int) -> None:
        await everybody.wait()
        await peer.say(reply())

    async with serving(together) as server:
        await _add_one_each(store, *((f"sub_{n}", server.url) for n in range(20)))
        outbox = ObservedOutbox(store)
        async with open_deliverer(outbox) as deliverer:
            assert (await deliverer.deliver_once(limit=64)).delivered == 20
    assert len(outbox.batches) < 20


async def test_overlapping_runs_never_post_more_at_once_than_the_bound(store: Store) -> None:
    async with serving(hanging) as server:
        await _add_one_each(store, *((f"sub_{n}", server.url) for n in range(9)))
        outbox = ObservedOutbox(store)
        async with open_deliverer(outbox, concurrency=5) as deliverer:
            runs = [asyncio.create_task(deliverer.deliver_once(limit=3))]
            await server.until_requests(3)
            runs += [asyncio.create_task(deliverer.deliver_once(limit=3)) for _ in range(3)]
            await server.until_requests(5)
            await wait_until(lambda: sum(run.done() for run in runs) == 2)
            assert (outbox.limits, len(await lease(store))) == ([3, 2], 4)
            await cancel(runs)


async def test_slots_are_free_again_after_a_run_and_after_a_cancelled_one(store: Store) -> None:
    async with serving(hanging) as slow, serving(replying(reply())) as quick:
        await _add_one_each(store, ("slow", slow.url), *((f"sub_{n}", quick.url) for n in range(4)))
        async with open_deliverer(store.outbox, concurrency=2) as deliverer:
            run = asyncio.create_task(deliverer.deliver_once(limit=1))
            await slow.until_requests(1)
            await cancel([run])
            assert (await deliverer.deliver_once(limit=9)).delivered == 2
            assert (await deliverer.deliver_once(limit=9)).delivered == 2


async def test_cancelling_a_run_cancels_its_posts(store: Store) -> None:
    async with serving(hanging) as server:
        await _add_deliveries(store, server.url)
        outbox = ObservedOutbox(store)
        async with open_deliverer(outbox) as deliverer:
            run = asyncio.create_task(deliverer.deliver_once(limit=1))
            await server.until_requests(1)
            await cancel([run])
            await asyncio.wait_for(server.peers[0].gone.wait(), 60)
    assert outbox.batches == []


async def test_a_result_that_could_not_be_recorded_is_recorded_with_the_next(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url)
        outbox = ObservedOutbox(store, faults=2)
        async with open_deliverer(outbox) as deliverer:
            assert await deliverer.deliver_once(limit=1) == DeliveryReport(leased=1, delivered=1)
    delivery, attempts = await only_delivery(store)
    assert (delivery.state, len(attempts), len(server.requests)) == (DeliveryState.DELIVERED, 1, 1)


async def test_a_ledger_that_stays_unavailable_is_reported_after_the_posts(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url)
        outbox = ObservedOutbox(store, faults=99)
        async with open_deliverer(outbox) as deliverer:
            with pytest.raises(StoreUnavailable):
                await deliverer.deliver_once(limit=1)
    assert len(server.requests) == 1


async def test_between_the_tries_to_record_an_attempt_there_is_a_pause(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, slept = asyncio.sleep, []

    async def noted(delay: float) -> None:
        slept.append(delay)
        await sleep(0)

    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url)
        async with open_deliverer(ObservedOutbox(store, faults=len(PAUSES_S))) as deliverer:
            monkeypatch.setattr(asyncio, "sleep", noted)
            assert (await deliverer.deliver_once(limit=1)).delivered == 1
    assert [each for each in slept if each in PAUSES_S] == list(PAUSES_S)


async def test_an_unrecorded_attempt_is_posted_again_under_the_same_id_once_its_lease_ends(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url)
        await store.outbox.lease_deliveries(owner="lost", now_ms=T0, lease_ms=60_000, limit=1, per_endpoint=8)
        assert await deliver_once(store, now_ms=T0 + 59_999) == DeliveryReport()
        assert await deliver_once(store, now_ms=T0 + 60_000) == DeliveryReport(leased=1, delivered=1)


async def test_two_workers_deliver_a_long_backlog_without_posting_anything_twice(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _add_deliveries(store, server.url, count=40)
        async with open_deliverer(store.outbox, owner="a") as one, open_deliverer(store.outbox, owner="b") as two:
            while not await _all_delivered(store):
                await asyncio.gather(one.deliver_once(limit=8), two.deliver_once(limit=8))
    _assert_each_once(server, 40)


async def test_one_endpoint_never_has_more_posts_at_once_than_its_share(store: Store) -> None:
    async with serving(hanging) as server:
        await _add_deliveries(store, server.url, count=6)
        async with open_deliverer(store.outbox, per_endpoint=4) as deliverer:
            runs = [asyncio.create_task(deliverer.deliver_once(limit=64)) for _ in range(3)]
            await server.until_requests(4)
            await wait_until(lambda: sum(run.done() for run in runs) == 2)
            assert len(server.requests) == 4
            await cancel(runs)


async def _all_delivered(store: Store) -> bool:
    return not (await store.deliveries.deliveries(state=DeliveryState.PENDING, limit=1, cursor=None)).items


def _assert_each_once(server: RawServer, count: int) -> None:
    names = [headers_of(request)["webhook-id"] for request in server.requests]
    assert len(names) == len(set(names)) == count
