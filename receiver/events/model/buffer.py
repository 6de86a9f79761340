"""The newest events in memory, parsed and encoded once for all streams. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from receiver.events.model.event import Event, EventFacts
from receiver.events.model.sse import event_frame

KEPT = 1000  # events

KEPT_BYTES = 8 << 20

_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedEvent:
    """An event as streams need it: `frame` is its bytes on the wire."""

    seq: int
    facts: EventFacts
    frame: bytes

    @classmethod
    def of(cls, event: Event) -> "Told":
        return cls(seq=event.seq, facts=EventFacts.of_event(event), frame=event_frame(event))


class EventBuffer:
    """Holds every event of a range that ends with the newest known; the oldest fall out when it is full."""

    def __init__(self, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._told: list[EncodedEvent] = []
        self._bytes = 0
        self._after: int | None = None

    def restart(self, after: int | None) -> None:
        """Forget all. The range begins after a number; None: there is no range, and no cursor lies in it."""
        self._told, self._bytes, self._after = [], 0, after

    def add(self, told: Sequence[EncodedEvent]) -> None:
        """The events that follow the newest one, none left out."""
        self._told += told
        self._bytes += sum(len(each.frame) for each in told)
        surplus = 0
        while len(self._told) - surplus > self._kept or self._bytes > self._kept_bytes:
            self._bytes -= len(self._told[surplus].frame)
            self._after = self._told[surplus].seq
            surplus += 1
        del self._told[:surplus]

    def after(self, cursor: int, *, limit: int) -> Sequence[EncodedEvent] | None:
        """The next events; None when some of them are no longer, or not yet, in the ring's range."""
        if self._after is None or cursor < self._after:
            return None
        place = bisect_right(self._told, cursor, key=_SEQ)
        return self._told[place : place + limit]
