"""Requests that wait for a task, over a real ledger: only its end wakes them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from receiver.events import feed as feed_module
from receiver.events.feed import Feed
from receiver.events.log import EventLog
from receiver.events.model.event import Event
from receiver.runtime.store import Store, open_store
from submitter.model import Refusal, Refused, TaskError, TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_report, a_task

LONG_S = 600.0  # a wait that ends in a test did not end by its time
TIMEOUT_S = 20.0
MAX_STREAMS = 100


class CountingLog(EventLog):
    """The event log, counting how often the feed reads it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine)
        self.reads = 0

    async def last_seq(self) -> int:
        self.reads += 1
        return await super().last_seq()

    async def events(self, after: int, *, limit: int = 100) -> list[Event]:
        self.reads += 1
        return await super().events(after, limit=limit)


def _feed(store: Store, *, log: EventLog | None = None, max_streams: int = MAX_STREAMS) -> Feed:
    return Feed(event_log=log or store.events, task_states=store.tasks.states, max_streams=max_streams)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(name="store")
async def _store(path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True, busy_timeout_ms=500) as store:
        for name in ("1", "2"):
            await store.submissions.open_task(
                a_task(f"tsk_{name}", provider_task_id=f"p{name}", state=TaskState.RUNNING, deadline_ms=T0), T0
            )
        yield store


async def _waits(feed: Feed, name: str, timeout_s: float = LONG_S) -> "asyncio.Task[None]":
    """A waiter that has started to wait."""
    waiter = asyncio.create_task(feed.wait_for_task(TaskId(name), timeout_s=timeout_s))
    await asyncio.sleep(0.05)
    assert not waiter.done()
    return waiter


async def _end(store: Store, provider_task_id: str) -> None:
    await store.ledger.record([a_report(provider_task_id=provider_task_id)], T0)


async def test_a_waiter_is_woken_when_its_task_has_ended(store: Store) -> None:
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_1")
    await _end(store, "p1")
    feed.wake()
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_an_end_that_another_process_recorded_is_seen_without_a_wake(store: Store, path: Path) -> None:
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_1")
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=False) as other:
        await _end(other, "p1")
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_while_other_processes_notify_the_log_is_read_less_often(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "READ_EVERY_S", 0.01)
    monkeypatch.setattr(feed_module, "READ_EVERY_NOTIFIED_S", LONG_S)
    counted = CountingLog(store)
    feed = _feed(store, log=counted)
    feed.is_notified = lambda: True
    waiter = await _waits(feed, "tsk_1")
    reads = counted.reads
    await asyncio.sleep(0.2)
    assert counted.reads == reads
    await _end(store, "p1")
    feed.wake()
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_the_end_of_another_task_wakes_nobody_else(store: Store) -> None:
    feed = _feed(store)
    mine, other = await _waits(feed, "tsk_1"), await _waits(feed, "tsk_2")
    await _end(store, "p2")
    feed.wake()
    await asyncio.wait_for(other, TIMEOUT_S)
    assert not mine.done()
    mine.cancel()


async def test_an_overdue_task_is_waited_for_on(store: Store) -> None:
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_1")
    assert await store.ledger.mark_overdue(T0 + 1) == 2
    feed.wake()
    await asyncio.sleep(0.1)
    assert not waiter.done()
    waiter.cancel()


async def test_a_task_whose_submit_becomes_uncertain_is_waited_for_until_it_is_refused(store: Store) -> None:
    await store.submissions.open_task(a_task("tsk_lost"), T0)
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_lost")
    lost = Uncertain(reason="the connection ended")
    await store.submissions.store_uncertain(TaskId("tsk_lost"), lost, next_poll_ms=None, now_ms=T0)
    feed.wake()
    await asyncio.sleep(0.1)
    assert not waiter.done()
    await store.submissions.settle_refuse(TaskId("tsk_lost"), actor="ann", now_ms=T0)
    feed.wake()
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_a_queued_task_is_waited_for_until_its_time_in_the_queue_is_over(store: Store) -> None:
    queued = a_task("tsk_queued", state=TaskState.QUEUED, queued_until_ms=T0 + 1)
    await store.submissions.open_task(queued, T0)
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_queued")
    assert len(await store.queue.refuse_overdue(T0 + 1)) == 1
    feed.wake()
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_every_waiter_of_a_task_is_woken(store: Store) -> None:
    feed = _feed(store)
    waiters = [await _waits(feed, "tsk_1") for _ in range(3)]
    await _end(store, "p1")
    feed.wake()
    await asyncio.wait_for(asyncio.gather(*waiters), TIMEOUT_S)


@pytest.mark.parametrize("name", ["tsk_1", "tsk_none"])
async def test_a_task_that_has_ended_or_does_not_exist_is_not_waited_for(store: Store, name: str) -> None:
    await _end(store, "p1")
    await asyncio.wait_for(_feed(store).wait_for_task(TaskId(name), timeout_s=LONG_S), TIMEOUT_S)


async def test_an_end_between_the_read_and_the_wait_is_not_missed(store: Store) -> None:
    async def ends_meanwhile(task_ids: Sequence[TaskId]) -> Mapping[TaskId, TaskState]:
        found = await store.tasks.states(task_ids)
        await _end(store, "p1")
        return found

    feed = Feed(event_log=store.events, task_states=ends_meanwhile, max_streams=MAX_STREAMS)
    await asyncio.wait_for(feed.wait_for_task(TaskId("tsk_1"), timeout_s=LONG_S), TIMEOUT_S)


async def test_the_time_being_up_ends_a_wait_without_an_error(store: Store) -> None:
    await _feed(store).wait_for_task(TaskId("tsk_1"), timeout_s=0.05)


async def test_the_log_is_not_read_while_nobody_waits(store: Store) -> None:
    log = CountingLog(store)
    feed = _feed(store, log=log)
    await feed.wait_for_task(TaskId("tsk_1"), timeout_s=0.05)
    await asyncio.sleep(0.05)
    reads = log.reads
    feed.wake()
    await asyncio.sleep(0.3)
    assert (log.reads, reads > 0) == (reads, True)


async def test_one_loop_reads_for_all_waiters(store: Store) -> None:
    log = CountingLog(store)
    feed = _feed(store, log=log)
    waiters = [asyncio.create_task(feed.wait_for_task(TaskId("tsk_1"), timeout_s=0.3)) for _ in range(50)]
    await asyncio.gather(*waiters)
    assert log.reads < 50


async def test_a_wait_survives_a_ledger_that_cannot_be_read(store: Store, path: Path) -> None:
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_1")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("ALTER TABLE events RENAME TO gone")
    await asyncio.sleep(0.3)
    blocker.execute("ALTER TABLE gone RENAME TO events")
    blocker.close()
    await _end(store, "p1")
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_closing_ends_all_waits_now_and_later(store: Store) -> None:
    feed = _feed(store)
    waiters = [await _waits(feed, "tsk_1"), await _waits(feed, "tsk_2")]
    feed.close()
    await asyncio.wait_for(asyncio.gather(*waiters), TIMEOUT_S)
    await asyncio.wait_for(feed.wait_for_task(TaskId("tsk_1"), timeout_s=LONG_S), TIMEOUT_S)


async def test_a_waiter_that_goes_away_leaves_the_others_waiting(store: Store) -> None:
    feed = _feed(store)
    gone, stays = await _waits(feed, "tsk_1"), await _waits(feed, "tsk_1")
    gone.cancel()
    await _end(store, "p1")
    feed.wake()
    await asyncio.wait_for(stays, TIMEOUT_S)
    assert gone.cancelled()


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.CANCELED, TaskState.EXPIRED])
async def test_every_kind_of_end_ends_a_wait(store: Store, state: TaskState) -> None:
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_1")
    await store.ledger.record([a_report(state, provider_task_id="p1")], T0)
    feed.wake()
    await asyncio.wait_for(waiter, TIMEOUT_S)


@pytest.mark.parametrize("state", [TaskState.SUBMITTING, TaskState.UNCERTAIN])
async def test_a_submit_that_created_nothing_ends_a_wait_though_it_makes_no_event(
    store: Store, state: TaskState
) -> None:
    await store.submissions.open_task(a_task("tsk_3", state=state), T0)
    feed = _feed(store)
    waiter = await _waits(feed, "tsk_3")
    error = TaskError(code="bad", message="the picture is too small")
    await store.submissions.store_refused(
        TaskId("tsk_3"), Refused(refusal=Refusal.INVALID, error=error, status=422), T0
    )
    assert await store.events.last_seq() == 0
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_waiters_and_followers_take_slots_and_give_them_back(store: Store) -> None:
    feed = _feed(store, max_streams=2)
    with feed.following(lambda: None):
        assert feed.has_capacity
        waiter = await _waits(feed, "tsk_1")
        assert (feed.has_capacity, feed.taken) == (False, 2)
        waiter.cancel()
        await asyncio.wait([waiter])
        assert (feed.has_capacity, feed.taken) == (True, 1)
    assert feed.taken == 0


async def test_closing_the_feed_calls_leave_of_every_follower(store: Store) -> None:
    feed = _feed(store)
    left: list[str] = []
    with feed.following(lambda: left.append("early")):
        feed.close()
        with feed.following(lambda: left.append("late")):
            assert left == ["early", "late"]


async def test_an_unreadable_ledger_at_the_beginning_of_a_wait_does_not_hide_an_end_before_it(
    store: Store, path: Path
) -> None:
    await _end(store, "p1")
    with sqlite3.connect(path, isolation_level=None) as blocker:
        blocker.execute("ALTER TABLE tasks RENAME TO gone")
        waiter = await _waits(_feed(store), "tsk_1")
        blocker.execute("ALTER TABLE gone RENAME TO tasks")
    blocker.close()
    await asyncio.wait_for(waiter, TIMEOUT_S)


async def test_every_event_about_a_watched_task_is_told_and_no_other(store: Store) -> None:
    feed = _feed(store)
    async with feed.watching(TaskId("tsk_1"), lambda: None) as woken:
        await store.ledger.record([a_report(TaskState.SUCCEEDED, "p2")], T0)
        await store.ledger.mark_overdue(T0 + 1, limit=10)
        feed.wake()
        async with asyncio.timeout(TIMEOUT_S):
            await woken.wait()  # overdue, which ends no wait
        woken.clear()
        await store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], T0)
        feed.wake()
        async with asyncio.timeout(TIMEOUT_S):
            await woken.wait()
    assert feed.taken == 0


async def test_who_watches_takes_a_slot_and_is_sent_away_at_the_end(store: Store) -> None:
    feed, left = _feed(store, max_streams=1), asyncio.Event()
    async with feed.watching(TaskId("tsk_1"), left.set) as woken:
        assert (feed.taken, feed.has_capacity) == (1, False)
        await store.ledger.record([a_report(TaskState.SUCCEEDED, "p2")], T0)
        feed.close()
        assert left.is_set()
        assert not woken.is_set()
    later = asyncio.Event()
    async with feed.watching(TaskId("tsk_1"), later.set):
        assert later.is_set()
