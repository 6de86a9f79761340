"""Events of a whole account, signed by a certificate that is fetched, against the simulated platform, over sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.tasks.model.task import Task
from submitter.model import TERMINAL, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.config import KEYS_PATHS
from submitter.simulator.platforms.dashscope import signed_headers
from tests.support.service import Served, is_problem, served

VIDEO = {"model": "happyhorse-1.0-t2v", "prompt": "a horse at dawn"}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    service: Served
    sim: Simulator
    #: By account.
    addresses: dict[str, str]

    @property
    def certificate_url(self) -> str:
        return self.sim.base_url("dashscope") + KEYS_PATHS["dashscope"]

    async def submits(self, faults: str = "", provider: str = "dashscope") -> Task:
        video = VIDEO | ({"prompt": f"a horse #simulate:{faults}"} if faults else {})
        made = (await self.service.post("/v1/tasks", {"provider": provider, "video": video})).json()
        return await self.service.task(made["id"])

    async def was_made_due(self, task: Task) -> bool:
        """Whether its next poll is another than at its submit."""
        return (await self.service.task(task.id)).next_poll_ms != task.next_poll_ms

    async def polls_until_ended(self, task: Task) -> Task:
        while (found := await self.service.task(task.id)).state not in TERMINAL:
            await self.service.services.reconciler.reconcile_once(limit=8)
            await asyncio.sleep(0.01)
        return found

    async def attempts(self, task: Task, count: int) -> list[int | None]:
        while len(found := self.sim.records().task(task.provider_task_id or "").callbacks) < count:
            await asyncio.sleep(0.01)
        return [each.status for each in found]

    async def events(self) -> list[str]:
        return [event.type for event in await self.service.services.store.events.events(0)]

    async def posts(self, task_id: str, *, to: str | None = None, **changes: Any) -> httpx.Response:
        """An event that the simulated platform's key signs. `changes` are of what is signed, `extra` of the headers."""
        address = to or self.addresses["dashscope"]
        data = {"task_id": task_id, "task_status": "SUCCEEDED"}
        event = {"source": "acs.dashscope", "type": "dashscope:System:AsyncTaskFinish", "data": data}
        body = json.dumps(event).encode()
        headers = signed_headers(
            changes.get("url", address),
            changes.get("certificate_url", self.certificate_url),
            changes.get("time_s", time.time()),
            changes.get("body", body),
        )
        return await self.service.http.post(address, content=body, headers={**headers, **changes.get("extra", {})})


@asynccontextmanager
async def _opened(folder: Path, *, speed: float = 1.0) -> AsyncIterator[_Scene]:
    """With a second account of the same adapter, `second`. Polls are not waited for long."""
    async with running(SimulatorConfig(speed=speed)) as sim:
        settings = {
            "WHENFINAL_PROVIDERS": "dashscope,second=dashscope,signed=hiapi",
            "WHENFINAL_PROVIDER_SPEED": "600",
        }
        for name in ("DASHSCOPE", "SECOND"):
            settings[f"{name}_BASE_URL"] = sim.base_url("dashscope")
            settings[f"{name}_API_KEY"] = sim.key("dashscope")
            settings[f"{name}_KEYS_URL"] = sim.base_url("dashscope") + KEYS_PATHS["dashscope"]
        async with served(folder, sim, **settings) as service:
            addresses = {
                name: (await service.get(f"/v1/providers/{name}/callback-address")).json()["address"]
                for name in ("dashscope", "second")
            }
            sim.call_account_back("dashscope", addresses["dashscope"])
            yield _Scene(service=service, sim=sim, addresses=addresses)


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[_Scene]:
    async with _opened(tmp_path) as scene:
        yield scene


@pytest.mark.parametrize(
    "faults", ["", "callback_unsigned", "callback_gzip", "callback_odd_form", "callback_duplicated", "fail"]
)
async def test_an_event_makes_its_task_due_and_a_poll_brings_the_one_end(scene: _Scene, faults: str) -> None:
    """The rule's own URL is signed, also with a slash and a query that its owner added to the address."""
    task = await scene.submits(faults)
    assert not await scene.was_made_due(task)
    (scene.sim.fail if faults == "fail" else scene.sim.finish)(task.provider_task_id or "")
    statuses = await scene.attempts(task, 2 if faults == "callback_duplicated" else 1)
    assert set(statuses) == {204}
    assert await scene.was_made_due(task)
    ended = await scene.polls_until_ended(task)
    assert ended.state is (TaskState.FAILED if faults == "fail" else TaskState.SUCCEEDED)
    assert len(ended.outputs) == (0 if faults == "fail" else 1)
    assert await scene.events() == [f"task.{ended.state}"]


async def test_an_event_before_the_last_poll_and_one_after_the_end_are_one_end(scene: _Scene) -> None:
    task = await scene.submits("callback_lost")
    assert (await scene.posts(task.provider_task_id or "")).status_code == 204
    scene.sim.finish(task.provider_task_id or "")
    await scene.polls_until_ended(task)
    late = await scene.posts(task.provider_task_id or "")
    assert (late.status_code, late.json()) == (200, {"verdict": "duplicate"})
    assert await scene.events() == ["task.succeeded"]


async def test_a_wrong_signature_is_refused_tried_again_as_documented_and_a_poll_ends_the_task(tmp_path: Path) -> None:
    async with _opened(tmp_path, speed=200.0) as scene:
        task = await scene.submits("callback_wrongly_signed")
        assert await scene.attempts(task, 4) == [401] * 4
        assert (await scene.polls_until_ended(task)).state is TaskState.SUCCEEDED
        assert await scene.events() == ["task.succeeded"]


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://elsewhere.example/callbacks/dashscope/x"},
        {"body": b"{}"},
        {"time_s": time.time() - 3_600},
        {"time_s": time.time() + 3_600},
        {"certificate_url": "https://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com/x.pem"},
        {"certificate_url": "http://127.0.0.1:9/x.pem"},
        {"extra": {"x-eventbridge-hash-method": "SHA1"}},
        {"extra": {"x-eventbridge-signature-token": "films"}},
        {"extra": {"x-eventbridge-signature-v2": "AAAA"}},
    ],
    ids=["address", "body", "old", "ahead", "other host", "other port", "method", "token", "signature"],
)
async def test_a_signature_that_does_not_fit_makes_nothing_due(scene: _Scene, changes: dict[str, Any]) -> None:
    task = await scene.submits("callback_lost")
    with capture_logs() as lines:
        is_problem(await scene.posts(task.provider_task_id or "", **changes), 401)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["callback_refused"]
    assert not await scene.was_made_due(task)
    assert (await scene.posts(task.provider_task_id or "")).status_code == 204


async def test_the_host_field_of_a_request_does_not_count(scene: _Scene) -> None:
    """It is anybody's text; what is signed is the address below the public URL."""
    task = await scene.submits("callback_lost")
    reply = await scene.posts(task.provider_task_id or "", extra={"host": "evil.example"})
    assert reply.status_code == 204


async def test_a_certificate_that_cannot_be_had_is_answered_503_and_costs_no_task_its_end(scene: _Scene) -> None:
    task = await scene.submits("callback_lost")
    missing = scene.sim.base_url("dashscope") + "/x509_public_certificate_gone.pem"
    refused = await scene.posts(task.provider_task_id or "", certificate_url=missing)
    is_problem(refused, 503)
    assert int(refused.headers["retry-after"]) >= 1
    scene.sim.finish(task.provider_task_id or "")
    assert (await scene.polls_until_ended(task)).state is TaskState.SUCCEEDED


async def test_an_event_about_a_task_of_others_adopts_nothing(scene: _Scene) -> None:
    """It tells of every task of the account, also of those that other programs submitted."""
    ours = await scene.submits("callback_lost")
    theirs = await scene.submits("callback_lost", provider="second")
    for task_id in ("elsewhere", theirs.provider_task_id or ""):
        is_problem(await scene.posts(task_id), 401)
    is_problem(await scene.posts(ours.provider_task_id or "", to=scene.addresses["second"]), 401)
    assert sum((await scene.service.services.store.tasks.counts()).values()) == 2
    assert (await scene.posts(theirs.provider_task_id or "", to=scene.addresses["second"])).status_code == 204


async def test_an_address_without_or_with_a_damaged_token_is_nobodys(scene: _Scene) -> None:
    task = await scene.submits("callback_lost")
    address = scene.addresses["dashscope"]
    for wrong in (address.rpartition("/")[0], address[:-1], address + "x"):
        is_problem(await scene.posts(task.provider_task_id or "", to=wrong), 401)
