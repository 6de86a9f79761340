"""How many callbacks came and how many were missed, by provider, from the counts by minute. Pure.

A callback is missed where a task expects one and a poll finds its end first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from receiver.store.minutes import MINUTE_MS, SpanCount

NONE_MS = 30 * MINUTE_MS  # without any callback

FEW = 3  # missed ones; fewer may have been late or lost on their way

MISSED_SHARE = 0.05

ENOUGH = 20  # tasks that expect a callback; of fewer a share says little


class Misses(NamedTuple):
    """Tasks that expected a callback and ended."""

    missed: int
    expected: int

    @property
    def share(self) -> float | None:
        """None where nothing was expected."""
        return self.missed / self.expected if self.expected else None


def misses(ends: Iterable[SpanCount], *, since_ms: int = 0) -> Mapping[str, Misses]:
    """By provider; the labels of `ends` are state, by, callback_expected."""
    missed: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    for each in ends:
        _, by, is_expected = each.label.split("/")
        if is_expected == "true" and each.at_ms >= since_ms:
            expected[each.provider] += each.count
            missed[each.provider] += each.count if by != "callback" else 0
    return {name: Misses(missed[name], number) for name, number in expected.items()}


def too_many_missed(ends: Iterable[SpanCount], *, part: float = 1.0) -> Mapping[str, Misses]:
    """Providers over both limits, or over this part of them."""
    return {
        name: found
        for name, found in misses(ends).items()
        if found.expected >= ENOUGH * part and found.missed > MISSED_SHARE * part * found.expected
    }


def taken_from(callbacks: Iterable[SpanCount], *, since_ms: int) -> set[str]:
    """Providers of which a callback was taken; a rejected one was not."""
    return {each.provider for each in callbacks if each.at_ms >= since_ms and each.label != "rejected"}


def none_taken(ends: Sequence[SpanCount], callbacks: Iterable[SpanCount], now_ms: int) -> Mapping[str, Misses]:
    """Providers of which tasks ended by polls within half an hour, and no callback was taken."""
    since_ms = now_ms - NONE_MS
    taken = taken_from(callbacks, since_ms=since_ms)
    by_poll = [each for each in ends if each.label.split("/")[1] == "poll"]
    found = misses(by_poll, since_ms=since_ms)
    return {name: each for name, each in found.items() if each.missed >= FEW and name not in taken}
