"""A provider whose cancellation destroys a task that has gone on: its state is queried before, over sockets."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from receiver.tasks.model.task import Task
from receiver.tasks.operator import NotCanceled
from submitter.http.messages import HttpReply
from submitter.model import CancelAccepted, CanceledAtOnce, CancelOutcome, ProviderTaskId, TaskState
from submitter.providers import dashscope
from submitter.providers.contract import Account
from submitter.providers.registry import CANCELS_AFTER_LOOK, CANCELS_TASKS
from submitter.simulator import Simulator
from tests.support.service import Served, served_with_simulator

ORDER = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}
Scene = tuple[Served, Simulator]


def _gone(reply: HttpReply) -> CancelOutcome:
    return CanceledAtOnce(message="deleted") if reply.status == 200 else dashscope.parse_cancel(reply)


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    looks: Any = SimpleNamespace(CANCELS_WHILE=frozenset({TaskState.SUBMITTED}))
    monkeypatch.setitem(CANCELS_AFTER_LOOK, "dashscope", looks)
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def _submitted(service: Served) -> Task:
    return await service.task((await service.post("/v1/tasks", ORDER)).json()["id"])


async def _cancel(service: Served, task: Task) -> CancelAccepted | NotCanceled:
    return await service.services.operator.cancel(task, service.services.providers[task.provider], actor="test")


def _count_cancels(monkeypatch: pytest.MonkeyPatch, parse: Any = dashscope.parse_cancel) -> list[ProviderTaskId]:
    sent: list[ProviderTaskId] = []

    def build(provider_task_id: ProviderTaskId, account: Account) -> Any:
        sent.append(provider_task_id)
        return dashscope.build_cancel(provider_task_id, account)

    part: Any = SimpleNamespace(build_cancel=build, parse_cancel=parse)
    monkeypatch.setitem(CANCELS_TASKS, "dashscope", part)
    return sent


async def test_a_waiting_task_is_canceled_after_the_look(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    service, _ = scene
    sent = _count_cancels(monkeypatch)
    task = await _submitted(service)
    assert await _cancel(service, task) == CancelAccepted()
    assert sent == [task.provider_task_id]


async def test_nothing_is_sent_for_a_task_that_has_gone_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    service, sim = scene
    sent = _count_cancels(monkeypatch)
    task = await _submitted(service)
    sim.finish(task.provider_task_id or "")
    refused = await _cancel(service, task)
    assert isinstance(refused, NotCanceled)
    assert "succeeded would be destroyed; only one that is submitted can be canceled" in refused.reason
    assert sent == []
    assert ((await service.task(task.id)).next_poll_ms or 0) <= service.services.clock()


async def test_nothing_is_sent_where_the_look_says_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    service, sim = scene
    sent = _count_cancels(monkeypatch)
    sim.plan("dashscope", [["query_500"]])
    refused = await _cancel(service, await _submitted(service))
    assert isinstance(refused, NotCanceled)
    assert sent == []


async def test_a_provider_that_forgets_a_canceled_task_ends_it_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = scene
    _count_cancels(monkeypatch, _gone)
    task = await _submitted(service)
    assert await _cancel(service, task) == CancelAccepted()
    assert (await service.task(task.id)).state is TaskState.CANCELED
    (event,) = await service.services.store.events.events(0)
    assert (event.type, event.task_id) == ("task.canceled", task.id)
