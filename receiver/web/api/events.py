"""Events by cursor: whoever keeps `next_after` misses none and sees none twice."""

import json
from typing import Any

from receiver.records import Event
from receiver.web.operations import Answer, Call
from receiver.web.shapes import EventsQuery, NoBody


async def list_events(call: Call[EventsQuery, NoBody]) -> Answer:
    wanted = call.query
    found = await call.services.store.reading.events(wanted.after, types=wanted.type, limit=wanted.limit)
    next_after = found[-1].seq if found else wanted.after
    return Answer(body={"events": [event_view(event) for event in found], "next_after": next_after})


def event_view(event: Event) -> dict[str, Any]:
    """The same facts as the webhook's body, flat."""
    body = json.loads(event.body)
    return {
        "seq": event.seq,
        "event_id": event.id,
        "type": event.type.value,
        "timestamp": body["timestamp"],
        "task": body["data"]["task"],
        "supersedes": event.supersedes,
    }
