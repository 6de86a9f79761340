"""Kling's callbacks from the simulator to a real service: signed ones end a task, unsigned ones have it polled."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.tasks.lost_submits import NoList
from receiver.tasks.model.task import Task
from submitter.model import ENDED, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.config import SECRET_KEYS, WEBHOOK_SECRETS
from submitter.standard_webhooks import webhook_headers
from tests.support.service import Served, served

SECRET = WEBHOOK_SECRETS["kling"]
NEW = {"model": "kling-3.0", "prompt": "a horse at dawn"}
OLD = {"model": "kling-v3", "prompt": "a horse at dawn", "first_frame": "https://pictures.example/a.png"}
Scene = tuple[Served, Simulator]


@asynccontextmanager
async def _scene(folder: Path, **changes: str) -> AsyncIterator[Scene]:
    """Without KLING_WEBHOOK_SECRET the account has none in Kling's console either."""
    secret = changes.get("KLING_WEBHOOK_SECRET")
    async with running(SimulatorConfig(queued_share=0.0, webhook_secrets={"kling": secret})) as sim:
        account = {"KLING_API_KEY": sim.key("kling"), "KLING_BASE_URL": sim.base_url("kling")}
        async with served(folder, sim, WHENFINAL_PROVIDERS="kling", **account, **changes) as service:
            yield service, sim


async def _submits(scene: Scene, video: dict[str, Any], *faults: str) -> Task:
    service, sim = scene
    sim.plan("kling", [faults])
    made = await service.post("/v1/tasks", {"provider": "kling", "video": video})
    return await service.task(made.json()["id"])


async def _until_ended(service: Served, task: Task, *, polling: bool) -> Task:
    while (found := await service.task(task.id)).state not in ENDED:
        if polling:
            await service.services.reconciler.reconcile_once(limit=8)
        await asyncio.sleep(0.01)
    return found


async def _attempts(sim: Simulator, count: int) -> list[int | None]:
    while len(sim.records().tasks[0].callbacks) < count:
        await asyncio.sleep(0.01)
    return [attempt.status for attempt in sim.records().tasks[0].callbacks]


@pytest.mark.parametrize(("video", "word"), [(NEW, "succeeded"), (OLD, "succeed")], ids=["new", "old"])
async def test_a_signed_end_ends_the_task_of_either_generation_without_a_poll(
    tmp_path: Path, video: dict[str, Any], word: str
) -> None:
    async with _scene(tmp_path, KLING_WEBHOOK_SECRET=SECRET) as (service, sim):
        task = await _submits((service, sim), video)
        await _attempts(sim, 1)
        assert (await service.task(task.id)).state is TaskState.RUNNING
        sim.finish(sim.records().tasks[0].task_id)
        ended = await _until_ended(service, task, polling=False)
        assert await _attempts(sim, 2) == [204, 204]
        assert (ended.state, ended.raw_state, len(ended.outputs)) == (TaskState.SUCCEEDED, word, 1)
        assert sim.records().tasks[0].status_queries == 0
        assert await service.services.store.events.last_seq() == 1


@pytest.mark.parametrize("video", [NEW, OLD], ids=["new", "old"])
async def test_an_unsigned_end_is_a_hint_that_a_poll_confirms(tmp_path: Path, video: dict[str, Any]) -> None:
    async with _scene(tmp_path) as (service, sim):
        task = await _submits((service, sim), video, "callback_contradicting")
        sim.finish(sim.records().tasks[0].task_id)
        ended = await _until_ended(service, task, polling=True)
        assert (ended.state, sim.records().tasks[0].status_queries >= 1) == (TaskState.SUCCEEDED, True)
        await _attempts(sim, 2)
        assert await service.services.store.events.last_seq() == 1


async def test_a_pair_of_keys_signs_submits_and_polls(tmp_path: Path) -> None:
    async with _scene(tmp_path, KLING_SECRET_KEY=SECRET_KEYS["kling"]) as (service, sim):
        task = await _submits((service, sim), OLD, "callback_lost")
        sim.finish(sim.records().tasks[0].task_id)
        await service.post(f"/v1/tasks/{task.id}/reconcile")
        ended = await _until_ended(service, task, polling=True)
        assert ended.state is TaskState.SUCCEEDED
        refused = await service.post("/v1/tasks", {"provider": "kling", "video": NEW})
        assert (refused.status_code, len(sim.records().tasks)) == (503, 1)


def _signed(body: dict[str, Any], *, secret: str = SECRET, age_s: int = 0) -> dict[str, Any]:
    raw = json.dumps(body).encode()
    headers = webhook_headers([secret], message_id="m-1", timestamp_s=int(time.time()) - age_s, body=raw)
    return {"json": None, "content": raw, "headers": dict(headers)}


async def test_only_a_rightly_signed_fresh_callback_about_the_own_task_counts(tmp_path: Path) -> None:
    async with _scene(tmp_path, KLING_WEBHOOK_SECRET=SECRET) as (service, _):
        await service.has("tsk_1", "p1", provider="kling")
        await service.has("tsk_2", "p2", provider="kling")
        path = service.callback_path("tsk_1", "kling")
        end = {"id": "p1", "status": "failed", "message": "no", "external_id": "tsk_1", "outputs": []}
        other = "whsec_" + "b3RoZXI="
        statuses = [
            (await service.calls_back(path, json=end)).status_code,
            (await service.calls_back(path, **_signed(end, secret=other))).status_code,
            (await service.calls_back(path, **_signed(end, age_s=600))).status_code,
            (await service.calls_back(path, **_signed(end | {"id": "p2"}))).status_code,
        ]
        assert (statuses, await service.services.store.events.last_seq()) == ([401, 401, 401, 409], 0)
        right = _signed(end)
        assert (await service.calls_back(path, **right)).status_code == 204
        late = _signed(end | {"status": "processing"})
        for again in (right, late, _signed(end | {"status": "succeeded"})):
            assert (await service.calls_back(path, **again)).status_code == 200
        assert (await service.task("tsk_1")).state is TaskState.FAILED
        assert (await service.task("tsk_2")).state is TaskState.RUNNING
        assert await service.services.store.events.last_seq() == 1


async def test_the_consoles_test_call_is_answered_and_makes_no_task(tmp_path: Path) -> None:
    test = {"id": "1", "status": "submitted", "message": "", "create_time": 1, "update_time": 1, "outputs": []}
    async with _scene(tmp_path, KLING_WEBHOOK_SECRET=SECRET) as (service, _):
        wide = await service.calls_back(service.callback_path(None, "kling"), **_signed(test))
        bare = await service.calls_back("/callbacks/kling", **_signed(test))
        assert (wide.status_code, bare.status_code) == (200, 400)
        assert await service.services.store.tasks.counts() == {}


@pytest.mark.parametrize("video", [NEW, OLD], ids=["new", "old"])
async def test_a_lost_reply_is_found_by_our_own_id_among_equal_submits(tmp_path: Path, video: dict[str, Any]) -> None:
    async with _scene(tmp_path) as (service, sim):
        lost = [await _submits((service, sim), video, "reply_lost", "callback_lost") for _ in range(2)]
        assert {task.state for task in lost} == {TaskState.UNCERTAIN}
        found = await service.services.lost_submits.search(lost, service.services.providers["kling"])
        assert not isinstance(found, NoList)
        made = [record.task_id for record in sim.records().tasks]
        clear = [search.clear and search.clear.listed.provider_task_id.rpartition(":")[2] for search in found]
        assert clear == made


async def test_a_submit_without_money_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    async with running(SimulatorConfig(quota={"kling": 0})) as sim:
        account = {"KLING_API_KEY": sim.key("kling"), "KLING_BASE_URL": sim.base_url("kling")}
        async with served(tmp_path, sim, WHENFINAL_PROVIDERS="kling", **account) as service:
            answer = await service.post("/v1/tasks", {"provider": "kling", "video": NEW})
            assert (answer.status_code, "balance" in answer.text) == (402, True)
