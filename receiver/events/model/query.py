"""Filters of events, and the outcomes of reading a part of the event log. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from receiver.events.model.event import Event, EventFacts

NEVER_LOST = 2**62  # beyond every event number

SCAN_LIMIT = 1000  # events that one read scans at most, however few of them match


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: every condition must hold. A condition holds if one of its words does; all labels must match.

    An empty condition lets every event through. Only in a subscription do empty `types` mean the events about tasks.
    """

    #: In a subscription also types that only a newer version knows.
    types: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)


def matches(wanted: EventFilter, facts: EventFacts) -> bool:
    return (
        (not wanted.types or facts.type in wanted.types)
        and (not wanted.providers or facts.provider in wanted.providers)
        and (not wanted.models or facts.model in wanted.models)
        and all(facts.labels.get(name) == value for name, value in wanted.labels.items())
    )


def needs_body(wanted: EventFilter) -> bool:
    """Whether a condition looks at more than the type, so that the event's body must be read."""
    return bool(wanted.providers or wanted.models or wanted.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorBounds:
    """What a cursor is compared with."""

    #: Before the oldest stored event.
    oldest_after: int = 0
    #: The number of the newest event.
    last_seq: int = 0
    #: The first lost numbers that end after the cursor: `lost_after` < seq <= `lost_until`.
    lost_after: int = NEVER_LOST
    lost_until: int = NEVER_LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSlice:
    """Matching events in order."""

    events: tuple[Event, ...]
    #: The cursor after everything that was scanned.
    next_after: int
    #: Whether the log holds events after `next_after`.
    has_more: bool
    #: The number of the newest event; 0 before the first.
    newest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredCursor:
    """Events after the cursor were deleted or lost; the stored ones that follow come after `oldest_after`."""

    oldest_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureCursor:
    """The cursor is greater than the number of the newest event, so it is of another ledger, or of a lost part."""

    last_seq: int
    #: All stored events come after it.
    oldest_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestEvents:
    """Matching events, newest first."""

    events: tuple[Event, ...]
    #: The next page begins before this number; None when no older event is stored.
    next_before: int | None
    #: The page ends because `SCAN_LIMIT` events were looked at for it.
    is_cut: bool = False


SliceOutcome = EventSlice | ExpiredCursor | FutureCursor


def slice_of(found: Sequence[Event], wanted: EventFilter, *, limit: int, until: int, last_seq: int) -> EventSlice:
    """The first `limit` matching events of those `found` up to `until`."""
    if needs_body(wanted):
        found = [event for event in found if matches(wanted, EventFacts.of_event(event))]
    events = tuple(found[:limit])
    next_after = events[-1].seq if len(events) == limit else until
    return EventSlice(events=events, next_after=next_after, has_more=next_after < last_seq, newest=last_seq)


def newest_of(
    found: Sequence[Event], wanted: EventFilter, *, limit: int, first_seq: int, oldest_seq: int
) -> NewestEvents:
    """The newest `limit` matching events of those `found`, the newest first, with numbers from `first_seq` on."""
    if needs_body(wanted):
        found = [event for event in found if matches(wanted, EventFacts.of_event(event))]
    events = tuple(found[:limit])
    is_full = len(events) == limit
    last_seq = events[-1].seq if is_full else first_seq
    next_before = last_seq if last_seq > oldest_seq else None
    return NewestEvents(events=events, next_before=next_before, is_cut=not is_full and next_before is not None)
