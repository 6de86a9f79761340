"""What runs beside the requests of a process: the periodic jobs, and the listener for commits of other processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from receiver.config.errors import ConfigError
from receiver.runtime.clock_repair import ClockRepair
from receiver.runtime.missed_callbacks import MissedCallbacks
from receiver.runtime.presence import Presence, Role, this_process
from receiver.runtime.services import Services
from receiver.runtime.worker import Worker
from receiver.store.errors import StoreError
from receiver.tasks.drafting import dead_submit_ms


def make_clock_repair(services: Services) -> ClockRepair:
    settings, store = services.settings, services.store
    return ClockRepair(
        polls=store.polls,
        accounts=store.accounts,
        task_times=store.task_times,
        outbox=store.outbox,
        providers=services.providers,
        delivery=settings.delivery,
        speed=settings.providers.speed,
        poll_lease_ms=services.reconciler.poller.poll_lease_ms,
        delivery_lease_ms=round(settings.lease_s * 1000),
        dead_submit_ms=dead_submit_ms(settings.providers.timeout_s),
    )


def make_missed_callbacks(services: Services) -> MissedCallbacks:
    store = services.store
    return MissedCallbacks(
        minutes=store.minutes,
        missed=store.missed_callbacks,
        clock=services.clock,
        on_events=services.commit_notifier.notify,
    )


@asynccontextmanager
async def working(services: Services) -> AsyncIterator[Worker]:
    """Run the periodic jobs; on leaving, the runs in flight come to their end."""
    worker = Worker(
        reconciler=services.reconciler,
        deliverer=services.deliverer,
        pruner=services.pruner,
        queue=services.queue,
        durations=services.durations,
        clock_repair=make_clock_repair(services),
        ledger=services.store.ledger,
        missed_callbacks=make_missed_callbacks(services),
        metrics=services.metrics,
        clock=services.clock,
        on_events=services.commit_notifier.notify,
    )
    services.commit_notifier.subscribe(worker.wake_deliverer)
    services.commit_notifier.subscribe(worker.wake_queue)  # a task that has ended makes room
    services.commit_notifier.subscribe_queue(worker.wake_queue)
    services.queue.on_capacity = worker.wake_queue
    services.deliverer.on_capacity = worker.wake_deliverer
    worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@asynccontextmanager
async def snapshots(services: Services) -> AsyncIterator[None]:
    """Read what is open from time to time, for `/metrics` and the dashboard."""
    running = asyncio.create_task(services.snapshots.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def present(services: Services, role: Role) -> AsyncIterator[None]:
    """Say in the ledger that this process runs."""
    presence = Presence(
        processes=services.store.processes,
        process=this_process(services.owner, role, services.clock()),
        pruned_ms=lambda: services.metrics.ticks_ms().get("prune"),
        clock=services.clock,
    )
    running = asyncio.create_task(presence.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        await presence.leave()


@asynccontextmanager
async def commit_listener(services: Services) -> AsyncIterator[None]:
    """Notify this process of the commits of others, where the database can (Postgres).

    Raise ConfigError when `WHENFINAL_DATABASE_LISTEN_URL` is not a URL that Postgres understands.
    """
    listen_url = services.settings.database.listen_url
    try:
        listener = services.store.engine.listener(listen_url, services.commit_notifier.notify)
    except StoreError as error:
        hint = "set it in the form postgresql://user:password@host:5432/database"
        raise ConfigError(f"WHENFINAL_DATABASE_LISTEN_URL: {error}", hint=hint) from error
    if listener is None:
        yield
        return
    services.feed.is_notified = lambda: listener.is_live
    listening = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])
