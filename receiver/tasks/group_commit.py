"""Group commit: observations that arrive while one transaction is being written go together into the next one."""

from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter
from typing import Any

from receiver.store.write_groups import WriteGroups
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.task import IncomingObservation, Recorded, RecordOutcome
from receiver.tasks.reporter import TaskReporter

MAX_BATCH = 256  # observations in one transaction; bounds how long the first of them waits


class GroupCommit:
    """One for a process. `on_events` is called after each commit that created events."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Callable[[], int],
        on_events: Callable[[], None],
        reporter: TaskReporter | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._on_events = on_events
        self._reporter = reporter or TaskReporter()
        self._groups = WriteGroups(self._write, most=MAX_BATCH)

    def record(self, incoming: IncomingObservation) -> Coroutine[Any, Any, RecordOutcome]:
        """The outcome once it is durable; see `WriteGroups.add`."""
        return self._groups.add(incoming)

    async def _write(self, batch: Sequence[IncomingObservation], *, waited_s: float) -> Sequence[RecordOutcome]:
        began_s = perf_counter()
        outcomes = await self._ledger.record(batch, self._clock(), waited_s=waited_s)
        self._reporter.committed(batch, outcomes, perf_counter() - began_s)
        if any(isinstance(outcome, Recorded) and outcome.event_seq is not None for outcome in outcomes):
            self._on_events()
        return outcomes

    async def drained(self) -> None:
        """Wait until nothing is left to write; for a clean stop."""
        await self._groups.drained()
