"""Distributions of durations, and the lateness that accrues since a task was last seen open."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.reconcile.model.distribution import (
    EDGES,
    TOP_S,
    Distribution,
    accrued,
    chance_of_end,
    log_normal,
    mirrored,
    with_tail,
)
from receiver.reconcile.model.durations import UNKNOWN

PRIOR = UNKNOWN.distribution
AGES = st.floats(0, 3 * TOP_S)
SHARES = st.lists(st.floats(0, 1), min_size=len(EDGES) - 1, max_size=len(EDGES) - 1).map(
    lambda steps: with_tail([0.0, *sorted(steps)])
)


def _integral(distribution: Distribution, asked_s: float, age_s: float, miss_rate: float) -> float:
    """By many narrow rectangles."""
    pieces, before = 20_000, distribution.ended_by(asked_s)
    width = (age_s - asked_s) / pieces
    middles = (asked_s + width * (number + 0.5) for number in range(pieces))
    return width * math.fsum(chance_of_end(before, distribution.ended_by(age), miss_rate) for age in middles)


def test_the_prior_says_that_half_end_within_130_s() -> None:
    assert PRIOR.age_of(0.5) == pytest.approx(130, rel=0.01)
    assert PRIOR.ended_by(130) == pytest.approx(0.5, abs=0.005)


def test_ends_are_spread_evenly_within_a_bin() -> None:
    ended = Distribution.of([0.0, 0.2, *[0.9] * (len(EDGES) - 2)])
    assert ended.ended_by(2.5) == pytest.approx(0.1)
    assert ended.ended_by(5.2) == pytest.approx(0.55)
    assert ended.area_to(5.0) == pytest.approx(0.5)
    assert ended.age_of(0.1) == pytest.approx(2.5)


def test_after_the_last_edge_the_share_that_is_left_falls_as_one_by_t() -> None:
    ended = Distribution.of([0.0, *[0.9] * (len(EDGES) - 1)])
    assert ended.ended_by(2 * TOP_S) == pytest.approx(0.95)
    assert ended.age_of(0.95) == pytest.approx(2 * TOP_S)


@given(SHARES, AGES, AGES)
def test_shares_and_areas_rise_with_age_and_stay_within_their_bounds(
    ended: Distribution, one: float, other: float
) -> None:
    early, late = sorted((one, other))
    assert 0 <= ended.ended_by(early) <= ended.ended_by(late) < 1
    assert 0 <= ended.area_to(early) <= ended.area_to(late) + 1e-9
    assert ended.area_to(late) <= late + 1e-9


@given(SHARES, st.floats(0.01, 0.999))
def test_the_age_of_a_share_is_the_age_at_which_so_many_have_ended(ended: Distribution, share: float) -> None:
    assert ended.ended_by(ended.age_of(share)) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("miss_rate", [1.0, 0.3, 0.02])
@pytest.mark.parametrize(
    ("asked_s", "age_s"), [(0, 60), (0, 300), (77, 78.5), (100, 400), (0, 9000), (4000, 8000), (6000, 9000)]
)
@pytest.mark.parametrize("ended", [PRIOR, with_tail(log_normal(120, 0.3))], ids=["prior", "narrow"])
def test_lateness_agrees_with_numeric_integration(
    ended: Distribution, asked_s: float, age_s: float, miss_rate: float
) -> None:
    assert accrued(ended, asked_s, age_s, miss_rate=miss_rate) == pytest.approx(
        _integral(ended, asked_s, age_s, miss_rate), rel=0.01, abs=1e-6
    )


@given(SHARES, AGES, AGES, AGES, st.floats(0.002, 1))
def test_lateness_grows_with_age_and_never_faster_than_time(
    ended: Distribution, first: float, second: float, third: float, miss_rate: float
) -> None:
    asked, early, late = sorted((first, second, third))
    before, after = (accrued(ended, asked, age, miss_rate=miss_rate) for age in (early, late))
    assert 0 <= before <= after + 0.02 * (late - asked) + 1e-6
    assert after <= (late - asked) * 1.001 + 1e-6


@given(SHARES, AGES, AGES, st.floats(0.002, 0.9))
def test_silence_where_a_callback_is_expected_accrues_less_lateness(
    ended: Distribution, one: float, other: float, miss_rate: float
) -> None:
    asked, age = sorted((one, other))
    with_callback = accrued(ended, asked, age, miss_rate=miss_rate)
    assert with_callback <= accrued(ended, asked, age) * 1.02 + 0.01 * (age - asked) + 1e-6


def test_nothing_accrues_before_the_last_look_or_at_a_negative_age() -> None:
    assert accrued(PRIOR, 100, 100) == accrued(PRIOR, 100, 50) == accrued(PRIOR, -7, -3) == 0
    assert accrued(PRIOR, -50, 60) == accrued(PRIOR, 0, 60)


def test_an_absurd_age_accrues_lateness_still() -> None:
    assert 0 <= accrued(PRIOR, 1e9, 1e9 + 600) < 1
    assert accrued(PRIOR, 0, 1e9) == pytest.approx(1e9, rel=0.001)


@given(st.floats(20, 1000), st.floats(0.1, 1))
def test_a_symmetric_distribution_is_its_own_mirror_image(median_s: float, sigma: float) -> None:
    ended = Distribution.of(log_normal(median_s, sigma))
    for share, found in zip(ended.ended, mirrored(ended).ended, strict=True):
        assert found == pytest.approx(share, abs=0.03)  # bins are as wide as 8 % of the age


@given(SHARES)
def test_a_mirrored_distribution_never_falls_and_keeps_what_lies_after_the_median(ended: Distribution) -> None:
    found, median_s = mirrored(ended), ended.age_of(0.5)
    assert all(0 <= before <= after + 1e-9 <= 1 for before, after in pairwise(found.ended))
    for edge, before, after in zip(EDGES, ended.ended, found.ended, strict=True):
        assert after == before or edge < median_s


def test_before_the_median_half_of_the_shares_comes_from_the_other_side() -> None:
    early = with_tail([0.0, *(0.3 for edge in EDGES[1:] if edge < 100), *(0.9 for edge in EDGES[1:] if edge >= 100)])
    assert early.ended_by(50) == pytest.approx(0.3, abs=0.01)
    assert mirrored(early).ended_by(50) == pytest.approx((0.3 + 0.1) / 2, abs=0.01)
