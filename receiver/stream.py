"""Live events: who waits is woken by what the ledger says, and by nothing else.

Flow. A wake-up is only a hint to look; the truth is read from the ledger, by one loop for all who wait, and only while
somebody does. Events that other processes commit are seen by the next look without a hint.
"""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog

from receiver.errors import StoreUnavailable
from receiver.records import Event, EventType, Task
from submitter.model import ENDED

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1  # how late an event of another process may be seen
LONGEST_PAUSE_S = 2.0  # between looks at a ledger that cannot be read
PAGE = 500  # events a look; a fuller page is followed by another look at once


class ReadsEvents(Protocol):
    async def last_seq(self) -> int: ...

    async def events(self, after: int, *, types: Sequence[EventType] = (), limit: int = 100) -> list[Event]: ...

    async def task(self, name: str, /) -> Task | None: ...


class Feed:
    """One for a process, used from its event loop only."""

    def __init__(self, *, reading: ReadsEvents) -> None:
        self._reading = reading
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._hint = asyncio.Event()
        self._ready: asyncio.Event | None = None
        self._loop: asyncio.Task[None] | None = None
        self._closed = False

    def wake(self) -> None:
        """Something was committed in this process: look now."""
        self._hint.set()

    async def wait_for_task(self, name: str, /, *, timeout_s: float) -> None:
        """Return when the task has ended, the time is up or the feed is closed; the caller reads which.

        A ledger that cannot be read is waited out.
        """
        woken = asyncio.Event()
        self._waiting[name].add(woken)
        try:
            async with asyncio.timeout(timeout_s):
                # In this order nothing slips through: events after the loop's start wake us, ends before it are read.
                await self._started()
                if not self._closed and not await self._has_ended(name):
                    await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._leave(name, woken)

    def close(self) -> None:
        """Let everybody go who waits, now and later; for a stop that is not to take as long as the longest wait."""
        self._closed = True
        for woken in [each for waiting in self._waiting.values() for each in waiting]:
            woken.set()
        self._hint.set()

    def _leave(self, name: str, woken: asyncio.Event) -> None:
        self._waiting[name].discard(woken)
        if not self._waiting[name]:
            del self._waiting[name]
        if not self._waiting:
            self._hint.set()  # nobody is left to look for

    async def _started(self) -> None:
        if self._loop is None and not self._closed:
            self._ready = asyncio.Event()
            # Its log lines belong to no single request.
            self._loop = asyncio.create_task(self._run(self._ready), context=contextvars.Context())
        if self._ready is not None:
            await self._ready.wait()

    async def _has_ended(self, name: str) -> bool:
        try:
            task = await self._reading.task(name)
        except StoreUnavailable:
            return False
        return task is None or task.state in ENDED

    async def _run(self, ready: asyncio.Event) -> None:
        cursor: int | None = None
        pause_s = LOOK_EVERY_S
        try:
            while self._waiting and not self._closed:
                try:
                    cursor = await self._look(cursor)
                    pause_s = LOOK_EVERY_S
                    ready.set()
                except StoreUnavailable as error:
                    pause_s = _longer(pause_s, error)
                await self._pause(pause_s)
        finally:
            self._loop = None
            ready.set()

    async def _look(self, cursor: int | None) -> int:
        """Wake whom the new events concern; returns how far the ledger has been read."""
        if cursor is None:
            return await self._reading.last_seq()
        page = await self._reading.events(cursor, limit=PAGE)
        for event in page:
            if event.type is not EventType.OVERDUE:
                self._wake_waiting(event.task)
        if len(page) == PAGE:
            self._hint.set()
        return page[-1].seq if page else cursor

    def _wake_waiting(self, name: str) -> None:
        for woken in self._waiting.get(name, ()):
            woken.set()

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._hint.wait()
        except TimeoutError:
            pass
        self._hint.clear()


def _longer(pause_s: float, error: StoreUnavailable) -> float:
    if pause_s == LOOK_EVERY_S:
        log.warning("events_not_read", error=str(error))
    return min(pause_s * 2, LONGEST_PAUSE_S)
