"""Providers that call back at every change and sign nothing, against their simulated platforms, over sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.tasks.model.task import Task
from submitter.model import TERMINAL, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from tests.support.service import Served, is_problem, served

FLOOD = 60


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A request, and the body of a callback: of a task's id and a state."""

    video: Mapping[str, Any]
    body: Callable[[str, str], dict[str, Any]]
    running: str
    good: str
    bad: str


PROVIDERS = {
    "seedance": _Words(
        video={"model": "dreamina-seedance-2-0-260128", "prompt": "a horse at dawn"},
        body=lambda task_id, word: {"id": task_id, "status": word, "content": {"video_url": "https://evil.example/v"}},
        running="running",
        good="succeeded",
        bad="expired",
    ),
    "minimax": _Words(
        video={
            "model": "MiniMax-H3",
            "prompt": "a horse at dawn",
            "resolution": "2K",
            "duration": 5,
            "ratio": "16:9",
        },
        body=lambda task_id, word: {
            "task": {"id": task_id, "status": word, "content": {"url": "https://evil.example/v"}}
        },
        running="running",
        good="succeeded",
        bad="failed",
    ),
    "minimax-v1": _Words(
        video={"model": "MiniMax-Hailuo-2.3", "prompt": "a horse at dawn"},
        body=lambda task_id, word: {
            "task_id": task_id,
            "status": word,
            "file_id": "2050000",
            "video_url": "https://evil.example/v",
        },
        running="processing",
        good="success",
        bad="failed",
    ),
}
everywhere = pytest.mark.parametrize("provider", PROVIDERS)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    provider: str
    service: Served
    sim: Simulator

    async def submits(self, name: str | None = None) -> Task:
        order = {"provider": name or self.provider, "video": PROVIDERS[self.provider].video}
        return await self.service.task((await self.service.post("/v1/tasks", order)).json()["id"])

    async def calls_back(self, task: Task, word: str, *, about: str | None = None) -> Any:
        path = self.service.callback_path(task.id, task.provider)
        body = PROVIDERS[self.provider].body(about or task.provider_task_id or "", word)
        return await self.service.calls_back(path, json=body)

    async def polls_until_ended(self, task: Task) -> Task:
        while (found := await self.service.task(task.id)).state not in TERMINAL:
            await self.service.services.reconciler.reconcile_once(limit=8)
            await asyncio.sleep(0.01)
        return found

    async def events(self) -> list[str]:
        return [event.type for event in await self.service.services.store.events.events(0)]


@asynccontextmanager
async def _opened(folder: Path, provider: str, *, speed: float = 1.0, **config: Any) -> AsyncIterator[_Scene]:
    """With a second account of the same adapter, `second`, and with the tokens of this service alone."""
    async with running(SimulatorConfig(speed=speed, **config)) as sim:
        settings = {"WHENFINAL_PROVIDERS": f"{provider},second={provider}", "WHENFINAL_PROVIDER_SPEED": str(speed)}
        for name in (provider.upper().replace("-", "_"), "SECOND"):
            settings |= {f"{name}_API_KEY": sim.key(provider), f"{name}_BASE_URL": sim.base_url(provider)}
        async with served(folder, sim, **settings) as service:
            yield _Scene(provider=provider, service=service, sim=sim)


@everywhere
async def test_callbacks_at_every_change_and_one_poll_make_one_event(tmp_path: Path, provider: str) -> None:
    async with _opened(tmp_path, provider, speed=300.0) as scene:
        task = await scene.submits()
        ended = await scene.polls_until_ended(task)
        while len(scene.sim.records().task(task.provider_task_id or "").callbacks) < 2:
            await asyncio.sleep(0.01)
        assert await scene.events() == ["task.succeeded"]
        [truth] = scene.sim.records().of(provider)
    assert [output.url for output in ended.outputs] == list(truth.outputs)
    assert {attempt.status for attempt in truth.callbacks} <= {200, 204}


@everywhere
async def test_an_end_that_nobody_signed_is_confirmed_by_a_poll_and_gives_no_link(
    tmp_path: Path, provider: str
) -> None:
    words = PROVIDERS[provider]
    async with _opened(tmp_path, provider) as scene:
        task = await scene.submits()
        before = (await scene.service.task(task.id)).next_poll_ms or 0
        for word in (words.good, words.bad):
            assert (await scene.calls_back(task, word)).status_code == 204
        hinted = await scene.service.task(task.id)
        assert (hinted.state in TERMINAL, hinted.outputs, hinted.error) == (False, (), None)
        assert (hinted.next_poll_ms or 0) < before
        scene.sim.finish(task.provider_task_id or "")
        ended = await scene.polls_until_ended(task)
        assert ended.state is TaskState.SUCCEEDED
        assert all("evil" not in output.url for output in ended.outputs)
        assert await scene.events() == ["task.succeeded"]


@everywhere
async def test_changes_that_come_late_or_in_a_flood_cost_no_event_and_no_log_line(
    tmp_path: Path, provider: str
) -> None:
    words = PROVIDERS[provider]
    async with _opened(tmp_path, provider) as scene:
        task = await scene.submits()
        with capture_logs() as lines:
            replies = await asyncio.gather(*[scene.calls_back(task, words.running) for _ in range(FLOOD)])
            scene.sim.finish(task.provider_task_id or "")
            await scene.polls_until_ended(task)
            replies += [await scene.calls_back(task, word) for word in (words.running, words.bad, words.good)]
        assert {reply.status_code for reply in replies} <= {200, 204}
        assert (await scene.service.task(task.id)).state is TaskState.SUCCEEDED
        assert await scene.events() == ["task.succeeded"]
        timeline = (await scene.service.get(f"/v1/tasks/{task.id}/timeline")).json()
    assert len(timeline["timeline"]) < 12
    assert [line for line in lines if line["log_level"] != "info"] == []
    assert len(lines) < FLOOD / 2


@everywhere
async def test_a_token_counts_for_its_own_task_and_account_only(tmp_path: Path, provider: str) -> None:
    words = PROVIDERS[provider]
    async with _opened(tmp_path, provider) as scene:
        mine, other, foreign = await scene.submits(), await scene.submits(), await scene.submits("second")
        for about in (other, foreign):
            crossed = await scene.calls_back(mine, words.good, about=about.provider_task_id)
            assert crossed.status_code in {401, 409}, crossed.text
        body = words.body(mine.provider_task_id or "", words.good)
        for path in (
            f"/callbacks/{provider}",
            f"/callbacks/{provider}/forged",
            scene.service.callback_path(mine.id, "second").replace("/second/", f"/{provider}/"),
            scene.service.callback_path(mine.id, provider, age_s=90 * 86_400),
        ):
            is_problem(await scene.service.calls_back(path, json=body), 401)
        assert await scene.events() == []
        assert [(await scene.service.task(each.id)).next_poll_ms for each in (mine, other, foreign)] == [
            each.next_poll_ms for each in (mine, other, foreign)
        ]
