"""Group commit: reports that wait while one transaction is being written go into the next one together.

No timer: a lone report is written at once, a flood in batches, and each caller hears back only after its own commit.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from receiver.store.errors import StoreUnavailable
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.task import IncomingObservation, Recorded, RecordOutcome

MAX_BATCH = 256  # reports in one transaction; bounds how long the first of them waits

_Waiting = tuple[IncomingObservation, asyncio.Future[RecordOutcome]]


class GroupCommit:
    """`on_events` is called after a commit that made at least one event."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], int], on_events: Callable[[], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._on_events = on_events
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[Any] | None = None

    async def record(self, report: IncomingObservation) -> RecordOutcome:
        """Returns once the outcome is durable; raises what the transaction raised, and then nothing of it is kept."""
        outcome: asyncio.Future[RecordOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, outcome))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await outcome

    async def _drain(self) -> None:
        try:
            while self._waiting:
                most = min(MAX_BATCH, self._ledger.reports_at_once, len(self._waiting))
                await self._write([self._waiting.popleft() for _ in range(most)])
        finally:
            self._writer = None

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._ledger.record([report for report, _ in batch], self._clock())
        except StoreUnavailable as error:
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - every waiting caller must hear of it, whatever it was
            if len(batch) == 1:
                _fail(batch, error)
                return
            for alone in batch:  # a report that can not be kept takes no neighbour with it
                await self._write([alone])
            return
        for (_, waiter), outcome in zip(batch, outcomes, strict=True):
            if not waiter.done():
                waiter.set_result(outcome)
        if any(isinstance(outcome, Recorded) and outcome.event_seq is not None for outcome in outcomes):
            self._on_events()

    async def drained(self) -> None:
        """Wait until nothing is left to write; for a clean stop."""
        while self._writer is not None:
            await asyncio.wait([self._writer])


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for _, waiter in batch:
        if not waiter.done():
            waiter.set_exception(error)
