"""Submission and reconciler over one ledger, against the simulated platforms over real sockets, and nothing else."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.config.sections import ProvidersSettings, ReconcileSettings
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.store import Store, open_store
from receiver.store.ids import id_maker
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.model.task import IdempotencyMismatch, Task
from receiver.tasks.submission import Submission
from submitter.http.transport import TransportLimits, open_transport
from submitter.model import ENDED, TaskId, TaskState
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from submitter.request import VideoRequest
from submitter.simulator import PLATFORMS, Simulator
from tests.support.reconcile_setup import a_poller
from tests.support.submission_setup import a_submission

MODELS = {
    "hiapi": "happyhorse-1.1/text-to-video",
    "dashscope": "happyhorse-1.0-t2v",
    "modellix": "happyhorse-1.0-r2v",
    "modelstream": "happyhorse-1.0-r2v",
    "tokenbay": "happyhorse-1.0-t2v",
    "runway": "gen4.5",
    "veo": "veo-3.1-generate-preview",
    "seedance": "dreamina-seedance-2-0-260128",
    "minimax": "MiniMax-H3",
    "minimax-v1": "MiniMax-Hailuo-2.3",
    "fal": "alibaba/happy-horse/v1.1/text-to-video",
    "replicate": "kwaivgi/kling-v3-video",
    "kling": "kling-3.0",
    "kie": "happyhorse/text-to-video",
}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReconcilingService:
    """Submits and reconciles, nothing else."""

    simulator: Simulator
    store: Store
    submission: Submission
    reconciler: Reconciler

    async def submits(self, platform: str, faults: Sequence[Sequence[str]]) -> list[Task]:
        """One submit for each list of faults; the tasks as they are stored then."""
        self.simulator.plan(platform, faults)
        results = [
            await self.submission.submit(TaskRequest(provider=platform, video=_a_video(platform))) for _ in faults
        ]
        return [result.task for result in results if not isinstance(result, IdempotencyMismatch)]

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


#: What a platform's model requires beside a prompt.
FIELDS: dict[str, dict[str, Any]] = {
    "runway": {"ratio": "1280:720", "duration": 5},
    "minimax": {"resolution": "768P", "duration": 5, "ratio": "16:9"},
}


def _a_video(platform: str) -> VideoRequest:
    pictures = ("https://pictures.example/a.png",) if MODELS[platform].endswith("r2v") else ()
    prompt = "[Image 1] at dawn" if pictures else "a horse at dawn"
    return VideoRequest(model=MODELS[platform], prompt=prompt, reference_images=pictures, **FIELDS.get(platform, {}))


def _providers(simulator: Simulator) -> dict[str, ConfiguredProvider]:
    return {
        name: ConfiguredProvider(
            adapter=ADAPTERS[name],
            account=Account(name=name, adapter=name, base_url=simulator.base_url(name), api_key=simulator.key(name)),
        )
        for name in PLATFORMS
    }


@asynccontextmanager
async def open_reconciling_service(
    folder: Path, simulator: Simulator, *, speed: float
) -> AsyncIterator[ReconcilingService]:
    """`speed`: provider seconds in one of ours, as in the simulator."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    async with open_transport(TransportLimits()) as transport, open_store(url, clock=_now_ms, migrating=True) as store:
        submission = a_submission(
            store,
            _providers(simulator),
            transport,
            ProvidersSettings(submit_tries=1, speed=speed, queue_for_s=0),
            clock=_now_ms,
            sleep=asyncio.sleep,
            random=random.random,
            random_bytes=secrets.token_bytes,
            new_id=id_maker(secrets.token_bytes),
        )
        poller = a_poller(store, submission)
        reconciler = Reconciler(
            poller=poller, polls=store.polls, settings=ReconcileSettings(), owner="worker-1", clock=_now_ms
        )
        yield ReconcilingService(simulator=simulator, store=store, submission=submission, reconciler=reconciler)
        await submission.drained()
