"""Counters and histograms of one process, cheap enough for every callback.

prometheus-client's own take a lock for each value, which costs five times as much, and add a series `_created` to each.
Here a value is a plain attribute that belongs to the thread of the event loop. A scrape turns it into
prometheus-client's families.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

#: The values of a metric's labels, in their order.
Labels = tuple[str, ...]


class Count:
    """How often something happened since the process began."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, number: int = 1) -> None:
        self.value += number


class Counter:
    """A counter with labels. `labels` gives the same child for the same values; keep it where counting is frequent."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self.name = name
        self._about = about
        self._labels = tuple(labels)
        self._children: dict[Labels, Count] = {}

    def labels(self, *values: str) -> Count:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = Count()
        return child

    def values(self) -> Iterator[tuple[Labels, int]]:
        """Each combination of labels, and its count so far."""
        for labels, child in self._children.items():
            yield labels, child.value

    def collect(self) -> Metric:
        family = CounterMetricFamily(self.name, self._about, labels=self._labels)
        for labels, value in self.values():
            family.add_metric(labels, value)
        return family


class Distribution:
    """How many values fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        #: The last one is for values above all bounds.
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Histogram:
    """A histogram with labels; see `Counter`. A value equal to a bound is within its bucket."""

    def __init__(self, name: str, about: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        self.name = name
        self.bounds = tuple(buckets)
        self._about = about
        self._labels = tuple(labels)
        self._children: dict[Labels, Distribution] = {}

    def labels(self, *values: str) -> Distribution:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = Distribution(self.bounds)
        return child

    def values(self) -> Iterator[tuple[Labels, int]]:
        """Each combination of labels and, as one label more, each bound, with the values in that bucket alone."""
        names = self.bound_names()
        for labels, child in self._children.items():
            for bound, count in zip(names, child.counts, strict=True):
                yield (*labels, bound), count

    def bound_names(self) -> tuple[str, ...]:
        return (*(f"{bound:g}" for bound in self.bounds), "+Inf")

    def collect(self) -> Metric:
        family = HistogramMetricFamily(self.name, self._about, labels=self._labels)
        for labels, child in self._children.items():
            buckets = list(zip(self.bound_names(), accumulate(child.counts), strict=True))
            family.add_metric(labels, buckets, child.sum)
        return family


def quantile(counts: Mapping[str, int], share: float) -> float | None:
    """The value below which this share of the values lies, by bucket bounds as text; None without values.

    `counts` are those of each bucket alone. Within a bucket the values are taken to be spread evenly. Above all bounds
    it is the last bound.
    """
    ordered = sorted((float(bound), count) for bound, count in counts.items())
    wanted = share * sum(count for _, count in ordered)
    low, below = 0.0, 0
    for bound, count in ordered:
        if count and below + count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / count
        low, below = (low if bound == float("inf") else bound), below + count
    return None


def differences(now: Iterable[tuple[Labels, int]], before: dict[Labels, int]) -> Iterator[tuple[Labels, int]]:
    """What each count has grown by since `before`, which is brought up to date as far as this is read."""
    for labels, value in now:
        grown = value - before.get(labels, 0)
        if grown:
            before[labels] = value
            yield labels, grown
