"""Replicate against its simulated platform over sockets: signed callbacks, polls, and what does not count."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from receiver.tasks.model.task import Task
from submitter.model import TERMINAL, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.config import WEBHOOK_SECRETS
from submitter.simulator.platforms.replicate import signature
from tests.support.service import Served, served

SECRET = WEBHOOK_SECRETS["replicate"]
OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQ="


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    service: Served
    sim: Simulator

    async def submits(self, *faults: str, provider: str = "replicate") -> Task:
        self.sim.plan("replicate", [faults])
        video = {"model": "kwaivgi/kling-v3-video", "prompt": "a horse at dawn"}
        order = {"provider": provider, "video": video}
        return await self.service.task((await self.service.post("/v1/tasks", order)).json()["id"])

    async def ended(self, task: Task, *, polls: bool = False) -> Task:
        while (found := await self.service.task(task.id)).state not in TERMINAL:
            if polls:
                await self.service.services.reconciler.reconcile_once(limit=8)
            await asyncio.sleep(0.01)
        return found

    async def calls_back(
        self,
        task: Task,
        word: str = "succeeded",
        *,
        about: str | None = None,
        age_s: int = 0,
        secret: str | None = SECRET,
    ) -> httpx.Response:
        """A callback as Replicate makes it, or with one thing wrong; unsigned without a secret."""
        document = {"id": about or task.provider_task_id, "status": word, "output": "https://cdn.example/v.mp4"}
        body, stamp = json.dumps(document).encode(), str(int(time.time()) - age_s)
        headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp}
        if secret is not None:
            headers["webhook-signature"] = signature(secret, "msg_1", stamp, body)
        path = self.service.callback_path(task.id, task.provider)
        return await self.service.http.post(path, content=body, headers=headers)

    async def events(self) -> list[str]:
        return [event.type for event in await self.service.services.store.events.events(0)]


@asynccontextmanager
async def _opened(folder: Path, *, speed: float = 1.0, **config: Any) -> AsyncIterator[_Scene]:
    """`bare` is a second account that has no secret."""
    async with running(SimulatorConfig(speed=speed, **config)) as sim:
        settings = {"WHENFINAL_PROVIDERS": "replicate,bare=replicate", "WHENFINAL_PROVIDER_SPEED": str(speed)}
        for name in ("REPLICATE", "BARE"):
            settings |= {f"{name}_API_KEY": sim.key("replicate"), f"{name}_BASE_URL": sim.base_url("replicate")}
        settings["REPLICATE_WEBHOOK_SECRET"] = SECRET
        async with served(folder, sim, **settings) as service:
            yield _Scene(service=service, sim=sim)


async def test_a_signed_callback_ends_a_task_with_one_event_and_no_poll(tmp_path: Path) -> None:
    async with _opened(tmp_path, speed=300.0) as scene:
        task = await scene.submits("callback_duplicated", "callback_contradicting")
        ended = await scene.ended(task)
        while len(scene.sim.records().of("replicate")[0].callbacks) < 3:
            await asyncio.sleep(0.01)
        [truth] = scene.sim.records().of("replicate")
        assert await scene.events() == ["task.succeeded"]
    assert (ended.state, ended.polls, truth.status_queries) == (TaskState.SUCCEEDED, 0, 0)
    assert [output.url for output in ended.outputs] == list(truth.outputs)
    assert truth.body["webhook_events_filter"] == ["completed"]


async def test_what_is_wrongly_signed_stale_or_of_another_task_ends_nothing(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task, other = await scene.submits(), await scene.submits()
        assert (await scene.calls_back(task, secret=OTHER_SECRET)).status_code == 401
        assert (await scene.calls_back(task, secret=None)).status_code == 401
        assert (await scene.calls_back(task, about=other.provider_task_id)).status_code == 409
        assert (await scene.calls_back(task, about="p-of-another-account")).status_code == 409
        before = (await scene.service.task(task.id)).next_poll_ms or 0
        assert (await scene.calls_back(task, age_s=301)).status_code == 401
        assert ((await scene.service.task(task.id)).next_poll_ms or 0) < before  # a stale one is a hint
        assert await scene.events() == []


async def test_late_and_replayed_callbacks_change_nothing(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task = await scene.submits()
        for word in ("processing", "succeeded", "succeeded", "processing", "failed"):
            assert (await scene.calls_back(task, word)).status_code in {200, 204}
        assert await scene.events() == ["task.succeeded"]


async def test_without_a_secret_an_end_is_confirmed_by_a_poll(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task = await scene.submits(provider="bare")
        assert (await scene.calls_back(task, secret=None)).status_code == 204
        assert (await scene.service.task(task.id)).state not in TERMINAL
        scene.sim.fail(task.provider_task_id or "", message="no horse found")
        ended = await scene.ended(task, polls=True)
        assert ended.error is not None
        assert (ended.state, ended.error.message) == (TaskState.FAILED, "no horse found")
        assert await scene.events() == ["task.failed"]


async def test_a_result_that_is_fetched_too_late_ends_without_outputs_and_says_so(tmp_path: Path) -> None:
    async with _opened(tmp_path, speed=300.0, retention_s={"replicate": 0.0}) as scene:
        ended = await scene.ended(await scene.submits("callback_lost"), polls=True)
        assert (ended.state, ended.outputs, await scene.events()) == (TaskState.SUCCEEDED, (), ["task.succeeded"])


async def test_the_list_finds_a_lost_submit_behind_its_first_page(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        lost = await scene.submits("reply_lost", "stuck", "callback_lost")
        assert lost.state is TaskState.UNCERTAIN
        path = "/models/kwaivgi/kling-v3-video/predictions"
        headers = {"Authorization": f"Bearer {scene.sim.key('replicate')}"}
        for _ in range(105):
            url = scene.sim.base_url("replicate") + path
            await scene.service.http.post(url, json={"input": {"prompt": "elsewhere"}}, headers=headers)
        configured = scene.service.services.providers["replicate"]
        searches = await scene.service.services.lost_submits.search([lost], configured)
    assert isinstance(searches, list)
    first = scene.sim.records().of("replicate")[0]
    assert first.task_id in {row.listed.provider_task_id for row in searches[0].found}
    assert (searches[0].listing.listed, searches[0].listing.problem) == (106, "")


async def test_a_waiting_task_is_canceled_and_the_poll_says_so(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task = await scene.submits("callback_lost")
        assert (await scene.service.post(f"/v1/tasks/{task.id}/cancel")).status_code == 200
        ended = await scene.ended(task, polls=True)
        assert (ended.state, await scene.events()) == (TaskState.CANCELED, ["task.canceled"])
