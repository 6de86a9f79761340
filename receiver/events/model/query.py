"""A slice of the events after a cursor, and what is said of cursors that there is no reading from. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from receiver.events.model.event import Event, EventFacts, EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: conditions joined by "and", the words of one by "or", and every label must be there.

    An empty condition lets everything through, but empty `types` only those about tasks where it says who is owed.
    """

    types: frozenset[EventType] = frozenset()
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


SCAN_LIMIT = 1000  # events that one slice looks through at most, however few of them are wanted


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
    chosen = [event for event in found if matches(wanted, EventFacts.of_event(event))] if asks_bodies(wanted) else found
    events = tuple(chosen[:limit])
    next_after = events[-1].seq if len(events) == limit else until
    return EventSlice(events=events, next_after=next_after, has_more=next_after < last_seq)


def asks_bodies(wanted: EventFilter) -> bool:
    """Whether a condition looks at more than the type."""
    return bool(wanted.providers or wanted.models or wanted.labels)
