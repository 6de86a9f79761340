"""What a subscription is sent, and endpoints that answer badly: each outcome is clear and affects no other endpoint."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.runtime.store import Store, open_store
from receiver.store.audit import AuditEntry
from receiver.webhooks.deliverer import DeliveryReport
from receiver.webhooks.model.delivery import Delivery, DeliveryState
from submitter.errors import WebhookNotVerified
from submitter.http.address_guard import AddressGuard
from submitter.model import TaskId
from submitter.standard_webhooks import new_signing_key, public_key, verify_webhook
from tests.support.builders import SECRET, T0
from tests.support.deliverer_setup import (
    LIMITS,
    Clock,
    body_of,
    deliver_once,
    endpoint_of,
    headers_of,
    only_delivery,
    open_deliverer,
)
from tests.support.delivery_fixtures import deliveries_of, publish_event_of, publish_events, subscribe
from tests.support.raw_server import Answering, Peer, hanging, reply, replying, serving

OLD_SECRET = "whsec_b2xkIHNlY3JldCBvZiB0aGUgdGVzdHMhISEh"
KEY, OLD_KEY = new_signing_key(bytes(range(32))), new_signing_key(bytes(32))
SHORT = replace(LIMITS, whole_s=1.5)  # where the timeout itself is tested


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


def is_signed_by(request: bytes, secret: str, now_ms: int = T0) -> bool:
    try:
        verify_webhook((secret,), tuple(headers_of(request).items()), body_of(request), now_s=now_ms // 1000)
    except WebhookNotVerified:
        return False
    return True


# What it is sent.


async def test_every_subscription_that_wants_an_event_gets_it_under_the_same_id_with_its_own_signature(
    store: Store,
) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, "sub_1", url=server.url)
        await subscribe(store, "sub_2", url=server.url, secret=OLD_SECRET)
        await publish_events(store, 1)
        assert (await deliver_once(store)).delivered == 2
    signers = {next(s for s in (SECRET, OLD_SECRET) if is_signed_by(each, s)) for each in server.requests}
    assert signers == {SECRET, OLD_SECRET}
    assert len({headers_of(each)["webhook-id"] for each in server.requests}) == 1


async def test_a_rotated_secret_signs_beside_the_one_before_until_the_overlap_ends(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url, secret=SECRET, previous_secret=OLD_SECRET, previous_until_ms=T0 + 60_000)
        await publish_events(store, 1)
        await deliver_once(store, now_ms=T0 + 59_999)
        await publish_events(store, 1, first=2, at_ms=T0 + 60_000)
        await deliver_once(store, now_ms=T0 + 60_000)
    during, after = server.requests
    assert [is_signed_by(during, secret, T0 + 59_999) for secret in (SECRET, OLD_SECRET)] == [True, True]
    assert [is_signed_by(after, secret, T0 + 60_000) for secret in (SECRET, OLD_SECRET)] == [True, False]


async def test_a_subscription_that_asks_for_it_is_signed_with_its_keys_as_well(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(
            store, url=server.url, signing_key=KEY, previous_signing_key=OLD_KEY, previous_until_ms=T0 + 60_000
        )
        await publish_events(store, 1)
        await deliver_once(store)
    (request,) = server.requests
    assert all(is_signed_by(request, public_key(key)) for key in (KEY, OLD_KEY))
    assert is_signed_by(request, SECRET)
    versions = [each.partition(",")[0] for each in headers_of(request)["webhook-signature"].split(" ")]
    assert versions == ["v1", "v1a", "v1a"]


async def test_cloudevents_attributes_stand_beside_the_same_body_when_asked_for(store: Store) -> None:
    async with serving(replying(reply())) as plain, serving(replying(reply())) as clouded:
        await subscribe(store, "sub_1", url=plain.url)
        await subscribe(store, "sub_2", url=clouded.url, cloudevents=True)
        await publish_event_of(store, "tsk_1", at_ms=T0 + 123)
        await deliver_once(store, now_ms=T0 + 500, public_url="https://video.example")
    (event,) = await store.events.events(0)
    headers = headers_of(clouded.requests[0])
    assert {name: value for name, value in headers.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-type": "task.succeeded",
        "ce-source": "https://video.example",
        "ce-time": "2026-09-21T14:13:20.123Z",
        "ce-subject": "tsk_1",
    }
    assert headers["content-type"] == "application/json"
    assert body_of(clouded.requests[0]) == body_of(plain.requests[0])
    assert not any(name.startswith("ce-") for name in headers_of(plain.requests[0]))


async def test_a_subscription_that_moved_gets_pending_deliveries_at_its_new_url(store: Store) -> None:
    async with serving(replying(reply())) as old, serving(replying(reply())) as new:
        await subscribe(store, url=old.url)
        await publish_events(store, 1)
        moved = AuditEntry(actor="ann", action="moved")
        await store.subscriptions.change("sub_1", lambda s: replace(s, url=new.url), moved, now_ms=T0)
        assert (await deliver_once(store)).delivered == 1
    assert (len(old.requests), len(new.requests)) == (0, 1)


async def test_redelivering_posts_the_same_message_again_under_the_same_id(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 1)
        await deliver_once(store)
        (delivery,) = await deliveries_of(store)
        await store.outbox.redeliver(delivery.id, actor="ann", now_ms=T0 + 1)
        assert (await deliver_once(store, now_ms=T0 + 1)).delivered == 1
    assert len({(headers_of(each)["webhook-id"], body_of(each)) for each in server.requests}) == 1
    assert await _audited(store, delivery) == ["ann: redeliver"]


async def _audited(store: Store, delivery: Delivery) -> list[str]:
    return [note.summary for note in await store.tasks.timeline(TaskId(delivery.task_id or "")) if note.kind == "audit"]


async def test_redelivering_what_is_being_posted_posts_it_only_once(store: Store) -> None:
    may_answer = asyncio.Event()

    async def slowly(peer: Peer, _: int) -> None:
        await may_answer.wait()
        await peer.say(reply())

    async with serving(slowly) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 1)
        async with open_deliverer(store.outbox) as deliverer:
            run = asyncio.create_task(deliverer.deliver_once(limit=64))
            await server.until_requests(1)
            (delivery,) = await deliveries_of(store)
            left = await store.outbox.redeliver(delivery.id, actor="ann", now_ms=T0)
            assert await deliverer.deliver_once(limit=64) == DeliveryReport()
            may_answer.set()
            assert (await run).delivered == 1
            assert await deliverer.deliver_once(limit=64) == DeliveryReport()
    assert left is not None
    assert len(server.requests) == 1
    assert await _audited(store, delivery) == []


async def test_runs_of_one_process_never_end_each_others_lease(store: Store) -> None:
    """The first run outlives its lease; the second leases again, and its own outcome counts."""
    may_answer = asyncio.Event()

    async def first_late(peer: Peer, number: int) -> None:
        if number == 1:
            await may_answer.wait()
            await peer.say(reply(status=b"500 No"))
        else:
            await peer.gone.wait()

    clock = Clock()
    async with serving(first_late) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 1)
        async with open_deliverer(store.outbox, clock=clock) as deliverer:
            late = asyncio.create_task(deliverer.deliver_once(limit=64))
            await server.until_requests(1)
            clock.now_ms = T0 + 60_000
            again = asyncio.create_task(deliverer.deliver_once(limit=64))
            await server.until_requests(2)
            may_answer.set()
            await late
            (delivery,) = await deliveries_of(store)
            assert delivery.attempts == 0
            assert await deliverer.deliver_once(limit=64) == DeliveryReport()
            again.cancel()
            await asyncio.wait([again])


# Endpoints that answer badly.


async def endless_body(peer: Peer, _: int) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not peer.gone.is_set():
        await peer.say(b"400\r\n", b"x" * 1024, b"\r\n")


async def endless_headers(peer: Peer, _: int) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    while not peer.gone.is_set():
        await peer.say(b"X-More: ", b"x" * 1024, b"\r\n")


async def dripping_header(peer: Peer, _: int) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    while not peer.gone.is_set():
        await peer.say(b"X")
        await asyncio.sleep(0.02)


async def dripping_body(peer: Peer, _: int) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
    while not peer.gone.is_set():
        await peer.say(b"x")
        await asyncio.sleep(0.02)


async def breaking_off(peer: Peer, _: int) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\nhalf")
    peer.reset()


def saying(raw: bytes) -> Answering:
    async def answer(peer: Peer, _: int) -> None:
        await peer.say(raw)
        peer.writer.close()

    return answer


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (endless_body, DeliveryState.DELIVERED, None),
        (endless_headers, DeliveryState.PENDING, "ExchangeBroken"),
        (dripping_header, DeliveryState.PENDING, "ExchangeTimeout"),
        (dripping_body, DeliveryState.DELIVERED, None),
        (hanging, DeliveryState.PENDING, "ExchangeTimeout"),
        (breaking_off, DeliveryState.DELIVERED, None),
        (saying(b""), DeliveryState.PENDING, "ExchangeBroken"),
        (saying(b"\x00\xff\xfe not http\r\n\r\n"), DeliveryState.PENDING, "ExchangeBroken"),
        (saying(b"HTTP/1.1 200 OK\r\nBad\x00Name: x\r\n\r\n"), DeliveryState.DELIVERED, None),
        (saying(b"HTTP/1.1 999 \xff\xfe\r\nContent-Length: 0\r\n\r\n"), DeliveryState.PENDING, "answered 999"),
        (
            saying(b"HTTP/1.1 429 No\r\nRetry-After: \xff\xfe99\r\nContent-Length: 0\r\n\r\n"),
            DeliveryState.PENDING,
            "answered 429",
        ),
        (saying(b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 0\r\n\r\n"), DeliveryState.DELIVERED, None),
        (
            saying(b"HTTP/1.1 302 There\r\nLocation: http://\xff[bad\r\nContent-Length: 0\r\n\r\n"),
            DeliveryState.PENDING,
            "a redirect to",
        ),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"),
            DeliveryState.DELIVERED,
            None,
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else getattr(each, "__name__", None),
)
async def test_a_bad_answer_gives_a_clear_error_and_delays_nobody_else(
    store: Store, answer: Answering, state: DeliveryState, said: str | None
) -> None:
    async with serving(answer) as bad, serving(replying(reply())) as well:
        await subscribe(store, "sub_bad", url=bad.url)
        await subscribe(store, "sub_well", url=well.url)
        await publish_events(store, 1)
        limits = SHORT if said == "ExchangeTimeout" else LIMITS
        assert (await deliver_once(store, limits=limits)).leased == 2
        assert len(bad.requests) == 1
    (delivery,) = await deliveries_of(store, "sub_bad")
    (attempt,) = await store.deliveries.attempts(delivery.id)
    assert delivery.state is state
    assert (said or "") in (delivery.last_error or "")
    assert len(attempt.response.encode()) <= 4096
    assert [each.state for each in await deliveries_of(store, "sub_well")] == [DeliveryState.DELIVERED]


async def test_a_redirect_is_never_followed_and_counts_as_a_failure_of_the_endpoint(store: Store) -> None:
    async with serving(replying(reply())) as there:
        away = reply(b"", b"Location: " + there.url.encode(), status=b"307 There")
        async with serving(replying(away)) as server:
            await subscribe(store, url=server.url)
            await publish_events(store, 1)
            assert (await deliver_once(store)).failed == 1
    (delivery,) = await deliveries_of(store)
    assert there.url in (delivery.last_error or "")
    assert (there.requests, (await endpoint_of(store)).failures) == ([], 1)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
async def test_a_name_that_comes_to_point_inside_is_refused_at_connect(store: Store, host: str) -> None:
    """The address was fine when the subscription was stored; what counts is where it leads now."""
    async with serving(replying(reply())) as server:
        await subscribe(store, url=f"http://{host}:{server.port}/a")
        await publish_events(store, 1)
        assert await deliver_once(store, AddressGuard()) == DeliveryReport(leased=1, dead=1)
        assert server.peers == []
    delivery, _ = await only_delivery(store)
    assert "see WHENFINAL_ALLOW_PRIVATE" in (delivery.last_error or "")


async def test_every_body_holds_the_number_of_its_event(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url)
        await publish_events(store, 5)
        await deliver_once(store)
    assert sorted(json.loads(body_of(each))["data"]["seq"] for each in server.requests) == [1, 2, 3, 4, 5]
