"""What the ledger holds, as plain values. Times are unix milliseconds, made by the caller of a verb.

Pure. The store turns rows into these and back; every other room sees only these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from submitter.model import Observation, Output, Source, TaskError, TaskState

T = TypeVar("T")


class Verdict(StrEnum):
    """What the ledger made of an observation."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONTRADICTION = "contradiction"


class EventType(StrEnum):
    SUCCEEDED = "task.succeeded"
    FAILED = "task.failed"
    CANCELED = "task.canceled"
    EXPIRED = "task.expired"
    OVERDUE = "task.overdue"
    SUBSCRIPTION_DISABLED = "subscription.disabled"


#: What a subscriber gets that names no types. The others are for operators, who ask for them by name.
TASK_EVENTS = frozenset(EventType) - {EventType.SUBSCRIPTION_DISABLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Where a task's own events go. The secret is `whsec_…`."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One unit of paid work.

    `id` is ours, `task_id` the provider's and None until known. `request` is the caller's own JSON, `submit_body` the
    bytes of the POST under a mark of its account (`orders.keep_body`), kept only while that POST may be repeated.
    `next_poll_ms` is when the reconciler looks at the task again; None means never. `missing_since_ms`: since when the
    provider has said "not found".
    """

    id: str
    provider: str
    state: TaskState
    task_id: str | None = None
    model: str | None = None
    raw_state: str = ""
    progress: int | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    request_hash: str = ""
    submit_body: str | None = field(default=None, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    notify: Notify | None = None
    idempotency_key: str | None = None
    outputs: tuple[Output, ...] = ()
    error: TaskError | None = None
    adopted: bool = False
    callback_expected: bool = False
    created_ms: int
    submitted_ms: int | None = None
    final_ms: int | None = None
    deadline_ms: int | None = None
    overdue_ms: int | None = None
    result_expires_ms: int | None = None
    next_poll_ms: int | None = None
    missing_since_ms: int | None = None
    polls: int = 0
    submits: int = 0
    final_event: str | None = None
    supersedes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An observation on its way into the ledger.

    `claim` is our task id from a verified callback token; `adopt` allows an unknown task to be taken in (only after a
    right provider signature). `next_poll_ms` replaces the task's next look when it is still not final afterwards.
    """

    observation: Observation
    claim: str | None = None
    adopt: bool = False
    next_poll_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """`event_seq` is set when this report made an event."""

    task: Task
    verdict: Verdict
    event_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicting:
    """The claim and the provider's id belong to different tasks. Nothing was changed."""

    claim: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTask:
    """No such task, and it may not be adopted. Nothing was changed."""


RecordOutcome = Recorded | Conflicting | UnknownTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An immutable fact. `body` is the webhook body, JSON text, byte for byte what is signed.

    `task` is our id of the task that it is about, None for an event about a subscription.
    """

    seq: int
    id: str
    task: str | None
    type: EventType
    at_ms: int
    supersedes: str | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line of a task's timeline, from whichever table: `kind` is observation, event, delivery, attempt or audit."""

    at_ms: int
    kind: str
    summary: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObservation:
    """A line of the observations table. `detail` holds progress, outputs, error or the reason, as JSON values."""

    id: str
    task: str
    at_ms: int
    source: Source
    state: TaskState
    raw_state: str
    verdict: Verdict
    detail: Mapping[str, Any]
    raw: str


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event owed to one endpoint: the outbox row. `attempts` counts those made.

    `subscription` None: owed for the task's own `notify`.
    """

    id: str
    event_seq: int
    event_id: str
    event_type: EventType
    task: str | None
    subscription: str | None = None
    endpoint: str
    state: DeliveryState
    attempts: int
    due_ms: int | None
    created_ms: int
    finished_ms: int | None
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What waits for a subscription, and what it did not get.

    `failed` is the newest one that was tried in vain and will be tried again, or else the newest dead letter.
    """

    pending: int = 0
    dead: int = 0
    failed: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """A leased delivery with all that an attempt needs. `attempts` counts those made before.

    `secrets` and `signing_keys` hold the current one first. `endpoint` is where the subscription points now.
    """

    id: str
    owner: str
    lane: str
    event_id: str
    event_type: EventType
    event_at_ms: int
    task: str | None
    endpoint: str
    secrets: tuple[str, ...] = field(repr=False)
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    cloudevents: bool = False
    handshake: bool = False
    body: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP try. `status` is None when no answer came; then `error` says why. `response` is cut to 4 KiB."""

    at_ms: int
    latency_ms: int
    status: int | None
    error: str | None
    response: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """An attempt and what follows from it: `due_ms` only when `state` is pending.

    `retry_after_s` is how long the endpoint asked to be left alone, when its status gives that a meaning.
    """

    delivery: str
    owner: str
    lane: str
    attempt: Attempt
    retry_after_s: float | None = None
    state: DeliveryState
    due_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """A provider's shared purse of requests and whether it is paused. `alarm` asks for an operator."""

    provider: str
    tokens: float
    refilled_ms: int
    paused_until_ms: int | None = None
    paused_reason: str | None = None
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Conditions joined by "and"; None does not filter. `cursor` is the last page's `next_cursor`."""

    state: TaskState | None = None
    provider: str | None = None
    label: tuple[str, str] | None = None
    older_than_ms: int | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFilter:
    """Which unfinished tasks to ask about by hand. `task` is our id or the provider's."""

    provider: str | None = None
    older_than_s: float | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What a look at a task leaves behind. `not_found`: True starts or keeps the "not found" clock, False clears it."""

    task: str
    owner: str
    next_poll_ms: int | None
    not_found: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Keyset page; `next_cursor` is None on the last one."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyMismatch:
    """The key was used before with another body."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefused:
    """The task is not uncertain, or the provider's id belongs to another task."""

    reason: str
