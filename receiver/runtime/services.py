"""The services of a running process, and the notifier of its commits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from receiver.callbacks.intake import Intake
from receiver.config.settings import Settings
from receiver.events.feed import Feed
from receiver.metrics.registry import Metrics
from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.manual import ManualReconcile
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.keyring import Keyring
from receiver.runtime.readiness import Readiness
from receiver.runtime.snapshots import Snapshots
from receiver.runtime.store import Store
from receiver.store.retention import Pruner
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.lost_submits import LostSubmits
from receiver.tasks.operator import TaskOperator
from receiver.tasks.queue import QueueSender
from receiver.tasks.reporter import TaskReporter
from receiver.tasks.submission import Submission
from receiver.webhooks.deliverer import Deliverer
from receiver.webhooks.endpoints import EndpointService
from receiver.webhooks.replay import ReplayService
from receiver.webhooks.subscriptions import SubscriptionService
from submitter.http.transport import Transport
from submitter.providers.contract import ConfiguredProvider

Clock = Callable[[], int]  # unix milliseconds


class CommitNotifier:
    """Notify this process's consumers (event feed, deliverer, queue) of a commit that created events or deliveries.

    With Postgres, commits of other processes notify it as well (LISTEN/NOTIFY).
    """

    def __init__(self) -> None:
        self._subscribers: list[Callable[[], None]] = []
        self._queue_subscribers: list[Callable[[], None]] = []

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        self._subscribers.append(subscriber)

    def notify(self) -> None:
        for subscriber in self._subscribers:
            subscriber()

    def subscribe_queue(self, subscriber: Callable[[], None]) -> None:
        self._queue_subscribers.append(subscriber)

    def notify_queue(self) -> None:
        """A task of this process was queued, which is no event."""
        for subscriber in self._queue_subscribers:
            subscriber()


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
    queue: QueueSender
    operator: TaskOperator
    lost_submits: LostSubmits
    subscriptions: SubscriptionService
    endpoints: EndpointService
    intake: Intake
    reconciler: Reconciler
    manual_reconcile: ManualReconcile
    durations: LearnedDurations
    deliverer: Deliverer
    replay: ReplayService
    pruner: Pruner
    feed: Feed
    readiness: Readiness
    metrics: Metrics
    reporter: TaskReporter
    snapshots: Snapshots
    commit_notifier: CommitNotifier
    clock: Clock
    #: The name of this process in leases, which no other process has.
    owner: str
    secret_keys: tuple[str, ...] = field(repr=False)
    keyring: Keyring
