"""Whether the ledger can be written now. A check writes to it, at most once a second.

Checks need no API key, so each of them must not cost a commit.
"""

import asyncio
from collections.abc import Callable, Coroutine

FRESH_MS = 1000  # how old a result may be; shorter than the interval of any load balancer


class Readiness:
    """One for a process. `probe` raises StoreUnavailable when the ledger can not be written."""

    def __init__(self, *, probe: Callable[[], Coroutine[None, None, None]], clock: Callable[[], int]) -> None:
        self._probe = probe
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._started_ms = 0

    async def check(self) -> None:
        """Raise what the newest probe raised. Callers share a probe that is running or less than a second old."""
        if self._running is None or (self._running.done() and not self._is_fresh()):
            self._started_ms = self._clock()
            self._running = asyncio.create_task(self._probe())
        # Shielded, because a caller that is cancelled must not cancel the probe of the others.
        await asyncio.shield(self._running)

    def _is_fresh(self) -> bool:
        return 0 <= self._clock() - self._started_ms < FRESH_MS
