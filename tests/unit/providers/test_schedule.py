"""Poll times, pauses and the rate budget."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.providers import schedule
from submitter.providers.contract import Budget, PollAdvice
from tests.support.builders import T0

ADVICE = PollAdvice(every_s=15, floor_s=5, visible_after_s=60)
MIDDLE = 0.5  # the random number that neither lengthens nor shortens a wait
DAY_S = 86_400


def _next_s(**changes: Any) -> float:
    values: dict[str, Any] = {"callback_expected": False, "speed": 1.0, "random": MIDDLE}
    return (schedule.overdue_poll_ms(T0, ADVICE, **(values | changes)) - T0) / 1000


def _unavailable_s(misses: int, retry_after_s: float | None = None) -> float:
    due_ms = schedule.after_unavailable(T0, ADVICE, misses=misses, retry_after_s=retry_after_s, speed=1, random=MIDDLE)
    return (due_ms - T0) / 1000


def _missing_s(missing_s: float | None) -> float:
    since_ms = None if missing_s is None else T0 - round(missing_s * 1000)
    return (schedule.after_not_found(T0, ADVICE, missing_since_ms=since_ms, speed=1, random=MIDDLE) - T0) / 1000


def _may_expire(*, age_s: float, missing: bool = True, speed: float = 1) -> bool:
    return schedule.may_expire(
        T0,
        submitted_ms=T0 - round(age_s * 1000),
        missing_since_ms=T0 - 1 if missing else None,
        retention_s=DAY_S,
        speed=speed,
    )


@pytest.mark.parametrize(
    ("changes", "wait_s"),
    [
        ({}, 60),
        ({"callback_expected": True}, 120),
        ({"speed": 30.0}, 2),
    ],
)
def test_polls_past_the_deadline_are_further_apart_where_a_callback_is_expected(
    changes: dict[str, Any], wait_s: float
) -> None:
    assert _next_s(**changes) == wait_s


def test_an_overdue_task_is_polled_at_least_every_ten_minutes() -> None:
    slow = PollAdvice(every_s=400, floor_s=5)
    due_ms = schedule.overdue_poll_ms(T0, slow, callback_expected=True, speed=1, random=MIDDLE)
    assert due_ms == T0 + 600_000


@pytest.mark.parametrize(("random", "wait_s"), [(0.0, 54), (MIDDLE, 60), (0.999_999_99, 66)])
def test_randomness_changes_a_wait_by_a_tenth_at_most(random: float, wait_s: float) -> None:
    assert _next_s(random=random) == wait_s


@given(random=st.floats(0, 1, exclude_max=True), speed=st.floats(0.1, 1000), wait_s=st.floats(0.001, 10_000))
def test_no_poll_comes_before_the_floor(random: float, speed: float, wait_s: float) -> None:
    advice = PollAdvice(every_s=wait_s, floor_s=5)
    overdue_ms = schedule.overdue_poll_ms(T0, advice, callback_expected=False, speed=speed, random=random)
    learned_ms = schedule.learned_poll_ms(T0, advice, wait_s, speed=speed, spread=random)
    assert min(overdue_ms, learned_ms) - T0 >= max(1, int(5000 / speed))


@pytest.mark.parametrize(("spread", "wait_s"), [(0.0, 36), (MIDDLE, 40), (0.999_999_99, 44)])
def test_a_learned_wait_is_spread_by_a_tenth(spread: float, wait_s: float) -> None:
    assert schedule.learned_poll_ms(T0, ADVICE, 40.0, speed=1, spread=spread) == T0 + wait_s * 1000


@pytest.mark.parametrize(("misses", "wait_s"), [(0, 15), (1, 15), (2, 30), (3, 60), (7, 600), (10**9, 600)])
def test_each_poll_without_an_answer_doubles_the_wait_up_to_ten_minutes(misses: int, wait_s: int) -> None:
    assert _unavailable_s(misses) == wait_s


@pytest.mark.parametrize(("retry_after_s", "wait_s"), [(1, 15), (200, 200), (10**9, 900)])
def test_a_retry_after_lengthens_the_wait_to_a_quarter_of_an_hour_at_most(retry_after_s: float, wait_s: int) -> None:
    assert _unavailable_s(1, retry_after_s) == wait_s


@pytest.mark.parametrize(("missing_s", "wait_s"), [(None, 15), (0, 15), (60, 15), (90, 90), (10**6, 600)])
def test_a_task_that_stays_missing_is_polled_less_and_less(missing_s: float | None, wait_s: int) -> None:
    assert _missing_s(missing_s) == wait_s


def test_a_task_may_expire_once_retention_has_passed_and_the_provider_said_so_twice() -> None:
    assert _may_expire(age_s=DAY_S + 1)
    assert not _may_expire(age_s=DAY_S + 1, missing=False)
    assert not _may_expire(age_s=DAY_S)


def test_retention_passes_faster_on_a_faster_clock() -> None:
    assert _may_expire(age_s=DAY_S / 60 + 1, speed=60)
    assert not _may_expire(age_s=DAY_S / 60 - 1, speed=60)


def test_a_task_without_a_receipt_never_expires() -> None:
    assert not schedule.may_expire(T0, submitted_ms=None, missing_since_ms=0, retention_s=1, speed=1)


@pytest.mark.parametrize(
    ("retry_after_s", "speed", "pause_s"), [(None, 1, 60), (None, 30, 2), (7.5, 30, 7.5), (10**9, 1, 900), (-3, 1, 0)]
)
def test_a_throttle_pauses_for_the_retry_after_or_for_a_window(
    retry_after_s: float | None, speed: float, pause_s: float
) -> None:
    until_ms = schedule.throttled_until_ms(T0, retry_after_s=retry_after_s, speed=speed)
    assert until_ms == T0 + round(pause_s * 1000)


def test_a_denied_key_is_tried_again_after_five_minutes() -> None:
    assert schedule.denied_until_ms(T0) == T0 + 300_000


@given(random=st.floats(0, 1, exclude_max=True))
def test_polls_delayed_by_a_pause_are_spread_after_its_end(random: float) -> None:
    assert T0 <= schedule.after_pause(T0, ADVICE, speed=1, random=random) <= T0 + 15_000


@pytest.mark.parametrize(
    ("tokens", "seconds", "expected"), [(0, 3, 6), (-4, 1, -2), (9, 60, 10), (3.5, 0, 3.5), (5, -9, 5)]
)
def test_a_rate_budget_refills_with_time_up_to_its_burst(tokens: float, seconds: int, expected: float) -> None:
    budget = Budget(per_s=2, burst=10, submits_count=True)
    assert schedule.refill(tokens, T0, T0 + seconds * 1000, budget) == expected


def test_a_faster_clock_refills_faster_up_to_the_same_burst() -> None:
    assert schedule.scaled(Budget(per_s=2, burst=10, submits_count=True), 60) == Budget(
        per_s=120, burst=10, submits_count=True
    )


@pytest.mark.parametrize(
    ("behind_ms", "until_ms"), [(-5, T0 + 5), (0, T0), (1, T0), (10_000, T0), (10_001, T0 - 10_001)]
)
def test_a_clock_that_is_a_little_behind_sets_no_refill_time_back_and_one_that_was_set_back_does(
    behind_ms: int, until_ms: int
) -> None:
    assert schedule.refilled_until(T0, T0 - behind_ms) == until_ms
