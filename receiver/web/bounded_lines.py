"""Log lines that anybody can cause as often as they like: the first of each second in full, the others as a number.

A line costs more than everything else that a callback costs.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

MOST_A_SECOND = 10


class BoundedLines:
    """Lines of one kind. `tell_others` gets how many were left out in a second, by what was said of them."""

    def __init__(self, tell_others: Callable[[Mapping[str, int]], None]) -> None:
        self._tell_others = tell_others
        self._left_out: Counter[str] = Counter()
        self._written = 0
        self._until_s = 0.0

    def may_write(self, what: str) -> bool:
        """Whether a line may be written in full. If not, it is counted under `what`, which must be one of few words."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if now_s >= self._until_s:
            self._until_s, self._written = now_s + 1.0, 0
        if self._written < MOST_A_SECOND:
            self._written += 1
            return True
        if not self._left_out:
            loop.call_at(self._until_s, self._tell)
        self._left_out[what] += 1
        return False

    def _tell(self) -> None:
        others, self._left_out = self._left_out, Counter()
        self._tell_others(others)
