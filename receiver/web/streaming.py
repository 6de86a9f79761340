"""A request that may be left before its time, when nobody is there any more to read the answer, or on a stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver.events.feed import Feed
from receiver.events.follower import Follower
from receiver.events.model import sse


class Exit:
    """Ends the block of `watched` early and without an error, however often and whenever it is taken."""

    def __init__(self) -> None:
        self._scope: asyncio.Timeout | None = None
        self._is_taken = False

    def take(self) -> None:
        if not self._is_taken and self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
        self._is_taken = True

    @asynccontextmanager
    async def watched(self, receive: Receive) -> AsyncIterator[None]:
        """The exit is taken when the client has gone. `receive` belongs to the block: the body has been read."""
        watcher = asyncio.create_task(self._watch(receive))
        try:
            async with asyncio.timeout(0 if self._is_taken else None) as self._scope:
                yield
        except TimeoutError:
            if self._scope is None or not self._scope.expired():
                raise
        finally:
            self._scope = None
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.take()


#: Proxies are asked to hold nothing back; the last one is nginx's word for it.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Takes its slot in the feed before anything else can run, and waits for a slow reader without reading ahead."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, *, feed: Feed, follower: Follower) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._feed = feed
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way_out = Exit()
        with self._feed.following(way_out.take) as slot:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with way_out.watched(receive), aclosing(self._follower.chunks(slot)) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
