"""What the ledger holds, as plain values. Times are unix milliseconds, made by the caller of a verb.

Pure. The store turns rows into these and back; every other room sees only these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from submitter.model import Observation, Output, ProviderTaskId, TaskError, TaskId, TaskState


class Verdict(StrEnum):
    """What the ledger made of an observation."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONTRADICTION = "contradiction"


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

    id: TaskId
    provider: str
    state: TaskState
    provider_task_id: ProviderTaskId | None = None
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
class IncomingObservation:
    """An observation on its way into the ledger.

    `claim` is our task id from a verified callback token; `adopt` allows an unknown task to be taken in (only after a
    right provider signature). `next_poll_ms` replaces the task's next look when it is still not final afterwards.
    """

    observation: Observation
    claim: TaskId | None = None
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

    claim: TaskId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTask:
    """No such task, and it may not be adopted. Nothing was changed."""


RecordOutcome = Recorded | Conflicting | UnknownTask


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
class IdempotencyMismatch:
    """The key was used before with another body."""

    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefused:
    """The task is not uncertain, or the provider's id belongs to another task."""

    reason: str
