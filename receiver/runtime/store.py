"""The repositories of all capabilities, over one engine."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from receiver.events.log import EventLog
from receiver.reconcile.duration_repository import DurationRepository
from receiver.reconcile.provider_repository import ProviderRepository
from receiver.reconcile.repository import PollRepository
from receiver.runtime.key_repository import KeyRepository
from receiver.runtime.operator_runs.repository import RunRepository
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditLog
from receiver.store.backups import BackupRepository
from receiver.store.engine import Engine, Tx
from receiver.store.ids import id_maker
from receiver.store.mark import MarkKeeper
from receiver.store.metadata import MetadataRepository
from receiver.store.migrate import check_schema, migrate
from receiver.store.minutes import MinuteRepository
from receiver.store.open import ledger_at, open_engine
from receiver.store.overview import OverviewRepository
from receiver.store.processes import ProcessRepository
from receiver.store.retention import RetentionRepository
from receiver.store.stepped_back import SteppedBack
from receiver.store.trouble_repository import TroubleRepository
from receiver.tasks.ledger import Ledger
from receiver.tasks.queue_repository import QueueRepository
from receiver.tasks.repository import TaskRepository
from receiver.tasks.search_repository import TaskSearchRepository
from receiver.tasks.submission_repository import SubmissionRepository
from receiver.tasks.times_repository import TaskTimesRepository
from receiver.webhooks.delivery_repository import DeliveryRepository
from receiver.webhooks.delivery_search_repository import DeliverySearchRepository
from receiver.webhooks.endpoint_repository import EndpointRepository
from receiver.webhooks.fan_out import FanOut
from receiver.webhooks.missed_repository import MissedCallbackRepository
from receiver.webhooks.outbox import Outbox
from receiver.webhooks.publisher import EventPublisher
from receiver.webhooks.replay_repository import ReplayRepository
from receiver.webhooks.subscription_repository import SubscriptionRepository

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The repositories, over one engine."""

    ledger: Ledger
    submissions: SubmissionRepository
    queue: QueueRepository
    task_times: TaskTimesRepository
    polls: PollRepository
    providers: ProviderRepository
    durations: DurationRepository
    accounts: ProviderAccountRepository
    audit: AuditLog
    outbox: Outbox
    subscriptions: SubscriptionRepository
    endpoints: EndpointRepository
    tasks: TaskRepository
    task_search: TaskSearchRepository
    events: EventLog
    deliveries: DeliveryRepository
    delivery_search: DeliverySearchRepository
    replays: ReplayRepository
    runs: RunRepository
    keys: KeyRepository
    retention: RetentionRepository
    metadata: MetadataRepository
    overview: OverviewRepository
    troubles: TroubleRepository
    minutes: MinuteRepository
    processes: ProcessRepository
    backups: BackupRepository
    missed_callbacks: MissedCallbackRepository
    marks: MarkKeeper
    #: The last time that the ledger stepped back, as of the start; None: never.
    stepped_back: SteppedBack | None
    engine: Engine

    async def check(self) -> None:
        """Raise StoreUnavailable when the ledger can not be written now: commits a row that nobody reads."""

        async def work(tx: Tx) -> None:
            await tx.execute("prove_writable")

        await self.engine.write(work)


@asynccontextmanager
async def open_store(
    database_url: str, *, clock: Callable[[], int], migrating: bool, busy_timeout_ms: int = 5000, pool_size: int = 10
) -> AsyncIterator[Store]:
    """Raise SchemaBehind unless the schema is complete or `migrating`, SchemaAhead for one of a newer version.

    Raise StoreUnavailable when it cannot be opened.

    `busy_timeout_ms` is for a file, `pool_size` (connections of this process at most) for a server.
    """
    engine = await open_engine(database_url, busy_timeout_ms=busy_timeout_ms, pool_size=pool_size)
    try:
        if migrating:
            await migrate(engine, clock())
        else:
            await check_schema(engine)
        marks = MarkKeeper(engine, ledger_at(database_url))
        await marks.check(clock())
        try:
            yield _store_on(engine, clock, marks, await marks.last_step_back())
        finally:
            await marks.save()
    finally:
        await engine.close()


def _store_on(engine: Engine, clock: Callable[[], int], marks: MarkKeeper, stepped_back: SteppedBack | None) -> Store:
    new_id = id_maker(secrets.token_bytes)
    publisher, fan_out = EventPublisher(), FanOut(engine, new_id, clock, on_failure=_warn)
    ledger = Ledger(engine, new_id, publisher)
    return Store(
        ledger=ledger,
        submissions=SubmissionRepository(engine, new_id, publisher),
        queue=QueueRepository(engine, new_id, publisher),
        task_times=TaskTimesRepository(engine),
        polls=PollRepository(engine, new_id, ledger),
        providers=ProviderRepository(engine, new_id, publisher),
        durations=DurationRepository(engine),
        accounts=ProviderAccountRepository(engine),
        audit=AuditLog(engine, new_id),
        outbox=Outbox(engine, new_id, publisher, fan_out),
        subscriptions=SubscriptionRepository(engine, new_id, fan_out),
        endpoints=EndpointRepository(engine, new_id, fan_out),
        tasks=TaskRepository(engine, fan_out),
        task_search=TaskSearchRepository(engine),
        events=EventLog(engine),
        deliveries=DeliveryRepository(engine, fan_out),
        delivery_search=DeliverySearchRepository(engine, fan_out),
        replays=ReplayRepository(engine, new_id, fan_out),
        runs=RunRepository(engine, new_id),
        keys=KeyRepository(engine, new_id),
        retention=RetentionRepository(engine, fan_out.try_advance),
        metadata=MetadataRepository(engine),
        overview=OverviewRepository(engine),
        troubles=TroubleRepository(engine),
        minutes=MinuteRepository(engine),
        processes=ProcessRepository(engine),
        backups=BackupRepository(engine),
        missed_callbacks=MissedCallbackRepository(engine, new_id, publisher),
        marks=marks,
        stepped_back=stepped_back,
        engine=engine,
    )


def _warn(reason: str) -> None:
    log.warning("deliveries_not_made", error=reason)
