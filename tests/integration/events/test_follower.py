"""One follower at moments that sockets seldom meet: events that come while it reads are not missed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from receiver.events.feed import Feed
from receiver.events.follower import Follower
from receiver.events.log import EventLog
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, SliceOutcome
from receiver.runtime.store import Store, open_store
from receiver.store.engine import Engine, Param, Reader, Row
from receiver.store.retention import START
from tests.support.builders import T0
from tests.support.delivery_fixtures import publish_events

TIMEOUT_S = 20.0
DAY_MS = 86_400_000
ALL = EventFilter()
Meanwhile = Callable[[], Awaitable[None]]


class InterruptedLog(EventLog):
    """The event log, in which something happens once: after a slice was read, or before the feed's first read."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine)
        self.after_slice: Meanwhile | None = None
        self.before_last_seq: Meanwhile | None = None
        self.sliced = asyncio.Event()

    async def slice(self, after: int | None, wanted: EventFilter = ALL, *, limit: int = 100) -> SliceOutcome:
        found = await super().slice(after, wanted, limit=limit)
        meanwhile, self.after_slice = self.after_slice, None
        if meanwhile is not None:
            await meanwhile()
        self.sliced.set()
        return found

    async def last_seq(self) -> int:
        if self.before_last_seq is not None:
            await self.before_last_seq()
        return await super().last_seq()


@pytest.fixture(name="store")
async def _store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as store:
        yield store


async def _first_event(feed: Feed, event_log: EventLog) -> bytes:
    follower = Follower(feed=feed, event_log=event_log, wanted=ALL, cursor=0, keepalive_s=600)
    with feed.following(lambda: None) as slot:
        async with asyncio.timeout(TIMEOUT_S), aclosing(follower.chunks(slot)) as chunks:
            assert await anext(chunks) == b'retry: 3000\nid: 0\nevent: hello\ndata: {"after":0}\n\n'
            return await anext(chunks)


async def test_an_event_that_comes_while_old_events_are_read_is_not_missed(store: Store) -> None:
    event_log = InterruptedLog(store)
    feed = Feed(event_log=event_log, task_states=store.tasks.states, max_streams=10)

    async def meanwhile() -> None:
        await publish_events(store, 1)
        feed.wake()
        while not feed.newest(0, limit=1):
            await asyncio.sleep(0.01)

    event_log.after_slice = meanwhile
    assert (await _first_event(feed, event_log)).startswith(b"id: 1\n")


async def test_an_event_between_old_events_and_the_first_read_of_the_loop_is_not_missed(store: Store) -> None:
    event_log = InterruptedLog(store)

    async def meanwhile() -> None:
        await event_log.sliced.wait()
        await asyncio.sleep(0.05)
        await publish_events(store, 1)

    event_log.before_last_seq = meanwhile
    assert (
        await _first_event(Feed(event_log=event_log, task_states=store.tasks.states, max_streams=10), event_log)
    ).startswith(b"id: 1\n")


@dataclass(eq=False)
class PruningEngine:
    """An engine that deletes the oldest events in the middle of a read."""

    store: Store

    async def read(self, work: Callable[[Reader], Awaitable[SliceOutcome]]) -> SliceOutcome:
        return await self.store.engine.read(lambda reader: work(_PruningReader(self.store, reader)))


@dataclass(eq=False)
class _PruningReader:
    store: Store
    reader: Reader

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        if name.startswith("events_up_to"):
            await self.store.retention.remove_events(START, limit=2, before_ms=T0)
        return await self.reader.fetch_all(name, **params)

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        return await self.reader.fetch_one(name, **params)


async def test_events_that_are_deleted_while_they_are_read_are_not_skipped_silently(store: Store) -> None:
    await publish_events(store, 4, at_ms=T0 - DAY_MS)
    engine: Engine = PruningEngine(store)  # type: ignore[assignment]  # the log only reads, so it has no other method
    assert await EventLog(engine).slice(0) == ExpiredCursor(oldest_after=2)
    found = await EventLog(engine).slice(None)
    assert isinstance(found, EventSlice)
    assert [event.seq for event in found.events] == []
