"""Tell an open page of one task that something happened to it, so that it asks for its live part again.

A stream of server-sent events that say nothing but "changed". It holds no connection to the ledger: the loop of the
feed reads for all of them. A tab that does not read holds up its own stream alone, and no longer than `LONGEST_S`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver.events.feed import Feed
from receiver.events.model import sse
from receiver.web.dashboard.guard import PAGE_HEADERS
from receiver.web.streaming import Disconnect
from submitter.model import TaskId

PER_SESSION = 3  # a browser has six connections to one host over plain http, and pages need some of them

AT_ONCE = 200  # in one process

LONGEST_S = 600.0  # then the browser connects again, with its session as it is then

AGAIN_S = 2.0  # after a change: what an event causes, such as deliveries, comes after it

RETRY = b"retry: 5000\n"

CHANGED = b"event: changed\ndata: 1\n\n"

ENDED = b"event: ended\ndata: 1\n\n"

HEADERS = {**PAGE_HEADERS, "X-Accel-Buffering": "no"}  # nginx's own header: a proxy must not buffer it


class LiveStreams:
    """Counts open streams by session. One for a process."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    def has_place(self, nonce: str) -> bool:
        return self._open[nonce] < PER_SESSION and self._open.total() < AT_ONCE

    @contextmanager
    def taken(self, nonce: str) -> Iterator[None]:
        """Call it without an `await` since `has_place`."""
        self._open[nonce] += 1
        try:
            yield
        finally:
            self._open[nonce] -= 1
            self._open = +self._open  # sessions without a stream are forgotten


class TaskStream(Response):
    """Notices about one task, until the tab is closed, the session ends, the service stops or LONGEST_S is over."""

    media_type = sse.MEDIA_TYPE

    def __init__(
        self,
        *,
        feed: Feed,
        streams: LiveStreams,
        nonce: str,
        task_id: TaskId,
        keepalive_s: float,
        is_signed_in: Callable[[], bool],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._feed = feed
        self._streams = streams
        self._nonce = nonce
        self._task_id = task_id
        self._keepalive_s = keepalive_s
        self._is_signed_in = is_signed_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (self._streams.has_place(self._nonce) and self._feed.has_capacity):
            # A browser does not try again after this status; the page goes on at its chosen rate.
            await Response(status_code=204, headers=PAGE_HEADERS)(scope, receive, send)
            return
        disconnect = Disconnect()
        with self._streams.taken(self._nonce):
            async with self._feed.watching(self._task_id, disconnect.trigger) as woken:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                try:
                    async with (
                        asyncio.timeout(LONGEST_S),
                        disconnect.watched(receive),
                        aclosing(self._chunks(woken)) as chunks,
                    ):
                        async for chunk in chunks:
                            await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except TimeoutError:
                    pass  # it was open for long enough
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, woken: asyncio.Event) -> AsyncGenerator[bytes]:
        """The first notice is for what happened between the page and its stream."""
        yield RETRY + CHANGED
        is_again = False
        while True:
            try:
                async with asyncio.timeout(AGAIN_S if is_again else self._keepalive_s):
                    await woken.wait()
            except TimeoutError:
                if not self._is_signed_in():
                    yield ENDED
                    return
                yield CHANGED if is_again else sse.KEEP_ALIVE
                is_again = False
            else:
                woken.clear()
                is_again = True
                yield CHANGED
