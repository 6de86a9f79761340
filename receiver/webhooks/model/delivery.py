"""What the ledger holds, as plain values. Times are unix milliseconds, made by the caller of a verb.

Pure. The store turns rows into these and back; every other room sees only these.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from receiver.events.model.event import EventType
from submitter.model import TaskId


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
    task_id: TaskId | None
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
    task_id: TaskId | None
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
