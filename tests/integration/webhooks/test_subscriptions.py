"""Subscriptions created, changed, rotated and tested: a real ledger, and endpoints on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.webhooks.model.endpoint import decode_webhook_secret
from receiver.webhooks.model.rows import subscription_row
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS
from receiver.webhooks.subscriptions import POSTS_AT_ONCE
from submitter.errors import WebhookNotVerified
from submitter.standard_webhooks import public_key, verify_webhook
from tests.support.builders import SECRET, T0
from tests.support.deliverer_setup import body_of, headers_of
from tests.support.raw_server import Peer, hanging, reply, replying, serving
from tests.support.subscription_setup import (
    CONSENT,
    NEW_SECRET,
    ORIGIN,
    PUBLIC_URL,
    SubscriptionSetup,
    open_setup,
    violations_of,
)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[SubscriptionSetup]:
    async with open_setup(tmp_path) as opened:
        yield opened


async def test_a_subscription_is_made_with_a_secret_of_its_own(setup: SubscriptionSetup) -> None:
    first = await setup.create("https://hooks.example/a", asymmetric=True)
    second = await setup.create("https://hooks.example/a", secret=SECRET)
    assert len(decode_webhook_secret(first.secret)) == 32
    assert second.secret == SECRET
    assert public_key(first.signing_key or "").startswith("whpk_")
    assert await setup.stored() == [second, first]


async def test_a_bad_request_names_everything_and_stores_and_sends_nothing(setup: SubscriptionSetup) -> None:
    async with serving(replying(CONSENT)) as server:
        found = await violations_of(setup.create(server.url, types=["task.done"], handshake=True, rate_per_s=0.0))
        assert server.requests == []
    assert found.keys() == {"types", "rate_per_s"}
    assert await setup.stored() == []


async def test_one_too_many_is_refused_with_a_hint(setup: SubscriptionSetup) -> None:
    made = await setup.create("https://hooks.example/a")
    rows = [{**subscription_row(made), "id": f"sub_{number:04d}"} for number in range(MOST_SUBSCRIPTIONS - 1)]
    await setup.store.engine.write(lambda tx: tx.execute_many("insert_subscription", rows))
    assert "delete one" in (await violations_of(setup.create("https://hooks.example/b")))["subscription"]


async def test_the_audit_names_who_did_what_and_no_secret(setup: SubscriptionSetup) -> None:
    async with serving(replying(reply())) as server:
        made = await setup.create(server.url, asymmetric=True)
        await setup.change(made.id, description="x", models=["m"])
        await setup.change(made.id, enabled=False)
        await setup.change(made.id, enabled=True)
        rotated = await setup.service.rotate(made.id, secret=None, overlap_s=60, actor="ann")
        await setup.service.test(made.id, actor="bob")
        await setup.service.delete(made.id, actor="bob")
    lines = setup.rows("SELECT actor, action, detail FROM audit ORDER BY id")
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
    assert rotated is not None
    keys = [made.secret, made.signing_key, rotated.secret, rotated.signing_key]
    assert [key for key in keys if key is None or key in str(lines)] == []


# Changes.


async def test_what_does_not_exist_is_answered_as_such_by_every_verb(setup: SubscriptionSetup) -> None:
    service = setup.service
    assert await setup.change("sub_none", description="x") is None
    assert await service.rotate("sub_none", secret=None, overlap_s=0, actor="ann") is None
    assert await service.test("sub_none", actor="ann") is None
    assert not await service.delete("sub_none", actor="ann")


async def test_a_bad_change_changes_nothing(setup: SubscriptionSetup) -> None:
    made = await setup.create("https://hooks.example/a")
    found = await violations_of(setup.change(made.id, description="fine", url="https://10.0.0.1/a", max_in_flight=65))
    assert found.keys() == {"url", "max_in_flight"}
    assert await setup.stored() == [made]


async def test_many_changes_at_once_are_all_stored(setup: SubscriptionSetup) -> None:
    made = await setup.create("https://hooks.example/a")
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
    await asyncio.gather(*(setup.change(made.id, **change) for change in changes))
    (stored,) = await setup.stored()
    assert (stored.description, stored.rate_per_s, stored.max_in_flight, stored.cloudevents) == ("x", 2.0, 3, True)
    assert (stored.filter.models, stored.filter.labels) == (frozenset("m"), {"a": "b"})
    assert stored.state is SubscriptionState.DISABLED
    assert stored.signing_key is not None


# Secrets.


async def test_a_rotation_signs_with_both_until_the_overlap_is_over(setup: SubscriptionSetup) -> None:
    async with serving(replying(reply())) as server:
        made = await setup.create(server.url, asymmetric=True)
        rotated = await setup.service.rotate(made.id, secret=NEW_SECRET, overlap_s=60, actor="ann")
        assert rotated is not None
        old, new = _keys(made), _keys(rotated)
        await setup.service.test(made.id, actor="ann")
        setup.now[0] += 60_000
        await setup.service.test(made.id, actor="ann")
    during, after = server.requests
    assert rotated.secret == NEW_SECRET
    assert [_is_signed(during, key, T0) for key in (*old, *new)] == [True] * 4
    assert [_is_signed(after, key, T0 + 60_000) for key in (*old, *new)] == [False, False, True, True]


def _keys(subscription: Subscription) -> tuple[str, str]:
    return subscription.secret, public_key(subscription.signing_key or "")


def _is_signed(request: bytes, key: str, now_ms: int) -> bool:
    try:
        verify_webhook((key,), tuple(headers_of(request).items()), body_of(request), now_s=now_ms // 1000)
    except WebhookNotVerified:
        return False
    return True


async def test_the_same_rotation_again_does_not_end_the_old_secret(setup: SubscriptionSetup) -> None:
    made = await setup.create("https://hooks.example/a")
    await setup.service.rotate(made.id, secret=NEW_SECRET, overlap_s=60, actor="ann")
    again = setup.service.rotate(made.id, secret=NEW_SECRET, overlap_s=60, actor="ann")
    assert "in use" in (await violations_of(again))["secret"]
    (stored,) = await setup.stored()
    assert stored.secrets_at(T0) == (NEW_SECRET, made.secret)


async def test_an_unfit_secret_or_overlap_rotates_nothing(setup: SubscriptionSetup) -> None:
    made = await setup.create("https://hooks.example/a")
    found = await violations_of(setup.service.rotate(made.id, secret="whsec_x", overlap_s=-1, actor="ann"))
    assert found.keys() == {"secret", "overlap_s"}
    assert await setup.stored() == [made]


# Tests.


async def test_a_test_is_posted_signed_and_leaves_only_a_line_in_the_audit(setup: SubscriptionSetup) -> None:
    async with serving(replying(reply(b"thanks", status=b"202 Accepted"))) as server:
        made = await setup.create(server.url, secret=SECRET)
        tested = await setup.service.test(made.id, actor="ann")
    assert tested is not None
    assert (tested.attempt.status, tested.attempt.error, tested.attempt.response) == (202, None, "thanks")
    (request,) = server.requests
    headers = headers_of(request)
    assert json.loads(body_of(request)) == {
        "type": "webhook.test",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "data": {"subscription": made.id},
    }
    assert headers["webhook-id"].startswith("msg_")
    assert _is_signed(request, SECRET, T0)
    assert not {name for name in headers if name.startswith("ce-")}
    tables = ("deliveries", "attempts", "events", "endpoints")
    assert [setup.rows(f"SELECT COUNT(*) FROM {table}") for table in tables] == [[(0,)]] * 4


async def test_a_test_carries_what_the_subscription_asked_for(setup: SubscriptionSetup) -> None:
    answers = iter((CONSENT, reply()))

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(next(answers))

    async with serving(answer) as server:
        made = await setup.create(server.url, asymmetric=True, cloudevents=True, handshake=True)
        await setup.service.test(made.id, actor="ann")
    headers = headers_of(server.requests[1])
    signatures = headers["webhook-signature"].split(" ")
    assert [signature.partition(",")[0] for signature in signatures] == ["v1", "v1a"]
    assert (headers["ce-type"], headers["ce-source"], headers["ce-specversion"]) == ("webhook.test", PUBLIC_URL, "1.0")
    assert (headers["ce-id"], headers["webhook-request-origin"]) == (headers["webhook-id"], ORIGIN)


async def test_a_disabled_subscription_can_be_tested(setup: SubscriptionSetup) -> None:
    async with serving(replying(reply())) as server:
        made = await setup.create(server.url)
        await setup.change(made.id, enabled=False)
        tested = await setup.service.test(made.id, actor="ann")
    assert tested is not None
    assert tested.attempt.status == 200


async def test_a_test_returns_what_went_wrong_and_is_not_repeated(setup: SubscriptionSetup) -> None:
    async with serving(replying(reply(b"broken", status=b"500 No"))) as server:
        made = await setup.create(server.url)
        failed = await setup.service.test(made.id, actor="ann")
    gone = await setup.service.test(made.id, actor="ann")
    assert failed is not None
    assert (failed.attempt.status, failed.attempt.error, failed.attempt.response) == (500, "answered 500", "broken")
    assert gone is not None
    assert gone.attempt.status is None
    assert gone.attempt.error is not None
    assert gone.attempt.error.startswith("ConnectFailed")
    assert len(server.requests) == 1


async def test_endpoints_that_hang_hold_only_so_many_connections(setup: SubscriptionSetup) -> None:
    async with serving(hanging) as server:
        made = await setup.create(server.url)
        trials = [asyncio.create_task(setup.service.test(made.id, actor="ann")) for _ in range(2 * POSTS_AT_ONCE)]
        async with asyncio.timeout(60):
            await server.until_requests(POSTS_AT_ONCE)
            while len(setup.rows("SELECT id FROM audit WHERE action = 'subscription tested'")) < len(trials):
                await asyncio.sleep(0.01)
        assert len(server.peers) == POSTS_AT_ONCE
        for trial in trials:
            trial.cancel()
        await asyncio.gather(*trials, return_exceptions=True)
