"""When a task is polled next, and which of many due ones are polled first.

Pure. A poll is due once the lateness that is to be expected since the last look equals the price of a poll; see
`receiver.reconcile.model.distribution.accrued`. Ages are seconds of the provider's clock since the submit.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from receiver.reconcile.model.distribution import EDGES, Distribution, accrued, lateness_of_bins, lateness_within

HAZARD_FLOOR_PER_S = 1 / 600  # of ends, in the ranking: also a wrong estimate leaves no task behind

UNASKED_EVERY = 5  # one poll in so many goes to the task that was not polled for the longest time

_CLOSE = 0.01  # how exactly the price is met, as a share of it

_MOST_STEPS = 50  # seven are usual

_HALVINGS = 7  # of a bin, in which an age is found


def due_age_s(
    distribution: Distribution,
    asked_age_s: float,
    *,
    price_s: float,
    least_gap_s: float,
    most_gap_s: float,
    miss_rate: float = 1.0,
) -> float:
    """The first age, between the two gaps after `asked_age_s`, at which the accrued lateness reaches `price_s`."""
    asked_s = max(0.0, asked_age_s)
    earliest_s, latest_s = asked_s + least_gap_s, asked_s + max(least_gap_s, most_gap_s)
    if miss_rate < 1:
        found_s = _due_by_bins(distribution, asked_s, latest_s, price_s=price_s, miss_rate=miss_rate)
    else:
        found_s = _due_exactly(distribution, asked_s, latest_s, price_s=price_s)
    return min(latest_s, max(earliest_s, found_s))


def _due_exactly(distribution: Distribution, asked_s: float, latest_s: float, *, price_s: float) -> float:
    """Within a bin the share grows evenly, and the lateness as a square; after all bins it is found by tangents."""
    first = bisect_right(EDGES, asked_s)
    ended_before, area_before = distribution.ended_by(asked_s), distribution.area_to(asked_s)
    wanted_s, ended, area = price_s * (1 - ended_before), distribution.ended, distribution.area

    def late_by(edge: int) -> float:
        return area[edge] - area_before - (EDGES[edge] - asked_s) * ended_before

    edge = first + bisect_left(range(first, len(EDGES)), wanted_s, key=late_by)
    if edge == len(EDGES):
        return _due_by_tangents(distribution, asked_s, latest_s, price_s=price_s)
    left_s, late_s, over = asked_s, 0.0, 0.0
    if edge > first:
        left_s, late_s, over = EDGES[edge - 1], late_by(edge - 1), ended[edge - 1] - ended_before
    slope = (ended[edge] - ended[edge - 1]) / (EDGES[edge] - EDGES[edge - 1])
    rest_s = wanted_s - late_s
    return left_s + 2 * rest_s / (over + math.sqrt(over * over + 2 * slope * rest_s))


def _due_by_tangents(distribution: Distribution, asked_s: float, latest_s: float, *, price_s: float) -> float:
    """Newton's method from the right, which never steps over the age, because the lateness grows ever faster."""
    ended_before, found_s = distribution.ended_by(asked_s), latest_s
    for _ in range(_MOST_STEPS):
        over_s = accrued(distribution, asked_s, found_s) - price_s
        if over_s <= price_s * _CLOSE:
            break
        ended = distribution.ended_by(found_s)
        if ended <= ended_before:
            break  # ages so large that both round to the same share
        found_s -= over_s * (1 - ended_before) / (ended - ended_before)
    return found_s


def _due_by_bins(
    distribution: Distribution, asked_s: float, latest_s: float, *, price_s: float, miss_rate: float
) -> float:
    late_s, left_s = 0.0, asked_s
    for right_s, more_s in lateness_of_bins(distribution, asked_s, latest_s, miss_rate=miss_rate):
        if late_s + more_s >= price_s:
            break
        late_s, left_s = late_s + more_s, right_s
    else:
        return latest_s
    ended_before, low_s, high_s = distribution.ended_by(asked_s), left_s, right_s
    for _ in range(_HALVINGS):
        middle_s = (low_s + high_s) / 2
        more_s = lateness_within(distribution, ended_before, left_s, middle_s, miss_rate=miss_rate)
        low_s, high_s = (low_s, middle_s) if late_s + more_s >= price_s else (middle_s, high_s)
    return high_s


def index(
    distribution: Distribution, asked_age_s: float, age_s: float, *, miss_rate: float = 1.0, weight: float = 1.0
) -> float:
    """How much a poll of a task at `age_s` is worth, in seconds of lateness; never less than by the hazard floor."""
    gap_s = max(0.0, age_s - max(0.0, asked_age_s))
    floor_per_s = HAZARD_FLOOR_PER_S * miss_rate
    by_floor_s = gap_s + math.expm1(-floor_per_s * gap_s) / floor_per_s
    late_s = max(accrued(distribution, asked_age_s, age_s, miss_rate=miss_rate), by_floor_s)
    return weight * late_s if late_s > 0 else 0.0  # the weight may be infinite


def most_urgent(indexes: Sequence[float], unasked_s: Sequence[float], count: int, *, asked_before: int) -> list[int]:
    """The positions of the `count` tasks to poll: by index, and every fifth the one that was unasked for longest.

    `asked_before`: how many were chosen in earlier calls, so that also calls for one task at a time keep that share.
    """
    longest = (asked_before + count) // UNASKED_EVERY - asked_before // UNASKED_EVERY
    by_time = sorted(range(len(indexes)), key=lambda position: -unasked_s[position])[:longest]
    taken = set(by_time)
    by_index = sorted(range(len(indexes)), key=lambda position: -indexes[position])
    others = [position for position in by_index if position not in taken]
    return [*by_time, *others[: max(0, count - len(by_time))]]


def price_of(indexes: Sequence[float], tokens: int, *, least_s: float) -> float:
    """What a poll must be worth to be made now, in seconds of lateness, where so many requests are left.

    It is the index of the first task that gets none, and the least price where all get one.
    """
    waiting = sorted((index for index in indexes if index < math.inf), reverse=True)
    left = max(0, tokens - (len(indexes) - len(waiting)))
    return max(least_s, waiting[left]) if left < len(waiting) else least_s


def weight_of(age_s: float, *, retention_s: float) -> float:
    """How much a second of lateness counts: up to five times as much as the provider is about to forget the task."""
    left_s = max(0.0, retention_s - max(0.0, age_s))
    return 1 + 4 * (1 - left_s / retention_s)


def ranking_weight_of(age_s: float, *, retention_s: float, sweep_s: float) -> float:
    """The same in the ranking: infinite in the last two sweeps, in each of which every task is polled once."""
    is_last = 0 < retention_s - age_s < 2 * sweep_s
    return math.inf if is_last else weight_of(age_s, retention_s=retention_s)
