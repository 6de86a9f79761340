"""Rows of events. Pure."""

from receiver.events.model.event import Event
from receiver.store.codec import EMPTY_FOR_NONE, RowCodec

EVENT_ROWS = RowCodec(Event, renamed={"task_id": "task"}, converted={"task_id": EMPTY_FOR_NONE})

event_row, event_of = EVENT_ROWS.to_row, EVENT_ROWS.from_row
