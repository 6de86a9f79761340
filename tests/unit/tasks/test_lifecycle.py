"""The transition table, checked against the rules of a task's life."""

import json

import pytest

from receiver.events.model.event import EventType
from receiver.tasks.model.lifecycle import TRANSITIONS, apply, verdict_on
from receiver.tasks.model.rows import observation_row
from receiver.tasks.model.task import Verdict
from submitter.model import REPORTED_FINAL, TERMINAL, TaskState
from tests.support.builders import T0, a_report, a_task

S = TaskState
REPORTED = (S.SUBMITTED, S.RUNNING, S.SUCCEEDED, S.FAILED, S.CANCELED, S.EXPIRED)
OPEN = (S.SUBMITTING, S.UNCERTAIN, S.REFUSED, S.SUBMITTED, S.RUNNING)


def test_every_state_has_a_verdict_on_everything_that_can_be_reported() -> None:
    assert set(TRANSITIONS) == set(TaskState)
    assert all(set(row) == set(REPORTED) for row in TRANSITIONS.values())


@pytest.mark.parametrize("final", sorted(REPORTED_FINAL))
@pytest.mark.parametrize("state", OPEN)
def test_the_first_reported_end_wins_from_every_open_state(state: TaskState, final: TaskState) -> None:
    assert verdict_on(state, final) == (Verdict.APPLIED, final)


@pytest.mark.parametrize("final", sorted(REPORTED_FINAL))
@pytest.mark.parametrize("reported", REPORTED)
def test_nothing_moves_a_reported_end(final: TaskState, reported: TaskState) -> None:
    verdict, state = verdict_on(final, reported)
    assert state is final
    assert verdict is not Verdict.APPLIED


@pytest.mark.parametrize("final", sorted(REPORTED_FINAL))
def test_later_reports_are_duplicate_contradiction_or_stale(final: TaskState) -> None:
    assert verdict_on(final, final)[0] is Verdict.DUPLICATE
    assert {verdict_on(final, other)[0] for other in REPORTED_FINAL - {final}} == {Verdict.CONTRADICTION}
    assert {verdict_on(final, late)[0] for late in (S.SUBMITTED, S.RUNNING, S.EXPIRED)} == {Verdict.STALE}


def test_only_a_reported_end_takes_the_place_of_an_inferred_one() -> None:
    assert [verdict_on(S.EXPIRED, reported)[0].value for reported in REPORTED] == [
        "stale",
        "stale",
        "applied",
        "applied",
        "applied",
        "duplicate",
    ]


@pytest.mark.parametrize("state", [S.SUBMITTING, S.UNCERTAIN, S.REFUSED])
def test_what_nobody_could_ask_about_can_not_expire(state: TaskState) -> None:
    assert verdict_on(state, S.EXPIRED) == (Verdict.STALE, state)


def test_a_queue_word_after_a_running_one_leaves_the_task_running() -> None:
    assert verdict_on(S.RUNNING, S.SUBMITTED) == (Verdict.APPLIED, S.RUNNING)


@pytest.mark.parametrize("ours", [S.SUBMITTING, S.UNCERTAIN, S.REFUSED])
def test_states_that_no_provider_can_report_are_an_error(ours: TaskState) -> None:
    with pytest.raises(KeyError):
        verdict_on(S.RUNNING, ours)


def test_an_end_makes_an_event_and_stops_the_looking() -> None:
    change = apply(a_task(state=S.RUNNING, provider_task_id="p1", next_poll_ms=T0), a_report(), T0 + 1)
    assert change.event is EventType.SUCCEEDED
    assert (change.task.final_ms, change.task.next_poll_ms, change.task.progress) == (T0 + 1, None, 100)


def test_a_failure_without_a_reason_says_so() -> None:
    change = apply(a_task(state=S.RUNNING), a_report(S.FAILED, error=None), T0)
    assert change.task.error is not None
    assert change.task.error.code == "unknown"


def test_a_repeated_running_word_goes_on_no_record_and_an_unknown_word_does() -> None:
    running = a_task(state=S.RUNNING, raw_state="running", provider_task_id="p1")
    assert not apply(running, a_report(S.RUNNING), T0).should_record
    assert apply(running, a_report(S.RUNNING, raw_state="running", is_documented_state=False), T0).should_record


def test_every_success_without_its_result_goes_on_record_because_they_are_counted() -> None:
    running = a_task(state=S.RUNNING, raw_state="success", provider_task_id="p1")
    again = a_report(S.RUNNING, raw_state="success", without_result=True)
    assert apply(running, again, T0).should_record
    row = observation_row("obs_1", running.id, again.observation, Verdict.APPLIED, T0)
    assert json.loads(row["detail"])["without_result"] is True


def test_progress_stays_when_an_observation_has_none() -> None:
    change = apply(a_task(state=S.RUNNING, progress=40), a_report(S.RUNNING, progress=None), T0)
    assert change.task.progress == 40


def test_only_ends_make_events() -> None:
    events = {state: apply(a_task(state=S.SUBMITTED), a_report(state), T0).event for state in REPORTED}
    assert {state for state, event in events.items() if event is not None} == TERMINAL
