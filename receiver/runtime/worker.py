"""The periodic jobs: when they run, and how they stop.

APScheduler cancels running coroutines on shutdown. A job therefore only starts a run, a task that we own, and `stop`
waits for it. APScheduler also follows the wall clock, which may be set. Set forward, it would make up for every tick of
the years between, one by one; set back, it would wait until the old time comes again. So the next tick is counted from
the current time, and after the clock went back all ticks are scheduled anew.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from receiver.metrics.registry import Metrics
from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.clock_repair import ClockRepair
from receiver.runtime.missed_callbacks import MissedCallbacks
from receiver.store.errors import LedgerGone
from receiver.store.retention import Pruner
from receiver.tasks.ledger import Ledger
from receiver.tasks.queue import QueueSender
from receiver.webhooks.deliverer import Deliverer

log = structlog.get_logger(__name__)

RECONCILE_EVERY_S = 0.5

QUEUE_EVERY_S = 0.5

DELIVER_EVERY_S = 0.2

LEARN_EVERY_S = 10.0

OVERDUE_EVERY_S = 1.0

PRUNE_EVERY_S = 60.0

PRUNE_FIRST_S = 5.0  # after the start, which has more urgent things to do

PRUNE_AGAIN_S = 1.0  # after a run that left some

MISSED_EVERY_S = 30.0

REPAIR_EVERY_S = 600.0  # in case another node's clock was ahead; this one's own is watched

WATCH_EVERY_S = 0.5  # how long ticks may stand still when the clock was set back

WAKE_DELAY_S = 0.003  # commits, and posts that end, come in bursts; one run serves all of a burst

WAKE_QUEUE_DELAY_S = 0.002  # a place at a provider is empty meanwhile

RECONCILE_LIMIT = 1000  # tasks of each provider in one run

DELIVER_LIMIT = 256  # deliveries in one run, those that are leased ahead included

OVERDUE_LIMIT = 200  # tasks in one run

#: Runs of one job at the same time. A run lasts as long as its slowest request, and one peer that hangs must not stop
#: the next run from serving the others; leases keep the runs apart.
OVERLAPPING = 32

DELIVERING_AT_ONCE = 1000  # a run without a free slot ends at once, so the deliverer's slots are the limit

QUIET_MS = 60_000  # the same error is logged again only after this long

Clock = Callable[[], int]


class JobRunner:
    """The runs of one job, at most `at_once` at a time.

    A run that fails is logged in one line; the next one starts as usual.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        *,
        at_once: int,
        clock: Clock,
        on_success: Callable[[str, int], None] = lambda _name, _now_ms: None,
    ) -> None:
        """`on_success` is called with the name and the time after each run that did not fail."""
        self._on_success = on_success
        self._name = name
        self._work = work
        self._at_once = at_once
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._run_skipped = False
        self._is_closed = False
        self._logged_ms: dict[str, int] = {}

    async def tick(self) -> None:
        """A coroutine for APScheduler, which would call a plain function in a thread."""
        self.start_run()

    def start_run(self) -> None:
        """Start a run. If too many are running, one starts when the next of them ends, however often this is called."""
        if self._is_closed:
            return
        if len(self._running) >= self._at_once:
            self._run_skipped = True
            return
        run = asyncio.create_task(self._run())
        self._running.add(run)
        run.add_done_callback(self._run_ended)

    def _run_ended(self, run: asyncio.Task[None]) -> None:
        self._running.discard(run)
        if self._run_skipped:
            self._run_skipped = False
            self.start_run()

    async def _run(self) -> None:
        try:
            await self._work()
            self._on_success(self._name, self._clock())
        except Exception as error:  # noqa: BLE001 - it is logged, and no failure may keep the next run from starting
            self._log_error(error)

    def _log_error(self, error: Exception) -> None:
        if isinstance(error, LedgerGone):
            return  # logged where it was noticed
        message, now_ms = f"{type(error).__name__}: {error}", self._clock()
        self._logged_ms = {text: at_ms for text, at_ms in self._logged_ms.items() if 0 <= now_ms - at_ms < QUIET_MS}
        if message in self._logged_ms:
            return
        self._logged_ms[message] = now_ms
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("job_failed", job=self._name, error=message, at=f"{frame.name}:{frame.lineno}")

    async def close(self) -> None:
        """Start no more runs, and wait for those that are running."""
        self._is_closed = True
        while self._running:
            await asyncio.wait(self._running)


class _Every(BaseTrigger):  # type: ignore[misc]  # apscheduler is published without types, so mypy takes the base class for Any
    """An interval after the current time, however long ago the previous tick was due."""

    def __init__(self, interval_s: float) -> None:
        self._interval = timedelta(seconds=interval_s)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self._interval


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """Runs the jobs of one process. Start and stop it in one running event loop."""

    reconciler: Reconciler
    deliverer: Deliverer
    ledger: Ledger
    pruner: Pruner
    queue: QueueSender
    durations: LearnedDurations
    clock_repair: ClockRepair
    missed_callbacks: MissedCallbacks
    metrics: Metrics
    #: Unix milliseconds.
    clock: Clock
    #: Called after `task.overdue` events were published.
    on_events: Callable[[], None]
    _reconcile: JobRunner = field(init=False)
    _deliver: JobRunner = field(init=False)
    _send: JobRunner = field(init=False)
    _overdue: JobRunner = field(init=False)
    _learn: JobRunner = field(init=False)
    _prune: JobRunner = field(init=False)
    _repair: JobRunner = field(init=False)
    _missed: JobRunner = field(init=False)
    _scheduler: AsyncIOScheduler | None = field(default=None, init=False)
    _queue_timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _deliver_timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _prune_timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _watch_timer: asyncio.TimerHandle | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._reconcile = self._job("reconcile", lambda: self.reconciler.reconcile_once(limit=RECONCILE_LIMIT))
        self._deliver = self._job(
            "deliver", lambda: self.deliverer.deliver_once(limit=DELIVER_LIMIT), at_once=DELIVERING_AT_ONCE
        )
        self._send = self._job("queue", self._send_queued)
        self._overdue = self._job("overdue", self._mark_overdue, at_once=1)
        self._learn = self._job("learn", self.durations.learn_once, at_once=1)
        self._prune = self._job("prune", self._prune_once, at_once=1)
        self._missed = self._job("missed_callbacks", self.missed_callbacks.check_once, at_once=1)
        self._repair = self._job("clock_repair", lambda: self.clock_repair.run(self.clock()), at_once=1)

    def _job(self, name: str, work: Callable[[], Awaitable[object]], at_once: int = OVERLAPPING) -> JobRunner:
        return JobRunner(name, work, at_once=at_once, clock=self.clock, on_success=self.metrics.tick_succeeded)

    def start(self) -> None:
        # It logs every run at INFO and every skipped one at WARNING; neither says anything about our jobs.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._every(RECONCILE_EVERY_S, self._reconcile)
        self._every(QUEUE_EVERY_S, self._send)
        self._every(DELIVER_EVERY_S, self._deliver)
        self._every(OVERDUE_EVERY_S, self._overdue)
        self._every(LEARN_EVERY_S, self._learn)
        self._every(PRUNE_EVERY_S, self._prune)
        self._every(REPAIR_EVERY_S, self._repair)
        self._every(MISSED_EVERY_S, self._missed)
        self._scheduler.start()
        self._prune_in(PRUNE_FIRST_S)
        self._watch_clock(self.clock())
        self._repair.start_run()  # the clock may have been set back while nothing ran

    def _every(self, interval_s: float, job: JobRunner) -> None:
        if self._scheduler is not None:
            trigger = _Every(interval_s)
            self._scheduler.add_job(job.tick, trigger, misfire_grace_time=None, coalesce=True, max_instances=1)

    def _watch_clock(self, previous_ms: int) -> None:
        """Timed by the event loop's clock, which can not be set."""
        now_ms = self.clock()
        if self._scheduler is not None and now_ms < previous_ms:
            log.warning("clock_set_back", by_ms=previous_ms - now_ms)
            for job in self._scheduler.get_jobs():
                job.modify(next_run_time=datetime.fromtimestamp(now_ms / 1000, UTC))
            self._repair.start_run()
        self._watch_timer = asyncio.get_running_loop().call_later(WATCH_EVERY_S, self._watch_clock, now_ms)

    async def stop(self) -> None:
        """Stop the ticks, wait for the runs in flight, then shut the scheduler down. May be called more than once."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.remove_all_jobs()
        for timer in (self._queue_timer, self._deliver_timer, self._prune_timer, self._watch_timer):
            if timer is not None:
                timer.cancel()
        working = (self._reconcile, self._send, self._deliver, self._overdue)
        for job in (*working, self._learn, self._prune, self._repair, self._missed):
            await job.close()
        if scheduler is not None:
            scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # it shuts down in a callback of the loop

    def wake_deliverer(self) -> None:
        """Start a delivery run now, not at the next tick. Call it in the event loop's own thread.

        It does nothing before `start` and after `stop`.
        """
        if self._deliver_timer is None and self._scheduler is not None:
            self._deliver_timer = asyncio.get_running_loop().call_later(WAKE_DELAY_S, self._deliver_now)

    def _deliver_now(self) -> None:
        self._deliver_timer = None
        self._deliver.start_run()

    def wake_queue(self) -> None:
        """Send queued tasks soon, not at the next tick; otherwise as `wake_deliverer`."""
        self._send_in(WAKE_QUEUE_DELAY_S)

    def _send_in(self, delay_s: float) -> None:
        """The earlier of two times counts."""
        if self._scheduler is None:
            return
        loop = asyncio.get_running_loop()
        if self._queue_timer is not None:
            if self._queue_timer.when() <= loop.time() + delay_s:
                return
            self._queue_timer.cancel()
        self._queue_timer = loop.call_later(delay_s, self._send_now)

    def _send_now(self) -> None:
        self._queue_timer = None
        self._send.start_run()

    async def _send_queued(self) -> None:
        again_in_s = await self.queue.send_once()
        if again_in_s is not None and again_in_s < QUEUE_EVERY_S:
            self._send_in(max(again_in_s, WAKE_QUEUE_DELAY_S))

    async def _mark_overdue(self) -> None:
        await self.queue.refuse_overdue()
        if await self.ledger.mark_overdue(self.clock(), limit=OVERDUE_LIMIT):
            self.on_events()
            self.wake_deliverer()

    async def _prune_once(self) -> None:
        report = await self.pruner.prune_once()
        if report.has_more:
            self._prune_in(PRUNE_AGAIN_S)

    def _prune_in(self, delay_s: float) -> None:
        if self._scheduler is not None:
            self._prune_timer = asyncio.get_running_loop().call_later(delay_s, self._prune.start_run)
