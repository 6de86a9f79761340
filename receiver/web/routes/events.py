"""Read events, in pages or as a stream."""

from receiver.config.api_keys import Scope
from receiver.web.api import events
from receiver.web.endpoint import Endpoint
from submitter import api

LAST_EVENT_ID = ("The id of the last event of the stream that you have. It wins over the parameters.", "17")

EVENT_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/events",
        handle=events.list_events,
        name="listEvents",
        tag="events",
        summary="List events after a cursor",
        description="In order. Read on from `next_after` while `has_more` is true.",
        scope=Scope.READ,
        answers={200: api.EventsPage},
        problems=(410,),
    ),
    Endpoint(
        method="GET",
        path="/v1/events/stream",
        handle=events.stream_events,
        name="streamEvents",
        tag="events",
        summary="Stream events",
        description="Server-sent events, in order and without an end. The event `hello` comes first and has the "
        "cursor. The event `reset` says that events after the cursor are no longer stored.",
        scope=Scope.READ,
        answers={200: None},
        headers={events.LAST_EVENT_ID: LAST_EVENT_ID},
        streams=True,
    ),
)
