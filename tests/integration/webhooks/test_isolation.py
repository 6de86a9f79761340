"""An endpoint that hangs or fails delays no other. Real sockets, real ledger."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.runtime.store import Store, open_store
from receiver.webhooks.deliverer import Deliverer
from receiver.webhooks.model.replay import ReplayRange
from receiver.webhooks.replay_repository import ReplayScope
from tests.support.builders import T0, a_report, notified
from tests.support.deliverer_setup import Clock, cancel, headers_of, open_deliverer
from tests.support.delivery_fixtures import finish_all, publish_events, subscribe
from tests.support.raw_server import RawServer, hanging, reply, replying, serving


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


async def run_until(deliverer: Deliverer, server: RawServer, count: int) -> None:
    """One run after another, none waiting for the one before, until the server has had so many requests."""
    runs = []
    async with asyncio.timeout(30):
        while len(server.requests) < count:
            runs.append(asyncio.create_task(deliverer.deliver_once(limit=64)))
            await asyncio.sleep(0.01)
    await cancel(runs)


async def test_a_host_that_hangs_is_one_endpoint_however_many_addresses_on_it_the_tasks_name(store: Store) -> None:
    async with serving(hanging) as hung, serving(replying(reply())) as well:
        for number in range(100):
            name = f"tsk_{number}"
            await store.submissions.open_task(notified(name, f"{hung.url}/{name}?n={number}"), T0)
            await store.ledger.record([a_report(provider_task_id=name, expected_task_id=name)], T0)
        await subscribe(store, url=well.url)
        await publish_events(store, 50, first=500)
        async with open_deliverer(store.outbox, concurrency=32) as deliverer:
            await run_until(deliverer, well, 50)
            assert 1 <= len(hung.requests) <= 8


async def test_new_events_do_not_wait_behind_a_replay(store: Store) -> None:
    async with serving(replying(reply())) as server:
        await subscribe(store, url=server.url, max_in_flight=1)
        await publish_events(store, 30)
        await finish_all(store)
        wanted = ReplayRange()
        scope = await store.replays.begin("sub_1", wanted, actor="ann", now_ms=T0 + 1)
        assert isinstance(scope, ReplayScope)
        await store.replays.requeue_batch("sub_1", wanted, scope, limit=500, now_ms=T0 + 1)
        clock = Clock(T0 + 2)
        async with open_deliverer(store.outbox, clock=clock) as deliverer:
            await deliverer.deliver_once(limit=64)
            await publish_events(store, 1, first=31, at_ms=T0 + 3)
            clock.now_ms = T0 + 3
            await deliverer.deliver_once(limit=64)
            for _ in range(29):
                await deliverer.deliver_once(limit=64)
    events = await store.events.events(0)
    assert headers_of(server.requests[1])["webhook-id"] == events[-1].id
    assert {headers_of(request)["webhook-id"] for request in server.requests} == {event.id for event in events}
