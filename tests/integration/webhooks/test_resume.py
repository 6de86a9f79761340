"""A subscription that failed goes on at once: after a test that passes, a resume, or being enabled. Real sockets."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from receiver.webhooks.model.subscription import SubscriptionState
from submitter.errors import InvalidRequest
from tests.support.builders import T0
from tests.support.deliverer_setup import deliver_once, endpoint_of
from tests.support.delivery_fixtures import publish_events
from tests.support.raw_server import Peer, RawServer, reply, serving
from tests.support.subscription_setup import SubscriptionSetup, open_setup

DOWN, GONE, UP = reply(b"", status=b"500 No"), reply(b"", status=b"410 Gone"), reply()


@dataclass
class Endpoint:
    """Answers each request with `answer`, which a test changes."""

    answer: bytes

    async def __call__(self, peer: Peer, _: int) -> None:
        await peer.say(self.answer)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[SubscriptionSetup]:
    async with open_setup(tmp_path) as opened:
        yield opened


async def _broken(setup: SubscriptionSetup, server: RawServer) -> str:
    """A subscription whose six deliveries have failed: its breaker is open, and each waits for its next attempt."""
    made = await setup.create(server.url)
    await publish_events(setup.store, 6)
    report = await deliver_once(setup.store)
    assert (report.failed, (await endpoint_of(setup.store, made.id)).failures) == (6, 5)
    assert (await deliver_once(setup.store, now_ms=T0 + 10)).leased == 0
    setup.now[0] = T0 + 10
    return made.id


async def test_a_test_that_passes_closes_the_breaker_and_the_deliveries_go_out_at_once(
    setup: SubscriptionSetup,
) -> None:
    endpoint = Endpoint(DOWN)
    async with serving(endpoint) as server:
        name = await _broken(setup, server)
        endpoint.answer = UP
        tested = await setup.service.test(name, actor="ann")
        assert tested is not None
        assert (tested.attempt.status, tested.resumed.was_failing, tested.resumed.made_due) == (200, True, 6)
        health = await endpoint_of(setup.store, name)
        assert (health.failures, health.paused_until_ms, health.failing_since_ms) == (0, None, None)
        assert (await deliver_once(setup.store, now_ms=T0 + 10)).delivered == 6


async def test_a_test_that_fails_leaves_the_breaker_as_it_is(setup: SubscriptionSetup) -> None:
    endpoint = Endpoint(DOWN)
    async with serving(endpoint) as server:
        name = await _broken(setup, server)
        before = await endpoint_of(setup.store, name)
        tested = await setup.service.test(name, actor="ann")
        assert tested is not None
        assert (tested.resumed.was_failing, tested.resumed.made_due) == (False, 0)
        assert await endpoint_of(setup.store, name) == before


async def test_a_subscription_that_was_disabled_by_its_answers_is_resumed_whole(setup: SubscriptionSetup) -> None:
    endpoint = Endpoint(GONE)
    async with serving(endpoint) as server:
        made = await setup.create(server.url)
        await publish_events(setup.store, 2)
        await deliver_once(setup.store)
        setup.now[0] = T0 + 10
        (stored,) = await setup.stored()
        assert stored.state is SubscriptionState.DISABLED
        endpoint.answer = UP
        resumed = await setup.service.resume(made.id, actor="ann")
        assert resumed is not None
        assert (resumed.was_disabled, resumed.endpoint.was_failing) == (True, True)
        (stored,) = await setup.stored()
        assert (stored.state, stored.disabled_reason) == (SubscriptionState.ACTIVE, None)
        await publish_events(setup.store, 1, first=9)
        assert (await deliver_once(setup.store, now_ms=T0 + 10)).delivered >= 1


async def test_a_resume_tells_what_it_did_and_a_second_has_nothing_to_do(setup: SubscriptionSetup) -> None:
    endpoint = Endpoint(DOWN)
    async with serving(endpoint) as server:
        name = await _broken(setup, server)
        first, second = [await setup.service.resume(name, actor="ann") for _ in range(2)]
        assert first is not None
        assert (first.was_disabled, first.endpoint.was_failing, first.endpoint.made_due) == (False, True, 6)
        assert second is not None
        assert (second.was_disabled, second.endpoint.was_failing, second.endpoint.made_due) == (False, False, 0)
        audits = setup.rows("SELECT actor, action FROM audit WHERE action LIKE '%resumed'")
        assert audits == [("ann", "subscription resumed")]
        endpoint.answer = UP
        assert (await deliver_once(setup.store, now_ms=T0 + 10)).delivered == 6
    assert await setup.service.resume("sub_none", actor="ann") is None


async def test_enabling_makes_what_waits_due_as_well(setup: SubscriptionSetup) -> None:
    endpoint = Endpoint(DOWN)
    async with serving(endpoint) as server:
        name = await _broken(setup, server)
        await setup.change(name, enabled=False)
        endpoint.answer = UP
        await setup.change(name, enabled=True)
        assert (await deliver_once(setup.store, now_ms=T0 + 10)).delivered == 6


async def test_an_endpoint_that_does_not_consent_stays_disabled_and_its_breaker_open(setup: SubscriptionSetup) -> None:
    endpoint = Endpoint(DOWN)
    async with serving(endpoint) as server:
        name = await _broken(setup, server)
        await setup.change(name, enabled=False)
        await setup.change(name, handshake=True)
        before = await endpoint_of(setup.store, name)
        with pytest.raises(InvalidRequest):
            await setup.service.resume(name, actor="ann")
        (stored,) = await setup.stored()
        assert stored.state is SubscriptionState.DISABLED
        assert await endpoint_of(setup.store, name) == before
