"""The event log: reading events in the order of their numbers."""

from typing import Any

from receiver.events.model.event import Event
from receiver.events.model.query import (
    SCANNED,
    EventFilter,
    ExpiredCursor,
    FutureCursor,
    SliceOutcome,
    asks_bodies,
    cut,
)
from receiver.events.model.rows import event_of
from receiver.store.engine import Reader
from receiver.store.repository import Repository

ALL_EVENTS = EventFilter()


class EventLog(Repository):
    """Reads the event log. Events are written by `receiver.webhooks.publisher` only."""

    async def events(self, after: int, *, limit: int = 100) -> list[Event]:
        """Events with a greater `seq`, in order."""
        return await self._all("events_after", event_of, after=after, limit=limit)

    async def slice(self, after: int | None, wanted: EventFilter = ALL_EVENTS, *, limit: int = 100) -> SliceOutcome:
        """Wanted events with a greater `seq`, in order; `after` None: from the oldest that is kept.

        Looks through `SCANNED` events at most, so that what a rare filter costs is bounded.
        """
        return await self._engine.read(lambda reader: _slice(reader, after, wanted, limit))

    async def oldest_after(self) -> int:
        """The smallest cursor that misses no event that was ever there and is kept no longer."""
        return await self._one("cursor_bounds", lambda row: int(row["oldest_after"])) or 0

    async def last_seq(self) -> int:
        return await self._one("last_seq", lambda row: int(row["value"])) or 0


async def _slice(reader: Reader, after: int | None, wanted: EventFilter, limit: int) -> SliceOutcome:
    last_seq, oldest_after = await _bounds(reader)
    start = oldest_after if after is None else after
    if start > last_seq:
        return FutureCursor(last_seq=last_seq)
    until = min(start + SCANNED, last_seq)
    found = await _scan(reader, start, until, wanted, SCANNED if asks_bodies(wanted) else limit)
    # Asked once more after the look: what was taken away meanwhile must not pass for what was never there.
    _, oldest_after = await _bounds(reader)
    if after is not None and after < oldest_after:
        return ExpiredCursor(oldest_after=oldest_after)
    return cut(found, wanted, limit=limit, until=until, last_seq=last_seq)


async def _bounds(reader: Reader) -> tuple[int, int]:
    row = await reader.fetch_one("cursor_bounds")
    return (0, 0) if row is None else (row["last_seq"], row["oldest_after"])


async def _scan(reader: Reader, after: int, until: int, wanted: EventFilter, most: int) -> list[Event]:
    params: dict[str, Any] = {"after": after, "until": until, "limit": most}
    if wanted.types:
        params["types"] = sorted(kind.value for kind in wanted.types)
    found = await reader.fetch_all("events_up_to_of_types" if wanted.types else "events_up_to", **params)
    return [event_of(row) for row in found]
