"""The repositories over one engine, and the services of a running process."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from receiver.callbacks.intake import Intake
from receiver.config.api_keys import ApiKeyDigest
from receiver.config.settings import Settings
from receiver.events.feed import Feed
from receiver.events.log import EventLog
from receiver.reconcile.manual import ManualReconcile
from receiver.reconcile.reconciler import Reconciler
from receiver.reconcile.repository import PollRepository
from receiver.runtime.readiness import Readiness
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditLog
from receiver.store.engine import Engine, Tx
from receiver.store.ids import id_maker
from receiver.store.metadata import MetadataRepository
from receiver.store.migrate import check_schema, migrate
from receiver.store.open import open_engine
from receiver.store.retention import Pruner, RetentionRepository
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.ledger import Ledger
from receiver.tasks.repository import TaskRepository
from receiver.tasks.submission import Submission
from receiver.tasks.submission_repository import SubmissionRepository
from receiver.webhooks.deliverer import Deliverer
from receiver.webhooks.delivery_repository import DeliveryRepository
from receiver.webhooks.outbox import Outbox
from receiver.webhooks.publisher import EventPublisher
from receiver.webhooks.replay import ReplayService
from receiver.webhooks.replay_repository import ReplayRepository
from receiver.webhooks.subscription_repository import SubscriptionRepository
from receiver.webhooks.subscriptions import SubscriptionService
from submitter.http.transport import Transport
from submitter.providers.contract import ConfiguredProvider

Clock = Callable[[], int]  # unix milliseconds


class CommitNotifier:
    """Notify this process's consumers (event feed, deliverer) of a commit that created events or deliveries.

    With Postgres, commits of other processes notify it as well (LISTEN/NOTIFY).
    """

    def __init__(self) -> None:
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        self._subscribers.append(subscriber)

    def notify(self) -> None:
        for subscriber in self._subscribers:
            subscriber()


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The repositories, over one engine."""

    ledger: Ledger
    submissions: SubmissionRepository
    polls: PollRepository
    accounts: ProviderAccountRepository
    audit: AuditLog
    outbox: Outbox
    subscriptions: SubscriptionRepository
    tasks: TaskRepository
    events: EventLog
    deliveries: DeliveryRepository
    replays: ReplayRepository
    retention: RetentionRepository
    metadata: MetadataRepository
    engine: Engine

    async def check(self) -> None:
        """Raise StoreUnavailable when the ledger can not be written now: commits a row that nobody reads."""

        async def work(tx: Tx) -> None:
            await tx.execute("prove_writable")

        await self.engine.write(work)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Services:
    """Open from beginning to end of a process; see `receiver.runtime.wiring.open_services`."""

    settings: Settings
    store: Store
    providers: Mapping[str, ConfiguredProvider]
    transport: Transport
    webhook_transport: Transport
    commits: GroupCommit
    submission: Submission
    subscriptions: SubscriptionService
    intake: Intake
    reconciler: Reconciler
    manual_reconcile: ManualReconcile
    deliverer: Deliverer
    replay: ReplayService
    pruner: Pruner
    feed: Feed
    readiness: Readiness
    commit_notifier: CommitNotifier
    clock: Clock
    secret_keys: tuple[str, ...] = field(repr=False)
    api_keys: tuple[ApiKeyDigest, ...]


@asynccontextmanager
async def open_store(
    database_url: str, *, clock: Callable[[], int], migrating: bool, busy_timeout_ms: int = 5000, pool_size: int = 10
) -> AsyncIterator[Store]:
    """Raise SchemaBehind unless the schema is complete or `migrating`, StoreUnavailable when there is no opening it.

    `busy_timeout_ms` is for a file, `pool_size` (connections of this process at most) for a server.
    """
    engine = await open_engine(database_url, busy_timeout_ms=busy_timeout_ms, pool_size=pool_size)
    try:
        if migrating:
            await migrate(engine, clock())
        else:
            await check_schema(engine)
        yield store_on(engine)
    finally:
        await engine.close()


def store_on(engine: Engine) -> Store:
    new_id = id_maker(secrets.token_bytes)
    publisher = EventPublisher(new_id)
    return Store(
        ledger=Ledger(engine, new_id, publisher),
        submissions=SubmissionRepository(engine, new_id),
        polls=PollRepository(engine),
        accounts=ProviderAccountRepository(engine),
        audit=AuditLog(engine, new_id),
        outbox=Outbox(engine, new_id, publisher),
        subscriptions=SubscriptionRepository(engine, new_id),
        tasks=TaskRepository(engine),
        events=EventLog(engine),
        deliveries=DeliveryRepository(engine),
        replays=ReplayRepository(engine, new_id),
        retention=RetentionRepository(engine),
        metadata=MetadataRepository(engine),
        engine=engine,
    )
