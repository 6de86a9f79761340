"""Between rows and values. Pure: JSON is text, booleans are 0 or 1, and no engine's types come through."""

from receiver.events.model.event import Event, EventType
from receiver.store.codec import Row


def event_of(row: Row) -> Event:
    return Event(
        seq=row["seq"],
        id=row["id"],
        task=row["task"] or None,
        type=EventType(row["type"]),
        at_ms=row["at_ms"],
        supersedes=row["supersedes"],
        body=row["body"],
    )
