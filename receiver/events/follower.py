"""One open stream: events from its cursor on, from the log until it has caught up, then from memory.

The cursor is the only state of a follower. A slow one therefore delays nobody: it falls behind and reads pages of the
log again. The cursor passes each event once, wherever the event is read.
"""

import asyncio
from collections.abc import AsyncGenerator

from receiver.events.feed import Feed
from receiver.events.log import EventLog
from receiver.events.model import sse
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, FutureCursor, matches
from receiver.store.errors import StoreError

BATCH = 32  # events written at once, which bounds what waits in memory for a slow reader

LEDGER_PAUSE_S = 1.0  # before the log is read again after a failure


class Follower:
    """Call `chunks` once, inside `Feed.following` and with the slot that it gives.

    `reset_from`: the cursor that was requested, where the stream cannot begin there; `cursor` is where it does begin.
    """

    def __init__(
        self,
        *,
        feed: Feed,
        event_log: EventLog,
        wanted: EventFilter,
        cursor: int,
        keepalive_s: float,
        reset_from: int | None = None,
    ) -> None:
        self._feed = feed
        self._event_log = event_log
        self._wanted = wanted
        self._cursor = cursor
        self._reset_from = reset_from
        self._sent_cursor = cursor
        self._keepalive_s = keepalive_s
        self._keepalive_at_s = 0.0

    async def chunks(self, slot: int) -> AsyncGenerator[bytes]:
        """The bytes of the stream, without end. While the log cannot be read, the stream stays open and tries again."""
        self._mark_sent()
        yield sse.hello(self._cursor)
        if self._reset_from is not None:
            yield sse.reset_frame(self._reset_from, self._cursor)
        while True:
            wakeup = self._feed.wakeup(slot)  # taken before reading, so that no event in between is missed
            chunk, idle_s = await self._next()
            if chunk:
                self._mark_sent()
                yield chunk
            elif self._is_keepalive_due():
                has_moved = self._cursor != self._sent_cursor
                self._mark_sent()
                yield sse.cursor_frame(self._cursor) if has_moved else sse.KEEP_ALIVE
            elif idle_s:
                await self._pause(wakeup, idle_s)

    def _mark_sent(self) -> None:
        self._sent_cursor = self._cursor
        self._keepalive_at_s = asyncio.get_running_loop().time() + self._keepalive_s

    def _is_keepalive_due(self) -> bool:
        return asyncio.get_running_loop().time() >= self._keepalive_at_s

    async def _next(self) -> tuple[bytes, float]:
        """Matching events, and how many seconds to pause at most unless there is a wakeup."""
        newest = self._feed.newest(self._cursor, limit=BATCH)
        if newest is None:
            return await self._read()
        if not newest:
            return b"", self._keepalive_s
        self._cursor = newest[-1].seq
        return b"".join(event.frame for event in newest if matches(self._wanted, event.facts)), 0.0

    async def _read(self) -> tuple[bytes, float]:
        try:
            found = await self._event_log.slice(self._cursor, self._wanted, limit=BATCH)
        except StoreError:
            return b"", LEDGER_PAUSE_S
        match found:
            case EventSlice():
                self._cursor = found.next_after
                return b"".join(map(sse.event_frame, found.events)), 0.0 if found.has_more else self._keepalive_s
            case ExpiredCursor() | FutureCursor():
                requested, self._cursor = self._cursor, found.oldest_after
                return sse.reset_frame(requested, found.oldest_after), 0.0

    async def _pause(self, wakeup: asyncio.Event, most_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(most_s, max(0.0, self._keepalive_at_s - now_s))):
                await wakeup.wait()
        except TimeoutError:
            pass
