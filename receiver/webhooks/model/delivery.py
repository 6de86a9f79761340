"""Deliveries and their attempts, as plain values. Pure.

Times are unix milliseconds; the caller of each function passes the time in.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from submitter.http.messages import is_success
from submitter.model import TaskId


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one endpoint, as the outbox stores it."""

    id: str
    event_seq: int
    event_id: str
    #: Also one that only a newer version knows.
    event_type: str
    #: The task that the event is about; None for an event about a subscription.
    task_id: TaskId | None
    #: None for the URL in the task's own `notify`.
    subscription: str | None = None
    #: The URL as it was when the delivery was added.
    endpoint: str
    state: DeliveryState
    #: How many attempts were made since the delivery was last requeued.
    attempts: int
    #: When the next attempt is due; None unless the delivery is pending.
    due_ms: int | None
    created_ms: int
    finished_ms: int | None
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a subscription has not received."""

    pending: int = 0
    dead: int = 0
    #: The newest delivery that failed and will be tried again; without one, the newest dead letter.
    failed: Delivery | None = None


COUNTED_MOST = 1_000  # pending deliveries and dead letters that `Figures` counts

RECENT_MOST = 200  # of the newest deliveries that `Figures` looks at

RECENT_MS = 86_400_000  # how old they are at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a subscription stands. Each number is counted up to a limit, so a big ledger does not make it slow."""

    #: Not finished and dead; at most `COUNTED_MOST` of each.
    pending: int = 0
    dead: int = 0
    #: Its newest deliveries that were made in the last `RECENT_MS`, at most `RECENT_MOST`, and those of them that were
    #: delivered.
    made: int = 0
    delivered: int = 0
    #: The newest delivery that failed and will be tried again; without one, the newest dead letter.
    failed: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutLag:
    """Events that have no deliveries yet."""

    events: int
    #: Of the first of them.
    type: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """A leased delivery with all that an attempt needs."""

    id: str
    #: The owner of the lease. A different one for each lease, so that a late result never ends a newer lease.
    owner: str
    endpoint_id: str
    event_id: str
    #: Also one that only a newer version knows, which made the delivery.
    event_type: str
    event_at_ms: int
    task_id: TaskId | None
    #: That of the task.
    provider: str | None = None
    #: Where the subscription points now.
    url: str
    #: The current secret first.
    secrets: tuple[str, ...] = field(repr=False)
    #: The current key first.
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    cloudevents: bool = False
    handshake: bool = False
    body: str
    #: How many attempts were made before this one.
    attempts: int
    #: To be posted when a post to the same endpoint has ended, as there are enough in flight.
    is_ahead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one lease took."""

    deliveries: Sequence[DueDelivery] = ()
    #: Whether more may be due: at an endpoint that may have no more in flight now, or of events without deliveries yet.
    has_more: bool = False
    #: Whether another lease may make deliveries of further events now.
    is_behind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPosts:
    """What a process tells of its posts when it leases."""

    #: The owners of its leases begin with this and a slash.
    process: str
    #: By endpoint. They count instead of the process's leases, of which some are ahead and some wait for their record.
    in_flight: Mapping[str, int]
    #: Endpoints that answer quickly, of which deliveries may be leased ahead.
    quick: Collection[str]
    #: Deliveries in one lease, those ahead included.
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request to an endpoint, and its outcome."""

    at_ms: int
    latency_ms: int
    #: None when no answer came; then `error` says why.
    status: int | None
    error: str | None
    #: The start of the answer's body, up to 4 KiB.
    response: str = ""
    #: How long the endpoint asked us to wait. Not stored.
    retry_after_s: float | None = None
    #: Another attempt would fail in the same way, for example because the secret cannot sign. Not stored.
    is_permanent: bool = False

    @property
    def ended_ms(self) -> int:
        return self.at_ms + self.latency_ms

    @property
    def is_success(self) -> bool:
        return is_success(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """An attempt and what it makes of its delivery."""

    delivery: str
    owner: str
    endpoint_id: str
    attempt: Attempt
    state: DeliveryState
    #: When the next attempt is due; None unless `state` is pending.
    due_ms: int | None = None
