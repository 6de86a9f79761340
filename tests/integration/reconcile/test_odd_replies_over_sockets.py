"""Every odd reply of the simulator's menu, to a submit and to polls, over real sockets: what a task makes of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from submitter.model import ENDED, TaskState
from submitter.simulator import PLATFORMS, SimulatorConfig, running
from submitter.simulator.faults import MENU
from tests.support.reconciling_service import ReconcilingService, open_reconciling_service

SPEED = 200.0  # provider seconds in one of ours: a task takes less than a second
GATEWAYS = ("modelstream", "tokenbay")

#: Receipts that name their task in its documented place, whatever else is in them.
RECEIPTS = (
    "receipt_with_error",
    "receipt_other_code",
    "receipt_bad_byte",
    "receipt_cut",
    "receipt_long_id",
    "receipt_number_id",
    "receipt_long_headers",
    "receipt_short_body",
)

#: The task was created and the reply does not say so.
UNCLEAR = ("reply_proxy_503", "reply_upstream_error", "receipt_without_id")

#: What every task survives, and the end that it comes to.
ANSWERS = {
    "query_403": TaskState.SUCCEEDED,
    "query_bad_byte": TaskState.SUCCEEDED,
    "query_no_task": TaskState.SUCCEEDED,
    "query_long_headers": TaskState.SUCCEEDED,
    "query_short_body": TaskState.SUCCEEDED,
    "result_late": TaskState.SUCCEEDED,
    "two_ids": TaskState.SUCCEEDED,
    "other_word": TaskState.SUCCEEDED,
    "result_elsewhere": TaskState.SUCCEEDED,
    "result_blank": TaskState.SUCCEEDED,
    "reason_elsewhere": TaskState.FAILED,
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ReconcilingService]:
    async with (
        running(SimulatorConfig(speed=SPEED)) as simulator,
        open_reconciling_service(tmp_path, simulator, speed=SPEED) as opened,
    ):
        yield opened


@pytest.mark.parametrize("fault", RECEIPTS)
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_id_in_its_place_is_a_receipt(service: ReconcilingService, platform: str, fault: str) -> None:
    [task] = await service.submits(platform, [[fault, "callback_lost"]])
    [paid] = service.simulator.records().tasks
    assert (task.state in {TaskState.SUBMITTED, TaskState.RUNNING}, task.provider_task_id) == (True, paid.task_id)
    assert set((await service.reconciles_until_all_have_ended(1)).values()) == {TaskState.SUCCEEDED}
    assert len(service.simulator.records().tasks) == 1


@pytest.mark.parametrize("fault", UNCLEAR)
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_unclear_reply_never_means_that_nothing_was_created(
    service: ReconcilingService, platform: str, fault: str
) -> None:
    [task] = await service.submits(platform, [[fault, "callback_lost"]])
    assert task.state is TaskState.UNCERTAIN
    assert len(service.simulator.records().tasks) == 1


@pytest.mark.parametrize("fault", ["reply_proxy_503", "reply_upstream_error"])
async def test_an_unclear_reply_is_cleared_by_the_same_key_without_a_second_payment(
    service: ReconcilingService, fault: str
) -> None:
    await service.submits("hiapi", [[fault, "callback_lost"]])
    assert set((await service.reconciles_until_all_have_ended(1)).values()) == {TaskState.SUCCEEDED}
    assert len(service.simulator.records().tasks) == 1


@pytest.mark.parametrize(("fault", "end"), ANSWERS.items())
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_odd_answer_ends_no_task_wrongly_and_each_task_ends(
    service: ReconcilingService, platform: str, fault: str, end: TaskState
) -> None:
    failing = ["fail"] if end is TaskState.FAILED else []
    [task] = await service.submits(platform, [[fault, "callback_lost", *failing]])
    assert set((await service.reconciles_until_all_have_ended(1)).values()) == {end}
    ended = await service.task(task.id)
    if end is TaskState.SUCCEEDED:
        assert [output.url for output in ended.outputs if " " not in output.url and "\n" not in output.url]
    else:
        assert ended.error is not None
        assert platform == "modellix" or "upstream rejected the picture" in ended.error.message
    assert await service.store.events.last_seq() == 1


async def test_an_odd_answer_to_one_task_stops_no_other(service: ReconcilingService) -> None:
    """A 403 to one task is about that task: the others of the account end meanwhile."""
    odd, *others = await service.submits("tokenbay", [["query_403", "stuck"], [], [], []])
    while not all([(await service.task(each.id)).state in ENDED for each in others]):
        await service.reconciler.reconcile_once(limit=32)
    assert (await service.task(odd.id)).state not in ENDED
    assert not [account for account in await service.store.accounts.all() if account.paused_until_ms]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_401_to_a_poll_pauses_polls_with_an_alarm(service: ReconcilingService, platform: str) -> None:
    await service.submits(platform, [["query_401", "stuck", "callback_lost"]])
    account = None
    while account is None or account.paused_until_ms is None:
        await service.reconciler.reconcile_once(limit=32)
        account = next((each for each in await service.store.accounts.all() if each.provider == platform), None)
    assert account.paused_reason == "denied"
    assert account.alarm is not None
    assert f"{platform} answers 401" in account.alarm
    assert (account.submits_paused_until_ms, account.submits_alarm) == (None, None)


@pytest.mark.parametrize("fault", [name for name in MENU if name.startswith("query_403")])
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_403_to_one_poll_pauses_nothing(service: ReconcilingService, platform: str, fault: str) -> None:
    """Of any kind, because one task's answer does not prove that it is about the account."""
    [task] = await service.submits(platform, [[fault, "callback_lost"]])
    assert set((await service.reconciles_until_all_have_ended(1)).values()) == {TaskState.SUCCEEDED}
    assert (await service.task(task.id)).polls > 2
    troubles = [each for each in await service.store.accounts.all() if each.paused_until_ms or each.alarms]
    assert troubles == []


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_success_without_a_link_ends_at_last_and_says_so(service: ReconcilingService, platform: str) -> None:
    [task] = await service.submits(platform, [["result_missing", "callback_lost"]])
    ends = await service.reconciles_until_all_have_ended(1)
    ended = await service.task(task.id)
    assert set(ends.values()) == {TaskState.SUCCEEDED}
    has_proxy = platform in GATEWAYS  # every finished task has a content route there
    assert bool(ended.outputs) is has_proxy
    assert has_proxy or ended.polls > 2
