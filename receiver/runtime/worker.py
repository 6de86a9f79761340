"""The ticks: when the once-functions run, and how they stop.

Wiring, no logic. APScheduler only says "now": on shutdown it would cancel a coroutine of its own, so a tick is never
the work. It begins a turn, which belongs to us and always comes to its end. It also follows the wall clock, which may
be set: forward, it would make up for every tick of the years between, one by one; back, it would wait them out. So a
tick is reckoned from the last one's time, and a clock that went back begins the ticks anew.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from receiver.store.retention import PruneReport

log = structlog.get_logger(__name__)

RECONCILE_EVERY_S = 0.5

DELIVER_EVERY_S = 0.2

OVERDUE_EVERY_S = 1.0

PRUNE_EVERY_S = 60.0

PRUNE_FIRST_S = 5.0  # after the start, which has more urgent things to do

PRUNE_AGAIN_S = 1.0  # after a turn that left some

WATCH_EVERY_S = 0.5  # how long ticks may stand still when the clock was set back

POKE_DELAY_S = 0.01  # commits come in bursts; one turn serves all of a moment

RECONCILE_LIMIT = 32  # tasks of each provider in one turn

DELIVER_LIMIT = 64  # deliveries in one turn

OVERDUE_LIMIT = 200  # tasks in one turn

#: Turns at the same time. A turn lasts as long as its slowest exchange, and one peer that hangs must not keep the next
#: turn from the others; leases keep turns apart.
OVERLAPPING = 32

DELIVERING_AT_ONCE = 1000  # a turn without a place ends at once, so it is the places that bound them

QUIET_MS = 60_000  # the same trouble is said again only after this long

Clock = Callable[[], int]


class Reconciles(Protocol):
    async def reconcile_once(self, *, limit: int) -> object: ...


class Delivers(Protocol):
    async def deliver_once(self, *, limit: int) -> object: ...


class MarksOverdue(Protocol):
    async def mark_overdue(self, now_ms: int, *, limit: int = 200) -> int: ...


class Prunes(Protocol):
    async def prune_once(self) -> PruneReport: ...


class Turns:
    """The turns of one kind of work. A turn that fails is said in one line, and the next one goes on."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], *, at_once: int, clock: Clock) -> None:
        self._name = name
        self._work = work
        self._at_once = at_once
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._wanted = False
        self._closed = False
        self._said: dict[str, int] = {}

    async def tick(self) -> None:
        """Begin a turn unless enough are under way. APScheduler would run a plain function in a thread."""
        self.begin()

    def begin(self) -> None:
        if self._closed:
            return
        if len(self._running) >= self._at_once:
            self._wanted = True
            return
        turn = asyncio.create_task(self._turn())
        self._running.add(turn)
        turn.add_done_callback(self._ended)

    def _ended(self, turn: asyncio.Task[None]) -> None:
        self._running.discard(turn)
        if self._wanted:
            self._wanted = False
            self.begin()

    async def _turn(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next turn must come
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        words, now_ms = f"{type(error).__name__}: {error}", self._clock()
        self._said = {text: at_ms for text, at_ms in self._said.items() if 0 <= now_ms - at_ms < QUIET_MS}
        if words in self._said:
            return
        self._said[words] = now_ms
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error("turn_failed", turn=self._name, error=words, at=f"{place.name}:{place.lineno}")

    async def close(self) -> None:
        """Begin no more, and wait for those under way."""
        self._closed = True
        while self._running:
            await asyncio.wait(self._running)


class _Every(BaseTrigger):  # type: ignore[misc]  # the library comes without types
    """An interval after the moment of asking, however long ago the time before was meant to be."""

    def __init__(self, interval_s: float) -> None:
        self._interval = timedelta(seconds=interval_s)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self._interval


class Worker:
    """`on_events` is called after `task.overdue` events were made. Start and stop it in one running event loop."""

    def __init__(
        self,
        *,
        reconciler: Reconciles,
        deliverer: Delivers,
        ledger: MarksOverdue,
        pruner: Prunes,
        clock: Clock,
        on_events: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._pruner = pruner
        self._clock = clock
        self._on_events = on_events
        self._poked: asyncio.TimerHandle | None = None
        self._reconciling = self._turns("reconcile", lambda: reconciler.reconcile_once(limit=RECONCILE_LIMIT))
        self._delivering = self._turns(
            "deliver", lambda: deliverer.deliver_once(limit=DELIVER_LIMIT), at_once=DELIVERING_AT_ONCE
        )
        self._marking = self._turns("overdue", self._mark_overdue, at_once=1)
        self._pruning = self._turns("prune", self._prune, at_once=1)
        self._prune_soon: asyncio.TimerHandle | None = None
        self._scheduler: AsyncIOScheduler | None = None
        self._watching: asyncio.TimerHandle | None = None

    def _turns(self, name: str, work: Callable[[], Awaitable[object]], at_once: int = OVERLAPPING) -> Turns:
        return Turns(name, work, at_once=at_once, clock=self._clock)

    def start(self) -> None:
        # It reports every run at INFO and every skipped one at WARNING; neither says anything about our work.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._every(RECONCILE_EVERY_S, self._reconciling)
        self._every(DELIVER_EVERY_S, self._delivering)
        self._every(OVERDUE_EVERY_S, self._marking)
        self._every(PRUNE_EVERY_S, self._pruning)
        self._scheduler.start()
        self._prune_in(PRUNE_FIRST_S)
        self._watch(self._clock())

    def _every(self, interval_s: float, turns: Turns) -> None:
        if self._scheduler is not None:
            trigger = _Every(interval_s)
            self._scheduler.add_job(turns.tick, trigger, misfire_grace_time=None, coalesce=True, max_instances=1)

    def _watch(self, seen_ms: int) -> None:
        """By the event loop's clock, which nobody sets."""
        now_ms = self._clock()
        if self._scheduler is not None and now_ms < seen_ms:
            log.warning("clock_set_back", by_ms=seen_ms - now_ms)
            for job in self._scheduler.get_jobs():
                job.modify(next_run_time=datetime.fromtimestamp(now_ms / 1000, UTC))
        self._watching = asyncio.get_running_loop().call_later(WATCH_EVERY_S, self._watch, now_ms)

    async def stop(self) -> None:
        """No more ticks, then the turns in flight to their end, then the scheduler. Twice is once."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.remove_all_jobs()
        for timer in (self._poked, self._watching, self._prune_soon):
            if timer is not None:
                timer.cancel()
        for turns in (self._reconciling, self._delivering, self._marking, self._pruning):
            await turns.close()
        if scheduler is not None:
            scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # it shuts down in a callback of the loop

    def wake_deliverer(self) -> None:
        """Something has just become due: deliver now and not at the next tick. Only from the loop's own thread."""
        if self._poked is None and self._scheduler is not None:
            self._poked = asyncio.get_running_loop().call_later(POKE_DELAY_S, self._deliver_now)

    def _deliver_now(self) -> None:
        self._poked = None
        self._delivering.begin()

    async def _mark_overdue(self) -> None:
        if await self._ledger.mark_overdue(self._clock(), limit=OVERDUE_LIMIT):
            self._on_events()
            self.wake_deliverer()

    async def _prune(self) -> None:
        report = await self._pruner.prune_once()
        if report.has_more:
            self._prune_in(PRUNE_AGAIN_S)

    def _prune_in(self, wait_s: float) -> None:
        if self._scheduler is not None:
            self._prune_soon = asyncio.get_running_loop().call_later(wait_s, self._pruning.begin)
