"""What an operator does with one task at simulated platforms: cancel it, ask about an id, end it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.settle import OperatorEnd
from receiver.tasks.model.task import SettleRefused, Task
from receiver.tasks.operator import Identified, NotCanceled, NotIdentified
from submitter.errors import TransportError
from submitter.model import CancelAccepted, Denied, ProviderTaskId, TaskState, Throttled, Unavailable
from submitter.simulator import Simulator
from tests.support.builders import a_task
from tests.support.service import ORDER, Served, served, served_with_simulator
from tests.support.submission_setup import ScriptedTransport, reply

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def _submitted(service: Served, order: dict[str, Any]) -> Task:
    return await service.task((await service.post("/v1/tasks", order)).json()["id"])


async def _cancel(service: Served, task: Task) -> CancelAccepted | NotCanceled:
    return await service.services.operator.cancel(task, service.services.providers[task.provider], actor="test")


async def test_a_waiting_task_is_canceled_and_its_end_comes_from_the_provider(scene: Scene) -> None:
    service, _ = scene
    task = await _submitted(service, AT_DASHSCOPE)
    assert await _cancel(service, task) == CancelAccepted()
    due = await service.task(task.id)
    assert (due.state, (due.next_poll_ms or 0) <= service.services.clock()) == (TaskState.SUBMITTED, True)
    await service.services.manual_reconcile.run(
        ManualRequest(condition=ReconcileFilter(task=task.id), mode=ReconcileMode.APPLY, actor="test")
    )
    assert (await service.task(task.id)).state is TaskState.CANCELED
    (event,) = await service.services.store.events.events(0)
    assert event.type == "task.canceled"


async def test_a_task_that_waits_no_more_is_not_canceled_and_is_polled(scene: Scene) -> None:
    service, sim = scene
    task = await _submitted(service, AT_DASHSCOPE)
    sim.finish(task.provider_task_id or "")
    refused = await _cancel(service, task)
    assert isinstance(refused, NotCanceled)
    assert "UnsupportedOperation" in refused.reason
    assert ((await service.task(task.id)).next_poll_ms or 0) <= service.services.clock()


async def test_after_a_cancel_without_an_answer_the_task_is_polled_all_the_same(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        await service.has(provider="dashscope")
        with pytest.raises(TransportError):
            await _cancel(service, await service.task("tsk_1"))
        assert (await service.task("tsk_1")).next_poll_ms is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "hiapi"}, "documents no way to cancel"),
        ({"provider": "dashscope", "provider_task_id": None}, "id is not known yet"),
        ({"provider": "dashscope", "state": TaskState.SUCCEEDED}, "it has ended already: succeeded"),
    ],
)
async def test_what_can_not_be_canceled_says_why_and_costs_no_request(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    async with served(tmp_path) as service:
        refused = await _cancel(service, a_task(**({"state": TaskState.RUNNING, "provider_task_id": "p1"} | changes)))
        assert isinstance(refused, NotCanceled)
        assert words in refused.reason


# Asking about an id.


async def _lost(service: Served, sim: Simulator) -> tuple[Task, ProviderTaskId]:
    """An uncertain task, and the id of what the provider created."""
    before = {record.task_id for record in sim.records().tasks}
    sim.plan("dashscope", [["reply_lost"]])
    task = await _submitted(service, AT_DASHSCOPE)
    (made,) = [record.task_id for record in sim.records().tasks if record.task_id not in before]
    return task, ProviderTaskId(made)


async def _identify(service: Served, task: Task, provider_task_id: str) -> Identified | SettleRefused | NotIdentified:
    configured = service.services.providers[task.provider]
    return await service.services.operator.identify(task, ProviderTaskId(provider_task_id), configured)


async def test_the_provider_tells_state_model_and_time_of_an_id(scene: Scene) -> None:
    service, sim = scene
    task, made = await _lost(service, sim)
    seen = await _identify(service, task, made)
    assert isinstance(seen, Identified)
    assert (seen.state, seen.doubts, seen.found.listed.provider_task_id) == (TaskState.SUBMITTED, (), made)
    assert "dashscope says submitted (PENDING): a model that it does not name, created 20" in str(seen)
    assert str(seen).endswith("0 s after the submit began")
    assert await service.task(task.id) == task


async def test_a_finished_task_tells_its_prompt_as_well(scene: Scene) -> None:
    service, sim = scene
    task, made = await _lost(service, sim)
    sim.finish(made)
    seen = await _identify(service, task, made)
    assert isinstance(seen, Identified)
    assert (seen.state, seen.found.same_prompt) == (TaskState.SUCCEEDED, True)
    assert str(seen).endswith("with the same prompt")


async def test_an_id_that_the_provider_does_not_know_is_refused(scene: Scene) -> None:
    service, sim = scene
    task, _ = await _lost(service, sim)
    assert await _identify(service, task, "nothing") == SettleRefused(reason="dashscope does not know nothing")


async def test_another_tasks_id_and_a_task_that_is_not_open_cost_no_request(tmp_path: Path) -> None:
    async with served(tmp_path) as service:  # its providers cannot be reached
        await service.has("tsk_2", "p2", provider="dashscope")
        lost = a_task(state=TaskState.UNCERTAIN, provider="dashscope")
        taken = await _identify(service, lost, "p2")
        assert taken == SettleRefused(reason="p2 belongs to another task of dashscope: tsk_2")
        running = await _identify(service, await service.task("tsk_2"), "p3")
        assert isinstance(running, SettleRefused)
        assert "running under an id that the provider gave" in running.reason


async def test_a_provider_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        seen = await _identify(service, a_task(state=TaskState.UNCERTAIN, provider="dashscope"), "p3")
        assert isinstance(seen, NotIdentified)
        assert (seen.outcome, seen.reason.startswith("dashscope does not answer: ConnectFailed")) == (None, True)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (reply({"code": "InvalidApiKey", "message": "bad sim-dashscope-key"}, 401), Denied, "bad [hidden]"),
        (reply({"code": "Throttling", "message": "slow"}, 429), Throttled, "too many requests"),
        (reply({"code": "InternalError", "message": "oops"}, 500), Unavailable, "InternalError: oops"),
        (reply([]), Unavailable, "no usable answer"),
        (reply({"output": {"task_id": "other", "task_status": "RUNNING"}}), Unavailable, "not the requested one"),
    ],
)
async def test_an_answer_that_is_none_is_told_and_changes_nothing(
    tmp_path: Path, answer: Any, kind: type[Any], words: str
) -> None:
    async with served(tmp_path) as service:
        operator = replace(service.services.operator, transport=ScriptedTransport(answer))
        lost = a_task(state=TaskState.UNCERTAIN, provider="dashscope")
        seen = await operator.identify(lost, ProviderTaskId("p3"), service.services.providers["dashscope"])
        assert isinstance(seen, NotIdentified)
        assert (type(seen.outcome), words in seen.reason) == (kind, True)
        assert "sim-dashscope-key" not in seen.reason


@pytest.mark.parametrize(
    ("model", "later_ms", "doubt"),
    [
        ("another", 0, "its model is happyhorse-1.1/text-to-video, and this task's is another"),
        ("happyhorse-1.1/text-to-video", -3_600_000, None),  # HiAPI repeats under our key until now
        ("happyhorse-1.1/text-to-video", 3_600_000, "it was not created at the time of this submit"),
    ],
)
async def test_what_speaks_against_an_id_is_said(scene: Scene, model: str, later_ms: int, doubt: str | None) -> None:
    service, sim = scene
    await _submitted(service, ORDER)
    (record,) = sim.records().tasks
    created_ms = service.services.clock() + later_ms
    lost = a_task(state=TaskState.UNCERTAIN, provider="signed", model=model, created_ms=created_ms)
    seen = await _identify(service, lost, record.task_id)
    assert isinstance(seen, Identified)
    assert seen.doubts == (() if doubt is None else (doubt,))


async def test_an_end_wakes_whoever_waits_for_events(scene: Scene) -> None:
    service, sim = scene
    task, _ = await _lost(service, sim)
    woken: list[bool] = []
    service.services.commit_notifier.subscribe(lambda: woken.append(True))
    end = OperatorEnd(state=TaskState.CANCELED)
    assert isinstance(await service.services.operator.end(task.id, end, actor="ann"), Task)
    assert isinstance(await service.services.operator.end(task.id, end, actor="ann"), SettleRefused)
    assert woken == [True]
