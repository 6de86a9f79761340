"""kie.ai's callbacks from the simulator to a real service: each is a hint, also a signed one, and a poll decides."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.tasks.model.task import Task
from submitter.model import ENDED, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.config import WEBHOOK_SECRETS
from submitter.simulator.platforms.kie import signature
from tests.support.service import Served, served

SECRET = WEBHOOK_SECRETS["kie"]
VIDEO = {"model": "happyhorse/text-to-video", "prompt": "a horse at dawn"}
ORDER = {"provider": "kie", "video": VIDEO}
Scene = tuple[Served, Simulator]


@asynccontextmanager
async def _scene(folder: Path, *, secret: str | None = None, quota: int | None = None) -> AsyncIterator[Scene]:
    """Without a secret the account has no key in kie.ai's settings either."""
    changes = {} if secret is None else {"KIE_WEBHOOK_SECRET": secret}
    config = SimulatorConfig(webhook_secrets={"kie": secret}, quota={"kie": quota}, kie_errors_in_200=True)
    async with running(config) as sim:
        account = {"KIE_API_KEY": sim.key("kie"), "KIE_BASE_URL": sim.base_url("kie")}
        async with served(folder, sim, WHENFINAL_PROVIDERS="kie", **account, **changes) as service:
            yield service, sim


async def _submits(scene: Scene, *faults: str) -> Task:
    service, sim = scene
    sim.plan("kie", [faults])
    return await service.task((await service.post("/v1/tasks", ORDER)).json()["id"])


async def _called_back(sim: Simulator, count: int) -> list[int | None]:
    while len(sim.records().tasks[0].callbacks) < count:
        await asyncio.sleep(0.01)
    return [attempt.status for attempt in sim.records().tasks[0].callbacks]


async def _until_ended(service: Served, task: Task) -> Task:
    while (found := await service.task(task.id)).state not in ENDED:
        await service.services.reconciler.reconcile_once(limit=8)
        await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("secret", [SECRET, None], ids=["signed", "unsigned"])
@pytest.mark.parametrize("end", [TaskState.SUCCEEDED, TaskState.FAILED])
async def test_an_end_is_polled_before_it_counts(tmp_path: Path, secret: str | None, end: TaskState) -> None:
    async with _scene(tmp_path, secret=secret) as (service, sim):
        task = await _submits((service, sim), "callback_contradicting")
        made = sim.records().tasks[0].task_id
        sim.finish(made) if end is TaskState.SUCCEEDED else sim.fail(made, message="the prompt was refused")
        assert set(await _called_back(sim, 2)) == {200}
        assert (await service.task(task.id)).state not in ENDED
        ended = await _until_ended(service, task)
        assert (ended.state, sim.records().tasks[0].status_queries) == (end, 1)
        assert [len(ended.outputs), ended.error and ended.error.code] == ([1, None] if ended.outputs else [0, "422"])
        assert await service.services.store.events.last_seq() == 1


def _pair(body: dict[str, Any], *, secret: str = SECRET, age_s: int = 0) -> dict[str, Any]:
    stamp = str(int(time.time()) - age_s)
    proof = signature(secret, body["data"]["taskId"], stamp)
    headers = {"x-webhook-timestamp": stamp, "x-webhook-signature": proof}
    return {"json": None, "content": json.dumps(body).encode(), "headers": headers}


async def test_a_pair_that_was_right_once_ends_nothing_with_a_forged_body(tmp_path: Path) -> None:
    async with _scene(tmp_path, secret=SECRET) as (service, sim):
        task = await _submits((service, sim), "stuck", "callback_lost")
        made = sim.records().tasks[0].task_id
        path = service.callback_path(task.id, "kie")
        forged = {"code": 501, "msg": "no", "data": {"taskId": made, "state": "fail", "failMsg": "no"}}
        reply = await service.calls_back(path, **_pair(forged))
        assert (reply.status_code, reply.json()) == (200, {"verdict": "applied"})  # its documents count no other 2xx
        await service.services.reconciler.reconcile_once(limit=8)
        assert sim.records().tasks[0].status_queries == 1
        assert (await service.task(task.id)).state not in ENDED
        assert await service.services.store.events.last_seq() == 0


async def test_wrong_missing_stale_and_foreign_callbacks_are_refused(tmp_path: Path) -> None:
    async with _scene(tmp_path, secret=SECRET) as (service, _):
        await service.has("tsk_1", "p1", provider="kie")
        await service.has("tsk_2", "p2", provider="kie")
        path = service.callback_path("tsk_1", "kie")
        end = {"code": 200, "msg": "success", "data": {"taskId": "p1", "state": "success"}}
        other = {**end, "data": {"taskId": "p2", "state": "success"}}
        statuses = [
            (await service.calls_back(path, json=end)).status_code,
            (await service.calls_back(path, **_pair(end, secret="another-secret-0001"))).status_code,
            (await service.calls_back(path, **_pair(end, age_s=600))).status_code,
            (await service.calls_back(path, **_pair(other))).status_code,
            (await service.calls_back("/callbacks/kie", **_pair(end))).status_code,
        ]
        assert statuses == [401, 401, 401, 409, 401]
        assert {(await service.task(name)).state for name in ("tsk_1", "tsk_2")} == {TaskState.RUNNING}


async def test_a_callback_tells_the_id_of_a_submit_whose_reply_was_lost(tmp_path: Path) -> None:
    async with _scene(tmp_path) as (service, sim):
        task = await _submits((service, sim), "reply_lost")
        assert task.state is TaskState.UNCERTAIN
        sim.finish(sim.records().tasks[0].task_id)
        await _called_back(sim, 1)
        ended = await _until_ended(service, task)
        assert (ended.state, ended.provider_task_id) == (TaskState.SUCCEEDED, sim.records().tasks[0].task_id)


async def test_no_credits_within_200_are_no_receipt(tmp_path: Path) -> None:
    async with _scene(tmp_path, quota=0) as (service, _):
        assert (await service.post("/v1/tasks", ORDER)).status_code == 402


@pytest.mark.parametrize(
    ("model", "is_expected"), [("happyhorse/text-to-video", True), ("happyhorse-1-1/text-to-video", False)]
)
async def test_a_callback_is_expected_only_of_a_task_whose_submit_named_our_address(
    tmp_path: Path, model: str, *, is_expected: bool
) -> None:
    """Else each end of such a task would count as a missed callback."""
    async with _scene(tmp_path) as (service, sim):
        task = (await service.post("/v1/tasks", {"provider": "kie", "video": VIDEO | {"model": model}})).json()
        assert ("callBackUrl" in sim.records().tasks[0].body) is is_expected
        assert task["callback_expected"] is is_expected
