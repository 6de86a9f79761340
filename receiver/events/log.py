"""The event log: reading events in the order of their numbers."""

from receiver.events.model.event import Event
from receiver.events.model.query import (
    NEVER_LOST,
    SCAN_LIMIT,
    CursorBounds,
    EventFilter,
    ExpiredCursor,
    FutureCursor,
    NewestEvents,
    SliceOutcome,
    needs_body,
    newest_of,
    slice_of,
)
from receiver.events.model.rows import bounds_of, event_of
from receiver.store.engine import Param
from receiver.store.repository import Repository
from submitter.model import TaskId

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

    async def event(self, event_id: str) -> Event | None:
        return await self._one("event_by_id", event_of, id=event_id)

    async def newest(self, before: int | None, wanted: EventFilter = ALL_EVENTS, *, limit: int) -> NewestEvents:
        """Matching events with a smaller `seq`, the newest first; `before` None: from the newest one on.

        Scan at most `SCAN_LIMIT` events, as `slice`.
        """
        bounds = await self._bounds(0)
        end = bounds.last_seq + 1 if before is None else min(before, bounds.last_seq + 1)
        oldest_seq = bounds.oldest_after + 1
        first_seq = max(oldest_seq, end - SCAN_LIMIT)
        params: dict[str, Param] = {
            "before": end,
            "first": first_seq,
            "limit": SCAN_LIMIT if needs_body(wanted) else limit,
        }
        if wanted.types:
            found = await self._all("events_before_of_types", event_of, **params, types=sorted(wanted.types))
        else:
            found = await self._all("events_before", event_of, **params)
        return newest_of(found, wanted, limit=limit, first_seq=first_seq, oldest_seq=oldest_seq)

    async def newest_of_task(self, task_id: TaskId, before: int | None, *, limit: int) -> NewestEvents:
        """The same of one task."""
        found = await self._all(
            "events_before_of_task", event_of, task=task_id, before=before or NEVER_LOST, limit=limit + 1
        )
        events = tuple(found[:limit])
        return NewestEvents(events=events, next_before=events[-1].seq if len(found) > limit else None)

    async def first_since(self, at_ms: int) -> int | None:
        """The number of the first event at a time or later; None when there is none.

        It is found by halves, because numbers follow times as far as the clocks of the processes agree.
        """
        low, high = await self.oldest_after() + 1, await self.last_seq() + 1
        end = high
        while low < high:
            middle = (low + high) // 2
            found = await self._one("event_from", dict, seq=middle)
            if found is None or found["at_ms"] >= at_ms:
                high = middle
            else:
                low = int(found["seq"]) + 1
        first = await self._one("event_from", dict, seq=low) if low < end else None
        return None if first is None else int(first["seq"])

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
