"""Read events, in pages or as a stream."""

from receiver.config.api_keys import Scope
from receiver.web.api import events, stream_tokens
from receiver.web.endpoint import Endpoint
from submitter import api, api_keys

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
        keeps_limits=True,
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
        "cursor. The event `reset` says that events after the cursor are no longer stored. A browser, which cannot "
        "send a key here, sends a stream token; a stream that is open goes on when its token has expired.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: None},
        headers={events.LAST_EVENT_ID: LAST_EVENT_ID},
        takes_token=True,
        streams=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/stream-tokens",
        handle=stream_tokens.create_stream_token,
        name="createStreamToken",
        tag="events",
        summary="Create a stream token",
        description="A token opens `streamEvents` for a browser, until it expires or the key of this request is "
        "revoked, and lets through what its conditions and the limits of that key do.",
        scope=Scope.READ,
        keeps_limits=True,
        optional_body=True,
        answers={201: api_keys.StreamToken},
        problems=(409,),
    ),
)
