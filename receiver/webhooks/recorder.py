"""Record attempts in groups: what ends while one group is being written goes together into the next one."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from receiver.store.errors import StoreUnavailable
from receiver.store.write_groups import WriteGroups
from receiver.webhooks.model.delivery import AttemptResult
from receiver.webhooks.outbox import Outbox

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 512  # in one transaction

PAUSES_S = (0.1, 0.5)  # between the tries to record a group


class AttemptRecorder:
    """One for a process. `on_recorded` is called after each commit, with the number of events that it published."""

    def __init__(
        self, outbox: Outbox, *, clock: Callable[[], int], give_up_ms: int, on_recorded: Callable[[int], None]
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._give_up_ms = give_up_ms
        self._on_recorded = on_recorded
        self._groups = WriteGroups(self._record, most=MOST_ATTEMPTS)
        self._is_failing = False

    @property
    def is_failing(self) -> bool:
        """Whether the last try could not store anything."""
        return self._is_failing

    def add(self, result: AttemptResult) -> asyncio.Future[None]:
        """Done once the attempt is durable. Its exception is what the transaction raised; then nothing is stored."""
        return self._groups.put(result)

    async def _record(self, results: Sequence[AttemptResult], *, waited_s: float) -> list[None]:
        """The wait for the ledger is not shortened: nobody waits for an answer, and a loss costs a second webhook."""
        self._on_recorded(await self._store(results))
        return [None] * len(results)

    async def _store(self, results: Sequence[AttemptResult]) -> int:
        for pause_s in PAUSES_S:
            try:
                return await self._try(results)
            except StoreUnavailable:
                await asyncio.sleep(pause_s)
        return await self._try(results)

    async def _try(self, results: Sequence[AttemptResult]) -> int:
        try:
            published = await self._outbox.record_attempts(results, self._clock(), give_up_ms=self._give_up_ms)
        except StoreUnavailable as error:
            self._is_failing = True
            log.warning("attempts_not_recorded", attempts=len(results), error=str(error))
            raise
        self._is_failing = False
        return published
