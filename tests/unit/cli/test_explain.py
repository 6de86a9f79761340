"""A task's story: what happens next, and the commands where nothing does by itself."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.cli.display.explain import Situation, look_ahead, say_offset, tell_story
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import DeliveryEntry, TimelineEntry
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import ENDED, ProviderTaskId, TaskId, TaskState

NOW = Situation(now_ms=10_000, repeatable=False, configured=True)
UNCERTAIN = Task(id=TaskId("tsk_1"), provider="tokenbay", state=TaskState.UNCERTAIN, created_ms=0)
DUE_MS = 130_000
RUNNING = Task(
    id=TaskId("tsk_1"),
    provider="hiapi",
    state=TaskState.RUNNING,
    provider_task_id=ProviderTaskId("x"),
    created_ms=0,
    submitted_ms=1,
    next_poll_ms=70_000,
)


def _note(**fields: Any) -> TimelineEntry:
    return TimelineEntry(
        **{"at_ms": 4_200, "kind": "observation", "summary": "poll says running", "detail": {}, **fields}
    )


def _delivery(**fields: Any) -> DeliveryEntry:
    values: dict[str, Any] = {
        "at_ms": 4_200,
        "kind": "delivery",
        "summary": "delivery of task.succeeded",
        "detail": {},
        "delivery_id": "dlv_7",
        "subscription": "sub_1",
        "endpoint": "https://a.example",
        "state": DeliveryState.PENDING,
        "due_ms": DUE_MS,
        "is_held": False,
    }
    return DeliveryEntry(**(values | fields))


def _next(task: Task, situation: Situation = NOW) -> str:
    return " ".join(look_ahead(task, [], situation).next)


@pytest.mark.parametrize("state", TaskState)
def test_every_state_has_a_next_step(state: TaskState) -> None:
    assert look_ahead(replace(UNCERTAIN, state=state), [], NOW).next != ()


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_task_waits_for_nothing(state: TaskState) -> None:
    assert _next(replace(UNCERTAIN, state=state, deadline_ms=5)).startswith("Nothing")


def test_an_uncertain_task_names_both_commands_that_settle_it() -> None:
    hint = "\n".join(look_ahead(UNCERTAIN, [], NOW).hint)
    assert "whenfinal tasks settle tsk_1 --task-id " in hint
    assert "whenfinal tasks settle tsk_1 --refused" in hint
    assert "whenfinal tasks settle tsk_1 --look" in hint


def test_an_uncertain_task_that_may_be_repeated_asks_nothing_of_a_person() -> None:
    outlook = look_ahead(UNCERTAIN, [], replace(NOW, repeatable=True))
    assert outlook.hint == ()
    assert "nothing is paid twice" in outlook.next[0]


def test_a_provider_that_is_no_longer_configured_is_named() -> None:
    assert "not among the configured providers" in _next(RUNNING, replace(NOW, configured=False))


def test_a_running_task_says_when_and_why_it_is_looked_at() -> None:
    assert "Next look in 1 min." in _next(RUNNING)
    assert "in 1 min, when the callback is late" in _next(replace(RUNNING, callback_expected=True))
    assert "did not know the id" in _next(replace(RUNNING, missing_since_ms=1))
    assert "past its deadline" in _next(replace(RUNNING, overdue_ms=1, deadline_ms=1))


def test_a_pause_and_an_alarm_of_the_provider_are_told() -> None:
    account = AccountStatus(
        provider="hiapi", tokens=0, refilled_ms=0, paused_until_ms=20_000, paused_reason="denied", alarm="answers 401"
    )
    words = _next(RUNNING, replace(NOW, account=account))
    assert "hiapi is paused, denied; it is asked again in 10 s." in words
    assert "hiapi needs an operator: answers 401." in words


def test_a_dead_letter_names_the_command_that_sends_it_again() -> None:
    dead = _delivery(state=DeliveryState.DEAD, due_ms=None)
    assert "whenfinal deliveries redeliver dlv_7" in look_ahead(RUNNING, [dead], NOW).hint[0]


def test_a_webhook_that_is_owed_says_to_whom_and_when() -> None:
    own = _delivery(subscription=None, due_ms=5_000)
    held = _delivery(subscription="sub_2", delivery_id="dlv_8", is_held=True)
    steps = look_ahead(RUNNING, [_delivery(), own, held], NOW).next
    assert steps[-3:] == (
        "Its webhook to https://a.example is due now: dlv_7.",
        "Its webhook to sub_1 is due in 2 min: dlv_7.",
        "Its webhook to sub_2 waits until the subscription is enabled: dlv_8.",
    )


def test_of_many_webhooks_that_are_owed_the_first_ones_are_told_and_the_others_counted() -> None:
    steps = look_ahead(RUNNING, [_delivery()] * 1000, NOW).next
    assert len(steps) < 10
    assert steps[-1] == "995 more of its webhooks are due later."


def test_the_story_counts_from_the_tasks_beginning() -> None:
    (line,) = tell_story(RUNNING, [_note()])
    assert (say_offset(line.after_ms), line.text) == ("+4.2 s", "poll says running")


def test_the_story_tells_errors_outputs_and_answers_below_their_line() -> None:
    failed = _note(
        detail={"error": {"code": "E1", "message": "no"}, "outputs": [{"type": "video", "url": "https://x/v"}]}
    )
    answered = _note(kind="attempt", detail={"response": "go away"})
    audited = _note(kind="audit", detail={"refused": True})
    assert [line.extra for line in tell_story(RUNNING, [failed, answered, audited])] == [
        ("E1: no", "video: https://x/v"),
        ("answer: go away",),
        ("refused: True",),
    ]
