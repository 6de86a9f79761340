"""One follower at the moments that sockets seldom meet: what happens just while it looks is not missed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from receiver.events.feed import Feed
from receiver.events.follower import Follower
from receiver.events.model.event import Event
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, SliceOutcome
from receiver.runtime.services import Store, open_store
from receiver.store.engine import Engine, Param, Reader, Row
from receiver.store.retention import START
from receiver.tasks.repository import Reading
from submitter.model import TaskState
from tests.support.builders import T0
from tests.support.delivery_fixtures import happen

PATIENCE_S = 20.0
DAY_MS = 86_400_000
ALL = EventFilter()
Meanwhile = Callable[[], Awaitable[None]]


@dataclass(eq=False)
class Eventful:
    """The reading room, in which something happens once: after a slice was read, or before the loop's first look."""

    store: Store
    after_slice: Meanwhile | None = None
    before_last_seq: Meanwhile | None = None
    sliced: asyncio.Event = field(default_factory=asyncio.Event)

    async def slice(self, after: int | None, wanted: EventFilter, *, limit: int) -> SliceOutcome:
        found = await self.store.reading.slice(after, wanted, limit=limit)
        meanwhile, self.after_slice = self.after_slice, None
        if meanwhile is not None:
            await meanwhile()
        self.sliced.set()
        return found

    async def last_seq(self) -> int:
        if self.before_last_seq is not None:
            await self.before_last_seq()
        return await self.store.reading.last_seq()

    async def events(self, after: int, *, limit: int = 100) -> list[Event]:
        return await self.store.reading.events(after, limit=limit)

    async def states(self, names: Sequence[str], /) -> dict[str, TaskState]:
        return dict(await self.store.reading.states(names))


@pytest.fixture(name="store")
async def _store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as store:
        yield store


async def _first_event(feed: Feed, reading: Eventful) -> bytes:
    follower = Follower(feed=feed, reading=reading, wanted=ALL, cursor=0, keepalive_s=600)
    with feed.following(lambda: None) as seat:
        async with asyncio.timeout(PATIENCE_S), aclosing(follower.chunks(seat)) as chunks:
            assert await anext(chunks) == b"retry: 3000\nid: 0\n\n"
            return await anext(chunks)


async def test_an_event_that_comes_while_the_past_is_read_is_not_missed(store: Store) -> None:
    reading = Eventful(store)
    feed = Feed(reading=reading, seats=10)

    async def meanwhile() -> None:
        await happen(store, 1)
        feed.wake()
        while not feed.newest(0, limit=1):
            await asyncio.sleep(0.01)

    reading.after_slice = meanwhile
    assert (await _first_event(feed, reading)).startswith(b"id: 1\n")


async def test_an_event_between_the_past_and_the_loops_first_look_is_not_missed(store: Store) -> None:
    reading = Eventful(store)

    async def meanwhile() -> None:
        await reading.sliced.wait()
        await asyncio.sleep(0.05)
        await happen(store, 1)

    reading.before_last_seq = meanwhile
    assert (await _first_event(Feed(reading=reading, seats=10), reading)).startswith(b"id: 1\n")


@dataclass(eq=False)
class Forgetful:
    """An engine whose oldest events are taken away in the middle of a read."""

    store: Store

    async def read(self, work: Callable[[Reader], Awaitable[SliceOutcome]]) -> SliceOutcome:
        return await self.store.engine.read(lambda reader: work(_ForgetfulReader(self.store, reader)))


@dataclass(eq=False)
class _ForgetfulReader:
    store: Store
    reader: Reader

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        if name.startswith("events_up_to"):
            await self.store.pruning.remove_events(START, limit=2, before_ms=T0)
        return await self.reader.fetch_all(name, **params)

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        return await self.reader.fetch_one(name, **params)


async def test_events_that_are_taken_away_while_they_are_read_are_not_passed_over_in_silence(store: Store) -> None:
    await happen(store, 4, at_ms=T0 - DAY_MS)
    engine: Engine = Forgetful(store)  # type: ignore[assignment]  # it only reads
    assert await Reading(engine).slice(0) == ExpiredCursor(oldest_after=2)
    found = await Reading(engine).slice(None)
    assert isinstance(found, EventSlice)
    assert [event.seq for event in found.events] == []
