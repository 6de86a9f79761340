"""Tell when a provider's callbacks do not come: its tasks end by polls, and no callback is taken.

Told after the first few misses, by a line of the log and the event `callbacks.missed`, once until a callback comes. It
is read from the counts by minute, so the first miss is noticed within half a minute of its poll.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from receiver.store.minutes import MINUTE_MS, MinuteRepository, SpanCount
from receiver.webhooks.missed_repository import MissedCallbackRepository

log = structlog.get_logger(__name__)

MINUTES = 30  # that are looked at

FEW = 3  # tasks that ended by polls; fewer may be callbacks that were late or lost on their way


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
        since_ms = now_ms - MINUTES * MINUTE_MS
        ends = await self.minutes.since("whenfinal_tasks_final", since_ms=since_ms)
        taken = _taken(await self.minutes.since("whenfinal_callbacks", since_ms=since_ms))
        for provider, number in _missed(ends).items():
            if taken[provider] or number < FEW:
                continue
            if await self.missed.began(provider, missed=number, minutes=MINUTES, now_ms=now_ms):
                log.error("callbacks_missed", provider=provider, missed=number, hint="run whenfinal doctor")
                self.on_events()
        for provider in taken:
            if await self.missed.ended(provider):
                log.info("callbacks_come_again", provider=provider)


def _missed(ends: list[SpanCount]) -> Counter[str]:
    """Tasks that expected a callback and ended by a poll, by provider; labels are state, by, callback_expected."""
    missed: Counter[str] = Counter()
    for each in ends:
        _, by, expected = each.label.split("/")
        if by == "poll" and expected == "true":
            missed[each.provider] += each.count
    return missed


def _taken(callbacks: list[SpanCount]) -> Counter[str]:
    taken: Counter[str] = Counter()
    for each in callbacks:
        if each.label != "rejected":
            taken[each.provider] += each.count
    return taken
