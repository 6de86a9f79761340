"""The answer that does not end: a follower's events as they come, until the client goes or the process stops."""

from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver import sse
from receiver.following import Follower
from receiver.stream import Feed
from receiver.web.departing import Exit

#: Proxies are asked to hold nothing back; the last one is nginx's word for it.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Takes its seat in the feed before anything else can run, and waits for a slow reader without reading ahead."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, *, feed: Feed, follower: Follower) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._feed = feed
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way_out = Exit()
        with self._feed.following(way_out.take) as seat:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with way_out.watched(receive), aclosing(self._follower.chunks(seat)) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
