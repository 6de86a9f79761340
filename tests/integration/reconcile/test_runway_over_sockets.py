"""Runway through a whole service: a task is polled to one end, and a DELETE never meets a task that has gone on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.task import Task
from receiver.tasks.operator import NotCanceled
from submitter.model import CancelAccepted, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from tests.support.service import Served, served

ORDER = {
    "provider": "runway",
    "video": {"model": "gen4.5", "prompt": "a horse at dawn", "ratio": "1280:720", "duration": 5},
}
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with running(SimulatorConfig(speed=1.0, runway_slots=1)) as sim:
        settings = {
            "WHENFINAL_PROVIDERS": "runway",
            "RUNWAY_API_KEY": sim.key("runway"),
            "RUNWAY_BASE_URL": sim.base_url("runway"),
        }
        async with served(tmp_path, None, **settings) as service:
            yield service, sim


async def _submitted(service: Served) -> Task:
    return await service.task((await service.post("/v1/tasks", ORDER)).json()["id"])


async def _polled(service: Served, task: Task) -> Task:
    condition = ReconcileFilter(task=task.id)
    await service.services.manual_reconcile.run(
        ManualRequest(condition=condition, mode=ReconcileMode.APPLY, actor="test")
    )
    return await service.task(task.id)


async def _cancel(service: Served, task: Task) -> CancelAccepted | NotCanceled:
    return await service.services.operator.cancel(task, service.services.providers[task.provider], actor="test")


async def _events(service: Served) -> list[str]:
    return [event.type for event in await service.services.store.events.events(0)]


async def test_a_task_is_polled_to_one_end_through_all_its_words(scene: Scene) -> None:
    service, sim = scene
    first, second = await _submitted(service), await _submitted(service)
    throttled = await _polled(service, second)
    assert (throttled.state, throttled.raw_state) == (TaskState.SUBMITTED, "THROTTLED")
    for task in (first, second):
        sim.finish(task.provider_task_id or "")
        await _polled(service, task)
        done = await _polled(service, task)
        assert (done.state, len(done.outputs)) == (TaskState.SUCCEEDED, 1)
    assert await _events(service) == ["task.succeeded", "task.succeeded"]


async def test_a_deleted_task_is_canceled_at_once_and_its_404_changes_nothing(scene: Scene) -> None:
    service, _ = scene
    task = await _submitted(service)
    assert await _cancel(service, task) == CancelAccepted()
    assert (await _polled(service, task)).state is TaskState.CANCELED
    assert await _events(service) == ["task.canceled"]


async def test_a_finished_task_is_never_deleted(scene: Scene) -> None:
    service, sim = scene
    task = await _submitted(service)
    sim.finish(task.provider_task_id or "")
    assert isinstance(await _cancel(service, task), NotCanceled)
    assert len((await _polled(service, task)).outputs) == 1


async def test_a_task_in_a_state_that_no_document_names_is_not_deleted(tmp_path: Path, scene: Scene) -> None:
    service, sim = scene
    sim._world.config = SimulatorConfig(queued_share=0.0)
    sim.plan("runway", [["unknown_state"]])
    task = await _submitted(service)
    refused = await _cancel(service, task)
    assert isinstance(refused, NotCanceled)
    assert "POST_PROCESSING" in refused.reason
    assert (await _polled(service, task)).state is TaskState.RUNNING
