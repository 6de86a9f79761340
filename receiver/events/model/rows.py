"""Rows of events. Pure."""

from receiver.events.model.event import Event
from receiver.events.model.query import NEVER_LOST, CursorBounds
from receiver.store.codec import EMPTY_FOR_NONE, Row, RowCodec

EVENT_ROWS = RowCodec(Event, renamed={"task_id": "task"}, converted={"task_id": EMPTY_FOR_NONE})

event_row, event_of = EVENT_ROWS.to_row, EVENT_ROWS.from_row


def bounds_of(row: Row) -> CursorBounds:
    return CursorBounds(
        oldest_after=row["oldest_after"],
        last_seq=row["last_seq"],
        lost_after=NEVER_LOST if row["lost_after"] is None else row["lost_after"],
        lost_until=NEVER_LOST if row["lost_until"] is None else row["lost_until"],
    )
