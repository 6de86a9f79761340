"""Ticks on a real scheduler: turns begin, overlap, fail and stop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, tzinfo
from typing import Self

import pytest
from apscheduler.schedulers import base as scheduling
from structlog.testing import capture_logs

from receiver.runtime import worker as ticks
from receiver.runtime.worker import Turns, Worker
from receiver.store.errors import StoreUnavailable
from receiver.store.retention import PruneReport
from tests.support.builders import T0

Work = Callable[[], Awaitable[object]]
OFTEN_S = 0.005


class Turn:
    """A once-function that counts its turns and does what the test says."""

    def __init__(self, work: Work | None = None) -> None:
        self.begun = 0
        self.under_way = 0
        self.most_at_once = 0
        self.turns_needed = 0
        self._work = work
        self._changed = asyncio.Event()

    async def run(self) -> int:
        self.begun += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        self._changed.set()
        try:
            if self._work is not None:
                await self._work()
        finally:
            self.under_way -= 1
        return 0

    async def reconcile_once(self, *, limit: int) -> int:
        return await self.run()

    async def deliver_once(self, *, limit: int) -> int:
        return await self.run()

    async def mark_overdue(self, now_ms: int, *, limit: int = 200) -> int:
        await self.run()
        return 1

    async def prune_once(self) -> PruneReport:
        await self.run()
        return PruneReport(has_more=self.begun < self.turns_needed)

    async def has_begun(self, times: int) -> None:
        while self.begun < times:
            self._changed.clear()
            await self._changed.wait()


async def _fail() -> None:
    raise StoreUnavailable("database is locked")


class WallClock:
    """The machine's, as somebody sets it; the scheduler reads it as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_by_s = 0

        class Shown(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return cls.fromtimestamp(self() / 1000, tz)

        monkeypatch.setattr(scheduling, "datetime", Shown)

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.set_by_s * 1000


def _worker(
    *,
    reconcile: Turn | None = None,
    deliver: Turn | None = None,
    overdue: Turn | None = None,
    prune: Turn | None = None,
    events: list[int],
    clock: Callable[[], int] = lambda: T0,
) -> Worker:
    return Worker(
        reconciler=reconcile or Turn(),
        deliverer=deliver or Turn(),
        ledger=overdue or Turn(),
        pruner=prune or Turn(),
        clock=clock,
        on_events=lambda: events.append(1),
    )


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECONCILE_EVERY_S", "DELIVER_EVERY_S", "OVERDUE_EVERY_S", "PRUNE_EVERY_S"):
        monkeypatch.setattr(ticks, name, OFTEN_S)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECONCILE_EVERY_S", "DELIVER_EVERY_S", "OVERDUE_EVERY_S", "PRUNE_EVERY_S"):
        monkeypatch.setattr(ticks, name, 3600.0)


@pytest.mark.usefixtures("often")
async def test_every_kind_of_work_gets_its_turns() -> None:
    kinds = Turn(), Turn(), Turn(), Turn()
    worker = _worker(reconcile=kinds[0], deliver=kinds[1], overdue=kinds[2], prune=kinds[3], events=[])
    worker.start()
    await asyncio.gather(*(turn.has_begun(3) for turn in kinds))
    await worker.stop()


@pytest.mark.usefixtures("often")
async def test_a_turn_that_fails_is_followed_by_the_next_one() -> None:
    failing = Turn(_fail)
    worker = _worker(reconcile=failing, events=[])
    worker.start()
    await failing.has_begun(3)
    await worker.stop()


@pytest.mark.usefixtures("often")
async def test_a_turn_that_hangs_does_not_keep_the_next_from_its_work() -> None:
    release = asyncio.Event()
    hanging = Turn(release.wait)
    worker = _worker(deliver=hanging, events=[])
    worker.start()
    await hanging.has_begun(3)
    release.set()
    await worker.stop()


@pytest.mark.parametrize(
    "worker_with",
    [lambda turn: _worker(overdue=turn, events=[]), lambda turn: _worker(prune=turn, events=[])],
    ids=["overdue", "retention"],
)
@pytest.mark.usefixtures("often")
async def test_two_turns_of_the_overdue_clock_or_of_retention_never_overlap(
    worker_with: Callable[[Turn], Worker],
) -> None:
    slow = Turn(lambda: asyncio.sleep(3 * OFTEN_S))
    worker = worker_with(slow)
    worker.start()
    await slow.has_begun(4)
    await worker.stop()
    assert slow.most_at_once == 1


@pytest.mark.usefixtures("never")
async def test_retention_begins_soon_after_the_start_and_goes_on_while_there_is_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PRUNE_FIRST_S", "PRUNE_AGAIN_S"):
        monkeypatch.setattr(ticks, name, OFTEN_S)
    pruning = Turn()
    pruning.turns_needed = 3
    worker = _worker(prune=pruning, events=[])
    worker.start()
    await pruning.has_begun(3)
    await asyncio.sleep(5 * OFTEN_S)
    await worker.stop()
    assert pruning.begun == 3


@pytest.mark.usefixtures("often")
async def test_stopping_waits_for_the_turn_in_flight_and_lets_no_other_begin() -> None:
    release = asyncio.Event()
    slow = Turn(release.wait)
    worker = _worker(reconcile=slow, events=[])
    worker.start()
    await slow.has_begun(1)
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(5 * OFTEN_S)
    begun, was_done = slow.begun, stopping.done()
    release.set()
    await stopping
    assert (was_done, slow.under_way, slow.begun) == (False, 0, begun)


@pytest.mark.usefixtures("never")
async def test_a_poke_delivers_without_waiting_for_the_tick() -> None:
    deliver = Turn()
    worker = _worker(deliver=deliver, events=[])
    worker.start()
    for _ in range(50):
        worker.wake_deliverer()
    await deliver.has_begun(1)
    await worker.stop()
    assert deliver.begun == 1


async def test_a_poke_before_the_start_or_after_the_stop_does_nothing() -> None:
    deliver = Turn()
    worker = _worker(deliver=deliver, events=[])
    worker.wake_deliverer()
    await worker.stop()
    worker.wake_deliverer()
    await asyncio.sleep(2 * ticks.POKE_DELAY_S)
    assert deliver.begun == 0


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("set_by_s", [-3600, 40 * 366 * 86_400])
async def test_ticks_go_on_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch, set_by_s: int) -> None:
    monkeypatch.setattr(ticks, "WATCH_EVERY_S", OFTEN_S)
    looking, delivering, clock = Turn(), Turn(), WallClock(monkeypatch)
    worker = _worker(reconcile=looking, deliver=delivering, events=[], clock=clock)
    worker.start()
    await asyncio.gather(looking.has_begun(2), delivering.has_begun(2))
    clock.set_by_s = set_by_s
    await asyncio.gather(*(turn.has_begun(turn.begun + 3) for turn in (looking, delivering)))
    await worker.stop()


@pytest.mark.usefixtures("often")
async def test_tasks_that_became_overdue_are_told_to_those_who_wait() -> None:
    marking, events = Turn(), list[int]()
    worker = _worker(overdue=marking, events=events)
    worker.start()
    await marking.has_begun(2)
    await worker.stop()
    assert len(events) == marking.begun


@pytest.mark.usefixtures("often")
async def test_stopping_twice_is_stopping_once_and_a_worker_may_stop_unstarted() -> None:
    worker = _worker(events=[])
    worker.start()
    await worker.stop()
    await worker.stop()
    await _worker(events=[]).stop()


async def test_the_same_trouble_is_said_once_a_minute_and_another_at_once() -> None:
    now_ms, words = [T0], ["locked", "locked", "full", "locked"]

    async def fail() -> None:
        raise StoreUnavailable(words.pop(0))

    turns = Turns("reconcile", fail, at_once=1, clock=lambda: now_ms[0])
    with capture_logs() as lines:
        for at_ms in (T0, T0 + 1, T0 + 2, T0 + ticks.QUIET_MS + 1):
            now_ms[0] = at_ms
            turns.begin()
            await asyncio.sleep(0.001)
    assert [line["error"] for line in lines] == [f"StoreUnavailable: {text}" for text in ("locked", "full", "locked")]
    await turns.close()


async def test_work_asked_for_while_all_places_are_taken_begins_when_one_is_free() -> None:
    release = asyncio.Event()
    full = Turn(release.wait)
    turns = Turns("deliver", full.run, at_once=1, clock=lambda: T0)
    for _ in range(5):
        turns.begin()
    await full.has_begun(1)
    release.set()
    await full.has_begun(2)
    await turns.close()
    assert full.begun == 2
