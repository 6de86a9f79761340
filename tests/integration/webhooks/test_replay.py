"""A range of past events, requeued batch by batch, and posted over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.clock import now_ms
from receiver.runtime.services import Services
from receiver.runtime.store import Store, open_store
from receiver.webhooks import replay
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.replay import (
    ReplayCount,
    ReplayRange,
    ReplayWhich,
    SubscriptionNotActive,
    SubscriptionNotFound,
)
from receiver.webhooks.model.subscription import SubscriptionState
from receiver.webhooks.replay import OnProgress, ReplayService
from submitter.standard_webhooks import verify_webhook
from tests.support.builders import SECRET, T0
from tests.support.delivery_fixtures import deliveries_of, finish_all, publish_events, set_state, subscribe
from tests.support.raw_server import reply, replying
from tests.support.raw_server import serving as listening
from tests.support.service import served

LATER = T0 + 60_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as opened:
        yield opened


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "LIMIT", 10)


def _service(store: Store, calls: list[int] | None = None) -> ReplayService:
    on_due = (lambda: None) if calls is None else (lambda: calls.append(1))
    return ReplayService(replays=store.replays, clock=lambda: LATER, on_due=on_due)


async def _replay(
    service: ReplayService,
    wanted: ReplayRange | None = None,
    *,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> ReplayCount:
    return await service.replay("sub_1", wanted or ReplayRange(), dry_run=dry_run, actor="ann", on_progress=on_progress)


async def _due(store: Store) -> list[int]:
    return [each.event_seq for each in await deliveries_of(store) if each.state is DeliveryState.PENDING]


async def test_a_replayed_webhook_has_the_same_id_and_body_and_a_signature_of_now(tmp_path: Path) -> None:
    async with served(tmp_path) as service, listening(replying(reply())) as endpoint:
        store, services = service.services.store, service.services
        await subscribe(store, url=endpoint.url)
        await publish_events(store, 3, at_ms=now_ms())
        await _deliver_all(services)
        first = {_header(request, b"webhook-id"): request for request in endpoint.requests}
        done = await services.replay.replay("sub_1", ReplayRange(first_seq=2), dry_run=False, actor="ann")
        assert done == ReplayCount(matched=2, requeued=2)
        await _deliver_all(services)
    again = endpoint.requests[3:]
    assert sorted(_seq(request) for request in again) == [2, 3]
    for request in again:
        assert _body(request) == _body(first[_header(request, b"webhook-id")])
        verify_webhook([SECRET], _headers(request), _body(request), now_s=now_ms() // 1000)


async def _deliver_all(services: Services) -> None:
    while (await services.deliverer.deliver_once(limit=64)).leased:
        pass


def _headers(request: bytes) -> tuple[tuple[str, str], ...]:
    lines = request.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
    return tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))


def _header(request: bytes, name: bytes) -> str:
    return dict(_headers(request))[name.decode()]


def _body(request: bytes) -> bytes:
    return request.split(b"\r\n\r\n", 1)[1]


def _seq(request: bytes) -> int:
    seq: int = json.loads(_body(request))["data"]["seq"]
    return seq


@pytest.mark.usefixtures("small")
async def test_each_batch_calls_on_due_and_reports_progress(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 25)
    await finish_all(store)
    calls, reported = list[int](), list[tuple[int, int]]()
    count = await _replay(_service(store, calls), on_progress=lambda done, total: reported.append((done, total)))
    assert count == ReplayCount(matched=25, requeued=25)
    assert (reported, len(calls)) == ([(10, 25), (20, 25), (25, 25)], 3)


@pytest.mark.usefixtures("small")
async def test_a_dry_run_counts_and_leaves_everything_as_it_is(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 25)
    await finish_all(store)
    before, calls = await deliveries_of(store), list[int]()
    assert await _replay(_service(store, calls), dry_run=True) == ReplayCount(matched=25, requeued=25)
    assert (await deliveries_of(store), calls) == (before, [])


@pytest.mark.parametrize("wanted", [ReplayRange(first_seq=9), ReplayRange(last_seq=0), ReplayRange(until_ms=T0)])
async def test_an_empty_range_is_no_error(store: Store, wanted: ReplayRange) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    calls = list[int]()
    assert await _replay(_service(store, calls), wanted) == ReplayCount()
    assert calls == []


@pytest.mark.usefixtures("small")
async def test_an_interrupted_replay_has_requeued_whole_batches_and_another_does_the_rest(store: Store) -> None:
    await publish_events(store, 35)
    await subscribe(store)
    service = _service(store)
    runs: list[asyncio.Task[Any]] = []

    def stop(done: int, total: int) -> None:
        if done == 20:
            runs[0].cancel()

    runs.append(asyncio.create_task(_replay(service, on_progress=stop)))
    with pytest.raises(asyncio.CancelledError):
        await runs[0]
    assert await _due(store) == list(range(1, 21))
    assert await _replay(service) == ReplayCount(matched=35, requeued=15)
    assert await _due(store) == list(range(1, 36))


@pytest.mark.usefixtures("small")
async def test_others_write_between_batches_and_a_replay_leaves_out_newer_events(store: Store) -> None:
    await publish_events(store, 60)
    await subscribe(store, "sub_2")
    await subscribe(store, state=SubscriptionState.ACTIVE)
    progress = list[int]()
    seen = list[int]()

    async def others() -> None:
        while not progress:  # an event from before the replay's plan is no newer one
            await asyncio.sleep(0)
        while progress[-1] < 60:
            await publish_events(store, 1, first=100 + len(seen))
            seen.append(progress[-1])

    writing = asyncio.create_task(others())
    count = await _replay(_service(store), on_progress=lambda done, _: progress.append(done))
    await writing
    assert count == ReplayCount(matched=60, requeued=60)
    assert len(set(seen)) > 2
    assert await store.events.last_seq() == 60 + len(seen)


@pytest.mark.usefixtures("small")
async def test_a_subscription_that_is_disabled_halfway_gets_no_further_batch(store: Store) -> None:
    await publish_events(store, 30)
    await subscribe(store)
    service, halting = _service(store), list[asyncio.Task[None]]()

    def disable(done: int, total: int) -> None:
        if not halting:
            halting.append(asyncio.create_task(set_state(store, SubscriptionState.DISABLED)))

    with pytest.raises(SubscriptionNotActive):
        await _replay(service, on_progress=disable)
    await halting[0]
    assert len(await _due(store)) < 30


async def test_a_replay_to_an_unknown_subscription_raises(store: Store) -> None:
    await publish_events(store, 1)
    for dry_run in (False, True):
        with pytest.raises(SubscriptionNotFound):
            await _replay(_service(store), dry_run=dry_run)


async def test_only_dead_letters_are_requeued_when_asked_for(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    await finish_all(store)
    await publish_events(store, 2, first=3)
    await finish_all(store, DeliveryState.DEAD)
    dead = ReplayRange(which=ReplayWhich.DEAD)
    assert await _replay(_service(store), dead) == ReplayCount(matched=4, requeued=2)
    assert await _due(store) == [3, 4]
    assert await _replay(_service(store), dead) == ReplayCount(matched=4, requeued=0)
