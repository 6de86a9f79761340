"""Tell when a provider's callbacks do not come: none was taken and its tasks end by polls, or too many are missed.

Told after the first few misses, by a line of the log and the event `callbacks.missed`, once until they come. It is read
from the counts by minute, so the first miss is noticed within half a minute of its poll. The limits are those of the
alarms and alert rules.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from receiver.store.minutes import HOUR_MS, MINUTE_MS, MinuteRepository
from receiver.tasks.model.callback_counts import NONE_MS, none_taken, taken_from, too_many_missed
from receiver.webhooks.missed_repository import MissedCallbackRepository

log = structlog.get_logger(__name__)

#: Of the limits. A share lasts until it is under this part, because one near its limit would be told again and again.
LASTING_PART = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MissedCallbacks:
    """One for a process; several processes tell it once."""

    minutes: MinuteRepository
    missed: MissedCallbackRepository
    #: Unix milliseconds.
    clock: Callable[[], int]
    #: Called after a commit that made events.
    on_events: Callable[[], None]

    async def check_once(self) -> None:
        """Raise StoreUnavailable."""
        now_ms = self.clock()
        ends = await self.minutes.since("whenfinal_tasks_final", since_ms=now_ms - HOUR_MS)
        callbacks = await self.minutes.since("whenfinal_callbacks", since_ms=now_ms - NONE_MS)
        silent = none_taken(ends, callbacks, now_ms)
        for provider, found in silent.items():
            await self._began(provider, found.missed, None, NONE_MS, now_ms)
        for provider, found in too_many_missed(ends).items():
            if provider not in silent:
                await self._began(provider, found.missed, found.expected, HOUR_MS, now_ms)
        lasting = too_many_missed(ends, part=LASTING_PART)
        for provider in taken_from(callbacks, since_ms=now_ms - NONE_MS):
            if provider not in lasting and await self.missed.ended(provider):
                log.info("callbacks_come_again", provider=provider)

    async def _began(self, provider: str, missed: int, of: int | None, within_ms: int, now_ms: int) -> None:
        minutes = within_ms // MINUTE_MS
        if await self.missed.began(provider, missed=missed, of=of, minutes=minutes, now_ms=now_ms):
            log.error("callbacks_missed", provider=provider, missed=missed, of=of, hint="run whenfinal doctor")
            self.on_events()
