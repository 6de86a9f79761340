"""Group commit: observations that arrive while one transaction is being written go together into the next one.

There is no timer. A single observation is written at once, many are written in batches, and each caller gets its
outcome only after its own commit.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from receiver.store.errors import StoreUnavailable
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.task import IncomingObservation, Recorded, RecordOutcome

MAX_BATCH = 256  # observations in one transaction; bounds how long the first of them waits

#: With the time of the event loop at which it came.
_Waiting = tuple[IncomingObservation, asyncio.Future[RecordOutcome], float]


class GroupCommit:
    """One for a process. `on_events` is called after each commit that created events."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], int], on_events: Callable[[], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._on_events = on_events
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[Any] | None = None

    async def record(self, incoming: IncomingObservation) -> RecordOutcome:
        """Return the outcome once it is durable. Raise what the transaction raised; then nothing of it is stored.

        A cancelled caller does not stop the others of its batch, nor its own observation.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[RecordOutcome] = loop.create_future()
        self._waiting.append((incoming, outcome, loop.time()))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await outcome

    async def _drain(self) -> None:
        try:
            while self._waiting:
                most = min(MAX_BATCH, len(self._waiting))
                await self._write([self._waiting.popleft() for _ in range(most)])
        finally:
            self._writer = None

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        # A batch waits as long as its oldest caller may, who has waited for the batches before it already.
        waited_s = asyncio.get_running_loop().time() - batch[0][2]
        try:
            incoming = [each for each, _, _ in batch]
            outcomes = await self._ledger.record(incoming, self._clock(), waited_s=waited_s)
        except StoreUnavailable as error:
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - every waiting caller gets it, whatever it is
            if len(batch) == 1:
                _fail(batch, error)
                return
            for alone in batch:  # one that cannot be stored must not fail the others
                await self._write([alone])
            return
        for (_, waiter, _), outcome in zip(batch, outcomes, strict=True):
            if not waiter.done():
                waiter.set_result(outcome)
        if any(isinstance(outcome, Recorded) and outcome.event_seq is not None for outcome in outcomes):
            self._on_events()

    async def drained(self) -> None:
        """Wait until nothing is left to write; for a clean stop."""
        while self._writer is not None:
            await asyncio.wait([self._writer])


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for _, waiter, _ in batch:
        if not waiter.done():
            waiter.set_exception(error)
