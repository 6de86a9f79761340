"""The reconciler alone, without any callback, against the simulated platforms over real sockets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.reconcile.model.decisions import RESULT_POLLS
from submitter.model import TaskState
from submitter.simulator import PLATFORMS, SimulatorConfig, running
from tests.support.reconciling_service import ReconcilingService, open_reconciling_service

SPEED = 200.0  # provider seconds in one of ours: a task takes less than a second


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ReconcilingService]:
    async with (
        running(SimulatorConfig(speed=SPEED)) as simulator,
        open_reconciling_service(tmp_path, simulator, speed=SPEED) as opened,
    ):
        yield opened


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_platforms_tasks_end_once_though_no_callback_ever_comes(
    service: ReconcilingService, platform: str
) -> None:
    faults = [["callback_lost"], ["callback_lost", "unknown_state"], ["callback_lost", "fail"]]
    await service.submits(platform, faults)
    ends = await service.reconciles_until_all_have_ended(3)
    assert sorted(ends.values()) == [TaskState.FAILED, TaskState.SUCCEEDED, TaskState.SUCCEEDED]
    assert await service.store.events.last_seq() == 3


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_no_fault_of_a_status_query_ends_a_task_wrongly(service: ReconcilingService, platform: str) -> None:
    names = ["not_visible", "query_500", "query_reset", "query_truncated", "query_html", "query_redirect"]
    names += ["query_wrong_id", "query_slow"]
    await service.submits(platform, [[name] for name in names])
    ends = await service.reconciles_until_all_have_ended(len(names))
    assert list(ends.values()) == [TaskState.SUCCEEDED] * len(names)
    assert await service.store.events.last_seq() == len(names)


@pytest.mark.parametrize("platform", ["hiapi", "dashscope", "tokenbay"])
async def test_a_throttled_provider_gets_its_pause_and_its_tasks_end_all_the_same(
    service: ReconcilingService, platform: str
) -> None:
    await service.submits(platform, [["query_429"], []])
    ends = await service.reconciles_until_all_have_ended(2)
    assert list(ends.values()) == [TaskState.SUCCEEDED] * 2


@pytest.mark.parametrize("fault", ["reply_lost", "reply_truncated", "reply_html"])
async def test_a_lost_receipt_is_found_again_through_the_idempotency_key_and_paid_once(
    service: ReconcilingService, fault: str
) -> None:
    await service.submits("hiapi", [[fault, "callback_lost"]])
    ends = await service.reconciles_until_all_have_ended(1)
    assert list(ends.values()) == [TaskState.SUCCEEDED]
    assert len(service.simulator.records().tasks) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_odd_answers_to_polls_cost_a_task_neither_its_end_nor_its_result(
    service: ReconcilingService, platform: str
) -> None:
    names = ["query_403", "query_bad_byte", "query_no_task", "result_late", "result_elsewhere", "result_blank"]
    names += ["two_ids", "other_word"]
    submitted = await service.submits(platform, [["callback_lost", name] for name in names])
    ends = await service.reconciles_until_all_have_ended(len(names))
    assert list(ends.values()) == [TaskState.SUCCEEDED] * len(names)
    links = {name: (await service.task(each.id)).outputs for name, each in zip(names, submitted, strict=True)}
    assert {
        name for name, outputs in links.items() if len(outputs) != 1 or outputs[0].url.strip() != outputs[0].url
    } == set()
    assert await service.store.events.last_seq() == len(names)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_failure_keeps_its_reason_wherever_that_stands(service: ReconcilingService, platform: str) -> None:
    faults = [["callback_lost", "fail"], ["callback_lost", "fail", "reason_elsewhere"]]
    first, second = await service.submits(platform, faults)
    await service.reconciles_until_all_have_ended(2)
    plain, elsewhere = (await service.task(first.id)).error, (await service.task(second.id)).error
    assert plain is not None
    assert elsewhere is not None
    assert elsewhere.message == plain.message


@pytest.mark.parametrize("platform", ["hiapi", "dashscope", "modellix"])
async def test_a_success_that_never_has_a_link_ends_without_one(service: ReconcilingService, platform: str) -> None:
    (task,) = await service.submits(platform, [["callback_lost", "result_missing"]])
    await service.reconciles_until_all_have_ended(1)
    ended = await service.task(task.id)
    assert (ended.state, ended.outputs, ended.error) == (TaskState.SUCCEEDED, (), None)
    assert await service.store.polls.count_without_result(task.id) == RESULT_POLLS
