"""What is learned of how long tasks take: histograms of ends, and the estimates that follow from them.

Pure. Seconds are those of the provider's clock since the submit. A histogram counts ends in the bins between `EDGES`
and, last, those after all of them. Its estimate is that of Kaplan and Meier: tasks that are open count as at risk for
as long as they have run, so that a provider that slows down shows before its tasks have ended.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from receiver.reconcile.model.distribution import (
    EDGES,
    PRIOR_SHARES,
    Distribution,
    mirrored,
    pooled,
    smoothed,
    with_tail,
)

PARENT_WEIGHT = 5.0  # how many ends the estimate of the coarser key counts for

HALVES_AFTER = 200  # ends, after which an end counts half

HALVES_AFTER_MS = 7 * 86_400_000

DRIFT_OF = 30  # ends, after which their places in the estimate are looked at

DRIFT_BEYOND = 0.16  # how far their mean may be from the middle: three standard errors

DRIFTED = 4.0  # all ends so far count for so much less once it is farther

OPEN_SHARE = (
    0.1  # of the ends' weight is the most that open tasks count for; else a busy hour would look like a slow one
)

LONGEST_S = 7 * 86_400.0  # what lasts longer was not measured but comes from a clock that was set

MISS_FLOOR = 0.002  # of callbacks are always taken to be lost, so that it is noticed when all are

MISS_PRIOR = (1.0, 50.0)  # callbacks missed and heard, before any

RECENT_PRIOR = (0.0, 10.0)  # the same for the estimate that forgets fast

RECENT_HALVES_AFTER = 10  # callbacks, in the same

_CELLS = len(EDGES)

_STEP = 2 ** (-1 / HALVES_AFTER)

_RECENT_STEP = 2 ** (-1 / RECENT_HALVES_AFTER)


@dataclass(frozen=True, slots=True, order=True)
class DurationKey:
    """Which tasks a histogram is about. An empty text means all: of a provider, of a model."""

    provider: str
    model: str = ""
    resolution: str = ""
    #: Of the clip, in seconds.
    length: str = ""

    @property
    def path(self) -> tuple["DurationKey", ...]:
        """From the provider to this key."""
        levels = (DurationKey(self.provider), DurationKey(self.provider, self.model), self)
        return tuple(dict.fromkeys(levels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The end of one task. It lies after `after_s` and not after `until_s`; both are equal where it is exact."""

    key: DurationKey
    after_s: float
    until_s: float
    #: Whether a callback told it; None where none was expected.
    by_callback: bool | None = None

    @property
    def is_plausible(self) -> bool:
        return 0 <= self.after_s <= self.until_s <= LONGEST_S


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCounts:
    """Callbacks that came and that did not, as decayed sums; `recent_` ones forget twenty times as fast."""

    heard: float = 0.0
    missed: float = 0.0
    recent_heard: float = 0.0
    recent_missed: float = 0.0

    @property
    def miss_rate(self) -> float:
        """The higher of the long and the recent estimate, so that an outage of callbacks counts at once."""
        long = (self.missed + MISS_PRIOR[0]) / (self.missed + self.heard + sum(MISS_PRIOR))
        recent = (self.recent_missed + RECENT_PRIOR[0]) / (self.recent_missed + self.recent_heard + sum(RECENT_PRIOR))
        return max(MISS_FLOOR, long, recent)

    def after(self, *, heard: bool) -> "CallbackCounts":
        return CallbackCounts(
            heard=self.heard * _STEP + heard,
            missed=self.missed * _STEP + (not heard),
            recent_heard=self.recent_heard * _RECENT_STEP + heard,
            recent_missed=self.recent_missed * _RECENT_STEP + (not heard),
        )


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The ends of the tasks of one key."""

    #: Decayed ends by bin.
    ended: tuple[float, ...] = (0.0,) * _CELLS
    #: Open tasks by the bin that their age is in.
    open: tuple[float, ...] = (0.0,) * _CELLS
    #: All ends ever counted, without decay.
    count: int = 0
    #: The place of each end since the last test in the estimate of its time, 0 to 1.
    places: tuple[float, ...] = ()
    #: The last ends came earlier or later than was estimated.
    is_drifting: bool = False
    callbacks: CallbackCounts = field(default_factory=CallbackCounts)
    #: When an end was last counted, in unix milliseconds.
    learned_ms: int = 0

    @cached_property
    def weight(self) -> float:
        """How many ends count, decayed."""
        return math.fsum(self.ended)

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """The share of tasks that have ended by each edge, as Kaplan and Meier estimate it."""
        opened = math.fsum(self.open)
        scale = min(1.0, OPEN_SHARE * self.weight / opened) if opened > 0 else 0.0
        at_risk, left, found = self.weight + scale * opened, 1.0, [0.0]
        for ended, still_open in zip(self.ended[:-1], self.open[:-1], strict=True):
            at_risk -= scale * still_open  # not seen to live through this bin
            if ended > 0 and at_risk > 0:
                left *= max(0.0, 1 - ended / at_risk)
            at_risk -= ended
            found.append(1 - left)
        return _with_rest(found, self.ended)

    def aged(self, now_ms: int) -> "Histogram":
        """As it counts now. A clock that was set back ages nothing."""
        old_ms = max(0, now_ms - self.learned_ms) if self.learned_ms else 0
        kept = 2 ** (-old_ms / HALVES_AFTER_MS)
        return replace(self, ended=tuple(kept * each for each in self.ended), learned_ms=now_ms)

    def with_finishes(self, finishes: Sequence[Finish], estimate: Distribution) -> "Histogram":
        """With more ends, in their order. `estimate`: what was known of the key before.

        An end that is not known exactly is shared out by the smoothed and mirrored estimate. Without that a chance bump
        of the estimate would draw later ends to itself and stay.
        """
        found, smooth = self, mirrored(smoothed(estimate))
        for first in range(0, len(finishes), DRIFT_OF):
            found = found.with_few(finishes[first : first + DRIFT_OF], estimate, smooth)
        return found

    def with_few(self, finishes: Sequence[Finish], estimate: Distribution, smooth: Distribution) -> "Histogram":
        """With at most `DRIFT_OF` ends more, so that the estimate is tested once at most."""
        ended, unit = list(self.ended), 1.0
        places, callbacks = list(self.places), self.callbacks
        for finish in finishes:
            unit /= _STEP  # an end weighs more than those before it; all are scaled back at the end
            for cell, share in _spread(finish, None if self.is_drifting else smooth):
                ended[cell] += unit * share
            if self.weight >= DRIFT_OF:  # of its own ends; without them the estimate is that of others
                places.append((estimate.ended_by(finish.after_s) + estimate.ended_by(finish.until_s)) / 2)
            if finish.by_callback is not None:
                callbacks = callbacks.after(heard=finish.by_callback)
        is_drifting = self.is_drifting
        if len(places) >= DRIFT_OF:
            is_drifting = abs(math.fsum(places) / len(places) - 0.5) > DRIFT_BEYOND
            unit *= DRIFTED if is_drifting else 1
            places = []
        return replace(
            self,
            ended=tuple(each / unit for each in ended),
            count=self.count + len(finishes),
            places=tuple(places),
            is_drifting=is_drifting,
            callbacks=callbacks,
        )

    def with_open(self, ages_s: Sequence[float]) -> "Histogram":
        """With these open tasks in place of earlier ones."""
        cells = [0.0] * _CELLS
        for age_s in ages_s:
            if 0 <= age_s <= LONGEST_S:
                cells[cell_of(age_s)] += 1
        return replace(self, open=tuple(cells))


Histograms = Mapping[DurationKey, Histogram]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of the tasks of a key."""

    distribution: Distribution
    #: Of the callbacks of the key's provider.
    miss_rate: float
    #: The finest key of which ends were counted, and how many; None where all of it is the prior.
    learned: DurationKey | None
    count: int
    #: How much of the estimate is the prior, 0 to 1.
    prior_share: float
    is_drifting: bool


def estimate(key: DurationKey, histograms: Histograms) -> Estimate:
    """Of a key: each level counts by its ends, and the one above it as `PARENT_WEIGHT` more."""
    shares: Sequence[float] = PRIOR_SHARES
    learned, count, prior_share, is_drifting = None, 0, 1.0, False
    for level in key.path:
        found = histograms.get(level)
        if found is None or found.weight <= 0:
            continue
        shares = pooled(found.shares, found.weight, shares, PARENT_WEIGHT)
        learned, count, is_drifting = level, found.count, found.is_drifting
        prior_share *= PARENT_WEIGHT / (found.weight + PARENT_WEIGHT)
    provider = histograms.get(DurationKey(key.provider))
    callbacks = CallbackCounts() if provider is None else provider.callbacks
    return Estimate(
        distribution=with_tail(shares),
        miss_rate=callbacks.miss_rate,
        learned=learned,
        count=count,
        prior_share=prior_share,
        is_drifting=is_drifting,
    )


def learned(
    histograms: Histograms, finishes: Sequence[Finish], open_ages: Mapping[DurationKey, Sequence[float]], now_ms: int
) -> dict[DurationKey, Histogram]:
    """The histograms that change by these ends, and by the ages of the tasks that are open."""
    by_level: dict[DurationKey, list[Finish]] = {}
    for finish in finishes:
        for level in finish.key.path:
            by_level.setdefault(level, []).append(finish)
    open_by_level: dict[DurationKey, list[float]] = {}
    for key, ages_s in open_ages.items():
        for level in key.path:
            open_by_level.setdefault(level, []).extend(ages_s)
    changed = {}
    for level, ends in by_level.items():
        known = histograms.get(level, Histogram()).aged(now_ms)
        changed[level] = known.with_finishes(ends, estimate(level, histograms).distribution)
    for level in histograms.keys() | changed.keys():
        known = changed.get(level) or histograms[level]
        opened = known.with_open(open_by_level.get(level, ()))
        if opened.open != known.open:
            changed[level] = opened
    return changed


UNKNOWN = estimate(DurationKey(""), {})


def cell_of(age_s: float) -> int:
    """The bin of an age; the last one is for what comes after all edges."""
    return max(0, min(bisect_right(EDGES, age_s) - 1, _CELLS - 1))


def _with_rest(shares: Sequence[float], ended: Sequence[float]) -> tuple[float, ...]:
    """The shares, with what is left after the last end in a bin spread out as 1/t².

    The estimate itself says nothing there: the tasks that are left are open, and may end at any time.
    """
    weight = math.fsum(ended)
    last = max((cell + 1 for cell, number in enumerate(ended[:-1]) if number > 0), default=0)
    beyond = ended[-1] / weight if weight > 0 else 0.0  # whose end is known to lie after all bins
    rest = 1 - shares[last] - beyond
    if last == 0 or rest <= 0:
        return tuple(shares)
    return (*shares[:last], *(1 - beyond - rest * EDGES[last] / edge for edge in EDGES[last:]))


def _spread(finish: Finish, estimate: Distribution | None) -> list[tuple[int, float]]:
    """The bins between which an end is shared out, in proportion to the estimate; evenly in time without one."""
    first, last = cell_of(finish.after_s), cell_of(finish.until_s)
    if first == last:
        return [(last, 1.0)]
    borders = [finish.after_s, *EDGES[first + 1 : last + 1], finish.until_s]
    at = borders if estimate is None else [estimate.ended_by(border) for border in borders]
    whole = at[-1] - at[0]
    if whole <= 0:
        return [(last, 1.0)]
    parts = [(right - left) / whole for left, right in pairwise(at)]
    return list(zip(range(first, last + 1), parts, strict=True))
