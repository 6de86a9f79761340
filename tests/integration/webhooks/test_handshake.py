"""Endpoints on real sockets must consent before anything is stored."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from receiver.webhooks.model.subscription import SubscriptionState
from tests.support.builders import T0, a_report
from tests.support.deliverer_setup import headers_of, open_deliverer
from tests.support.raw_server import Answering, Peer, RawServer, hanging, reply, replying, serving
from tests.support.subscription_setup import (
    CONSENT,
    ORIGIN,
    PUBLIC_URL,
    TWO_A_SECOND,
    SubscriptionSetup,
    open_setup,
    violations_of,
)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[SubscriptionSetup]:
    async with open_setup(tmp_path) as opened:
        yield opened


async def test_the_rate_that_an_endpoint_grants_becomes_its_limit(setup: SubscriptionSetup) -> None:
    async with serving(replying(CONSENT)) as server:
        made = await setup.create(server.url, handshake=True, rate_per_s=5.0)
    assert (made.granted_per_s, made.rate_per_s) == (TWO_A_SECOND, 5.0)
    assert await setup.stored() == [made]
    (request,) = server.requests
    assert request.startswith(b"OPTIONS /a HTTP/1.1\r\n")
    assert headers_of(request)["webhook-request-origin"] == ORIGIN
    assert headers_of(request)["webhook-request-rate"] == "300"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (reply(), "without webhook-allowed-origin"),
        (reply(b"", b"WebHook-Allowed-Origin: other.example"), "other.example"),
        (reply(b"", b"WebHook-Allowed-Origin: *", b"WebHook-Allowed-Rate: none"), "none"),
        (reply(b"", status=b"405 No"), "405"),
        (reply(b"", b"Location: http://127.0.0.1:9/b", status=b"307 There"), "307"),
        (
            b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: \x00*\r\nContent-Length: 0\r\n\r\n",
            "without webhook-allowed-origin",
        ),
        (b"nonsense\r\n\r\n", "ExchangeBroken"),
    ],
)
async def test_without_consent_nothing_is_stored(setup: SubscriptionSetup, raw: bytes, shown: str) -> None:
    async with serving(replying(raw)) as server:
        found = await violations_of(setup.create(server.url, handshake=True))
    assert shown in found["handshake"]
    assert f"WebHook-Allowed-Origin: {ORIGIN}" in found["handshake"]
    assert await setup.stored() == []


async def test_an_endpoint_that_never_answers_has_not_consented(tmp_path: Path) -> None:
    async with open_setup(tmp_path, whole_s=0.2) as setup, serving(hanging) as server:
        assert "ExchangeTimeout" in (await violations_of(setup.create(server.url, handshake=True)))["handshake"]
        assert await setup.stored() == []


async def test_an_endpoint_that_is_not_there_has_not_consented(setup: SubscriptionSetup) -> None:
    async with serving(hanging) as server:
        url = server.url
    assert "ConnectFailed" in (await violations_of(setup.create(url, handshake=True)))["handshake"]


async def test_an_endless_answer_is_read_no_further_than_needed(setup: SubscriptionSetup) -> None:
    async def endless(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nConnection: close\r\n\r\n")
        while not peer.gone.is_set():
            await peer.say(b"a" * 65_536)

    async with serving(endless) as server:
        made = await setup.create(server.url, handshake=True)
    assert made.granted_per_s is None


async def test_without_a_public_address_no_handshake_is_tried(tmp_path: Path) -> None:
    async with open_setup(tmp_path, public_url=None) as setup, serving(replying(CONSENT)) as server:
        assert "WHENFINAL_PUBLIC_URL" in (await violations_of(setup.create(server.url, handshake=True)))["handshake"]
        assert server.requests == []


async def test_a_new_address_is_asked_and_one_that_refuses_changes_nothing(setup: SubscriptionSetup) -> None:
    async with (
        serving(replying(CONSENT)) as old,
        serving(replying(reply())) as refusing,
        serving(replying(CONSENT)) as new,
    ):
        made = await setup.create(old.url, handshake=True)
        assert (await violations_of(setup.change(made.id, url=refusing.url))).keys() == {"handshake"}
        assert await setup.stored() == [made]
        moved = await setup.change(made.id, url=new.url)
        assert moved is not None
        assert (moved.url, len(old.requests), len(new.requests)) == (new.url, 1, 1)


async def test_a_disabled_one_is_asked_when_it_is_enabled(setup: SubscriptionSetup) -> None:
    async with serving(replying(CONSENT)) as server:
        made = await setup.create(server.url, handshake=True)
        await setup.change(made.id, enabled=False)
        await setup.change(made.id, rate_per_s=1.0)
        assert len(server.requests) == 1
        enabled = await setup.change(made.id, enabled=True)
        assert len(server.requests) == 2
    assert enabled is not None
    assert (enabled.state, enabled.disabled_reason) == (SubscriptionState.ACTIVE, None)


async def test_a_disabled_one_whose_endpoint_refuses_stays_disabled(setup: SubscriptionSetup) -> None:
    made = await setup.create("https://hooks.example/a")
    await setup.change(made.id, enabled=False)
    async with serving(replying(reply())) as server:
        await violations_of(setup.change(made.id, enabled=True, url=server.url, handshake=True))
    (stored,) = await setup.stored()
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


async def test_consent_for_one_address_is_never_taken_for_another(setup: SubscriptionSetup) -> None:
    held = _Held()
    async with serving(held.answering()) as first, serving(replying(CONSENT)) as second:
        made = await setup.create(first.url)
        switching = asyncio.create_task(setup.change(made.id, handshake=True))
        await _asked(first)
        await setup.change(made.id, url=second.url)
        held.go.set()
        switched = await switching
    assert switched is not None
    assert (switched.url, switched.granted_per_s, len(second.requests)) == (second.url, TWO_A_SECOND, 1)


async def test_changes_of_other_fields_while_an_endpoint_is_asked_are_stored(setup: SubscriptionSetup) -> None:
    held = _Held()
    async with serving(held.answering()) as server:
        made = await setup.create(server.url)
        switching = asyncio.create_task(setup.change(made.id, handshake=True, cloudevents=True))
        await _asked(server)
        await setup.change(made.id, description="stored", models=["m"])
        held.go.set()
        await switching
    (stored,) = await setup.stored()
    assert (stored.description, stored.filter.models, stored.cloudevents) == ("stored", frozenset("m"), True)
    assert (stored.handshake, stored.granted_per_s) == (True, TWO_A_SECOND)


async def test_every_delivery_after_consent_says_who_we_are(setup: SubscriptionSetup) -> None:
    answers = iter((CONSENT, reply()))

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(next(answers))

    async with serving(answer) as server:
        await setup.create(server.url, handshake=True)
        await setup.store.ledger.record([a_report(allow_adoption=True)], T0)
        async with open_deliverer(setup.store.outbox, public_url=PUBLIC_URL) as deliverer:
            assert (await deliverer.deliver_once(limit=1)).delivered == 1
    assert headers_of(server.requests[1])["webhook-request-origin"] == ORIGIN


async def test_a_change_counts_from_its_endpoints_consent_on(setup: SubscriptionSetup) -> None:
    """What was posted to the old address while the new one was asked says nothing about the new one."""

    async def slowly(peer: Peer, _: int) -> None:
        setup.now[0] = T0 + 9_000
        await peer.say(CONSENT)

    async with serving(replying(CONSENT)) as old, serving(slowly) as new:
        made = await setup.create(old.url, handshake=True)
        moved = await setup.change(made.id, url=new.url)
    assert moved is not None
    assert moved.changed_ms == T0 + 9_000
