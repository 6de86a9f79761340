"""`tasks explain`: what happens next, and the commands for an operator."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.reconcile.model.duration_report import WaitingPolls
from receiver.reconcile.model.durations import DurationKey, Finish, estimate, learned
from receiver.reconcile.model.poll_times import PollTimes
from receiver.runtime.next_steps import TaskContext, next_steps
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueuePlace
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import DeliveryEntry, TimelineEntry
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import ENDED, Output, ProviderTaskId, TaskId, TaskState
from submitter.providers.registry import ADAPTERS

NOW = TaskContext(now_ms=10_000, is_repeatable=False, is_configured=True)
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


def _entry(**fields: Any) -> TimelineEntry:
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


def _next(task: Task, context: TaskContext = NOW) -> str:
    return " ".join(next_steps(task, [], context).automatic)


@pytest.mark.parametrize("state", TaskState)
def test_every_state_has_a_next_step(state: TaskState) -> None:
    assert next_steps(replace(UNCERTAIN, state=state), [], NOW).automatic != ()


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_task_waits_for_nothing(state: TaskState) -> None:
    assert _next(replace(UNCERTAIN, state=state, deadline_ms=5)).startswith("Nothing")


def test_an_uncertain_task_names_both_commands_that_settle_it() -> None:
    hint = "\n".join(next_steps(UNCERTAIN, [], NOW).manual)
    assert "whenfinal tasks settle tsk_1 --task-id " in hint
    assert "whenfinal tasks settle tsk_1 --refused" in hint
    assert "--look" not in hint


def test_the_list_is_proposed_where_the_provider_has_one() -> None:
    hint = "\n".join(next_steps(UNCERTAIN, [], replace(NOW, has_list=True)).manual)
    assert "whenfinal tasks settle tsk_1 --look" in hint


def test_a_settled_task_names_the_command_that_corrects_a_wrong_id() -> None:
    assert next_steps(RUNNING, [], NOW).manual == ()
    (hint,) = next_steps(replace(RUNNING, settled=True), [], NOW).manual
    assert hint.startswith("It was settled as x.")
    assert hint.endswith("whenfinal tasks settle tsk_1 --task-id PROVIDER_TASK_ID")
    assert next_steps(replace(RUNNING, settled=True, state=TaskState.FAILED), [], NOW).manual == ()


@pytest.mark.parametrize(
    ("detail", "changes", "is_proposed"),
    [
        ({"unknown_word": True, "raw_state": "done"}, {}, True),
        ({"unknown_word": True, "raw_state": "archiving"}, {}, False),  # the word before the present one
        ({"raw_state": "done"}, {}, False),
        ({}, {"overdue_ms": 1}, True),
        ({"unknown_word": True, "raw_state": "done"}, {"state": TaskState.SUCCEEDED}, False),
    ],
)
def test_an_end_in_an_unknown_word_is_an_operators_to_say(
    detail: dict[str, Any], changes: dict[str, Any], *, is_proposed: bool
) -> None:
    task = replace(RUNNING, raw_state="done", **changes)
    hint = "\n".join(next_steps(task, [_entry(detail=detail)], NOW).manual)
    for flag in ("--succeeded URL", "--failed REASON", "--canceled"):
        assert (f"whenfinal tasks settle tsk_1 {flag}" in hint) is is_proposed


def test_a_lost_submit_that_waited_in_the_queue_is_searched_for_at_the_time_at_which_it_was_sent() -> None:
    (search, *_) = next_steps(replace(UNCERTAIN, sent_ms=7_000), [], NOW).manual
    assert search == "Search tokenbay's console for a task of this request, sent 3.0 s ago."
    (search, *_) = next_steps(UNCERTAIN, [], NOW).manual
    assert search.endswith("sent 10 s ago.")


def test_an_uncertain_task_that_may_be_repeated_needs_no_operator() -> None:
    steps = next_steps(UNCERTAIN, [], replace(NOW, is_repeatable=True))
    assert steps.manual == ()
    assert "nothing is paid twice" in steps.automatic[0]


def test_a_provider_that_is_no_longer_configured_is_named() -> None:
    assert "not among the configured providers" in _next(RUNNING, replace(NOW, is_configured=False))


def test_a_running_task_says_when_and_why_it_is_polled() -> None:
    assert "Next poll in 1 min." in _next(RUNNING)
    assert "in 1 min, when the callback is late" in _next(replace(RUNNING, callback_expected=True))
    assert "did not know the id" in _next(replace(RUNNING, missing_since_ms=1))
    assert "the deadline has passed" in _next(replace(RUNNING, overdue_ms=1, deadline_ms=1))


def _learned(count: int = 312) -> PollTimes:
    model = DurationKey("hiapi", "horse")
    ends = [Finish(key=model, after_s=38, until_s=38)] * count
    estimate_of = estimate(model, learned({}, ends, {}, now_ms=1))
    return PollTimes(estimate=estimate_of, capabilities=ADAPTERS["hiapi"].CAPABILITIES, speed=1.0)


def test_the_time_of_a_poll_follows_from_how_long_such_tasks_took() -> None:
    said = _next(replace(RUNNING, sent_ms=30_000), replace(NOW, times=_learned()))
    assert (
        "Next poll in 1 min, 40 s after its submit, because half of the 312 tasks of this model ended within 38 s."
        in said
    )
    called = _next(replace(RUNNING, callback_expected=True), replace(NOW, times=_learned()))
    assert "when the callback is late" in called
    assert "and 2.0% of the callbacks do not come" in called


def test_a_task_that_is_due_under_a_scarce_budget_says_what_its_poll_is_worth_and_what_it_must_be() -> None:
    due = replace(RUNNING, sent_ms=NOW.now_ms - 90_000, next_poll_ms=NOW.now_ms - 30_000)
    waiting = WaitingPolls(count=412, since_ms=1, price_s=37.5)
    said = _next(due, replace(NOW, times=_learned(), waiting=waiting))
    assert "412 polls of hiapi wait for its rate budget" in said
    assert "worth 37.5 s of expected lateness, and this one is worth " in said
    assert "its turn" not in _next(due, replace(NOW, times=_learned(), waiting=replace(waiting, price_s=5.0)))


def test_what_is_not_learned_is_said_to_be_assumed() -> None:
    prior = PollTimes(capabilities=ADAPTERS["hiapi"].CAPABILITIES, speed=1.0)
    said = _next(RUNNING, replace(NOW, times=prior))
    assert "because half of the tasks of an unknown model are taken to end within 2 min 10 s" in said


@pytest.mark.parametrize("changes", [{"missing_since_ms": 1}, {"overdue_ms": 1}, {"submitted_ms": None}])
def test_a_time_that_follows_from_something_else_is_not_explained_by_durations(changes: dict[str, Any]) -> None:
    assert "half of" not in _next(replace(RUNNING, **changes), replace(NOW, times=_learned()))


def test_a_pause_and_an_alarm_of_the_provider_are_shown() -> None:
    account = AccountStatus(
        provider="hiapi", tokens=0, refilled_ms=0, paused_until_ms=20_000, paused_reason="denied", alarm="answers 401"
    )
    steps = _next(RUNNING, replace(NOW, account=account))
    assert "hiapi is paused, denied; polling resumes in 10 s." in steps
    assert "hiapi needs an operator: answers 401." in steps


def _polled(**detail: Any) -> TimelineEntry:
    return _entry(detail={"source": "poll", **detail})


def test_a_success_without_its_result_says_how_often_it_is_polled_again() -> None:
    timeline = [_entry(detail={"source": "submit"}), _polled(without_result=True), _polled(without_result=True)]
    steps = " ".join(next_steps(RUNNING, timeline, NOW).automatic)
    assert "hiapi reports a success without its result, in 2 polls so far. The poll number 6 that finds none" in steps
    assert "without its result" not in _next(RUNNING)


def test_a_task_that_ended_without_a_result_says_so() -> None:
    ended = replace(RUNNING, state=TaskState.SUCCEEDED, next_poll_ms=None)
    assert "hiapi reports a success and gives no result; search its console for the file." in _next(ended)
    assert "gives no result" not in _next(replace(ended, outputs=(Output(url="https://cdn.example/v.mp4"),)))


def test_an_unknown_word_names_the_setting_that_teaches_it() -> None:
    task = replace(RUNNING, provider="my-gate", raw_state="Levitating")
    manual = "\n".join(next_steps(task, [_polled(), _polled(unknown_word=True)], NOW).manual)
    assert 'my-gate says "Levitating", which no document names.' in manual
    assert "MY_GATE_STATE_WORDS=levitating=succeeded" in manual
    assert next_steps(task, [_polled(unknown_word=True), _polled()], NOW).manual == ()
    ended = replace(task, state=TaskState.FAILED, next_poll_ms=None)
    assert next_steps(ended, [_polled(unknown_word=True)], NOW).manual == ()


def test_a_dead_letter_names_the_command_that_redelivers_it() -> None:
    dead = _delivery(state=DeliveryState.DEAD, due_ms=None)
    assert "whenfinal deliveries redeliver dlv_7" in next_steps(RUNNING, [dead], NOW).manual[0]


def test_a_pending_webhook_says_to_which_endpoint_and_when() -> None:
    own = _delivery(subscription=None, due_ms=5_000)
    held = _delivery(subscription="sub_2", delivery_id="dlv_8", is_held=True)
    steps = next_steps(RUNNING, [_delivery(), own, held], NOW).automatic
    assert steps[-3:] == (
        "Its webhook to https://a.example is due now: dlv_7.",
        "Its webhook to sub_1 is due in 2 min: dlv_7.",
        "Its webhook to sub_2 waits until the subscription is enabled: dlv_8.",
    )


def test_of_many_pending_webhooks_the_first_ones_are_listed_and_the_others_counted() -> None:
    steps = next_steps(RUNNING, [_delivery()] * 1000, NOW).automatic
    assert len(steps) < 10
    assert steps[-1] == "995 more of its webhooks are due later."


def test_an_id_that_a_reply_names_is_shown_with_the_command_that_settles_it() -> None:
    named = [_entry(detail={"reason": "r", "task_id": each}) for each in ("p1", "p 2; rm -rf", "p1")]
    steps = next_steps(UNCERTAIN, [*named, _entry(detail={"task_id": "of another kind"})], NOW).manual
    assert [step for step in steps if step.startswith("A reply names")] == [
        "A reply names p1. If that is this task: whenfinal tasks settle tsk_1 --task-id p1",
        "A reply names p 2; rm -rf. If that is this task: whenfinal tasks settle tsk_1 --task-id 'p 2; rm -rf'",
    ]
    assert not any("A reply names" in step for step in next_steps(RUNNING, named, NOW).manual)


def test_a_paused_account_is_explained_with_the_command_that_ends_the_pause() -> None:
    account = AccountStatus(provider="hiapi", tokens=0, refilled_ms=0, paused_until_ms=20_000, paused_reason="429")
    assert "whenfinal providers resume hiapi" in " ".join(next_steps(RUNNING, [], replace(NOW, account=account)).manual)
    over = replace(account, paused_until_ms=1)
    assert next_steps(RUNNING, [], replace(NOW, account=over)).manual == ()


def test_a_queued_task_whose_submits_are_held_back_is_explained_with_the_command_that_ends_the_hold() -> None:
    queued = replace(RUNNING, state=TaskState.QUEUED, provider_task_id=None, next_poll_ms=None)
    place = QueuePlace(
        position=1,
        depth=1,
        priority=0,
        oldest_ms=0,
        until_ms=99_000,
        held_until_ms=20_000,
        held_reason="denied: UNAUTHORIZED",
    )
    account = AccountStatus(provider="hiapi", tokens=0, refilled_ms=0, submits_paused_until_ms=20_000)
    held = replace(NOW, account=account, place=place)
    command = "whenfinal providers resume hiapi"
    assert command in " ".join(next_steps(queued, [], held).manual)
    free = replace(held, place=replace(place, held_until_ms=None, held_reason=None))
    assert command not in " ".join(next_steps(queued, [], free).manual)
    # The hold is over, and its alarm asks for a person still.
    alarmed = replace(free, account=replace(account, submits_alarm="hiapi refuses a submit: the key"))
    steps = next_steps(queued, [], alarmed)
    assert command in " ".join(steps.manual)
    assert "hiapi needs an operator: hiapi refuses a submit: the key." in steps.automatic
    # The hold of submits is nothing that a running task waits for.
    assert next_steps(RUNNING, [], replace(NOW, account=account)).manual == ()


def test_reports_that_are_counted_and_not_shown_are_told() -> None:
    assert "380 more reports were duplicate" in _next(replace(RUNNING, reports={"duplicate": 400, "stale": 2}))
    assert "more reports" not in _next(replace(RUNNING, reports={"duplicate": 20}))
