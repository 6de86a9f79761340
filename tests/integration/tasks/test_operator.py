"""What a provider's list shows for a submit whose answer was lost, and cancellation, at simulated platforms."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.task import Task
from receiver.tasks.operator import NoList, NotCanceled, TaskOperator, rank
from submitter.errors import TransportError
from submitter.model import CancelAccepted, Denied, ListedTask, ProviderTaskId, TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.builders import a_task
from tests.support.service import ORDER, Served, served, served_with_simulator

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def _task(service: Served, name: str) -> Task:
    task = await service.services.store.tasks.task(TaskId(name))
    assert task is not None
    return task


async def _submitted(service: Served, order: dict[str, Any]) -> Task:
    return await _task(service, (await service.post("/v1/tasks", order)).json()["id"])


def _operator(service: Served) -> TaskOperator:
    services = service.services
    return TaskOperator(
        tasks=services.store.tasks,
        ledger=services.store.ledger,
        accounts=services.store.accounts,
        audit=services.store.audit,
        transport=services.transport,
        clock=services.clock,
        speed=1.0,
    )


async def _looked_up(service: Served, task: Task) -> Any:
    return await _operator(service).find_candidates(task, service.services.providers[task.provider])


async def _cancel(service: Served, task: Task) -> CancelAccepted | NotCanceled:
    return await _operator(service).cancel(task, service.services.providers[task.provider], actor="test")


async def test_a_lost_submit_is_seen_in_the_list_and_what_the_ledger_knows_is_not(scene: Scene) -> None:
    service, sim = scene
    known = await _submitted(service, AT_DASHSCOPE)
    sim.plan("dashscope", [["reply_lost"]])
    lost = await _submitted(service, AT_DASHSCOPE)
    seen = await _looked_up(service, lost)
    assert (lost.state, known.state, seen.listed) == (TaskState.UNCERTAIN, TaskState.SUBMITTED, 2)
    (candidate,) = seen.found
    assert candidate.same_model
    (record,) = [task for task in sim.records().tasks if task.task_id != known.provider_task_id]
    assert candidate.listed.provider_task_id == record.task_id


async def test_hiapis_list_has_no_filter_and_only_tasks_of_that_time_are_candidates(scene: Scene) -> None:
    service, sim = scene
    body = {"model": "happyhorse-1.1/text-to-video", "input": {"prompt": "x"}}
    key = {"Authorization": f"Bearer {sim.key('hiapi')}"}
    async with httpx.AsyncClient(trust_env=False, headers=key) as outside:
        made = (await outside.post(f"{sim.base_url('hiapi')}/v1/tasks", json=body)).json()["data"]["taskId"]
    await _submitted(service, ORDER)
    now_ms = service.services.clock()
    near = await _looked_up(service, a_task(state=TaskState.UNCERTAIN, created_ms=now_ms))
    later = await _looked_up(service, a_task(state=TaskState.UNCERTAIN, created_ms=now_ms + 3_600_000))
    assert [each.listed.provider_task_id for each in near.found] == [made]
    assert (later.found, later.listed) == ((), 2)


async def test_a_provider_without_a_list_gets_no_request(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_PROVIDERS="modellix", MODELLIX_API_KEY="k-of-modellix") as service:
        assert await _looked_up(service, a_task(provider="modellix", state=TaskState.UNCERTAIN)) == NoList()


async def test_a_denied_list_is_returned_as_denied(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, keys={"hiapi": "another-key-than-ours"}) as (service, _):
        seen = await _looked_up(service, a_task(state=TaskState.UNCERTAIN))
        assert isinstance(seen, Denied)


def test_the_same_model_comes_first_and_then_the_nearest_in_time() -> None:
    rows = [
        ListedTask(provider_task_id=ProviderTaskId(name), raw_state="queued", model=model, created_at_ms=at_ms)
        for name, model, at_ms in (("a", "other", 1_000), ("b", "m", None), ("c", "m", 9_000), ("d", "m", 2_000))
    ]
    ranked = rank(a_task(model="m", created_ms=1_000), rows)
    assert [each.listed.provider_task_id for each in ranked] == ["d", "c", "b", "a"]


async def test_a_waiting_task_is_canceled_and_its_end_comes_from_the_provider(scene: Scene) -> None:
    service, _ = scene
    task = await _submitted(service, AT_DASHSCOPE)
    assert await _cancel(service, task) == CancelAccepted()
    due = await _task(service, task.id)
    assert (due.state, (due.next_poll_ms or 0) <= service.services.clock()) == (TaskState.SUBMITTED, True)
    await service.services.manual_reconcile.run(
        ManualRequest(condition=ReconcileFilter(task=task.id), mode=ReconcileMode.APPLY, actor="test")
    )
    assert (await _task(service, task.id)).state is TaskState.CANCELED
    (event,) = await service.services.store.events.events(0)
    assert event.type == "task.canceled"


async def test_a_task_that_waits_no_more_is_not_canceled_and_is_polled(scene: Scene) -> None:
    service, sim = scene
    task = await _submitted(service, AT_DASHSCOPE)
    sim.finish(task.provider_task_id or "")
    refused = await _cancel(service, task)
    assert isinstance(refused, NotCanceled)
    assert "UnsupportedOperation" in refused.reason
    assert ((await _task(service, task.id)).next_poll_ms or 0) <= service.services.clock()


async def test_after_a_cancel_without_an_answer_the_task_is_polled_all_the_same(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        await service.has(provider="dashscope")
        with pytest.raises(TransportError):
            await _cancel(service, await _task(service, "tsk_1"))
        assert (await _task(service, "tsk_1")).next_poll_ms is not None


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
