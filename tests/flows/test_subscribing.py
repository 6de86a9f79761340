"""Subscriptions made, changed, rotated and tried out: a real ledger, and endpoints on real sockets."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from receiver.delivery import Deliverer, DeliveryManners
from receiver.ids import id_maker
from receiver.orders import NotifyRules
from receiver.posting import RESPONSE_CAP_BYTES
from receiver.signing import decode_webhook_secret, public_key
from receiver.store import Store, open_store
from receiver.store.subscription_rows import subscription_row
from receiver.store.subscriptions import MOST_SUBSCRIPTIONS
from receiver.subscribing import Subscribing, SubscribingEdges, SubscriptionOrder, SubscriptionRules
from receiver.subscription import Subscription, SubscriptionState
from submitter.addresses import AddressGuard, check_endpoint
from submitter.errors import InvalidRequest, WebhookNotVerified
from submitter.transport import TransportLimits, open_transport
from submitter.webhooks import verify_webhook
from tests.builders import SECRET, T0, a_report
from tests.flows.raw_server import Answering, Peer, RawServer, hanging, reply, replying, serving

HOME = AddressGuard(allow=(ip_network("127.0.0.0/8"),))
ORIGIN = "whenfinal.example"
SOURCE = f"https://{ORIGIN}"
NEW_SECRET = "whsec_" + "bmV3" * 8
CONSENT = reply(b"", b"WebHook-Allowed-Origin: *", b"WebHook-Allowed-Rate: 120")
TWO_A_SECOND = 2.0


@dataclass(eq=False)
class Bench:
    """`path` is the ledger's file. The clock stands still unless a test moves it; the dice count up."""

    store: Store
    path: Path
    subscribing: Subscribing
    now: list[int]

    async def create(self, url: str, **changes: Any) -> Subscription:
        return await self.subscribing.create(SubscriptionOrder(**({"url": url} | changes)), actor="ann")

    async def change(self, name: str, **changes: Any) -> Subscription | None:
        return await self.subscribing.change(name, changes, actor="ann")

    async def stored(self) -> list[Subscription]:
        page = await self.store.subscriptions.page(limit=10, cursor=None)
        return [seen.subscription for seen in page.items]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()


@asynccontextmanager
async def _bench(folder: Path, *, origin: str | None = ORIGIN, whole_s: float = 20.0) -> AsyncIterator[Bench]:
    limits = TransportLimits(whole_s=whole_s, max_reply_bytes=RESPONSE_CAP_BYTES, cut_replies=True)
    now, dice = [T0], iter(range(1, 10_000))
    rules = SubscriptionRules(
        notify=NotifyRules(refuse_url=lambda url: check_endpoint(url, HOME), read_secret=decode_webhook_secret),
        providers=("hiapi", "dashscope"),
        most_in_flight=64,
        origin=origin,
    )

    def random_bytes(count: int) -> bytes:
        return next(dice).to_bytes(count)

    path = folder / "ledger.db"
    async with (
        open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store,
        open_transport(limits, HOME) as transport,
    ):
        edges = SubscribingEdges(clock=lambda: now[0], random_bytes=random_bytes, new_id=id_maker(random_bytes))
        flow = Subscribing(room=store.subscriptions, transport=transport, rules=rules, source=SOURCE, edges=edges)
        yield Bench(store=store, path=path, subscribing=flow, now=now)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with _bench(tmp_path) as opened:
        yield opened


def _headers(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _body(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def _refused(work: Any) -> dict[str, str]:
    """The broken rules by field."""
    with pytest.raises(InvalidRequest) as caught:
        await work
    return {violation.field: str(violation) for violation in caught.value.violations}


async def test_a_subscription_is_made_with_a_secret_of_its_own(bench: Bench) -> None:
    first = await bench.create("https://hooks.example/a", asymmetric=True)
    second = await bench.create("https://hooks.example/a", secret=SECRET)
    assert len(decode_webhook_secret(first.secret)) == 32
    assert second.secret == SECRET
    assert public_key(first.signing_key or "").startswith("whpk_")
    assert await bench.stored() == [second, first]


async def test_a_bad_order_names_everything_and_stores_and_sends_nothing(bench: Bench) -> None:
    async with serving(replying(CONSENT)) as server:
        found = await _refused(bench.create(server.url, types=["task.done"], handshake=True, rate_per_s=0.0))
        assert server.requests == []
    assert found.keys() == {"types", "rate_per_s"}
    assert await bench.stored() == []


async def test_one_too_many_is_refused_with_the_cure(bench: Bench) -> None:
    made = await bench.create("https://hooks.example/a")
    rows = [{**subscription_row(made), "id": f"sub_{number:04d}"} for number in range(MOST_SUBSCRIPTIONS - 1)]
    await bench.store.engine.write(lambda tx: tx.execute_many("insert_subscription", rows))
    assert "delete one" in (await _refused(bench.create("https://hooks.example/b")))["subscription"]


async def test_the_audit_names_who_did_what_and_no_secret(bench: Bench) -> None:
    async with serving(replying(reply())) as server:
        made = await bench.create(server.url, asymmetric=True)
        await bench.change(made.id, description="x", models=["m"])
        await bench.change(made.id, enabled=False)
        await bench.change(made.id, enabled=True)
        turned = await bench.subscribing.rotate(made.id, secret=None, overlap_s=60, actor="ann")
        await bench.subscribing.test(made.id, actor="bob")
        await bench.subscribing.delete(made.id, actor="bob")
    lines = bench.rows("SELECT actor, action, detail FROM audit ORDER BY id")
    assert [(actor, action) for actor, action, _ in lines] == [
        ("ann", "subscription created"),
        ("ann", "subscription changed"),
        ("ann", "subscription disabled"),
        ("ann", "subscription enabled"),
        ("ann", "subscription secret rotated"),
        ("bob", "subscription tested"),
        ("bob", "subscription deleted"),
    ]
    assert all(json.loads(detail)["subscription"] == made.id for _, _, detail in lines)
    assert json.loads(lines[1][2])["fields"] == ["description", "models"]
    assert turned is not None
    keys = [made.secret, made.signing_key, turned.secret, turned.signing_key]
    assert [key for key in keys if key is None or key in str(lines)] == []


# The handshake.


async def test_the_rate_that_an_endpoint_grants_becomes_its_limit(bench: Bench) -> None:
    async with serving(replying(CONSENT)) as server:
        made = await bench.create(server.url, handshake=True, rate_per_s=5.0)
    assert (made.granted_per_s, made.rate_per_s) == (TWO_A_SECOND, 5.0)
    assert await bench.stored() == [made]
    (request,) = server.requests
    assert request.startswith(b"OPTIONS /a HTTP/1.1\r\n")
    assert _headers(request)["webhook-request-origin"] == ORIGIN
    assert _headers(request)["webhook-request-rate"] == "300"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (reply(), "without webhook-allowed-origin"),
        (reply(b"", b"WebHook-Allowed-Origin: other.example"), "other.example"),
        (reply(b"", b"WebHook-Allowed-Origin: *", b"WebHook-Allowed-Rate: none"), "none"),
        (reply(b"", status=b"405 No"), "405"),
        (reply(b"", b"Location: http://127.0.0.1:9/b", status=b"307 There"), "307"),
        (b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: \x00*\r\nContent-Length: 0\r\n\r\n", "ExchangeBroken"),
        (b"nonsense\r\n\r\n", "ExchangeBroken"),
    ],
)
async def test_without_consent_nothing_is_stored(bench: Bench, raw: bytes, told: str) -> None:
    async with serving(replying(raw)) as server:
        found = await _refused(bench.create(server.url, handshake=True))
    assert told in found["handshake"]
    assert f"WebHook-Allowed-Origin: {ORIGIN}" in found["handshake"]
    assert await bench.stored() == []


async def test_an_endpoint_that_never_answers_has_not_consented(tmp_path: Path) -> None:
    async with _bench(tmp_path, whole_s=0.2) as bench, serving(hanging) as server:
        assert "ExchangeTimeout" in (await _refused(bench.create(server.url, handshake=True)))["handshake"]
        assert await bench.stored() == []


async def test_an_endpoint_that_is_not_there_has_not_consented(bench: Bench) -> None:
    async with serving(hanging) as server:
        url = server.url
    assert "ConnectFailed" in (await _refused(bench.create(url, handshake=True)))["handshake"]


async def test_an_endless_answer_is_read_no_further_than_needed(bench: Bench) -> None:
    async def endless(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nConnection: close\r\n\r\n")
        while not peer.gone.is_set():
            await peer.say(b"a" * 65_536)

    async with serving(endless) as server:
        made = await bench.create(server.url, handshake=True)
    assert made.granted_per_s is None


async def test_without_a_public_address_no_handshake_is_tried(tmp_path: Path) -> None:
    async with _bench(tmp_path, origin=None) as bench, serving(replying(CONSENT)) as server:
        assert "WHENFINAL_PUBLIC_URL" in (await _refused(bench.create(server.url, handshake=True)))["handshake"]
        assert server.requests == []


async def test_a_new_address_is_asked_and_one_that_refuses_changes_nothing(bench: Bench) -> None:
    async with (
        serving(replying(CONSENT)) as old,
        serving(replying(reply())) as refusing,
        serving(replying(CONSENT)) as new,
    ):
        made = await bench.create(old.url, handshake=True)
        assert (await _refused(bench.change(made.id, url=refusing.url))).keys() == {"handshake"}
        assert await bench.stored() == [made]
        moved = await bench.change(made.id, url=new.url)
        assert moved is not None
        assert (moved.url, len(old.requests), len(new.requests)) == (new.url, 1, 1)


async def test_a_disabled_one_is_asked_when_it_is_enabled(bench: Bench) -> None:
    async with serving(replying(CONSENT)) as server:
        made = await bench.create(server.url, handshake=True)
        await bench.change(made.id, enabled=False)
        await bench.change(made.id, rate_per_s=1.0)
        assert len(server.requests) == 1
        enabled = await bench.change(made.id, enabled=True)
        assert len(server.requests) == 2
    assert enabled is not None
    assert (enabled.state, enabled.disabled_reason) == (SubscriptionState.ACTIVE, None)


async def test_a_disabled_one_whose_endpoint_refuses_stays_disabled(bench: Bench) -> None:
    made = await bench.create("https://hooks.example/a")
    await bench.change(made.id, enabled=False)
    async with serving(replying(reply())) as server:
        await _refused(bench.change(made.id, enabled=True, url=server.url, handshake=True))
    (stored,) = await bench.stored()
    assert (stored.state, stored.url) == (SubscriptionState.DISABLED, "https://hooks.example/a")


@dataclass(eq=False)
class _Held:
    """Consents once it is let go."""

    go: asyncio.Event = field(default_factory=asyncio.Event)

    def answering(self) -> Answering:
        async def answer(peer: Peer, _: int) -> None:
            await self.go.wait()
            await peer.say(CONSENT)

        return answer


async def _asked(server: RawServer) -> None:
    async with asyncio.timeout(60):
        await server.until_requests(1)


async def test_consent_for_one_address_is_never_taken_for_another(bench: Bench) -> None:
    held = _Held()
    async with serving(held.answering()) as first, serving(replying(CONSENT)) as second:
        made = await bench.create(first.url)
        switching = asyncio.create_task(bench.change(made.id, handshake=True))
        await _asked(first)
        await bench.change(made.id, url=second.url)
        held.go.set()
        switched = await switching
    assert switched is not None
    assert (switched.url, switched.granted_per_s, len(second.requests)) == (second.url, TWO_A_SECOND, 1)


async def test_changes_of_other_fields_while_an_endpoint_is_asked_are_kept(bench: Bench) -> None:
    held = _Held()
    async with serving(held.answering()) as server:
        made = await bench.create(server.url)
        switching = asyncio.create_task(bench.change(made.id, handshake=True, cloudevents=True))
        await _asked(server)
        await bench.change(made.id, description="kept", models=["m"])
        held.go.set()
        await switching
    (stored,) = await bench.stored()
    assert (stored.description, stored.filter.models, stored.cloudevents) == ("kept", frozenset("m"), True)
    assert (stored.handshake, stored.granted_per_s) == (True, TWO_A_SECOND)


# Changes.


async def test_what_does_not_exist_is_answered_as_such_by_every_verb(bench: Bench) -> None:
    flow = bench.subscribing
    assert await bench.change("sub_none", description="x") is None
    assert await flow.rotate("sub_none", secret=None, overlap_s=0, actor="ann") is None
    assert await flow.test("sub_none", actor="ann") is None
    assert not await flow.delete("sub_none", actor="ann")


async def test_a_bad_change_changes_nothing(bench: Bench) -> None:
    made = await bench.create("https://hooks.example/a")
    found = await _refused(bench.change(made.id, description="fine", url="https://10.0.0.1/a", max_in_flight=65))
    assert found.keys() == {"url", "max_in_flight"}
    assert await bench.stored() == [made]


async def test_many_changes_at_once_are_all_kept(bench: Bench) -> None:
    made = await bench.create("https://hooks.example/a")
    changes: list[dict[str, Any]] = [
        {"description": "x"},
        {"models": ["m"]},
        {"rate_per_s": 2.0},
        {"max_in_flight": 3},
        {"cloudevents": True},
        {"asymmetric": True},
        {"labels": {"a": "b"}},
        {"enabled": False},
    ]
    await asyncio.gather(*(bench.change(made.id, **change) for change in changes))
    (stored,) = await bench.stored()
    assert (stored.description, stored.rate_per_s, stored.max_in_flight, stored.cloudevents) == ("x", 2.0, 3, True)
    assert (stored.filter.models, stored.filter.labels) == (frozenset("m"), {"a": "b"})
    assert stored.state is SubscriptionState.DISABLED
    assert stored.signing_key is not None


# Secrets.


async def test_a_rotation_signs_with_both_until_the_overlap_is_over(bench: Bench) -> None:
    async with serving(replying(reply())) as server:
        made = await bench.create(server.url, asymmetric=True)
        turned = await bench.subscribing.rotate(made.id, secret=NEW_SECRET, overlap_s=60, actor="ann")
        assert turned is not None
        old, new = _keys(made), _keys(turned)
        await bench.subscribing.test(made.id, actor="ann")
        bench.now[0] += 60_000
        await bench.subscribing.test(made.id, actor="ann")
    during, after = server.requests
    assert turned.secret == NEW_SECRET
    assert [_is_signed(during, key, T0) for key in (*old, *new)] == [True] * 4
    assert [_is_signed(after, key, T0 + 60_000) for key in (*old, *new)] == [False, False, True, True]


def _keys(subscription: Subscription) -> tuple[str, str]:
    return subscription.secret, public_key(subscription.signing_key or "")


def _is_signed(request: bytes, key: str, now_ms: int) -> bool:
    try:
        verify_webhook((key,), tuple(_headers(request).items()), _body(request), now_s=now_ms // 1000)
    except WebhookNotVerified:
        return False
    return True


async def test_the_same_rotation_again_does_not_push_out_the_old_secret(bench: Bench) -> None:
    made = await bench.create("https://hooks.example/a")
    await bench.subscribing.rotate(made.id, secret=NEW_SECRET, overlap_s=60, actor="ann")
    again = bench.subscribing.rotate(made.id, secret=NEW_SECRET, overlap_s=60, actor="ann")
    assert "in use" in (await _refused(again))["secret"]
    (stored,) = await bench.stored()
    assert stored.secrets_at(T0) == (NEW_SECRET, made.secret)


async def test_an_unfit_secret_or_overlap_rotates_nothing(bench: Bench) -> None:
    made = await bench.create("https://hooks.example/a")
    found = await _refused(bench.subscribing.rotate(made.id, secret="whsec_x", overlap_s=-1, actor="ann"))
    assert found.keys() == {"secret", "overlap_s"}
    assert await bench.stored() == [made]


# Trying out.


async def test_a_test_is_posted_signed_and_leaves_only_a_line_in_the_audit(bench: Bench) -> None:
    async with serving(replying(reply(b"thanks", status=b"202 Accepted"))) as server:
        made = await bench.create(server.url, secret=SECRET)
        attempt = await bench.subscribing.test(made.id, actor="ann")
    assert attempt is not None
    assert (attempt.status, attempt.error, attempt.response) == (202, None, "thanks")
    (request,) = server.requests
    headers = _headers(request)
    assert json.loads(_body(request)) == {
        "type": "webhook.test",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "data": {"subscription": made.id},
    }
    assert headers["webhook-id"].startswith("msg_")
    assert _is_signed(request, SECRET, T0)
    assert not {name for name in headers if name.startswith("ce-")}
    tables = ("deliveries", "attempts", "events", "lanes")
    assert [bench.rows(f"SELECT COUNT(*) FROM {table}") for table in tables] == [[(0,)]] * 4


async def test_a_test_carries_what_the_subscription_asked_for(bench: Bench) -> None:
    answers = iter((CONSENT, reply()))

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(next(answers))

    async with serving(answer) as server:
        made = await bench.create(server.url, asymmetric=True, cloudevents=True, handshake=True)
        await bench.subscribing.test(made.id, actor="ann")
    headers = _headers(server.requests[1])
    signatures = headers["webhook-signature"].split(" ")
    assert [signature.partition(",")[0] for signature in signatures] == ["v1", "v1a"]
    assert (headers["ce-type"], headers["ce-source"], headers["ce-specversion"]) == ("webhook.test", SOURCE, "1.0")
    assert (headers["ce-id"], headers["webhook-request-origin"]) == (headers["webhook-id"], ORIGIN)


async def test_a_disabled_subscription_can_be_tried_out(bench: Bench) -> None:
    async with serving(replying(reply())) as server:
        made = await bench.create(server.url)
        await bench.change(made.id, enabled=False)
        attempt = await bench.subscribing.test(made.id, actor="ann")
    assert attempt is not None
    assert attempt.status == 200


async def test_a_test_tells_what_went_wrong_and_is_not_repeated(bench: Bench) -> None:
    async with serving(replying(reply(b"broken", status=b"500 No"))) as server:
        made = await bench.create(server.url)
        failed = await bench.subscribing.test(made.id, actor="ann")
    gone = await bench.subscribing.test(made.id, actor="ann")
    assert failed is not None
    assert (failed.status, failed.error, failed.response) == (500, "answered 500", "broken")
    assert gone is not None
    assert gone.status is None
    assert gone.error is not None
    assert gone.error.startswith("ConnectFailed")
    assert len(server.requests) == 1


async def test_every_delivery_after_consent_says_who_we_are(bench: Bench) -> None:
    answers = iter((CONSENT, reply()))

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(next(answers))

    async with serving(answer) as server, open_transport(TransportLimits(), HOME) as transport:
        await bench.create(server.url, handshake=True)
        await bench.store.ledger.record([a_report(adopt=True)], T0)
        manners = DeliveryManners(owner="w", backoff_s=(5.0,), origin=ORIGIN)
        outbox, clock = bench.store.outbox, lambda: T0
        sender = Deliverer(outbox=outbox, transport=transport, manners=manners, clock=clock, dice=lambda: 0.0)
        assert (await sender.deliver_once(limit=1)).delivered == 1
    assert _headers(server.requests[1])["webhook-request-origin"] == ORIGIN
