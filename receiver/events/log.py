"""The event log: reading events in the order of their numbers."""

from receiver.events.model.event import Event
from receiver.events.model.query import (
    SCAN_LIMIT,
    CursorBounds,
    EventFilter,
    ExpiredCursor,
    FutureCursor,
    SliceOutcome,
    needs_body,
    slice_of,
)
from receiver.events.model.rows import bounds_of, event_of
from receiver.store.engine import Param
from receiver.store.repository import Repository

ALL_EVENTS = EventFilter()


class EventLog(Repository):
    """Reads the event log. Only `receiver.webhooks.publisher` writes events."""

    async def events(self, after: int, *, limit: int = 100) -> list[Event]:
        """Events with a greater `seq`, in order."""
        return await self._all("events_after", event_of, after=after, limit=limit)

    async def slice(self, after: int | None, wanted: EventFilter = ALL_EVENTS, *, limit: int = 100) -> SliceOutcome:
        """Matching events with a greater `seq`, in order; `after` None: from the oldest stored event.

        Scan at most `SCAN_LIMIT` events, which bounds the cost of a rare filter. Return ExpiredCursor when events
        after the cursor were deleted or lost, FutureCursor when the cursor is beyond the newest event.
        """
        start = await self.oldest_after() if after is None else after
        bounds = await self._bounds(start)
        if start > bounds.last_seq:
            return FutureCursor(last_seq=bounds.last_seq, oldest_after=bounds.oldest_after)
        if bounds.lost_after <= start:
            return ExpiredCursor(oldest_after=bounds.lost_until)
        until = min(start + SCAN_LIMIT, bounds.last_seq, bounds.lost_after)
        found = await self._scan(start, until, wanted, SCAN_LIMIT if needs_body(wanted) else limit)
        # The bounds are read again, because events that retention deletes during the scan must not be skipped silently.
        oldest_after = await self.oldest_after()
        if after is not None and after < oldest_after:
            return ExpiredCursor(oldest_after=oldest_after)
        return slice_of(found, wanted, limit=limit, until=until, last_seq=bounds.last_seq)

    async def oldest_after(self) -> int:
        """The smallest cursor after which no event was deleted."""
        return (await self._bounds(0)).oldest_after

    async def last_seq(self) -> int:
        """The number of the newest event; 0 before the first."""
        return await self._one("last_seq", lambda row: int(row["value"])) or 0

    async def _bounds(self, after: int) -> CursorBounds:
        return await self._one("cursor_bounds", bounds_of, after=after) or CursorBounds()

    async def _scan(self, after: int, until: int, wanted: EventFilter, limit: int) -> list[Event]:
        params: dict[str, Param] = {"after": after, "until": until, "limit": limit}
        if wanted.types:
            return await self._all("events_up_to_of_types", event_of, **params, types=sorted(wanted.types))
        return await self._all("events_up_to", event_of, **params)
