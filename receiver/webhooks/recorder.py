"""Record attempts in groups: what ends while one group is being written goes together into the next one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from receiver.store.errors import StoreUnavailable
from receiver.webhooks.model.delivery import AttemptResult
from receiver.webhooks.outbox import Outbox

log = structlog.get_logger(__name__)

PAUSES_S = (0.1, 0.5)  # between the tries to record a group

_Waiting = tuple[AttemptResult, "asyncio.Future[None]"]


class AttemptRecorder:
    """One for a process. `on_recorded` is called after each commit, with the number of events that it published."""

    def __init__(
        self, outbox: Outbox, *, clock: Callable[[], int], give_up_ms: int, on_recorded: Callable[[int], None]
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._give_up_ms = give_up_ms
        self._on_recorded = on_recorded
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[Any] | None = None
        self._is_failing = False

    @property
    def is_failing(self) -> bool:
        """Whether the last try could not store anything."""
        return self._is_failing

    def add(self, result: AttemptResult) -> asyncio.Future[None]:
        """Done once the attempt is durable. Its exception is what the transaction raised; then nothing is stored."""
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((result, recorded))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return recorded

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._write(group)
        finally:
            self._writer = None

    async def _write(self, group: Sequence[_Waiting]) -> None:
        try:
            published = await self._store([result for result, _ in group])
        except Exception as error:  # noqa: BLE001 - whoever waits gets it, whatever it is
            if len(group) == 1 or isinstance(error, StoreUnavailable):
                _fail(group, error)
                return
            for alone in group:  # one that cannot be stored must not fail the others
                await self._write([alone])
            return
        for _, recorded in group:
            if not recorded.done():
                recorded.set_result(None)
        self._on_recorded(published)

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


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for _, recorded in group:
        if not recorded.done():
            recorded.set_exception(error)
