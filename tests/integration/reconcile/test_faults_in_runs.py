"""What fails in a run of the reconciler ends nothing but itself: answers are recorded, and the run ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.reconcile import learned
from receiver.reconcile.duration_repository import DurationRepository
from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.lister import QUIET_MS, Lister
from receiver.reconcile.model.report import ReconcileFilter
from receiver.reconcile.poller import Poller
from receiver.reconcile.repository import PollRepository
from receiver.reconcile.warm_up import WarmUp
from receiver.store.errors import StoreUnavailable
from receiver.tasks.model.submit_result import Submitted
from receiver.tasks.model.task import Task, TaskFilter
from submitter.model import TaskState
from tests.support.builders import T0
from tests.support.reconcile_setup import ReconcileSetup, hiapi, modellix, open_reconcile_setup
from tests.support.submission_setup import a_request, hiapi_receipt, submission_setup

ANSWERS = {"hiapi": hiapi, "modellix": modellix}
UNFINISHED = ReconcileFilter()


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[ReconcileSetup]:
    async with open_reconcile_setup(tmp_path, concurrency=4) as opened:
        yield opened


async def _add(setup: ReconcileSetup, provider: str, count: int) -> None:
    """Due tasks that have ended at the provider."""
    for number in range(count):
        name = f"{provider}{number}"
        await setup.add_task(f"tsk_{name}", name, provider=provider)
        setup.transport.answer(name, ANSWERS[provider]("success", name))


async def _ended(setup: ReconcileSetup) -> set[str | None]:
    """The provider's ids of the tasks that have ended in the ledger."""
    page = await setup.store.tasks.tasks(TaskFilter())
    return {task.provider_task_id for task in page.items if task.state is TaskState.SUCCEEDED}


def _failing_at(number: int, error: Exception, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The work, failing at its call of this number."""
    calls = 0

    async def call(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise error
        return await work(*args, **named)

    return call


@pytest.mark.parametrize(
    ("owner", "method", "number"), [(PollRepository, "lease_due", 3), (WarmUp, "look", 2)], ids=["lease", "warm-up"]
)
async def test_a_ledger_that_is_busy_while_slots_are_refilled_loses_no_answer(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, number: int
) -> None:
    for provider in ANSWERS:
        await _add(setup, provider, 8)
    busy = StoreUnavailable("database is locked")
    monkeypatch.setattr(owner, method, _failing_at(number, busy, getattr(owner, method)))
    with capture_logs() as logged:
        polls = await setup.run()
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == ["nothing_leased"]
    assert await _ended(setup) == set(setup.transport.queried) == {poll.task.provider_task_id for poll in polls}
    assert len(polls) >= 3
    await setup.run()
    assert len(await _ended(setup)) == 16


async def test_a_ledger_that_is_busy_before_the_first_poll_fails_the_run(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _add(setup, "hiapi", 1)
    busy = StoreUnavailable("database is locked")
    monkeypatch.setattr(PollRepository, "lease_due", _failing_at(1, busy, PollRepository.lease_due))
    with pytest.raises(StoreUnavailable):
        await setup.run()
    await setup.run()
    assert await _ended(setup) == {"hiapi0"}


async def test_a_fault_at_one_provider_keeps_no_other_from_being_polled(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _add(setup, "hiapi", 2)
    await _add(setup, "modellix", 2)
    lease_due = PollRepository.lease_due

    async def faulty(self: PollRepository, provider: str, **named: Any) -> list[Task]:
        if provider == "hiapi":
            raise ZeroDivisionError("a bug")
        return await lease_due(self, provider, **named)

    monkeypatch.setattr(PollRepository, "lease_due", faulty)
    with pytest.raises(ZeroDivisionError):
        await setup.run()
    assert await _ended(setup) == {"modellix0", "modellix1"}


async def test_a_poll_that_raises_ends_alone_and_its_run_ends(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _add(setup, "hiapi", 6)
    poll = Poller.poll

    async def faulty(self: Poller, task: Task) -> Any:
        if task.provider_task_id in {"hiapi0", "hiapi5"}:
            raise ZeroDivisionError("a bug")
        return await poll(self, task)

    monkeypatch.setattr(Poller, "poll", faulty)
    async with asyncio.timeout(30):
        with pytest.raises(ZeroDivisionError):
            await setup.run()
    assert await _ended(setup) == {f"hiapi{number}" for number in range(1, 5)}
    monkeypatch.setattr(Poller, "poll", poll)
    await setup.run(after_s=60)
    assert len(await _ended(setup)) == 6


async def test_polls_that_can_not_be_recorded_for_a_fault_of_ours_cancel_no_others(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _add(setup, "hiapi", 8)
    monkeypatch.setattr(Poller, "record", _failing_at(1, ZeroDivisionError("a bug"), Poller.record))
    with pytest.raises(ZeroDivisionError):
        await setup.run()
    assert len(setup.transport.queried) == 8
    assert len(await _ended(setup)) >= 4  # all but one group, of as many as there are slots at most
    await setup.run(after_s=60)
    assert len(await _ended(setup)) == 8


def _broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("a bug")


async def test_a_fault_in_what_was_learned_leaves_polls_to_the_prior_and_is_told_once(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "estimate", _broken)
    for number in range(8):
        await setup.add_task(f"tsk_{number}", f"p{number}", provider="modellix")
        setup.transport.answer(f"p{number}", modellix("processing", f"p{number}"))
    with capture_logs() as logged:
        assert len(await setup.run()) == 8
    assert [line["provider"] for line in logged if line["event"] == "durations_fault"] == ["modellix"]
    assert await setup.wait_s("tsk_0") > 15


async def test_a_poll_fails_alone_where_learned_times_can_not_be_had_at_all(
    setup: ReconcileSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LearnedDurations, "times_of", _broken)
    await setup.add_task()
    setup.transport.answer("p1", hiapi("success"))
    async with asyncio.timeout(30):
        (poll,) = await setup.run()
    assert (poll.stored.state, await setup.wait_s()) == (TaskState.RUNNING, 15)


async def test_a_fault_in_what_was_learned_loses_no_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "estimate", _broken)
    monkeypatch.setattr(DurationRepository, "rows", _broken)
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt("p1")) as setup:
        submitted = await setup.submission.submit(a_request())
        assert isinstance(submitted, Submitted)
        assert (submitted.task.state, submitted.task.provider_task_id) == (TaskState.SUBMITTED, "p1")
        assert (submitted.task.next_poll_ms or 0) > T0


async def test_a_list_that_rests_is_read_again_after_the_clock_was_set_back(setup: ReconcileSetup) -> None:
    lister = Lister(poller=setup.reconciler.poller, clock=setup.clock)
    for number in range(4):
        await setup.add_task(f"tsk_{number}", f"p{number}", sent_ms=T0 - 7_400_000 + number)
    due = await setup.store.polls.find_by_filter(UNFINISHED, now_ms=T0, limit=9)
    plan = lister.plan("hiapi", due)
    assert plan is not None
    with capture_logs() as logged:
        await lister.poll(plan)  # no page is there
    assert [line["event"] for line in logged] == ["list_failed"]
    assert lister.plan("hiapi", due) is None
    setup.clock.now_ms -= QUIET_MS + 1
    assert lister.plan("hiapi", due) is not None


async def test_no_page_is_read_for_tasks_that_seem_to_lie_ahead(setup: ReconcileSetup) -> None:
    lister = Lister(poller=setup.reconciler.poller, clock=setup.clock)
    for number in range(4):
        await setup.add_task(f"tsk_{number}", f"p{number}", sent_ms=T0 + 3_600_000 + number)
    due = await setup.store.polls.find_by_filter(UNFINISHED, now_ms=T0, limit=9)
    assert len(due) == 4
    assert lister.plan("hiapi", due) is None
