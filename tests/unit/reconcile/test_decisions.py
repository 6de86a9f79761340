"""What a look should do, and what follows from its answer."""

from dataclasses import replace

import pytest

from receiver.reconcile.model import decisions
from receiver.reconcile.model.decisions import Circumstances, Finding, Plan
from submitter.model import (
    Denied,
    NotFound,
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

AT = Circumstances(now_ms=T0, random=0.5, speed=1, capabilities=ADAPTERS["hiapi"].CAPABILITIES)
RUNNING = a_task(state=TaskState.RUNNING, provider_task_id="p1", submitted_ms=T0 - 200_000)
LONG_AGO = T0 - 8 * 86_400_000


def _refused(refusal: Refusal) -> Refused:
    return Refused(refusal=refusal, error=TaskError(code="code", message="words"))


@pytest.mark.parametrize(
    ("state", "repeatable", "plan"),
    [
        (TaskState.SUBMITTING, True, Plan.REPEAT),
        (TaskState.SUBMITTING, False, Plan.DOUBT),
        (TaskState.UNCERTAIN, True, Plan.REPEAT),
        (TaskState.UNCERTAIN, False, Plan.DOUBT),
        (TaskState.SUBMITTED, False, Plan.ASK),
        (TaskState.RUNNING, True, Plan.ASK),
        (TaskState.SUCCEEDED, True, Plan.LEAVE),
        (TaskState.REFUSED, True, Plan.LEAVE),
    ],
)
def test_the_state_decides_what_a_look_does(state: TaskState, repeatable: bool, plan: Plan) -> None:
    assert decisions.plan_poll(a_task(state=state, provider_task_id="p1"), repeatable=repeatable) is plan


def test_a_task_without_the_providers_id_cannot_be_asked_about() -> None:
    assert decisions.plan_poll(a_task(state=TaskState.RUNNING), repeatable=False) is Plan.LEAVE


def test_a_statement_goes_to_the_ledger_and_clears_the_missing_clock() -> None:
    seen = an_observation(TaskState.RUNNING)
    follow_up = decisions.after_answer(replace(RUNNING, missing_since_ms=T0 - 5), seen, AT)
    assert follow_up.report is not None
    assert (follow_up.report.observation, follow_up.not_found) == (seen, False)
    assert follow_up.next_poll_ms == T0 + 15_000


def test_not_found_starts_the_missing_clock_and_says_nothing_of_the_task() -> None:
    follow_up = decisions.after_answer(RUNNING, NotFound(), AT)
    assert (follow_up.finding, follow_up.report, follow_up.not_found) == (Finding.NOT_FOUND, None, True)


def test_a_task_that_the_provider_has_forgotten_expires_by_the_clock() -> None:
    old = replace(RUNNING, submitted_ms=LONG_AGO, missing_since_ms=T0 - 60_000, raw_state="handling")
    follow_up = decisions.after_answer(old, NotFound(raw=b"gone"), AT)
    assert follow_up.report is not None
    seen = follow_up.report.observation
    assert (seen.state, seen.source, seen.raw_state, seen.raw) == (TaskState.EXPIRED, Source.CLOCK, "handling", b"gone")


def test_an_old_task_that_is_missing_for_the_first_time_does_not_expire() -> None:
    follow_up = decisions.after_answer(replace(RUNNING, submitted_ms=LONG_AGO), NotFound(), AT)
    assert follow_up.report is None


@pytest.mark.parametrize("answer", [Throttled(), Denied(status=401, message="no"), Unavailable(reason="html")])
@pytest.mark.parametrize("missing_since_ms", [None, T0 - 5])
def test_an_answer_without_a_statement_leaves_the_missing_clock_alone(
    answer: StatusOutcome, missing_since_ms: int | None
) -> None:
    follow_up = decisions.after_answer(replace(RUNNING, missing_since_ms=missing_since_ms), answer, AT)
    assert follow_up.not_found is (missing_since_ms is not None)
    assert follow_up.report is None


def test_a_throttle_pauses_the_provider_and_puts_the_task_after_the_pause() -> None:
    follow_up = decisions.after_answer(RUNNING, Throttled(retry_after_s=20), AT)
    assert follow_up.pause is not None
    assert (follow_up.pause.until_ms, follow_up.pause.alarm) == (T0 + 20_000, None)
    assert (follow_up.next_poll_ms or 0) >= follow_up.pause.until_ms


def test_a_denied_key_pauses_the_provider_and_calls_an_operator() -> None:
    follow_up = decisions.after_answer(RUNNING, Denied(status=403, message="no right"), AT)
    assert follow_up.pause is not None
    assert follow_up.pause.alarm == "answers 403: no right"


def test_misses_in_a_row_lengthen_the_wait() -> None:
    waits = [
        (decisions.after_answer(RUNNING, Unavailable(reason="html"), replace(AT, misses=n)).next_poll_ms or 0) - T0
        for n in range(3)
    ]
    assert waits == [15_000, 30_000, 60_000]


def test_a_receipt_found_by_repeating_is_followed_by_a_first_look() -> None:
    task = a_task(state=TaskState.UNCERTAIN, callback_expected=True)
    follow_up = decisions.after_repeat(task, a_receipt("p1", replayed=True), AT)
    assert (follow_up.finding, follow_up.next_poll_ms) == (Finding.RECEIPT, T0 + 180_000)


def test_a_submit_that_stays_uncertain_is_repeated_later() -> None:
    follow_up = decisions.after_repeat(a_task(), Uncertain(reason="lost", retry_after_s=30), AT)
    assert (follow_up.finding, follow_up.next_poll_ms) == (Finding.UNCERTAIN, T0 + 30_000)


@pytest.mark.parametrize(
    ("refusal", "finding", "pauses"),
    [
        (Refusal.INVALID, Finding.REFUSED, False),
        (Refusal.THROTTLED, Finding.THROTTLED, True),
        (Refusal.DENIED, Finding.DENIED, True),
        (Refusal.QUOTA, Finding.UNAVAILABLE, False),
        (Refusal.UNAVAILABLE, Finding.UNAVAILABLE, False),
    ],
)
def test_a_refused_repeat_pauses_only_where_asking_would_be_refused_as_well(
    refusal: Refusal, finding: Finding, pauses: bool
) -> None:
    follow_up = decisions.after_repeat(a_task(), _refused(refusal), AT)
    assert (follow_up.finding, follow_up.pause is not None) == (finding, pauses)


def test_an_uncertain_submit_is_not_looked_at_again_by_the_clock() -> None:
    assert decisions.after_doubt(a_task(state=TaskState.UNCERTAIN), AT).next_poll_ms is None


def test_a_submit_whose_receipt_came_in_time_is_looked_at_as_usual() -> None:
    assert (
        decisions.after_doubt(a_task(state=TaskState.SUBMITTED, provider_task_id="p1"), AT).next_poll_ms == T0 + 60_000
    )
