"""Manual reconcile over a real ledger."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.reconcile.model.decisions import PollAction, PollResult
from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode, ReconcileSummary
from submitter.http.messages import HttpReply
from submitter.model import TaskId, TaskState
from tests.support.builders import BUDGET, T0
from tests.support.reconcile_setup import ReconcileSetup, hiapi, modellix, open_reconcile_setup
from tests.support.submission_setup import reply

ALL = ReconcileFilter()
FAR_MS = T0 + 3_600_000


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[ReconcileSetup]:
    async with open_reconcile_setup(tmp_path) as opened:
        yield opened


async def _reconcile(
    setup: ReconcileSetup, condition: ReconcileFilter = ALL, *, mode: ReconcileMode = ReconcileMode.APPLY
) -> ReconcileSummary:
    return await setup.manual.run(ManualRequest(condition=condition, mode=mode, actor="ops"))


async def _audits(setup: ReconcileSetup, name: str = "tsk_1") -> list[str]:
    return [note.kind for note in await setup.store.tasks.timeline(TaskId(name)) if note.kind == "audit"]


async def test_a_plan_says_what_would_be_polled_and_polls_nothing(setup: ReconcileSetup) -> None:
    await setup.add_task(next_poll_ms=FAR_MS)
    report = await _reconcile(setup, mode=ReconcileMode.PLAN)
    (line,) = report.tasks
    assert (line.task_id, line.plan, line.finding, line.after) == ("tsk_1", PollAction.QUERY, None, None)
    assert (report.asked, report.changed, setup.transport.queried) == (0, 0, [])


async def test_a_dry_run_says_what_would_change_and_changes_nothing(setup: ReconcileSetup) -> None:
    await setup.add_task(next_poll_ms=FAR_MS)
    before = await setup.task()
    setup.transport.answer("p1", hiapi("success"))
    report = await _reconcile(setup, mode=ReconcileMode.DRY_RUN)
    assert (report.asked, report.changed, report.tasks[0].after) == (1, 1, TaskState.SUCCEEDED)
    assert (await setup.task(), await setup.store.events.last_seq(), await _audits(setup)) == (before, 0, [])


async def test_a_manual_run_polls_at_once_records_and_leaves_an_audit_row(setup: ReconcileSetup) -> None:
    await setup.add_task(next_poll_ms=FAR_MS)
    setup.transport.answer("p1", hiapi("success"))
    report = await _reconcile(setup)
    (line,) = report.tasks
    assert (line.state, line.after, line.finding) == (TaskState.RUNNING, TaskState.SUCCEEDED, PollResult.OBSERVED)
    assert (report.asked, report.changed, report.skipped) == (1, 1, 0)
    assert ((await setup.task()).state, await _audits(setup)) == (TaskState.SUCCEEDED, ["audit"])


async def test_a_manual_run_polls_only_what_its_filter_selects(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2", provider="modellix")
    setup.transport.answer("p1", hiapi("handling"))
    setup.transport.answer("p2", modellix("processing", "p2"))
    await _reconcile(setup, ReconcileFilter(provider="modellix"))
    await _reconcile(setup, ReconcileFilter(task="p1"))
    await _reconcile(setup, ReconcileFilter(older_than_s=60))
    assert setup.transport.queried == ["p2", "p1"]


async def test_a_manual_run_skips_what_another_run_has_leased(setup: ReconcileSetup) -> None:
    await setup.add_task()
    await setup.store.polls.lease_due("hiapi", budget=BUDGET, owner="worker-2", now_ms=T0, lease_ms=60_000, limit=1)
    report = await _reconcile(setup)
    assert (report.asked, report.skipped, setup.transport.queried) == (0, 1, [])


async def test_a_manual_run_does_not_touch_a_submit_that_is_under_way(setup: ReconcileSetup) -> None:
    await setup.add_task(provider_task_id=None, next_poll_ms=T0 + 60_000)
    report = await _reconcile(setup)
    assert report.tasks[0].skipped == "its submit is still under way"
    assert (await setup.task()).state is TaskState.SUBMITTING


async def test_an_uncertain_submit_without_a_key_is_left_for_a_person(setup: ReconcileSetup) -> None:
    await setup.add_task(provider_task_id=None, state=TaskState.UNCERTAIN, next_poll_ms=None, provider="modellix")
    report = await _reconcile(setup)
    assert report.tasks[0].skipped == "only a callback or a person can settle it"


async def test_a_task_of_a_provider_that_is_no_longer_configured_is_skipped(setup: ReconcileSetup) -> None:
    await setup.add_task(provider="gone")
    report = await _reconcile(setup)
    assert (report.skipped, report.tasks[0].skipped) == (1, "the provider is not configured")


@pytest.mark.parametrize("mode", [ReconcileMode.DRY_RUN, ReconcileMode.APPLY])
async def test_a_provider_that_throttles_is_not_polled_further(tmp_path: Path, mode: ReconcileMode) -> None:
    async with open_reconcile_setup(tmp_path, concurrency=2) as setup:
        for index in range(5):
            await setup.add_task(f"tsk_{index}", f"p{index}")
            setup.transport.answer(f"p{index}", reply({"code": 429, "message": "slow down"}, 429))
        report = await _reconcile(setup, mode=mode)
        assert (report.asked, report.skipped, setup.transport.queried) == (1, 4, ["p0"])


async def test_manual_polls_consume_the_rate_budget(setup: ReconcileSetup) -> None:
    for index in range(12):
        await setup.add_task(f"tsk_{index}", f"p{index}")
        setup.transport.answer(f"p{index}", hiapi("handling", f"p{index}"))
    await _reconcile(setup)
    (account,) = await setup.store.accounts.all()
    assert account.tokens < 0


async def test_a_fault_in_one_poll_fails_no_other(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2")
    setup.transport.answer("p1", ZeroDivisionError("a bug"))
    setup.transport.answer("p2", hiapi("success", "p2"))
    report = await _reconcile(setup)
    assert {line.task_id: line.finding for line in report.tasks} == {
        "tsk_1": PollResult.UNAVAILABLE,
        "tsk_2": PollResult.OBSERVED,
    }


async def test_two_manual_runs_at_once_poll_a_task_only_once(setup: ReconcileSetup) -> None:
    summaries: list[ReconcileSummary] = []

    async def while_another_run_starts() -> HttpReply:
        summaries.append(await _reconcile(setup))
        return hiapi("success")

    await setup.add_task()
    setup.transport.answer("p1", while_another_run_starts)
    summaries.append(await _reconcile(setup))
    assert [summary.asked for summary in summaries] == [0, 1]


@pytest.mark.parametrize(
    ("dry_run", "ask", "mode"),
    [
        (True, False, ReconcileMode.PLAN),
        (True, True, ReconcileMode.DRY_RUN),
        (False, False, ReconcileMode.APPLY),
        (False, True, ReconcileMode.APPLY),
    ],
)
def test_ask_counts_only_on_a_dry_run(dry_run: bool, ask: bool, mode: ReconcileMode) -> None:
    assert ReconcileMode.of(dry_run=dry_run, ask=ask) is mode


@pytest.mark.parametrize("refusal", [reply({"code": 401, "message": "bad key"}, 401), HttpReply(status=429)])
async def test_a_good_answer_to_a_manual_run_ends_the_pause_and_the_alarm_at_once(
    setup: ReconcileSetup, refusal: HttpReply
) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2", next_poll_ms=T0 + 1000)
    setup.transport.answer("p1", refusal, hiapi("handling"))
    setup.transport.answer("p2", hiapi("success", "p2"))
    await setup.run()
    await setup.run(after_s=2)
    assert setup.transport.queried == ["p1"]
    await _reconcile(setup, ReconcileFilter(task="tsk_1"), mode=ReconcileMode.DRY_RUN)
    (account,) = await setup.store.accounts.all()
    assert account.paused_until_ms is not None
    await _reconcile(setup, ReconcileFilter(task="tsk_1"))
    (account,) = await setup.store.accounts.all()
    assert (account.paused_until_ms, account.paused_reason, account.alarm) == (None, None, None)
    await setup.run()
    assert setup.transport.queried[-1] == "p2"


async def _reconcile_named(setup: ReconcileSetup, *names: str) -> ReconcileSummary:
    manual = replace(setup.manual, sleep=setup.clock.sleep)
    return await manual.run_tasks([TaskId(name) for name in names], actor="ops", since_ms=T0)


async def test_named_tasks_alone_are_polled_and_an_ended_one_has_no_line(setup: ReconcileSetup) -> None:
    for index in range(3):
        await setup.add_task(f"tsk_{index}", f"p{index}", next_poll_ms=FAR_MS)
        setup.transport.answer(f"p{index}", hiapi("success", f"p{index}"))
    await _reconcile_named(setup, "tsk_0")
    report = await _reconcile_named(setup, "tsk_0", "tsk_1", "p2")
    assert [line.task_id for line in report.tasks] == ["tsk_1"]
    assert (setup.transport.queried, await _audits(setup)) == (["p0", "p1"], ["audit"])


@pytest.mark.parametrize("refusal", [reply({"code": 401, "message": "bad key"}, 401), HttpReply(status=429)])
async def test_a_provider_that_throttles_or_denies_is_left_by_the_further_parts_of_a_run(
    tmp_path: Path, refusal: HttpReply
) -> None:
    async with open_reconcile_setup(tmp_path, concurrency=2) as setup:
        names = [f"tsk_{index}" for index in range(6)]
        for index, name in enumerate(names):
            await setup.add_task(name, f"p{index}")
            setup.transport.answer(f"p{index}", refusal)
        first = await _reconcile_named(setup, *names[:3])
        second = await _reconcile_named(setup, *names[3:])
        assert (first.asked, first.skipped, setup.transport.queried) == (1, 2, ["p0"])
        assert {line.skipped for line in second.tasks} == {"the provider throttles or denies us now"}


async def test_a_pause_of_before_a_run_does_not_hold_its_polls(setup: ReconcileSetup) -> None:
    await setup.add_task()
    await setup.store.accounts.pause("hiapi", until_ms=FAR_MS, reason="429", alarm=None, now_ms=T0 - 1)
    setup.transport.answer("p1", hiapi("success"))
    assert (await _reconcile_named(setup, "tsk_1")).asked == 1


async def test_polls_of_many_tasks_wait_for_the_budget_and_leave_half_of_it(setup: ReconcileSetup) -> None:
    budget = setup.manual.poller.rate_budget("hiapi")
    many = budget.burst + 4
    for index in range(many):
        await setup.add_task(f"tsk_{index}", f"p{index}")
        setup.transport.answer(f"p{index}", hiapi("handling", f"p{index}"))
    report = await _reconcile_named(setup, *(f"tsk_{index}" for index in range(many)))
    assert report.asked == many
    assert setup.clock.slept_s
    account = await setup.store.accounts.consume("hiapi", budget=budget, count=0, now_ms=setup.clock())
    assert account.tokens >= 1
