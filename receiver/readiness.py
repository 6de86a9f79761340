"""Whether the ledger can be written now, found out by writing, and however many ask, at most once in a while.

Anyone may ask without a key, so the question must not cost a commit each time.
"""

import asyncio
from collections.abc import Awaitable, Callable

FRESH_MS = 1000  # how old an answer may be; shorter than any load balancer's own interval


class Readiness:
    """One for a process. `prove` raises StoreUnavailable when the ledger cannot be written."""

    def __init__(self, *, prove: Callable[[], Awaitable[None]], clock: Callable[[], int]) -> None:
        self._prove = prove
        self._clock = clock
        self._proof: asyncio.Task[None] | None = None
        self._begun_ms = 0

    async def check(self) -> None:
        """Raise what the newest proof raised. All who ask while one is under way, or fresh, share it."""
        if self._proof is None or (self._proof.done() and not self._is_fresh()):
            self._begun_ms = self._clock()
            self._proof = asyncio.create_task(self._run())
        await asyncio.shield(self._proof)

    def _is_fresh(self) -> bool:
        return 0 <= self._clock() - self._begun_ms < FRESH_MS

    async def _run(self) -> None:
        await self._prove()
