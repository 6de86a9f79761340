"""The reconciler alone, without any callback, against the simulated platforms over real sockets."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from receiver.config.settings import ProvidersSettings, ReconcileSettings
from receiver.reconcile.poller import Poller
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.store import Store, open_store
from receiver.store.ids import id_maker
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.model.task import Task
from receiver.tasks.submission import Submission
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import Transport, TransportLimits, open_transport
from submitter.model import ENDED, TaskId, TaskState
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from submitter.request import VideoRequest
from submitter.simulator import PLATFORMS, Simulator, SimulatorConfig, running

SPEED = 200.0  # provider seconds in one of ours: a task takes less than a second
MODELS = {
    "hiapi": "happyhorse-1.1/text-to-video",
    "dashscope": "happyhorse-1.0-t2v",
    "modellix": "happyhorse-1.0-r2v",
    "modelstream": "happyhorse-1.0-r2v",
    "tokenbay": "happyhorse-1.0-t2v",
}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(eq=False)
class Service:
    """Submits and reconciles, nothing else."""

    simulator: Simulator
    store: Store
    submission: Submission
    reconciler: Reconciler

    async def submits(self, platform: str, faults: Sequence[Sequence[str]]) -> None:
        self.simulator.plan(platform, faults)
        for _ in faults:
            await self.submission.submit(TaskRequest(provider=platform, video=_a_video(platform)))

    async def task(self, name: str) -> Task:
        task = await self.store.tasks.task(TaskId(name))
        assert task is not None
        return task

    async def reconciles_until_all_have_ended(self, count: int) -> dict[str, TaskState]:
        while True:
            await self.reconciler.reconcile_once(limit=32)
            counts = await self.store.tasks.counts()
            if sum(number for (_, state), number in counts.items() if state in ENDED) == count:
                break
            await asyncio.sleep(0.02)
        tasks = [event.task_id for event in await self.store.events.events(0) if event.task_id is not None]
        return {task: (await self.task(task)).state for task in tasks}


def _a_video(platform: str) -> VideoRequest:
    pictures = ("https://pictures.example/a.png",) if MODELS[platform].endswith("r2v") else ()
    prompt = "[Image 1] at dawn" if pictures else "a horse at dawn"
    return VideoRequest(model=MODELS[platform], prompt=prompt, reference_images=pictures)


def _providers(simulator: Simulator) -> dict[str, ConfiguredProvider]:
    return {
        name: ConfiguredProvider(
            adapter=ADAPTERS[name],
            account=Account(name=name, adapter=name, base_url=simulator.base_url(name), api_key=simulator.key(name)),
        )
        for name in PLATFORMS
    }


def _submission(store: Store, providers: dict[str, ConfiguredProvider], transport: Transport) -> Submission:
    return Submission(
        submissions=store.submissions,
        accounts=store.accounts,
        providers=providers,
        transport=transport,
        settings=ProvidersSettings(submit_tries=1, speed=SPEED),
        guard=AddressGuard(),
        callback_url=None,
        clock=_now_ms,
        random=random.random,
        random_bytes=secrets.token_bytes,
        sleep=asyncio.sleep,
        new_id=id_maker(secrets.token_bytes),
    )


@asynccontextmanager
async def _a_service(folder: Path, simulator: Simulator) -> AsyncIterator[Service]:
    providers = _providers(simulator)
    url = f"sqlite:///{folder / 'ledger.db'}"
    async with open_transport(TransportLimits()) as transport, open_store(url, clock=_now_ms, migrating=True) as store:
        submission = _submission(store, providers, transport)
        poller = Poller(
            providers=providers,
            settings=ProvidersSettings(speed=SPEED),
            transport=transport,
            submission=submission,
            ledger=store.ledger,
            submissions=store.submissions,
            polls=store.polls,
            accounts=store.accounts,
            pauses=store.providers,
            lease_ms=60_000,
            clock=_now_ms,
            random=random.random,
            on_events=lambda: None,
        )
        reconciler = Reconciler(
            poller=poller, polls=store.polls, settings=ReconcileSettings(), owner="worker-1", clock=_now_ms
        )
        yield Service(simulator=simulator, store=store, submission=submission, reconciler=reconciler)
        await submission.drained()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running(SimulatorConfig(speed=SPEED)) as simulator, _a_service(tmp_path, simulator) as opened:
        yield opened


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_platforms_tasks_end_once_though_no_callback_ever_comes(service: Service, platform: str) -> None:
    faults = [["callback_lost"], ["callback_lost", "unknown_state"], ["callback_lost", "fail"]]
    await service.submits(platform, faults)
    ends = await service.reconciles_until_all_have_ended(3)
    assert sorted(ends.values()) == [TaskState.FAILED, TaskState.SUCCEEDED, TaskState.SUCCEEDED]
    assert await service.store.events.last_seq() == 3


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_no_fault_of_a_status_query_ends_a_task_wrongly(service: Service, platform: str) -> None:
    names = ["not_visible", "query_500", "query_reset", "query_truncated", "query_html", "query_redirect"]
    names += ["query_wrong_id", "query_slow"]
    await service.submits(platform, [[name] for name in names])
    ends = await service.reconciles_until_all_have_ended(len(names))
    assert list(ends.values()) == [TaskState.SUCCEEDED] * len(names)
    assert await service.store.events.last_seq() == len(names)


@pytest.mark.parametrize("platform", ["hiapi", "dashscope", "tokenbay"])
async def test_a_throttled_provider_gets_its_pause_and_its_tasks_end_all_the_same(
    service: Service, platform: str
) -> None:
    await service.submits(platform, [["query_429"], []])
    ends = await service.reconciles_until_all_have_ended(2)
    assert list(ends.values()) == [TaskState.SUCCEEDED] * 2


@pytest.mark.parametrize("fault", ["reply_lost", "reply_truncated", "reply_html"])
async def test_a_lost_receipt_is_found_again_through_the_idempotency_key_and_paid_once(
    service: Service, fault: str
) -> None:
    await service.submits("hiapi", [[fault, "callback_lost"]])
    ends = await service.reconciles_until_all_have_ended(1)
    assert list(ends.values()) == [TaskState.SUCCEEDED]
    assert len(service.simulator.records().tasks) == 1
