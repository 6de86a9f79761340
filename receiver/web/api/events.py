"""Events by cursor: whoever keeps `next_after` misses none and sees none twice."""

from receiver.views import event_view
from receiver.web.operations import Answer, Call
from receiver.web.shapes import EventsQuery, NoBody


async def list_events(call: Call[EventsQuery, NoBody]) -> Answer:
    wanted = call.query
    found = await call.services.store.reading.events(wanted.after, types=wanted.type, limit=wanted.limit)
    next_after = found[-1].seq if found else wanted.after
    return Answer(body={"events": [event_view(event) for event in found], "next_after": next_after})
