"""A slice of the events after a cursor, and what is said of cursors that there is no reading from. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from receiver.fanout import Facts, matches
from receiver.records import Event
from receiver.subscription import EventFilter

SCANNED = 1000  # events that one slice looks through at most, however few of them are wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSlice:
    """Wanted events in order. `next_after` is past all that was looked through, `has_more`: not yet at the newest."""

    events: tuple[Event, ...]
    next_after: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredCursor:
    """Events after the cursor were there and are no longer kept; all that are kept come after `oldest_after`."""

    oldest_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureCursor:
    """The cursor is beyond the newest event."""

    last_seq: int


SliceOutcome = EventSlice | ExpiredCursor | FutureCursor


def cut(found: Sequence[Event], wanted: EventFilter, *, limit: int, until: int, last_seq: int) -> EventSlice:
    """The first `limit` wanted ones of what was `found` up to `until`."""
    chosen = [event for event in found if matches(wanted, Facts.of_event(event))] if asks_bodies(wanted) else found
    events = tuple(chosen[:limit])
    next_after = events[-1].seq if len(events) == limit else until
    return EventSlice(events=events, next_after=next_after, has_more=next_after < last_seq)


def asks_bodies(wanted: EventFilter) -> bool:
    """Whether a condition looks at more than the type."""
    return bool(wanted.providers or wanted.models or wanted.labels)
