"""Answers that take long: end them early when the client has gone, and stream events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver.events.feed import Feed
from receiver.events.follower import Follower
from receiver.events.model import sse


class EndedEarly(ConnectionError):
    """What is handed on broke off when its answer had begun; the server can only close the connection."""


class Disconnect:
    """Ends the block of `watched` early and without an error. It may be triggered more than once, at any time."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self._is_triggered = False

    def trigger(self) -> None:
        if not self._is_triggered and self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time())
        self._is_triggered = True

    @asynccontextmanager
    async def watched(self, receive: Receive) -> AsyncIterator[None]:
        """Run a block until it ends or the client disconnects. The body has been read: `receive` is ours alone."""
        watcher = asyncio.create_task(self._watch(receive))
        try:
            async with asyncio.timeout(0 if self._is_triggered else None) as self._timeout:
                yield
        except TimeoutError:
            if self._timeout is None or not self._timeout.expired():
                raise
        finally:
            self._timeout = None
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.trigger()


#: Proxies must not buffer the stream; `X-Accel-Buffering` is nginx's own header for that.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Server-sent events. A slow reader holds back only its own stream, because nothing is read ahead for it.

    Nothing is sent once `may_go_on` says no: the stream ends.
    """

    media_type = sse.MEDIA_TYPE

    def __init__(self, *, feed: Feed, follower: Follower, may_go_on: Callable[[], bool]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._feed = feed
        self._follower = follower
        self._may_go_on = may_go_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        disconnect = Disconnect()
        # Without an await since the handler checked the capacity, so no other stream can take the slot.
        with self._feed.following(disconnect.trigger) as slot:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with disconnect.watched(receive), aclosing(self._follower.chunks(slot)) as chunks:
                async for chunk in chunks:
                    if not self._may_go_on():
                        break
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
