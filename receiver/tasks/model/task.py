"""A task, what goes into the ledger about it, and what the ledger answers. Plain values, pure.

Times are unix milliseconds; the caller of each function passes the time in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from submitter.model import Observation, Output, ProviderTaskId, Refusal, TaskError, TaskId, TaskState
from submitter.values import large_value, value


class Verdict(StrEnum):
    """What the ledger made of an observation."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONTRADICTION = "contradiction"
    #: The answer to a poll says nothing about the task; it is kept for a person.
    UNUSABLE = "unusable"


@large_value
class Task:
    """One unit of paid work: a row of `tasks` without its lease."""

    id: TaskId
    provider: str
    state: TaskState
    #: None until the provider has named it.
    provider_task_id: ProviderTaskId | None = None
    model: str | None = None
    #: The provider's own word for the state.
    raw_state: str = ""
    #: 0 to 100.
    progress: int | None = None
    #: The caller's request as JSON, without secrets, see `request.stored_request`.
    request: Mapping[str, Any] = field(default_factory=dict)
    request_hash: str = ""
    #: The body of the POST, sealed by `request.seal_body`; stored only while that POST may be repeated.
    submit_body: str | None = field(default=None, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Where the task's own events are posted; None: nowhere.
    notify_url: str | None = None
    #: `whsec_…`, set with `notify_url`.
    notify_secret: str | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    #: Whose key that is, see `TaskRequest.key_scope`.
    key_scope: str = ""
    #: A caller was answered 202, so its end is told by an event.
    acknowledged: bool = False
    #: 0 to 9; of two queued tasks of an account the one with the higher number is sent first.
    priority: int = 0
    #: Since when it waits for its account: its request, or the last repeat of it under a key that was free. None for a
    #: task that was adopted.
    queued_ms: int | None = None
    #: How long it may wait in the queue; None: it does not wait.
    queued_until_ms: int | None = None
    #: When its last submit was started; None while it has only been queued, and for an adopted one.
    sent_ms: int | None = None
    outputs: tuple[Output, ...] = ()
    error: TaskError | None = None
    #: Why the submit was refused, so that a repeated idempotency key gets the same answer; None unless the state is
    #: REFUSED, and for a task that a person settled as refused.
    refusal: Refusal | None = None
    #: The HTTP status of that refusal; None where no POST reached the provider.
    refusal_status: int | None = None
    #: It was submitted elsewhere and became known by a signed callback.
    adopted: bool = False
    #: The provider's id came from an operator, and nothing that carries our token has confirmed it.
    settled: bool = False
    callback_expected: bool = False
    created_ms: int
    submitted_ms: int | None = None
    final_ms: int | None = None
    deadline_ms: int | None = None
    #: When `task.overdue` was published.
    overdue_ms: int | None = None
    #: When the first of the outputs' links ends.
    result_expires_ms: int | None = None
    #: When the reconciler polls it next; None means never.
    next_poll_ms: int | None = None
    #: When a poll last found it unfinished, or a callback last said so.
    seen_open_ms: int | None = None
    #: Since when the provider has answered "not found".
    missing_since_ms: int | None = None
    polls: int = 0
    submits: int = 0
    #: The id of its terminal event.
    final_event: str | None = None
    #: The id of the event that `final_event` replaces.
    supersedes: str | None = None
    #: How many reports that did not end it were for its timeline, by verdict; see `reports`.
    reports: Mapping[str, int] = field(default_factory=dict)

    @property
    def submit_began_ms(self) -> int:
        """When its last submit was started; when it was created, for one that was never sent."""
        return self.created_ms if self.sent_ms is None else self.sent_ms

    @property
    def waits_since_ms(self) -> int:
        """Since when a queued task waits for its account."""
        return self.created_ms if self.queued_ms is None else self.queued_ms


@value
class IncomingObservation:
    """An observation on its way into the ledger, with what the caller has proved about it."""

    observation: Observation
    #: Our task id from a callback token that was verified; the observation must be about this task.
    expected_task_id: TaskId | None = None
    #: A task that the ledger does not know may be added; only after the provider's signature was verified.
    allow_adoption: bool = False
    #: Replaces the task's next poll if the task has not ended afterwards.
    next_poll_ms: int | None = None
    #: The same, from the task as it is afterwards. Then the report also counts as a look that found the task open.
    next_poll_of: Callable[[Task], int] | None = None


@value
class Recorded:
    """The observation was judged, and what follows from it is stored."""

    task: Task
    verdict: Verdict
    #: The number of the event that this observation caused.
    event_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMismatch:
    """The expected task and the provider's id belong to different tasks. Nothing was changed."""

    expected_task_id: TaskId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTask:
    """There is no such task, and it may not be adopted. Nothing was changed."""


RecordOutcome = Recorded | TaskMismatch | UnknownTask


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Conditions joined by "and"; None does not filter."""

    state: TaskState | None = None
    provider: str | None = None
    label: tuple[str, str] | None = None
    older_than_ms: int | None = None
    limit: int = 50
    #: The `next_cursor` of the previous page.
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyMismatch:
    """The idempotency key was used before with another request, for the task with this id."""

    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeKey:
    """The idempotency key stands for this task, which surely created nothing. Nothing was changed.

    The same request may try again: it is opened with the id of this task.
    """

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The idempotency key was used before with the same request, for this task."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefused:
    """The task cannot be settled so; `reason` is for a person."""

    reason: str
