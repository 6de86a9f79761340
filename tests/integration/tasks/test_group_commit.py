"""Group commit."""

import asyncio
from collections import Counter
from itertools import count

import pytest

from receiver.runtime.store import Store
from receiver.store.errors import StoreUnavailable
from receiver.tasks.group_commit import MAX_BATCH, GroupCommit
from receiver.tasks.model.task import Recorded, Verdict
from submitter.model import ProviderTaskId, TaskState
from tests.support.builders import T0, a_report


def _commits(store: Store) -> GroupCommit:
    return GroupCommit(store.ledger, clock=lambda: T0, on_events=lambda: None)


async def test_every_waiting_caller_hears_its_own_outcome(store: Store) -> None:
    commits = _commits(store)
    reports = [a_report(provider_task_id=f"p{n % 100}", allow_adoption=True) for n in range(400)]
    outcomes = await asyncio.gather(*(commits.record(report) for report in reports))
    verdicts = [outcome.verdict for outcome in outcomes if isinstance(outcome, Recorded)]
    assert (verdicts.count(Verdict.APPLIED), verdicts.count(Verdict.DUPLICATE)) == (100, 300)
    assert [outcome.task.provider_task_id for outcome in outcomes if isinstance(outcome, Recorded)] == [
        report.observation.key.provider_task_id for report in reports
    ]
    await commits.drained()


async def test_a_flood_is_written_in_bounded_batches_and_each_is_answered(store: Store) -> None:
    ticks = count(T0)
    await store.ledger.record([a_report(provider_task_id="p", allow_adoption=True)], T0)
    commits = GroupCommit(store.ledger, clock=lambda: next(ticks), on_events=lambda: None)
    reports = [a_report(provider_task_id=f"p{n}", allow_adoption=True) for n in range(2 * MAX_BATCH + 1)]
    outcomes = await asyncio.gather(*(commits.record(report) for report in reports))
    ended = Counter(outcome.task.final_ms for outcome in outcomes if isinstance(outcome, Recorded))
    assert ended == {T0: MAX_BATCH, T0 + 1: MAX_BATCH, T0 + 2: 1}  # the clock is read once for each transaction
    assert await store.events.last_seq() == 1 + len(reports)


async def test_an_observation_that_can_not_be_stored_does_not_fail_its_neighbours(store: Store) -> None:
    commits = _commits(store)
    broken = a_report(TaskState.UNCERTAIN, allow_adoption=True)
    reports = [
        a_report(provider_task_id="p2", allow_adoption=True),
        broken,
        a_report(provider_task_id="p3", allow_adoption=True),
    ]
    results = await asyncio.gather(*(commits.record(report) for report in reports), return_exceptions=True)
    assert [type(result) for result in results] == [Recorded, KeyError, Recorded]
    assert await store.events.last_seq() == 2


async def test_a_ledger_that_is_gone_is_heard_by_all_who_wait(store: Store) -> None:
    commits = _commits(store)
    await store.engine.close()
    reports = [a_report(provider_task_id=f"p{n}", allow_adoption=True) for n in range(3)]
    results = await asyncio.gather(*(commits.record(report) for report in reports), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 3


async def test_a_caller_that_goes_away_takes_nothing_with_it(store: Store) -> None:
    commits = _commits(store)
    gone = asyncio.create_task(commits.record(a_report(allow_adoption=True)))
    stays = asyncio.create_task(commits.record(a_report(provider_task_id="p2", allow_adoption=True)))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert isinstance(await stays, Recorded)
    assert await store.tasks.task_by_key("hiapi", ProviderTaskId("p1")) is not None


async def test_listeners_are_woken_only_by_events(store: Store) -> None:
    wakes: list[int] = []
    commits = GroupCommit(store.ledger, clock=lambda: T0, on_events=lambda: wakes.append(1))
    await commits.record(a_report(TaskState.RUNNING, allow_adoption=True))
    assert wakes == []
    await commits.record(a_report())
    assert wakes == [1]
