"""What is wrong apart from tasks, as the first page of the dashboard reads it; on both engines."""

import json

from receiver.runtime.store import Store
from receiver.store.accounts import PollPause
from receiver.store.engine import Tx
from receiver.store.leap import LEAP_MS, NAME
from receiver.store.troubles import FailingEndpoint, Troubles
from receiver.webhooks.model.endpoint_health import FAILURES_TO_OPEN
from receiver.webhooks.model.subscription import SubscriptionState
from tests.support.builders import T0
from tests.support.delivery_fixtures import finish, lease, publish_events, set_state, subscribe


async def _read(store: Store, now_ms: int = T0) -> Troubles:
    return await store.troubles.now(failures_to_open=FAILURES_TO_OPEN, now_ms=now_ms)


async def _fails(store: Store, endpoint_id: str, failures: int) -> None:
    async def work(tx: Tx) -> None:
        (row,) = await tx.fetch_all("endpoints_by_ids", ids=[endpoint_id])
        changed = {"failures": failures, "failing_since_ms": T0 - 5}
        await tx.execute("update_endpoint", **{**row, **changed})

    await store.engine.write(work)


async def test_in_an_empty_ledger_nothing_is_wrong(store: Store) -> None:
    assert await _read(store) == Troubles()


async def test_accounts_are_those_that_were_used_or_paused(store: Store) -> None:
    pause = PollPause(until_ms=T0 + 5, reason="denied", alarm="401: no")
    await store.providers.pause("hiapi", pause, now_ms=T0)
    assert {name: each.alarm for name, each in (await _read(store)).accounts.items()} == {"hiapi": "401: no"}


async def test_an_endpoint_fails_while_its_breaker_is_open_and_deliveries_wait(store: Store) -> None:
    for name in ("sub_1", "sub_2", "sub_3", "sub_4"):
        await subscribe(store, name)
    await publish_events(store, 1)
    await finish(store, [each for each in await lease(store) if each.endpoint_id == "sub_3"])
    await _fails(store, "sub_1", FAILURES_TO_OPEN)
    await _fails(store, "sub_2", FAILURES_TO_OPEN - 1)
    await _fails(store, "sub_3", FAILURES_TO_OPEN)
    await _fails(store, "sub_4", FAILURES_TO_OPEN)
    await set_state(store, SubscriptionState.DISABLED, "sub_4")
    found = await _read(store)
    assert found.endpoints == (
        FailingEndpoint(
            id="sub_1",
            url="https://hooks.example/sub_1",
            failures=FAILURES_TO_OPEN,
            since_ms=T0 - 5,
            paused_until_ms=None,
        ),
    )
    assert [each.id for each in found.disabled] == ["sub_4"]


async def test_the_clock_is_doubted_while_retention_has_stored_that_it_waits(store: Store) -> None:
    async def held(tx: Tx) -> None:
        record = {"seen_ms": T0 - 2 * LEAP_MS, "held_since_ms": T0 - 5}
        await tx.execute("set_metadata", name=NAME, value=json.dumps(record))

    await store.engine.write(held)
    assert (await _read(store)).clock_doubted_since_ms == T0 - 5
    assert (await _read(store, T0 + LEAP_MS)).clock_doubted_since_ms is None
