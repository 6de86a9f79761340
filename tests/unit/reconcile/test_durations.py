"""Histograms of ends: what they estimate, how they forget, and what does not mislead them."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.reconcile.model.distribution import EDGES, PRIOR_SHARES, Distribution, with_tail
from receiver.reconcile.model.durations import (
    DRIFT_OF,
    UNKNOWN,
    CallbackCounts,
    DurationKey,
    Finish,
    Histogram,
    cell_of,
    estimate,
    learned,
)
from receiver.reconcile.model.poll_rule import due_age_s

PRIOR = UNKNOWN.distribution
MODEL = DurationKey("hiapi", "horse")
SIZE = DurationKey("hiapi", "horse", "720p", "5")
WEEK_MS = 7 * 86_400_000


def _ends(*ages_s: float, key: DurationKey = MODEL) -> list[Finish]:
    return [Finish(key=key, after_s=age, until_s=age) for age in ages_s]


def _taught(ages_s: list[float], before: dict[DurationKey, Histogram] | None = None) -> dict[DurationKey, Histogram]:
    """As a worker learns them, a few at a time."""
    found = dict(before or {})
    for first in range(0, len(ages_s), 10):
        found |= learned(found, _ends(*ages_s[first : first + 10]), {}, now_ms=1)
    return found


def _median_s(found: dict[DurationKey, Histogram], key: DurationKey = MODEL) -> float:
    return estimate(key, found).distribution.age_of(0.5)


def test_a_key_counts_for_its_model_and_its_provider_too() -> None:
    assert SIZE.path == (DurationKey("hiapi"), MODEL, SIZE)
    assert DurationKey("hiapi").path == (DurationKey("hiapi"),)
    changed = learned({}, _ends(60, key=SIZE), {}, now_ms=1)
    assert {key: histogram.count for key, histogram in changed.items()} == dict.fromkeys(SIZE.path, 1)


def test_ends_without_a_censored_task_give_their_own_shares() -> None:
    histogram = Histogram().with_finishes(_ends(*[60.0] * 5, *[400.0] * 5), PRIOR)
    shares = dict(zip(EDGES, histogram.shares, strict=True))
    assert [shares[EDGES[cell_of(age)]] for age in (60, 100, 400)] == pytest.approx([0, 0.5, 0.5], abs=0.01)
    assert histogram.shares[-1] == pytest.approx(1)


def test_open_tasks_count_as_at_risk_for_as_long_as_they_have_run() -> None:
    """Of 100 ends at 60 s and 10 tasks open at 400 s, 10 in 110 lived through the bin of 60 s."""
    histogram = Histogram(ended=tuple(100.0 if cell == cell_of(60) else 0.0 for cell in range(len(EDGES))))
    assert histogram.shares[-1] == pytest.approx(1)
    slowed, after = histogram.with_open([400.0] * 10), cell_of(60) + 1
    assert slowed.shares[after] == pytest.approx(100 / 110)
    assert slowed.with_open([400.0] * 10_000).shares[after] == pytest.approx(100 / 110)  # a tenth of the ends at most
    assert slowed.with_open([30.0] * 10).shares[after] == pytest.approx(1)


def test_what_is_left_after_the_last_end_falls_as_one_by_t() -> None:
    """So tasks of a provider that has slowed down are polled at ages at which none has ended yet."""
    histogram = Histogram(ended=tuple(90.0 if cell == cell_of(60) else 0.0 for cell in range(len(EDGES))))
    slowed, after = histogram.with_open([400.0] * 10), cell_of(60) + 1
    rest = 1 - slowed.shares[after]
    assert rest == pytest.approx(9 / 99)
    assert [1 - slowed.shares[cell] for cell in (after + 9, 90)] == pytest.approx(
        [rest * EDGES[after] / EDGES[cell] for cell in (after + 9, 90)]
    )
    late = Histogram(ended=(*histogram.ended[:-1], 10.0))
    assert late.shares[after:] == pytest.approx([0.9] * (len(EDGES) - after))  # which ended beyond all bins


def test_an_end_between_two_polls_is_shared_out_by_the_estimate() -> None:
    evenly = Distribution.of([min(0.9, edge / 100) for edge in EDGES])
    histogram = Histogram().with_finishes([Finish(key=MODEL, after_s=20, until_s=60)], evenly)
    assert math.fsum(histogram.ended) == pytest.approx(1)
    assert all(share == 0 for cell, share in enumerate(histogram.ended) if not cell_of(20) <= cell <= cell_of(60))
    half = math.fsum(histogram.ended[: cell_of(40)])
    assert half == pytest.approx(0.5, abs=0.12)


@given(st.lists(st.tuples(st.floats(0, 9_000), st.floats(0, 9_000)), min_size=1, max_size=80))
def test_every_end_counts_once_wherever_it_lies(pairs: list[tuple[float, float]]) -> None:
    finishes = [Finish(key=MODEL, after_s=min(pair), until_s=max(pair)) for pair in pairs]
    histogram = Histogram().with_finishes(finishes, PRIOR)
    steps = 2 ** (-1 / 200)
    assert histogram.count == len(pairs)
    assert histogram.weight == pytest.approx(math.fsum(steps**age for age in range(len(pairs))))
    assert all(
        0 <= left <= right <= 1 + 1e-9 for left, right in zip(histogram.shares, histogram.shares[1:], strict=False)
    )


def test_an_end_counts_half_after_200_more_and_after_a_week() -> None:
    histogram = Histogram(learned_ms=1).with_finishes(_ends(20), PRIOR)
    later = histogram.with_finishes(_ends(*[60.0, 400.0] * 100), PRIOR)
    assert later.ended[cell_of(20)] == pytest.approx(0.5, rel=0.01)
    assert histogram.aged(1 + WEEK_MS).weight == pytest.approx(0.5)
    assert histogram.aged(-WEEK_MS).weight == 1  # a clock that was set back


def test_a_clock_that_leaps_ahead_leaves_the_prior() -> None:
    found = {key: histogram.aged(2 + 1000 * WEEK_MS) for key, histogram in _taught([60.0] * 50).items()}
    assert _median_s(found) == pytest.approx(PRIOR.age_of(0.5), rel=0.01)


def test_what_is_not_learned_yet_comes_from_the_coarser_key_and_at_last_from_the_prior() -> None:
    assert UNKNOWN.distribution == with_tail(PRIOR_SHARES)
    assert (UNKNOWN.learned, UNKNOWN.count) == (None, 0)
    found = _taught([30.0] * 50)
    other_size = estimate(SIZE, found)
    assert (other_size.learned, other_size.count) == (MODEL, 50)
    assert _median_s(found, SIZE) == _median_s(found) < 40
    assert 40 < _median_s(_taught([30.0])) < 130  # a few ends count beside the prior
    assert _median_s(found, DurationKey("dashscope", "horse")) == pytest.approx(130, rel=0.01)


@pytest.mark.parametrize("factor", [10.0, 2.0, 0.5, 0.1])
def test_a_provider_that_becomes_slower_or_faster_is_noticed_and_learned_anew(factor: float) -> None:
    rng = random.Random(5)
    before = _taught([rng.lognormvariate(math.log(120), 0.3) for _ in range(400)])
    assert not before[MODEL].is_drifting
    early = _taught([factor * rng.lognormvariate(math.log(120), 0.3) for _ in range(40)], before)
    assert early[MODEL].is_drifting
    assert early[MODEL].weight < before[MODEL].weight / 2
    late = _taught([factor * rng.lognormvariate(math.log(120), 0.3) for _ in range(300)], early)
    assert not late[MODEL].is_drifting
    assert _median_s(late) == pytest.approx(120 * factor, rel=0.15)


def test_a_steady_provider_seldom_seems_to_drift() -> None:
    rng, found, drifts = random.Random(2), dict[DurationKey, Histogram](), 0
    for _ in range(100):
        found = _taught([rng.lognormvariate(math.log(120), 0.6) for _ in range(DRIFT_OF)], found)
        drifts += found[MODEL].is_drifting
    assert drifts <= 5


def test_the_first_ends_are_no_drift_although_the_prior_was_wrong() -> None:
    assert not _taught([1_000.0] * DRIFT_OF)[MODEL].is_drifting


def test_an_answer_at_once_is_learned() -> None:
    assert _median_s(_taught([0.0] * 100)) < 5


@pytest.mark.parametrize(("after_s", "until_s"), [(-1, 5), (5, 4), (0, 8 * 86_400)])
def test_an_end_with_impossible_times_is_not_plausible(after_s: float, until_s: float) -> None:
    assert not Finish(key=MODEL, after_s=after_s, until_s=until_s).is_plausible


def test_the_miss_rate_begins_at_two_percent_falls_to_its_floor_and_rises_at_once() -> None:
    counts = CallbackCounts()
    assert counts.miss_rate == pytest.approx(1 / 51)
    for _ in range(2_000):
        counts = counts.after(heard=True)
    assert 0.002 <= counts.miss_rate < 0.004
    missed = counts.after(heard=False)
    assert missed.miss_rate > 0.03
    for _ in range(50):
        missed = missed.after(heard=False)
    assert missed.miss_rate > 0.5
    assert replace(counts, heard=1e9).miss_rate == 0.002


def test_only_ends_of_which_a_callback_was_expected_change_the_miss_rate() -> None:
    polled = learned({}, _ends(60), {}, now_ms=1)
    assert polled[DurationKey("hiapi")].callbacks == CallbackCounts()
    missed = [replace(each, by_callback=False) for each in _ends(60, 60)]
    found = learned({}, missed, {}, now_ms=1)
    assert estimate(SIZE, found).miss_rate > 2 * UNKNOWN.miss_rate


def test_open_tasks_are_counted_for_what_is_known_and_forgotten_when_they_are_gone() -> None:
    found = _taught([60.0] * 20)
    assert learned({}, [], {MODEL: [5.0]}, now_ms=1) == {}
    seen = found | learned(found, [], {DurationKey("hiapi"): [], MODEL: [5.0, 100.0]}, now_ms=1)
    assert math.fsum(seen[MODEL].open) == math.fsum(seen[DurationKey("hiapi")].open) == 2
    gone = seen | learned(seen, [], {DurationKey("hiapi"): []}, now_ms=1)
    assert math.fsum(gone[MODEL].open) == math.fsum(gone[DurationKey("hiapi")].open) == 0


def test_polls_alone_teach_that_few_tasks_end_long_before_the_first_poll() -> None:
    """Nearly none of these ends before 80 s, which no poll before that shows."""
    rng, found = random.Random(1), dict[DurationKey, Histogram]()
    for _ in range(200):
        known = estimate(MODEL, found).distribution
        first_s = due_age_s(known, 0, price_s=5, least_gap_s=3, most_gap_s=600)
        finishes = []
        for _ in range(10):
            took_s, after_s, until_s = rng.lognormvariate(math.log(120), 0.15), 0.0, first_s
            while until_s < took_s:
                after_s, until_s = until_s, due_age_s(known, until_s, price_s=5, least_gap_s=3, most_gap_s=600)
            finishes.append(Finish(key=MODEL, after_s=after_s, until_s=until_s))
        found |= learned(found, finishes, {}, now_ms=1)
    known = estimate(MODEL, found).distribution
    assert known.ended_by(80) < 0.03
    assert known.age_of(0.5) == pytest.approx(120, rel=0.05)
