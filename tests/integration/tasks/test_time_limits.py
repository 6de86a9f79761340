"""Limits of time that have a margin, just inside and just outside; what a wrong one costs is money or a task."""

from dataclasses import replace
from pathlib import Path

import pytest

from receiver.reconcile.model import decisions
from receiver.reconcile.model.decisions import PollContext, PollResult
from receiver.reconcile.model.poll_times import PollTimes
from receiver.tasks.drafting import DEAD_SUBMIT_MARGIN_S, dead_submit_ms
from receiver.tasks.model.lifecycle import apply
from receiver.tasks.model.task import TaskFilter
from receiver.tasks.submission import KEY_MARGIN_S
from submitter.errors import TransportError
from submitter.model import NotFound, ProviderTaskId, Source, TaskState
from submitter.providers import schedule
from submitter.providers.registry import ADAPTERS
from submitter.submit import REPEATS_START_WITHIN_S
from tests.support.builders import T0, a_report, a_task
from tests.support.submission_setup import a_request, hiapi_receipt, submission_setup

LOST = TransportError("the connection was lost")
DAY_MS = 86_400_000


# The provider forgets our idempotency key: a repeat after that may be paid for twice.


@pytest.mark.parametrize("speed", [1.0, 60.0])
async def test_a_submit_is_repeatable_until_ten_minutes_before_its_key_is_forgotten(
    tmp_path: Path, speed: float
) -> None:
    remembered_s = ADAPTERS["hiapi"].CAPABILITIES.idempotency_s
    assert remembered_s is not None
    assert KEY_MARGIN_S == 600
    limit_ms = round((remembered_s - KEY_MARGIN_S) / speed * 1000)
    async with submission_setup(tmp_path / "a.db", *[LOST] * 3, speed=speed) as setup:
        task = await setup.stored(await setup.submitted(a_request()))
        assert task.state is TaskState.UNCERTAIN
        inside, outside = (setup.submission.is_repeatable(task, task.created_ms + limit_ms + ms) for ms in (-1, 0))
        assert (inside, outside) == (True, False)


async def test_the_age_of_a_key_counts_from_its_first_use(tmp_path: Path) -> None:
    """Not from the last POST, nor from when the task became uncertain."""
    remembered_s = ADAPTERS["hiapi"].CAPABILITIES.idempotency_s or 0
    async with submission_setup(tmp_path / "a.db", *[LOST] * 9) as setup:
        task = await setup.stored(await setup.submitted(a_request()))
        setup.clock.now_ms = task.created_ms + round((remembered_s - KEY_MARGIN_S) * 1000) - 1
        repeated = await setup.submission.repeat(task)
        assert repeated.task.state is TaskState.UNCERTAIN
        assert not setup.submission.is_repeatable(await setup.stored(task), setup.clock.now_ms + 1)


# A submit under way must not be taken for dead: it would be sent again, or called uncertain.


@pytest.mark.parametrize("timeout_s", [1.0, 20.0, 300.0])
async def test_a_submit_counts_as_dead_only_after_the_longest_that_it_can_take(
    tmp_path: Path, timeout_s: float
) -> None:
    async with submission_setup(tmp_path / "a.db", hiapi_receipt(), timeout_s=timeout_s) as setup:
        seen: list[int | None] = []

        async def post() -> object:
            (task,) = (await setup.store.tasks.tasks(TaskFilter())).items
            seen.append(task.next_poll_ms)
            return hiapi_receipt()

        setup.transport.script = (post,)
        await setup.submitted(a_request())
    assert seen == [T0 + round((REPEATS_START_WITHIN_S + timeout_s + DEAD_SUBMIT_MARGIN_S) * 1000)]
    assert dead_submit_ms(timeout_s) - (REPEATS_START_WITHIN_S + timeout_s) * 1000 == DEAD_SUBMIT_MARGIN_S * 1000
    assert DEAD_SUBMIT_MARGIN_S >= 1


async def test_a_submit_that_takes_its_longest_is_not_polled_meanwhile(tmp_path: Path) -> None:
    """Its last POST starts at the end of the repeats and is answered at the end of its time."""
    budget = ADAPTERS["hiapi"].CAPABILITIES.budget
    async with submission_setup(tmp_path / "a.db", hiapi_receipt(), timeout_s=20.0) as setup:
        leased: list[int] = []

        async def post() -> object:
            for late_ms in (0, round((REPEATS_START_WITHIN_S + 20.0) * 1000)):
                found = await setup.store.polls.lease_due(
                    "hiapi", budget=budget, owner="o", now_ms=T0 + late_ms, lease_ms=1, limit=9
                )
                leased.append(len(found))
            return hiapi_receipt()

        setup.transport.script = (post,)
        await setup.submitted(a_request())
    assert leased == [0, 0]


# Retention at the provider counts from the receipt, or from the first proof that the task exists.

RETENTION_S = ADAPTERS["hiapi"].CAPABILITIES.retention_s


def _expires(*, submitted_ms: int | None, missing_since_ms: int | None = T0, speed: float = 1.0) -> bool:
    return schedule.may_expire(
        T0, submitted_ms=submitted_ms, missing_since_ms=missing_since_ms, retention_s=RETENTION_S, speed=speed
    )


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_a_task_expires_just_after_the_providers_retention_and_not_before(speed: float) -> None:
    kept_ms = round(RETENTION_S / speed * 1000)
    assert not _expires(submitted_ms=T0 - kept_ms, speed=speed)
    assert _expires(submitted_ms=T0 - kept_ms - 1, speed=speed)
    assert not _expires(submitted_ms=T0 - kept_ms - 1, missing_since_ms=None, speed=speed)
    assert not _expires(submitted_ms=None, speed=speed)


@pytest.mark.parametrize("state", [TaskState.SUBMITTING, TaskState.UNCERTAIN, TaskState.REFUSED])
def test_the_first_proof_of_a_task_without_a_receipt_starts_its_retention(state: TaskState) -> None:
    """Otherwise a task that is known only by its callback would never expire."""
    before = a_task(state=state, submitted_ms=None)
    known = apply(before, a_report(TaskState.RUNNING, source=Source.CALLBACK), T0 + 5).task
    assert known.submitted_ms == T0 + 5
    again = apply(known, a_report(TaskState.RUNNING, raw_state="other"), T0 + DAY_MS).task
    assert again.submitted_ms == T0 + 5
    missing = replace(again, missing_since_ms=T0 + 6)
    kept_ms = round(RETENTION_S * 1000)
    for late_ms, result in ((0, PollResult.NOT_FOUND), (1, PollResult.FORGOTTEN)):
        context = PollContext(
            now_ms=T0 + 5 + kept_ms + late_ms,
            random=0.5,
            times=PollTimes(capabilities=ADAPTERS["hiapi"].CAPABILITIES, speed=1.0),
        )
        assert decisions.after_answer(missing, NotFound(), context).result is result


def test_a_receipt_keeps_its_time_whatever_is_reported_later() -> None:
    submitted = a_task(state=TaskState.SUBMITTED, provider_task_id=ProviderTaskId("p1"), submitted_ms=T0)
    after = apply(submitted, a_report(TaskState.RUNNING), T0 + DAY_MS).task
    assert after.submitted_ms == T0
