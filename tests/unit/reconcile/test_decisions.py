"""What a poll should do, and what follows from its answer."""

from dataclasses import replace

import pytest

from receiver.reconcile.model import decisions
from receiver.reconcile.model.decisions import PollAction, PollContext, PollResult
from receiver.reconcile.model.poll_times import PollTimes
from submitter.model import (
    Denied,
    NotFound,
    Observation,
    Refusal,
    Refused,
    Source,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
    Unavailable,
    Uncertain,
)
from submitter.providers.registry import ADAPTERS
from tests.support.builders import T0, a_receipt, a_task, an_observation

TIMES = PollTimes(capabilities=ADAPTERS["hiapi"].CAPABILITIES, speed=1)
CONTEXT = PollContext(now_ms=T0, random=0.5, times=TIMES)
RUNNING = a_task(state=TaskState.RUNNING, provider_task_id="p1", submitted_ms=T0 - 200_000)
LONG_AGO = T0 - 8 * 86_400_000


def _refused(refusal: Refusal) -> Refused:
    return Refused(refusal=refusal, error=TaskError(code="code", message="words"))


@pytest.mark.parametrize(
    ("state", "is_repeatable", "action"),
    [
        (TaskState.SUBMITTING, True, PollAction.RESUBMIT),
        (TaskState.SUBMITTING, False, PollAction.MARK_UNCERTAIN),
        (TaskState.UNCERTAIN, True, PollAction.RESUBMIT),
        (TaskState.UNCERTAIN, False, PollAction.MARK_UNCERTAIN),
        (TaskState.SUBMITTED, False, PollAction.QUERY),
        (TaskState.RUNNING, True, PollAction.QUERY),
        (TaskState.SUCCEEDED, True, PollAction.SKIP),
        (TaskState.REFUSED, True, PollAction.SKIP),
    ],
)
def test_the_state_decides_what_a_poll_does(state: TaskState, is_repeatable: bool, action: PollAction) -> None:
    assert decisions.plan_poll(a_task(state=state, provider_task_id="p1"), is_repeatable=is_repeatable) is action


def test_a_task_without_the_providers_id_cannot_be_polled() -> None:
    assert decisions.plan_poll(a_task(state=TaskState.RUNNING), is_repeatable=False) is PollAction.SKIP


def test_a_statement_goes_to_the_ledger_and_clears_the_missing_clock() -> None:
    seen = an_observation(TaskState.RUNNING)
    decision = decisions.after_answer(replace(RUNNING, missing_since_ms=T0 - 5), seen, CONTEXT)
    assert decision.observation is not None
    assert (decision.observation.observation, decision.not_found) == (seen, False)
    assert decision.next_poll_ms == TIMES.next_ms(RUNNING, T0)
    assert T0 + 25_000 < decision.next_poll_ms < T0 + 55_000


def test_an_overdue_task_is_polled_more_slowly_whatever_was_learned() -> None:
    overdue = replace(RUNNING, overdue_ms=T0 - 5)
    assert decisions.after_answer(overdue, an_observation(TaskState.RUNNING), CONTEXT).next_poll_ms == T0 + 60_000


def test_not_found_starts_the_missing_clock_and_says_nothing_of_the_task() -> None:
    decision = decisions.after_answer(RUNNING, NotFound(), CONTEXT)
    assert (decision.result, decision.observation, decision.not_found) == (PollResult.NOT_FOUND, None, True)


def test_a_task_that_the_provider_has_forgotten_expires_by_the_clock() -> None:
    old = replace(RUNNING, submitted_ms=LONG_AGO, missing_since_ms=T0 - 60_000, raw_state="handling")
    decision = decisions.after_answer(old, NotFound(raw=b"gone"), CONTEXT)
    assert decision.observation is not None
    seen = decision.observation.observation
    assert (seen.state, seen.source, seen.raw_state, seen.raw) == (TaskState.EXPIRED, Source.CLOCK, "handling", b"gone")


def test_an_old_task_that_is_missing_for_the_first_time_does_not_expire() -> None:
    decision = decisions.after_answer(replace(RUNNING, submitted_ms=LONG_AGO), NotFound(), CONTEXT)
    assert decision.observation is None


@pytest.mark.parametrize("answer", [Throttled(), Denied(status=401, message="no"), Unavailable(reason="html")])
@pytest.mark.parametrize("missing_since_ms", [None, T0 - 5])
def test_an_answer_without_a_statement_leaves_the_missing_clock_alone(
    answer: StatusOutcome, missing_since_ms: int | None
) -> None:
    decision = decisions.after_answer(replace(RUNNING, missing_since_ms=missing_since_ms), answer, CONTEXT)
    assert decision.not_found is (missing_since_ms is not None)
    assert decision.observation is None


def test_a_throttle_pauses_the_provider_and_puts_the_task_after_the_pause() -> None:
    decision = decisions.after_answer(RUNNING, Throttled(retry_after_s=20), CONTEXT)
    assert decision.pause is not None
    assert (decision.pause.until_ms, decision.pause.alarm) == (T0 + 20_000, None)
    assert (decision.next_poll_ms or 0) >= decision.pause.until_ms


def test_a_denied_key_pauses_the_provider_and_calls_an_operator() -> None:
    decision = decisions.after_answer(RUNNING, Denied(status=401, message="bad key"), CONTEXT)
    assert decision.pause is not None
    assert (decision.result, decision.pause.alarm) == (PollResult.DENIED, "answers 401: bad key")
    assert (decision.next_poll_ms or 0) >= decision.pause.until_ms


def test_a_403_backs_off_that_task_alone_and_keeps_its_words() -> None:
    decisions_in_a_row = [
        decisions.after_answer(RUNNING, Denied(status=403, message="no right"), replace(CONTEXT, misses=misses))
        for misses in range(3)
    ]
    assert {(each.result, each.pause, each.observation, each.denial) for each in decisions_in_a_row} == {
        (PollResult.FORBIDDEN, None, None, "403: no right")
    }
    assert [(each.next_poll_ms or 0) - T0 for each in decisions_in_a_row] == [15_000, 30_000, 60_000]


@pytest.mark.parametrize("before", range(decisions.RESULT_POLLS))
def test_a_success_without_its_result_is_polled_again_with_longer_waits(before: int) -> None:
    seen = an_observation(outputs=(), raw_state="success")
    decision = decisions.after_answer(RUNNING, seen, replace(CONTEXT, without_result=before))
    assert decision.observation is not None
    found = decision.observation.observation
    assert (found.state, found.raw_state, found.without_result) == (TaskState.RUNNING, "success", True)
    assert (decision.result, decision.next_poll_ms) == (PollResult.WITHOUT_RESULT, T0 + 15_000 * 2**before)


def test_a_success_that_never_has_a_result_ends_without_one() -> None:
    seen = an_observation(outputs=())
    decision = decisions.after_answer(RUNNING, seen, replace(CONTEXT, without_result=decisions.RESULT_POLLS))
    assert decision.observation is not None
    found = decision.observation.observation
    assert (found.state, found.outputs, found.without_result) == (TaskState.SUCCEEDED, (), True)


@pytest.mark.parametrize(
    "seen", [an_observation(), an_observation(TaskState.FAILED), an_observation(TaskState.CANCELED)]
)
def test_any_other_end_is_final_at_once(seen: Observation) -> None:
    decision = decisions.after_answer(RUNNING, seen, CONTEXT)
    assert decision.observation is not None
    assert decision.observation.observation == seen
    assert decision.result is PollResult.OBSERVED


def test_misses_in_a_row_lengthen_the_wait() -> None:
    waits = [
        (decisions.after_answer(RUNNING, Unavailable(reason="html"), replace(CONTEXT, misses=n)).next_poll_ms or 0) - T0
        for n in range(3)
    ]
    assert waits == [15_000, 30_000, 60_000]


def test_a_receipt_found_by_repeating_is_followed_by_a_first_poll() -> None:
    task = a_task(state=TaskState.UNCERTAIN, callback_expected=True)
    decision = decisions.after_resubmit(task, a_receipt("p1", replayed=True), CONTEXT)
    assert (decision.result, decision.next_poll_ms) == (PollResult.RECEIPT, TIMES.first_ms(task, T0))
    assert T0 + 180_000 < TIMES.first_ms(task, T0) < T0 + 300_000


def test_a_submit_that_stays_uncertain_is_repeated_later() -> None:
    decision = decisions.after_resubmit(a_task(), Uncertain(reason="lost", retry_after_s=30), CONTEXT)
    assert (decision.result, decision.next_poll_ms) == (PollResult.UNCERTAIN, T0 + 30_000)


@pytest.mark.parametrize(("submits", "is_repeated"), [(0, True), (1, False), (2, False)])
def test_an_accepted_submit_whose_answer_cannot_be_read_is_repeated_once(submits: int, *, is_repeated: bool) -> None:
    task = a_task(state=TaskState.UNCERTAIN, submits=submits)
    decision = decisions.after_resubmit(task, Uncertain(reason="no id", was_accepted=True), CONTEXT)
    assert decision.result is PollResult.UNCERTAIN
    assert (decision.next_poll_ms is not None) is is_repeated


@pytest.mark.parametrize(
    ("refusal", "result"),
    [
        (Refusal.INVALID, PollResult.REFUSED),
        (Refusal.THROTTLED, PollResult.THROTTLED),
        (Refusal.DENIED, PollResult.DENIED),
        (Refusal.QUOTA, PollResult.UNAVAILABLE),
        (Refusal.UNAVAILABLE, PollResult.UNAVAILABLE),
    ],
)
def test_a_refused_repeat_never_pauses_polls(refusal: Refusal, result: PollResult) -> None:
    decision = decisions.after_resubmit(a_task(), _refused(refusal), CONTEXT)
    assert (decision.result, decision.pause) == (result, None)
    assert decision.next_poll_ms is not None


def test_an_uncertain_submit_is_not_polled_again_by_schedule() -> None:
    assert decisions.after_marking_uncertain(a_task(state=TaskState.UNCERTAIN), CONTEXT).next_poll_ms is None


def test_a_submit_whose_receipt_came_in_time_is_polled_as_usual() -> None:
    stored = a_task(state=TaskState.SUBMITTED, provider_task_id="p1")
    assert decisions.after_marking_uncertain(stored, CONTEXT).next_poll_ms == TIMES.first_ms(stored, T0)
    assert T0 + 60_000 < TIMES.first_ms(stored, T0) < T0 + 80_000
