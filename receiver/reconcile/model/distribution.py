"""How long tasks take from submit to end: a cumulative distribution over fixed bins, and what follows from it.

Pure. Ages are seconds of the provider's clock since the submit.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from submitter.providers.schedule import PRIOR_MEDIAN_S, PRIOR_SIGMA

BINS = 90

#: The bins' borders: 0, then 5 s and each 8 % later than the one before, up to 1.3 hours.
EDGES: tuple[float, ...] = (0.0, *(5.0 * 1.08**number for number in range(BINS)))

TOP_S = EDGES[-1]

TAIL_SHARE = 0.01  # of every estimate is a tail with the density 1/t², so that no end is ever held to be impossible


@dataclass(frozen=True, slots=True)
class Distribution:
    """The share of tasks that have ended by each of `EDGES`, and the integral of that share from 0.

    Within a bin ends are spread evenly; after the last edge the share that is left falls as 1/t.
    """

    ended: tuple[float, ...]
    area: tuple[float, ...]

    @classmethod
    def of(cls, ended: Sequence[float]) -> "Distribution":
        """`ended` does not fall, begins at 0 and stays below 1."""
        area = [0.0]
        for (left, right), (lower, higher) in zip(pairwise(EDGES), pairwise(ended), strict=True):
            area.append(area[-1] + (right - left) * (lower + higher) / 2)
        return cls(tuple(ended), tuple(area))

    def ended_by(self, age_s: float) -> float:
        """The share of tasks that have ended by this age."""
        if age_s >= TOP_S:
            return 1 - (1 - self.ended[-1]) * TOP_S / age_s
        if age_s <= 0:
            return 0.0
        number = bisect_right(EDGES, age_s) - 1
        left, lower = EDGES[number], self.ended[number]
        return lower + (self.ended[number + 1] - lower) * (age_s - left) / (EDGES[number + 1] - left)

    def area_to(self, age_s: float) -> float:
        """The integral of `ended_by` from 0 to this age."""
        if age_s >= TOP_S:
            left_over = (1 - self.ended[-1]) * TOP_S
            return self.area[-1] + (age_s - TOP_S) - left_over * math.log(age_s / TOP_S)
        if age_s <= 0:
            return 0.0
        number = bisect_right(EDGES, age_s) - 1
        left, lower = EDGES[number], self.ended[number]
        part_s = age_s - left
        slope = (self.ended[number + 1] - lower) / (EDGES[number + 1] - left)
        return self.area[number] + part_s * (lower + slope * part_s / 2)

    def age_of(self, share: float) -> float:
        """The age by which this share of tasks, below 1, has ended."""
        if share >= self.ended[-1]:
            return TOP_S * (1 - self.ended[-1]) / (1 - share)
        number = max(1, bisect_left(self.ended, share))
        lower, higher = self.ended[number - 1], self.ended[number]
        part = (share - lower) / (higher - lower) if higher > lower else 0.0
        return EDGES[number - 1] + part * (EDGES[number] - EDGES[number - 1])


def accrued(distribution: Distribution, asked_age_s: float, age_s: float, *, miss_rate: float = 1.0) -> float:
    """The lateness, in seconds, to be expected at `age_s` of a task that was last seen open at `asked_age_s`.

    It is the integral of the chance that the task has ended, given that it was open then. `miss_rate`: the share of
    ends that no callback reports; below 1 the silence since then is evidence that the task still runs.
    """
    asked_s = max(0.0, asked_age_s)
    if age_s <= asked_s:
        return 0.0
    if miss_rate < 1:
        return math.fsum(late for _, late in lateness_of_bins(distribution, asked_s, age_s, miss_rate=miss_rate))
    if asked_s >= TOP_S:  # without the differences of large numbers
        return max(0.0, (age_s - asked_s) - asked_s * math.log1p((age_s - asked_s) / asked_s))
    ended = distribution.ended_by(asked_s)
    grown = distribution.area_to(age_s) - distribution.area_to(asked_s)
    return max(0.0, (grown - (age_s - asked_s) * ended) / (1 - ended))


def lateness_of_bins(
    distribution: Distribution, asked_s: float, age_s: float, *, miss_rate: float
) -> Iterator[tuple[float, float]]:
    """Of each bin between the ages, its right border and the lateness that accrues in it."""
    ended_before = distribution.ended_by(asked_s)
    for left_s, right_s in pairwise(_borders(asked_s, age_s)):
        yield right_s, lateness_within(distribution, ended_before, left_s, right_s, miss_rate=miss_rate)


def lateness_within(
    distribution: Distribution, ended_before: float, left_s: float, right_s: float, *, miss_rate: float
) -> float:
    """The lateness that accrues between two ages of one bin, by Simpson's rule.

    `ended_before`: the share that had ended by the age at which the task was last seen open.
    """
    left, middle, right = (
        chance_of_end(ended_before, distribution.ended_by(age), miss_rate)
        for age in (left_s, (left_s + right_s) / 2, right_s)
    )
    return (right_s - left_s) * (left + 4 * middle + right) / 6


def chance_of_end(ended_before: float, ended: float, miss_rate: float) -> float:
    """That a task has ended, of which nothing was heard since it was seen open; both shares as of `ended_by`."""
    unseen = miss_rate * (ended - ended_before)
    return unseen / (1 - ended + unseen) if unseen > 0 else 0.0


def _borders(from_s: float, until_s: float) -> Iterator[float]:
    yield from_s
    first, last = bisect_right(EDGES, from_s), bisect_left(EDGES, until_s)
    yield from EDGES[first:last]
    beyond_s = max(from_s, TOP_S) * 1.08
    while beyond_s < until_s:
        yield beyond_s
        beyond_s *= 1.08
    yield until_s


def pooled(own: Sequence[float], weight: float, parent: Sequence[float], parent_weight: float) -> list[float]:
    """The shares ended by each edge, of two estimates that count by their weights."""
    both = weight + parent_weight
    return [(weight * mine + parent_weight * theirs) / both for mine, theirs in zip(own, parent, strict=True)]


def with_tail(ended: Sequence[float]) -> Distribution:
    """The estimate with `TAIL_SHARE` of the tail in it."""
    return Distribution.of(pooled(ended, 1 - TAIL_SHARE, _TAIL, TAIL_SHARE))


def smoothed(distribution: Distribution) -> Distribution:
    """With each bin's share mixed twice with those of its neighbours, a quarter of each."""
    parts = [right - left for left, right in pairwise(distribution.ended)]
    for _ in range(2):
        around = [parts[0], *parts, parts[-1]]
        parts = [(around[number] + 2 * around[number + 1] + around[number + 2]) / 4 for number in range(len(parts))]
    return Distribution.of([0.0, *accumulate(parts)])


def mirrored(distribution: Distribution) -> Distribution:
    """With the shares before the median averaged with the mirror image of those after it, by the age's logarithm.

    Polls tell little of ends before the first one, and a long left tail would keep the first poll early for ever.
    """
    median_s = distribution.age_of(0.5)
    return Distribution.of(
        [
            0.0,
            *(
                (ended + 1 - distribution.ended_by(median_s**2 / edge)) / 2 if edge < median_s else ended
                for edge, ended in zip(EDGES[1:], distribution.ended[1:], strict=True)
            ),
        ]
    )


def log_normal(median_s: float, sigma: float) -> tuple[float, ...]:
    """The shares ended by each edge."""
    scale = sigma * math.sqrt(2)
    return (0.0, *((1 + math.erf(math.log(edge / median_s) / scale)) / 2 for edge in EDGES[1:]))


_TAIL = tuple(edge / (edge + PRIOR_MEDIAN_S) for edge in EDGES)

#: The shares ended by each edge where nothing was learned.
PRIOR_SHARES = log_normal(PRIOR_MEDIAN_S, PRIOR_SIGMA)
