"""The periodic jobs on a real scheduler, with the real services: runs start, overlap, fail and stop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from apscheduler.schedulers import base as scheduling
from structlog.testing import capture_logs

from receiver.config.settings import Settings
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime import worker as jobs
from receiver.runtime.background import make_clock_repair, make_missed_callbacks, working
from receiver.runtime.clock import now_ms
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.runtime.worker import JobRunner, Worker
from receiver.store import retention
from receiver.store.errors import StoreUnavailable
from receiver.store.retention import Pruner
from receiver.tasks.ledger import Ledger
from receiver.webhooks.deliverer import Deliverer
from submitter.model import TaskState
from tests.support.builders import T0, a_task

OFTEN_S = 0.005
DAY_MS = 86_400_000

#: The verb of each service that a job calls.
RECONCILE = (Reconciler, "reconcile_once")
DELIVER = (Deliverer, "deliver_once")
OVERDUE = (Ledger, "mark_overdue")
PRUNE = (Pruner, "prune_once")

Before = Callable[[], Awaitable[object]]


class Runs:
    """Counts the calls of a service's verb, and can hold or fail each before the service does its work."""

    def __init__(self, before: Before | None = None) -> None:
        self.started = 0
        self.running = 0
        self.most_at_once = 0
        self.results: list[Any] = []
        self._before = before
        self._changed = asyncio.Event()

    async def run(self, work: Before | None = None) -> object:
        self.started += 1
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self._changed.set()
        try:
            if self._before is not None:
                await self._before()
            self.results.append(None if work is None else await work())
        finally:
            self.running -= 1
        return self.results[-1]

    async def until_started(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.started < times:
                self._changed.clear()
                await self._changed.wait()


Watch = Callable[..., Runs]


@pytest.fixture(name="watch")
def _watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    def watch(verb: tuple[type, str], before: Before | None = None) -> Runs:
        owner, name = verb
        original, runs = getattr(owner, name), Runs(before)

        async def watched(*arguments: Any, **named: Any) -> object:
            return await runs.run(lambda: original(*arguments, **named))

        monkeypatch.setattr(owner, name, watched)
        return runs

    return watch


@pytest.fixture(name="services")
async def _services(tmp_path: Path) -> AsyncIterator[Services]:
    settings = Settings.from_mapping({"WHENFINAL_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}"})
    async with open_services(settings) as services:
        yield services


async def _fail() -> None:
    raise StoreUnavailable("database is locked")


class WallClock:
    """The machine's clock, as an operator sets it; the scheduler reads it as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_by_s = 0

        class Shown(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return cls.fromtimestamp(self() / 1000, tz)

        monkeypatch.setattr(scheduling, "datetime", Shown)

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.set_by_s * 1000


def _worker(services: Services) -> Worker:
    """A worker that has not started."""
    return Worker(
        reconciler=services.reconciler,
        deliverer=services.deliverer,
        ledger=services.store.ledger,
        pruner=services.pruner,
        queue=services.queue,
        durations=services.durations,
        clock_repair=make_clock_repair(services),
        missed_callbacks=make_missed_callbacks(services),
        metrics=services.metrics,
        clock=services.clock,
        on_events=services.commit_notifier.notify,
    )


async def _open_late_tasks(services: Services, count: int, *, deadline_ms: int) -> None:
    for number in range(count):
        task = a_task(
            f"tsk_{number}",
            state=TaskState.RUNNING,
            provider_task_id=f"p{number}",
            next_poll_ms=None,
            deadline_ms=deadline_ms,
        )
        await services.store.submissions.open_task(task, deadline_ms)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECONCILE_EVERY_S", "DELIVER_EVERY_S", "OVERDUE_EVERY_S", "PRUNE_EVERY_S"):
        monkeypatch.setattr(jobs, name, OFTEN_S)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECONCILE_EVERY_S", "DELIVER_EVERY_S", "OVERDUE_EVERY_S", "PRUNE_EVERY_S"):
        monkeypatch.setattr(jobs, name, 3600.0)


@pytest.mark.usefixtures("often")
async def test_every_job_runs_again_and_again(services: Services, watch: Watch) -> None:
    watched = [watch(verb) for verb in (RECONCILE, DELIVER, OVERDUE, PRUNE)]
    async with working(services):
        await asyncio.gather(*(runs.until_started(3) for runs in watched))


@pytest.mark.usefixtures("often")
async def test_a_run_that_fails_is_followed_by_the_next_one(services: Services, watch: Watch) -> None:
    failing = watch(RECONCILE, _fail)
    async with working(services):
        await failing.until_started(3)


@pytest.mark.usefixtures("often")
async def test_a_run_that_hangs_does_not_stop_the_next_from_starting(services: Services, watch: Watch) -> None:
    release = asyncio.Event()
    hanging = watch(DELIVER, release.wait)
    async with working(services):
        await hanging.until_started(3)
        release.set()


@pytest.mark.parametrize("verb", [OVERDUE, PRUNE], ids=["overdue", "retention"])
@pytest.mark.usefixtures("often")
async def test_two_runs_of_the_overdue_job_or_of_retention_never_overlap(
    services: Services, watch: Watch, verb: tuple[type, str]
) -> None:
    slow = watch(verb, lambda: asyncio.sleep(3 * OFTEN_S))
    async with working(services):
        await slow.until_started(4)
    assert slow.most_at_once == 1


@pytest.mark.usefixtures("never")
async def test_retention_runs_soon_after_the_start_and_goes_on_while_there_is_more(
    services: Services, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (jobs, "PRUNE_FIRST_S", OFTEN_S),
        (jobs, "PRUNE_AGAIN_S", OFTEN_S),
        (retention, "LIMIT", 1),
        (retention, "BATCHES", 1),
    ):
        monkeypatch.setattr(module, name, value)
    services.pruner.guard = None  # the ledger has seen no time after 40 days ago
    old_ms = now_ms() - 40 * DAY_MS
    await _open_late_tasks(services, 3, deadline_ms=old_ms)
    assert await services.store.ledger.mark_overdue(old_ms) == 3
    pruning = watch(PRUNE)
    async with working(services):
        async with asyncio.timeout(30):
            while await services.store.events.events(0, limit=10) or pruning.results[-1].has_more:
                await asyncio.sleep(OFTEN_S)
        ended = len(pruning.results)
        await asyncio.sleep(5 * OFTEN_S)
    assert [report.has_more for report in pruning.results] == [True] * (ended - 1) + [False]
    assert ended >= 3


@pytest.mark.usefixtures("often")
async def test_stopping_waits_for_the_run_in_flight_and_starts_no_other(services: Services, watch: Watch) -> None:
    release = asyncio.Event()
    slow = watch(RECONCILE, release.wait)
    worker = _worker(services)
    worker.start()
    await slow.until_started(1)
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(5 * OFTEN_S)
    started, was_done = slow.started, stopping.done()
    release.set()
    await stopping
    assert (was_done, slow.running, slow.started) == (False, 0, started)


@pytest.mark.usefixtures("never")
async def test_waking_the_deliverer_starts_one_run_without_waiting_for_the_tick(
    services: Services, watch: Watch
) -> None:
    delivering = watch(DELIVER)
    async with working(services) as worker:
        for _ in range(50):
            worker.wake_deliverer()
        await delivering.until_started(1)
    assert delivering.started == 1


async def test_waking_the_deliverer_before_the_start_or_after_the_stop_does_nothing(
    services: Services, watch: Watch
) -> None:
    delivering = watch(DELIVER)
    worker = _worker(services)
    worker.wake_deliverer()
    await worker.stop()
    worker.wake_deliverer()
    await asyncio.sleep(2 * jobs.WAKE_DELAY_S)
    assert delivering.started == 0


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("set_by_s", [-3600, 40 * 366 * 86_400])
async def test_jobs_go_on_when_the_clock_is_set(
    services: Services, watch: Watch, monkeypatch: pytest.MonkeyPatch, set_by_s: int
) -> None:
    monkeypatch.setattr(jobs, "WATCH_EVERY_S", OFTEN_S)
    watched, clock = [watch(RECONCILE), watch(DELIVER)], WallClock(monkeypatch)
    async with working(replace(services, clock=clock)):
        await asyncio.gather(*(runs.until_started(2) for runs in watched))
        clock.set_by_s = set_by_s
        await asyncio.gather(*(runs.until_started(runs.started + 3) for runs in watched))


@pytest.mark.usefixtures("often")
async def test_tasks_that_became_overdue_notify_the_consumers_once(services: Services, watch: Watch) -> None:
    notified: list[int] = []
    services.commit_notifier.subscribe(lambda: notified.append(1))
    await _open_late_tasks(services, 1, deadline_ms=now_ms() - 1)
    marking = watch(OVERDUE)
    async with working(services):
        await marking.until_started(3)
    assert marking.results == [1] + [0] * (len(marking.results) - 1)
    assert notified == [1]


@pytest.mark.usefixtures("often")
async def test_a_worker_may_stop_twice_and_without_having_started(services: Services) -> None:
    worker = _worker(services)
    worker.start()
    await worker.stop()
    await worker.stop()
    await _worker(services).stop()


async def test_the_same_error_is_logged_once_a_minute_and_another_at_once() -> None:
    clock_ms, messages = [T0], ["locked", "locked", "full", "locked"]

    async def fail() -> None:
        raise StoreUnavailable(messages.pop(0))

    job = JobRunner("reconcile", fail, at_once=1, clock=lambda: clock_ms[0])
    with capture_logs() as lines:
        for at_ms in (T0, T0 + 1, T0 + 2, T0 + jobs.QUIET_MS + 1):
            clock_ms[0] = at_ms
            job.start_run()
            await asyncio.sleep(0.001)
    assert [line["error"] for line in lines] == [f"StoreUnavailable: {text}" for text in ("locked", "full", "locked")]
    assert {(line["event"], line["job"]) for line in lines} == {("job_failed", "reconcile")}
    await job.close()


async def test_a_run_that_was_skipped_starts_once_when_another_ends() -> None:
    release = asyncio.Event()
    busy = Runs(release.wait)
    job = JobRunner("deliver", busy.run, at_once=1, clock=lambda: T0)
    for _ in range(5):
        job.start_run()
    await busy.until_started(1)
    release.set()
    await busy.until_started(2)
    await job.close()
    assert busy.started == 2
