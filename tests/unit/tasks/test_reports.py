"""Which reports a timeline stores, and that none of them is lost from the count."""

import pytest

from receiver.tasks.model.lifecycle import apply
from receiver.tasks.model.reports import LIMITS, Stored, counted, left_out
from receiver.tasks.model.task import Task, Verdict
from submitter.model import ProviderTaskId, TaskState
from tests.support.builders import T0, a_report, a_task

#: A state, and what is reported of it so that each verdict comes out.
KINDS = {
    Verdict.APPLIED: (TaskState.RUNNING, TaskState.RUNNING),
    Verdict.DUPLICATE: (TaskState.SUCCEEDED, TaskState.SUCCEEDED),
    Verdict.STALE: (TaskState.SUCCEEDED, TaskState.RUNNING),
    Verdict.CONTRADICTION: (TaskState.SUCCEEDED, TaskState.FAILED),
}


def _reported(task: Task, state: TaskState, word: str) -> tuple[Task, Stored]:
    change, stored = counted(apply(task, a_report(state, raw_state=word), T0))
    return change.task, stored


@pytest.mark.parametrize("verdict", KINDS)
def test_the_first_are_whole_then_lines_then_a_number(verdict: Verdict) -> None:
    before, reported = KINDS[verdict]
    task = a_task(state=before, provider_task_id=ProviderTaskId("p1"))
    found: list[Stored] = []
    for number in range(300):
        task, stored = _reported(task, reported, f"word {number}")
        found.append(stored)
    limits = LIMITS[verdict]
    assert found.index(Stored.WITHOUT_BODY) == limits.whole
    assert found.index(Stored.COUNTED) == limits.lines
    assert set(found[limits.lines :]) == {Stored.COUNTED}
    assert task.reports == {verdict.value: 300}
    assert left_out(task.reports) == {verdict.value: 300 - limits.lines}


def test_a_flood_of_one_kind_takes_no_room_from_another() -> None:
    task = a_task(state=TaskState.SUCCEEDED, provider_task_id=ProviderTaskId("p1"))
    for number in range(300):
        task, _ = _reported(task, TaskState.SUCCEEDED, f"word {number}")
    assert _reported(task, TaskState.FAILED, "failed")[1] is Stored.WHOLE
    assert left_out({"duplicate": LIMITS[Verdict.DUPLICATE].lines, "a word of tomorrow": 1}) == {}


@pytest.mark.parametrize("state", [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELED, TaskState.EXPIRED])
def test_an_end_is_stored_whole_after_any_number_of_words(state: TaskState) -> None:
    task = a_task(state=TaskState.RUNNING, provider_task_id=ProviderTaskId("p1"), reports={"applied": 10_000})
    assert _reported(task, state, "the end")[1] is Stored.WHOLE


def test_a_poll_that_finds_nothing_new_is_neither_stored_nor_counted() -> None:
    task = a_task(state=TaskState.RUNNING, raw_state="running", provider_task_id=ProviderTaskId("p1"))
    after, stored = _reported(task, TaskState.RUNNING, "running")
    assert (dict(after.reports), stored) == ({}, Stored.COUNTED)
