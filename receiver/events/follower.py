"""One follower of the stream: from its cursor on, out of the ledger until it has caught up and then out of memory.

Flow. The cursor is all that is kept of a follower, so that a slow one holds up nobody: it falls behind, and reads pages
of the ledger again. It moves over each event once, wherever that is read.
"""

import asyncio
from collections.abc import AsyncGenerator

from receiver.events.feed import Feed
from receiver.events.log import EventLog
from receiver.events.model import sse
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, FutureCursor, matches
from receiver.store.errors import StoreError

BATCH = 32  # events written at once, which bounds what waits in memory for a slow reader

LEDGER_PAUSE_S = 1.0  # before another look at a ledger that could not be read


class Follower:
    """Use `chunks` once, inside `Feed.following` and with the seat that it gave."""

    def __init__(
        self, *, feed: Feed, event_log: EventLog, wanted: EventFilter, cursor: int, keepalive_s: float
    ) -> None:
        self._feed = feed
        self._event_log = event_log
        self._wanted = wanted
        self._cursor = cursor
        self._told = cursor
        self._keepalive_s = keepalive_s
        self._keepalive_at_s = 0.0

    async def chunks(self, seat: int) -> AsyncGenerator[bytes]:
        """What is said to the client, for ever. A ledger that cannot be read is waited out."""
        self._has_spoken()
        yield sse.hello(self._cursor)
        while True:
            news = self._feed.news(seat)
            chunk, idle_s = await self._next()
            if chunk:
                self._has_spoken()
                yield chunk
            elif self._is_silent():
                said = sse.keep_alive(self._cursor if self._cursor != self._told else None)
                self._has_spoken()
                yield said
            elif idle_s:
                await self._pause(news, idle_s)

    def _has_spoken(self) -> None:
        self._told = self._cursor
        self._keepalive_at_s = asyncio.get_running_loop().time() + self._keepalive_s

    def _is_silent(self) -> bool:
        return asyncio.get_running_loop().time() >= self._keepalive_at_s

    async def _next(self) -> tuple[bytes, float]:
        """Wanted events, and for how many seconds at most nothing but news makes another look worth while."""
        newest = self._feed.newest(self._cursor, limit=BATCH)
        if newest is None:
            return await self._read()
        if newest:
            self._cursor = newest[-1].seq
        wanted = b"".join(told.frame for told in newest if matches(self._wanted, told.facts))
        return wanted, 0.0 if newest else self._keepalive_s

    async def _read(self) -> tuple[bytes, float]:
        try:
            found = await self._event_log.slice(self._cursor, self._wanted, limit=BATCH)
        except StoreError:
            return b"", LEDGER_PAUSE_S
        match found:
            case EventSlice():
                self._cursor = found.next_after
                return b"".join(map(sse.event_frame, found.events)), 0.0 if found.has_more else self._keepalive_s
            case ExpiredCursor():
                requested, self._cursor = self._cursor, found.oldest_after
                return sse.reset_frame(requested, found.oldest_after), 0.0
            case FutureCursor():
                return b"", self._keepalive_s

    async def _pause(self, news: asyncio.Event, most_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(most_s, max(0.0, self._keepalive_at_s - now_s))):
                await news.wait()
        except TimeoutError:
            pass
