"""The outbox paid over real sockets, from a real ledger; a small outbox in memory where the order of things matters."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks

from receiver.delivery import DeliveryReport
from receiver.errors import StoreUnavailable
from receiver.records import AttemptResult, DeliveryState, DueDelivery, EventType
from receiver.store import Store, open_store
from submitter.addresses import AddressGuard
from submitter.webhooks import verify_webhook
from tests.builders import SECRET, T0, a_report, notified
from tests.flows.delivering import cancel, delivering, headers_of, only_delivery, take_turn, until
from tests.flows.raw_server import Peer, RawServer, hanging, reply, replying, serving


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


@dataclass(eq=False)
class MemoryOutbox:
    """Leases in the order of `due`; keeps each batch as it was recorded. `faults` recordings fail first."""

    due: list[DueDelivery]
    batches: list[list[AttemptResult]] = field(default_factory=list)
    faults: int = 0
    limits: list[int] = field(default_factory=list)

    async def lease_deliveries(
        self, *, owner: str, now_ms: int, lease_ms: int, limit: int, per_lane: int
    ) -> list[DueDelivery]:
        self.limits.append(limit)
        leased, self.due = self.due[:limit], self.due[limit:]
        return leased

    async def record_attempts(self, results: Sequence[AttemptResult], now_ms: int, *, give_up_ms: int) -> int:
        if self.faults:
            self.faults -= 1
            raise StoreUnavailable("locked")
        self.batches.append(list(results))
        return 0

    @property
    def recorded(self) -> set[str]:
        return {result.delivery for batch in self.batches for result in batch}


def _due(name: str, endpoint: str, **changes: Any) -> DueDelivery:
    values: dict[str, Any] = {
        "owner": "w1",
        "lane": endpoint,
        "event_type": EventType.SUCCEEDED,
        "event_at_ms": T0,
        "task": "tsk_1",
        "secrets": (SECRET,),
        "body": "{}",
        "attempts": 0,
    }
    return DueDelivery(id=name, event_id=f"evt_{name}", endpoint=endpoint, **(values | changes))


async def _owe(store: Store, url: str, count: int = 1) -> None:
    for index in range(count):
        await store.submits.open_task(notified(f"tsk_{index}", url), T0)
        await store.ledger.record([a_report(task_id=f"p{index}", claim=f"tsk_{index}")], T0)


async def test_a_due_event_is_posted_as_signed_json_and_delivered(store: Store) -> None:
    async with serving(replying(reply(b"", status=b"204 No Content"))) as server:
        await _owe(store, server.url)
        assert await take_turn(store) == DeliveryReport(leased=1, delivered=1)
    (event,) = await store.reading.events(0)
    headers, body = headers_of(server.requests[0]), server.requests[0].partition(b"\r\n\r\n")[2]
    assert (body, headers["content-type"]) == (event.body.encode(), "application/json")
    assert headers["webhook-id"] == event.id == json.loads(body)["data"]["event_id"]
    verify_webhook((SECRET,), tuple(headers.items()), body, now_s=T0 // 1000)


async def test_the_published_library_verifies_what_arrives() -> None:
    import time  # noqa: PLC0415 - the library reads the clock of this machine

    async with serving(replying(reply())) as server:
        outbox = MemoryOutbox([_due("d1", server.url, body='{"text":"完成"}')])
        async with delivering(outbox, clock=lambda: int(time.time() * 1000)) as deliverer:
            await deliverer.deliver_once(limit=1)
    request = server.requests[0]
    read = standardwebhooks.Webhook(SECRET).verify(request.partition(b"\r\n\r\n")[2], headers_of(request))
    assert read == {"text": "完成"}


async def test_a_delivered_event_is_posted_once(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _owe(store, server.url)
        await take_turn(store)
        assert await take_turn(store, now_ms=T0 + 10**9) == DeliveryReport()
    delivery, attempts = await only_delivery(store)
    assert (delivery.state, len(attempts), len(server.requests)) == (DeliveryState.DELIVERED, 1, 1)


async def test_a_failure_is_repeated_with_the_same_message_until_it_is_a_dead_letter(store: Store) -> None:
    async with serving(replying(reply(b"later", status=b"500 No"))) as server:
        await _owe(store, server.url)
        reports = [await take_turn(store, now_ms=T0 + step_ms) for step_ms in (0, 4_999, 5_000, 35_000, 10**9)]
    failed, nothing = DeliveryReport(leased=1, failed=1), DeliveryReport()
    assert reports == [failed, nothing, failed, DeliveryReport(leased=1, dead=1), nothing]
    delivery, attempts = await only_delivery(store)
    assert (delivery.state, delivery.last_error, len(attempts)) == (DeliveryState.DEAD, "answered 500", 3)
    assert len({headers_of(request)["webhook-id"] for request in server.requests}) == 1


async def test_an_endpoint_that_is_gone_is_not_asked_again(store: Store) -> None:
    async with serving(replying(reply(status=b"410 Gone"))) as server:
        await _owe(store, server.url)
        assert await take_turn(store) == DeliveryReport(leased=1, dead=1)


async def test_an_endpoint_that_asks_to_wait_is_left_alone_as_long(store: Store) -> None:
    async with serving(replying(reply(b"", b"Retry-After: 90", status=b"429 Slow"))) as server:
        await _owe(store, server.url)
        await take_turn(store)
    delivery, _ = await only_delivery(store)
    assert delivery.due_ms == T0 + 90_000


async def test_a_redirect_is_a_failure_that_names_where_it_leads(store: Store) -> None:
    async with serving(replying(reply(b"", b"Location: http://elsewhere/b", status=b"308 There"))) as server:
        await _owe(store, server.url)
        assert await take_turn(store) == DeliveryReport(leased=1, failed=1)
        assert len(server.requests) == 1
    delivery, _ = await only_delivery(store)
    assert "http://elsewhere/b" in (delivery.last_error or "")


async def test_an_address_that_webhooks_may_not_reach_is_a_dead_letter_at_once(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _owe(store, server.url)
        assert await take_turn(store, AddressGuard()) == DeliveryReport(leased=1, dead=1)
        assert server.peers == []
    delivery, (attempt,) = await only_delivery(store)
    assert attempt.status is None
    assert "127.0.0.1 is loopback; see WHENFINAL_ALLOW_PRIVATE" in (delivery.last_error or "")


async def test_an_endpoint_that_is_down_is_tried_again(store: Store) -> None:
    async with serving(hanging) as server:
        url = server.url
    await _owe(store, url)
    assert await take_turn(store) == DeliveryReport(leased=1, failed=1)
    delivery, (attempt,) = await only_delivery(store)
    assert (attempt.status, delivery.due_ms) == (None, T0 + 5_000)
    assert (attempt.error or "").startswith("ConnectFailed")


@pytest.mark.parametrize(
    "body",
    [b"x" * 100_000, "完".encode() * 5_000, b"\xff\xfe\x00" * 5_000, b"ok"],
    ids=["long", "wide", "odd", "short"],
)
async def test_the_answer_is_kept_as_text_of_at_most_four_kibibytes(store: Store, body: bytes) -> None:
    async with serving(replying(reply(body))) as server:
        await _owe(store, server.url)
        assert (await take_turn(store)).delivered == 1
    _, (attempt,) = await only_delivery(store)
    kept = attempt.response.replace("\\x00", "\0").encode()
    assert 0 < len(kept) <= 4_096
    assert body.decode("utf-8", "replace").startswith(kept.decode())


async def test_a_secret_that_can_not_sign_is_a_dead_letter_and_stays_unsaid() -> None:
    outbox = MemoryOutbox([_due("d1", "http://127.0.0.1:1/", secrets=("hidden",))])
    async with delivering(outbox) as deliverer:
        assert await deliverer.deliver_once(limit=9) == DeliveryReport(leased=1, dead=1)
    error = outbox.batches[0][0].attempt.error or ""
    assert "can not be signed" in error
    assert "hidden" not in error


async def test_an_endpoint_that_hangs_holds_up_no_other_record() -> None:
    async with serving(hanging) as slow, serving(replying(reply())) as quick:
        outbox = MemoryOutbox([_due("slow", slow.url), *(_due(f"d{n}", quick.url) for n in range(8))])
        async with delivering(outbox) as deliverer:
            turn = asyncio.create_task(deliverer.deliver_once(limit=9))
            await until(lambda: len(outbox.recorded) == 8)
            assert "slow" not in outbox.recorded
            assert not turn.done()
            turn.cancel()
            await asyncio.wait([turn])


async def test_what_is_ready_at_the_same_time_is_recorded_together() -> None:
    everybody = asyncio.Barrier(20)

    async def together(peer: Peer, _: int) -> None:
        await everybody.wait()
        await peer.say(reply())

    async with serving(together) as server:
        outbox = MemoryOutbox([_due(f"d{n}", server.url) for n in range(20)])
        async with delivering(outbox) as deliverer:
            assert (await deliverer.deliver_once(limit=64)).delivered == 20
    assert len(outbox.batches) < 20


async def test_turns_together_never_post_more_at_once_than_the_bound() -> None:
    async with serving(hanging) as server:
        outbox = MemoryOutbox([_due(f"d{n}", server.url) for n in range(9)])
        async with delivering(outbox, concurrency=5) as deliverer:
            turns = [asyncio.create_task(deliverer.deliver_once(limit=3)) for _ in range(4)]
            await server.until_requests(5)
            await until(lambda: sum(turn.done() for turn in turns) == 2)
            assert (outbox.limits, len(outbox.due)) == ([3, 2], 4)
            await cancel(turns)


async def test_places_are_free_again_after_a_turn_and_after_a_cancelled_one() -> None:
    async with serving(hanging) as slow, serving(replying(reply())) as quick:
        outbox = MemoryOutbox([_due("slow", slow.url), *(_due(f"d{n}", quick.url) for n in range(4))])
        async with delivering(outbox, concurrency=2) as deliverer:
            turn = asyncio.create_task(deliverer.deliver_once(limit=1))
            await slow.until_requests(1)
            await cancel([turn])
            assert (await deliverer.deliver_once(limit=9)).delivered == 2
            assert (await deliverer.deliver_once(limit=9)).delivered == 2


async def test_a_turn_that_is_cancelled_takes_its_posts_with_it() -> None:
    async with serving(hanging) as server:
        outbox = MemoryOutbox([_due("d1", server.url)])
        async with delivering(outbox) as deliverer:
            turn = asyncio.create_task(deliverer.deliver_once(limit=1))
            await server.until_requests(1)
            await cancel([turn])
            await asyncio.wait_for(server.peers[0].gone.wait(), 60)
    assert outbox.batches == []


async def test_a_result_that_could_not_be_recorded_is_recorded_with_the_next() -> None:
    async with serving(replying(reply())) as server:
        outbox = MemoryOutbox([_due("d1", server.url)], faults=2)
        async with delivering(outbox) as deliverer:
            assert await deliverer.deliver_once(limit=1) == DeliveryReport(leased=1, delivered=1)
    assert (outbox.recorded, len(server.requests)) == ({"d1"}, 1)


async def test_a_ledger_that_stays_away_is_said_after_the_posts() -> None:
    async with serving(replying(reply())) as server:
        outbox = MemoryOutbox([_due("d1", server.url)], faults=99)
        async with delivering(outbox) as deliverer:
            with pytest.raises(StoreUnavailable):
                await deliverer.deliver_once(limit=1)
    assert len(server.requests) == 1


async def test_an_unrecorded_attempt_is_posted_again_under_the_same_id_once_its_lease_ends(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _owe(store, server.url)
        await store.outbox.lease_deliveries(owner="lost", now_ms=T0, lease_ms=60_000, limit=1, per_lane=8)
        assert await take_turn(store, now_ms=T0 + 59_999) == DeliveryReport()
        assert await take_turn(store, now_ms=T0 + 60_000) == DeliveryReport(leased=1, delivered=1)


async def test_two_workers_pay_a_long_outbox_without_posting_anything_twice(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await _owe(store, server.url, count=40)
        async with delivering(store.outbox, owner="a") as one, delivering(store.outbox, owner="b") as two:
            while not await _all_delivered(store):
                await asyncio.gather(one.deliver_once(limit=8), two.deliver_once(limit=8))
    _assert_each_once(server, 40)


async def test_one_endpoint_never_has_more_posts_at_once_than_its_share(store: Store) -> None:
    async with serving(hanging) as server:
        await _owe(store, server.url, count=6)
        async with delivering(store.outbox, per_lane=4) as deliverer:
            turns = [asyncio.create_task(deliverer.deliver_once(limit=64)) for _ in range(3)]
            await server.until_requests(4)
            await until(lambda: sum(turn.done() for turn in turns) == 2)
            assert len(server.requests) == 4
            await cancel(turns)


async def _all_delivered(store: Store) -> bool:
    return not (await store.reading.deliveries(state=DeliveryState.PENDING, limit=1, cursor=None)).items


def _assert_each_once(server: RawServer, count: int) -> None:
    names = [headers_of(request)["webhook-id"] for request in server.requests]
    assert len(names) == len(set(names)) == count
