"""What is written of a task that ended, and what is read to judge a report about it."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.tasks.model.lifecycle import apply
from receiver.tasks.model.rows import ended_row, is_only_ended, task_row
from receiver.tasks.model.task import Task
from submitter.model import REPORTED_FINAL, Output, Refusal, TaskError, TaskState
from tests.support.builders import T0, a_report, a_task

WRITTEN = ended_row(a_task()).keys() - {"id"}

#: What `update_task` does not write either.
FIXED = frozenset({"id", "provider", "request", "request_hash", "labels", "notify_url", "notify_secret", "request_key"})
MORE_FIXED = frozenset({"key_scope", "priority", "adopted", "callback_expected", "created_ms", "seen_open_ms"})

OTHERS: dict[str, Any] = {
    "provider_task_id": "p2",
    "model": "another",
    "submit_body": "{}",
    "acknowledged": True,
    "refusal": Refusal.QUOTA,
    "settled": True,
    "supersedes": "evt_0",
    "reports": {"stale": 1},
}

TASKS = st.builds(
    a_task,
    state=st.sampled_from(sorted(set(TaskState) - REPORTED_FINAL)),
    provider_task_id=st.sampled_from([None, "p1"]),
    model=st.sampled_from([None, "m"]),
    progress=st.sampled_from([None, 40]),
    submit_body=st.sampled_from([None, "{}"]),
    settled=st.booleans(),
    submitted_ms=st.sampled_from([None, T0]),
    missing_since_ms=st.sampled_from([None, T0]),
    error=st.sampled_from([None, TaskError(code="c", message="m")]),
    final_event=st.sampled_from([None, "evt_0"]),
    reports=st.sampled_from([{}, {"applied": 1}]),
)


@given(TASKS, st.sampled_from(sorted(REPORTED_FINAL)), st.sampled_from([None, "tsk_1"]))
def test_an_end_that_is_written_narrowly_is_stored_as_by_the_wide_statement(
    before: Task, end: TaskState, expected: str | None
) -> None:
    after = apply(before, a_report(end, expected_task_id=expected), T0 + 5, event_id="evt_1").task
    if is_only_ended(before, after):
        assert task_row(before) | ended_row(after) == task_row(after)


def test_nearly_every_end_is_written_narrowly() -> None:
    before = a_task(state=TaskState.RUNNING, provider_task_id="p1", submitted_ms=T0, progress=40)
    for end in REPORTED_FINAL:
        assert is_only_ended(before, apply(before, a_report(end, expected_task_id="tsk_1"), T0 + 5).task)


@pytest.mark.parametrize("name", [each.name for each in fields(Task)])
def test_a_task_that_differs_in_anything_else_is_written_whole(name: str) -> None:
    column = {"provider_task_id": "task_id", "idempotency_key": "request_key"}.get(name, name)
    other = OTHERS.get(name, 7)
    differs = not is_only_ended(a_task(), replace(a_task(), **{name: other}))
    assert differs is (column not in WRITTEN | FIXED | MORE_FIXED)


def test_what_is_stored_of_an_end_is_its_outputs_and_its_error() -> None:
    task = a_task(outputs=(Output(url="https://cdn.example/v.mp4"),), error=TaskError(code="c", message="m"))
    assert {name: task_row(task)[name] for name in WRITTEN} == {name: ended_row(task)[name] for name in WRITTEN}
