"""fal against its simulated queue over sockets: signed callbacks, the second call, and what does not count."""

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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receiver.tasks.model.task import Task
from submitter.model import TERMINAL, TaskError, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.platforms import fal
from tests.support.service import Served, served

HORSE = "alibaba/happy-horse/v1.1/text-to-video"
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    service: Served
    sim: Simulator

    async def submits(self, *faults: str, provider: str = "fal", **content: Any) -> Task:
        self.sim.plan("fal", [faults])
        order = {"provider": provider, **(content or {"video": {"model": HORSE, "prompt": "a horse at dawn"}})}
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
        *,
        about: str | None = None,
        age_s: int = 0,
        key: Ed25519PrivateKey | None = None,
        without: str = "",
        path: str | None = None,
        status: str = "OK",
    ) -> httpx.Response:
        """A callback as fal makes it, or with one thing wrong."""
        request_id = about or task.provider_task_id or ""
        payload = {"video": {"url": "https://cdn.example/v.mp4"}}
        body = json.dumps({"request_id": request_id, "status": status, "payload": payload}).encode()
        stamp = str(int(time.time()) - age_s)
        signed = fal.signature(key or fal.signing_key(self.sim._world), request_id, stamp, body)
        values = {"Request-Id": request_id, "User-Id": fal.USER_ID, "Timestamp": stamp, "Signature": signed}
        headers = {f"X-Fal-Webhook-{name}": value for name, value in values.items() if name != without}
        where = path or self.service.callback_path(task.id, task.provider)
        return await self.service.http.post(where, content=body, headers=headers)

    async def events(self) -> list[str]:
        return [event.type for event in await self.service.services.store.events.events(0)]


@asynccontextmanager
async def _opened(folder: Path, *, speed: float = 1.0, **config: Any) -> AsyncIterator[_Scene]:
    """With a second account, `second`."""
    async with running(SimulatorConfig(speed=speed, **config)) as sim:
        settings = {"WHENFINAL_PROVIDERS": "fal,second=fal", "WHENFINAL_PROVIDER_SPEED": str(speed)}
        for name in ("FAL", "SECOND"):
            settings |= {f"{name}_API_KEY": sim.key("fal"), f"{name}_BASE_URL": sim.base_url("fal")}
            settings[f"{name}_KEYS_URL"] = sim.base_url("fal") + "/.well-known/jwks.json"
        async with served(folder, sim, **settings) as service:
            yield _Scene(service=service, sim=sim)


async def test_a_signed_callback_ends_a_task_with_one_event_and_no_poll(tmp_path: Path) -> None:
    async with _opened(tmp_path, speed=300.0) as scene:
        task = await scene.submits("callback_duplicated", "callback_contradicting")
        ended = await scene.ended(task)
        [truth] = scene.sim.records().of("fal")
        while len(scene.sim.records().of("fal")[0].callbacks) < 3:
            await asyncio.sleep(0.01)
        assert await scene.events() == ["task.succeeded"]
    assert (ended.state, ended.polls, truth.status_queries) == (TaskState.SUCCEEDED, 0, 0)
    assert [output.url for output in ended.outputs] == list(truth.outputs)
    assert truth.task_id == task.provider_task_id


@pytest.mark.parametrize("path", [HORSE, "fal-ai/kling-video/v3/pro/text-to-video", "fal-ai/veo3.1"])
async def test_without_callbacks_polls_and_the_second_call_end_a_task_of_any_model(tmp_path: Path, path: str) -> None:
    async with _opened(tmp_path, speed=300.0) as scene:
        content: dict[str, Any] = {"raw": {"path": f"/{path}", "body": {"prompt": "a horse"}}}
        ended = await scene.ended(await scene.submits("callback_lost", **content), polls=True)
        [truth] = scene.sim.records().of("fal")
        assert await scene.events() == ["task.succeeded"]
    assert [output.url for output in ended.outputs] == list(truth.outputs)


@pytest.mark.parametrize("faults", [(), ("callback_lost",)])
async def test_a_completed_task_whose_result_is_an_error_has_failed(tmp_path: Path, faults: tuple[str, ...]) -> None:
    async with _opened(tmp_path, speed=300.0) as scene:
        content: dict[str, Any] = {"raw": {"path": f"/{HORSE}", "body": {"prompt": "a horse", "duration": 99}}}
        ended = await scene.ended(await scene.submits(*faults, **content), polls=bool(faults))
        assert await scene.events() == ["task.failed"]
    message = "body: duration must be a whole number from 3 to 15"
    assert ended.error == TaskError(code="value_error", message=message)


async def test_a_callback_that_is_wrongly_signed_or_of_another_task_ends_nothing(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task, other = await scene.submits(), await scene.submits(provider="second")
        assert (await scene.calls_back(task, key=OTHER_KEY)).status_code == 401
        for name in ("Signature", "Timestamp", "User-Id"):
            assert (await scene.calls_back(task, without=name)).status_code == 401
        assert (await scene.calls_back(task, about=other.provider_task_id)).status_code == 409
        assert (await scene.calls_back(task, path="/callbacks/fal")).status_code == 401
        assert (await scene.calls_back(task, path=scene.service.callback_path(task.id, "second"))).status_code in {
            401,
            409,
        }
        before = (await scene.service.task(task.id)).next_poll_ms or 0
        assert (await scene.calls_back(task, age_s=301)).status_code == 401
        assert ((await scene.service.task(task.id)).next_poll_ms or 0) < before  # a stale one is a hint
        assert await scene.events() == []
        assert [(await scene.service.task(each.id)).state for each in (task, other)] == [TaskState.SUBMITTED] * 2


async def test_a_replayed_callback_is_a_duplicate_and_a_late_contradiction_changes_nothing(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task = await scene.submits()
        answers = [(await scene.calls_back(task, status=word)).status_code for word in ("OK", "OK", "ERROR")]
        assert await scene.events() == ["task.succeeded"]
        assert (await scene.service.task(task.id)).state is TaskState.SUCCEEDED
    assert answers[0] == 204
    assert answers[1] in {200, 204}


async def test_a_callback_that_beats_the_receipt_ends_the_same_task(tmp_path: Path) -> None:
    async with _opened(tmp_path, speed=300.0) as scene:
        task = await scene.ended(await scene.submits("callback_early"))
        assert await scene.events() == ["task.succeeded"]
        assert task.provider_task_id == scene.sim.records().of("fal")[0].task_id


async def test_a_new_key_is_fetched_for_the_first_callback_that_it_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _opened(tmp_path) as scene:
        first, second = await scene.submits(), await scene.submits()
        assert (await scene.calls_back(first)).status_code == 204
        monkeypatch.setattr(fal, "signing_key", lambda _: OTHER_KEY)
        keys = scene.service.services.intake.provider_keys
        later = {url: found._replace(at_ms=found.at_ms - 61_000) for url, found in keys._fetched.items()}
        keys._fetched.update(later)
        assert (await scene.calls_back(second)).status_code == 204
        assert await scene.events() == ["task.succeeded"] * 2


async def test_a_host_of_keys_that_is_away_costs_a_repeat_and_no_end(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task = await scene.submits()
        account = scene.service.services.providers["fal"].account
        object.__setattr__(account, "keys_url", scene.sim.base_url("fal") + "/no/keys/here")
        reply = await scene.calls_back(task)
        assert (reply.status_code, "retry-after" in reply.headers) == (503, True)
        assert await scene.events() == []


async def test_a_waiting_task_is_canceled_and_the_poll_says_so(tmp_path: Path) -> None:
    async with _opened(tmp_path) as scene:
        task = await scene.submits("callback_lost")
        assert (await scene.service.post(f"/v1/tasks/{task.id}/cancel")).status_code == 200
        ended = await scene.ended(task, polls=True)
        assert (ended.state, await scene.events()) == (TaskState.CANCELED, ["task.canceled"])
        assert ended.error == TaskError(code="client_cancelled", message="the client canceled the request")


async def test_an_uncertain_submit_is_settled_with_the_id_as_fal_shows_it(tmp_path: Path) -> None:
    async with _opened(tmp_path, speed=300.0) as scene:
        task = await scene.submits("reply_lost", "callback_lost")
        assert task.state is TaskState.UNCERTAIN
        [truth] = scene.sim.records().of("fal")
        path = f"/v1/tasks/{task.id}/settle"
        wrong = await scene.service.post(path, {"task_id": "00000000-0000-4000-8000-000000000000"})
        assert wrong.status_code == 409
        assert (await scene.service.post(path, {"task_id": truth.task_id})).status_code == 200
        ended = await scene.ended(task, polls=True)
        [truth] = scene.sim.records().of("fal")
    assert [output.url for output in ended.outputs] == list(truth.outputs)
