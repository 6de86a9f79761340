"""The newest events in memory, encoded once for all streams. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from receiver.events.model.event import Event, EventFacts
from receiver.events.model.sse import event_frame

MAX_EVENTS = 1000

MAX_BYTES = 8 << 20

_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedEvent:
    """An event as streams need it."""

    seq: int
    facts: EventFacts
    #: Its bytes in a stream.
    frame: bytes

    @classmethod
    def of(cls, event: Event) -> "EncodedEvent":
        return cls(seq=event.seq, facts=EventFacts.of_event(event), frame=event_frame(event))


class EventBuffer:
    """Holds every event of a range that ends with the newest known event. The oldest drop out when it is full."""

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: list[EncodedEvent] = []
        self._bytes = 0
        self._after: int | None = None

    def restart(self, after: int | None) -> None:
        """Drop all events. The range begins after this number; None is no range, and no cursor lies in it."""
        self._events, self._bytes, self._after = [], 0, after

    def add(self, events: Sequence[EncodedEvent]) -> None:
        """Add the events that follow the newest one. None may be left out."""
        self._events += events
        self._bytes += sum(len(each.frame) for each in events)
        surplus = 0
        while len(self._events) - surplus > self._max_events or self._bytes > self._max_bytes:
            self._bytes -= len(self._events[surplus].frame)
            self._after = self._events[surplus].seq
            surplus += 1
        del self._events[:surplus]

    def after(self, cursor: int, *, limit: int) -> Sequence[EncodedEvent] | None:
        """The next events after a cursor; None when some of them are no longer, or not yet, in the range."""
        if self._after is None or cursor < self._after:
            return None
        place = bisect_right(self._events, cursor, key=_SEQ)
        return self._events[place : place + limit]
