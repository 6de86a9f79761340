"""When a task is polled next, and which of many due tasks are polled first."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.reconcile.model.distribution import Distribution, accrued, log_normal, with_tail
from receiver.reconcile.model.durations import UNKNOWN
from receiver.reconcile.model.poll_rule import due_age_s, index, most_urgent, price_of, ranking_weight_of, weight_of

PRIOR = UNKNOWN.distribution
NARROW = with_tail(log_normal(120, 0.15))
DISTRIBUTIONS = st.builds(
    lambda median, sigma: with_tail(log_normal(median, sigma)), st.floats(6, 3000), st.floats(0.05, 2)
)


def _due(distribution: Distribution, asked_age_s: float, **changes: Any) -> float:
    values: dict[str, Any] = {"price_s": 5.0, "least_gap_s": 3.0, "most_gap_s": 600.0}
    return due_age_s(distribution, asked_age_s, **(values | changes))


def test_a_narrow_duration_is_waited_for_and_then_followed_closely() -> None:
    first = _due(NARROW, 0)
    assert 105 < first < 125
    assert _due(NARROW, first) - first < 25


@given(DISTRIBUTIONS, st.floats(0, 6000), st.floats(0.5, 60), st.sampled_from([1.0, 0.3, 0.02, 0.002]))
def test_a_poll_is_due_when_the_lateness_has_reached_the_price(
    distribution: Distribution, asked_s: float, price_s: float, miss_rate: float
) -> None:
    due_s = _due(distribution, asked_s, price_s=price_s, miss_rate=miss_rate)
    late_s = accrued(distribution, asked_s, due_s, miss_rate=miss_rate)
    if asked_s + 3 < due_s < asked_s + 600:
        assert 0.98 * price_s < late_s < 1.1 * price_s + 0.3
    elif due_s >= asked_s + 600:
        assert late_s <= price_s * 1.02


@given(DISTRIBUTIONS, st.floats(-100, 1e12), st.floats(0.1, 100), st.floats(0.002, 1))
def test_no_poll_comes_before_the_least_gap_or_after_the_longest(
    distribution: Distribution, asked_s: float, price_s: float, miss_rate: float
) -> None:
    gap_s = _due(distribution, asked_s, price_s=price_s, miss_rate=miss_rate) - max(0.0, asked_s)
    assert 3 - 1e-3 <= gap_s <= 600 + 1e-3


def test_a_least_gap_above_the_longest_wins() -> None:
    assert _due(PRIOR, 0, least_gap_s=900.0) == 900


@given(DISTRIBUTIONS, st.floats(0, 6000), st.floats(1, 20), st.floats(1, 3))
def test_a_higher_price_never_makes_a_poll_earlier(
    distribution: Distribution, asked_s: float, price_s: float, factor: float
) -> None:
    cheap = _due(distribution, asked_s, price_s=price_s)
    assert _due(distribution, asked_s, price_s=price_s * factor) >= cheap - 0.02 * (cheap - asked_s)


def test_an_expected_callback_puts_the_first_poll_off_until_it_is_late() -> None:
    assert _due(NARROW, 0, miss_rate=0.02) > 150 > _due(NARROW, 0)
    assert _due(NARROW, 0, miss_rate=0.002) > _due(NARROW, 0, miss_rate=0.02)


@given(DISTRIBUTIONS, st.floats(0, 6000), st.floats(1, 600))
def test_the_index_grows_with_the_time_unasked_and_is_at_least_that_of_the_hazard_floor(
    distribution: Distribution, asked_s: float, gap_s: float
) -> None:
    now = index(distribution, asked_s, asked_s + gap_s)
    assert now <= index(distribution, asked_s, asked_s + 1.1 * gap_s) + 1e-9
    assert now >= 0.9 * gap_s**2 / 1200 * (1 - gap_s / 1800)
    assert index(distribution, asked_s, asked_s + gap_s, weight=3) == pytest.approx(3 * now)


def test_every_fifth_poll_goes_to_the_task_unasked_for_longest() -> None:
    indexes, unasked = [9.0, 8.0, 7.0, 6.0, 5.0, 0.1], [1.0, 1.0, 1.0, 1.0, 1.0, 300.0]
    assert sorted(most_urgent(indexes, unasked, 5, asked_before=0)) == [0, 1, 2, 3, 5]
    assert most_urgent(indexes, unasked, 2, asked_before=0) == [0, 1]
    one_at_a_time = [most_urgent(indexes, unasked, 1, asked_before=before) for before in range(10)]
    assert one_at_a_time.count([5]) == 2
    assert one_at_a_time.count([0]) == 8


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1000)), max_size=30), st.integers(0, 40), st.integers(0, 99))
def test_no_task_is_chosen_twice_and_none_is_left_while_there_is_room(
    tasks: list[tuple[float, float]], count: int, before: int
) -> None:
    chosen = most_urgent([each[0] for each in tasks], [each[1] for each in tasks], count, asked_before=before)
    assert len(chosen) == len(set(chosen)) == min(count, len(tasks))


def test_lateness_counts_more_as_the_provider_is_about_to_forget_the_task() -> None:
    ages = (-5, 0, 43_200, 86_300, 86_400, 90_000)
    weights = [weight_of(age, retention_s=86_400) for age in ages]
    assert weights == [1, 1, 3, pytest.approx(5, abs=0.01), 5, 5]
    ranked = [ranking_weight_of(age, retention_s=86_400, sweep_s=60) for age in ages]
    assert ranked == [1, 1, 3, math.inf, 5, 5]


@pytest.mark.parametrize(
    ("indexes", "tokens", "price_s"),
    [
        ([], 0, 5.0),
        ([9.0, 7.0, 8.0], 3, 5.0),
        ([9.0, 7.0, 8.0], 2, 7.0),
        ([9.0, 7.0, 8.0], 0, 9.0),
        ([3.0], 0, 5.0),
        ([math.inf, 9.0, 7.0], 1, 9.0),
        ([math.inf, math.inf], 1, 5.0),
    ],
)
def test_the_price_of_a_poll_is_the_worth_of_the_first_that_is_not_made(
    indexes: list[float], tokens: int, price_s: float
) -> None:
    assert price_of(indexes, tokens, least_s=5.0) == price_s
