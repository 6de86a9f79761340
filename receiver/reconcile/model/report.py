"""The values of a reconcile run: one poll, and a manual run's request and summary. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from receiver.config.api_keys import NO_LIMITS, Limits
from receiver.reconcile.model.decisions import PollAction, PollDecision, PollResult
from receiver.tasks.model.task import Task
from receiver.tasks.model.unusable import Unusable
from submitter.model import ProviderTaskId, TaskId, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """One poll of a task, and what has been stored because of it so far."""

    #: The task as it was leased.
    task: Task
    decision: PollDecision
    #: The task as last stored; `task` itself while nothing has been stored.
    stored: Task
    #: Whether this poll changed the task's state. False when a callback or a receipt did it meanwhile.
    changed: bool = False
    #: When the request was sent, at the earliest.
    sent_ms: int = 0
    #: What the provider answered, if it says nothing about the task.
    unusable: Unusable | None = None


class ReconcileMode(Enum):
    """How far a manual run goes."""

    #: Say what would be polled. No provider is contacted and nothing changes.
    PLAN = auto()
    #: Poll, and say what would change. Nothing changes.
    DRY_RUN = auto()
    #: Poll, and record what changes.
    APPLY = auto()

    @classmethod
    def of(cls, *, dry_run: bool, ask: bool) -> "ReconcileMode":
        """The mode that the options of the API and the command line mean. `ask` counts only with `dry_run`."""
        if not dry_run:
            return cls.APPLY
        return cls.DRY_RUN if ask else cls.PLAN


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFilter:
    """Which unfinished tasks a manual run polls. Conditions are joined by "and"; None does not filter."""

    provider: str | None = None
    #: Created at least this long ago.
    older_than_s: float | None = None
    #: Our id or the provider's.
    task: str | None = None
    #: Those of the key of whoever starts it.
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualRequest:
    """What a person asked for."""

    condition: ReconcileFilter
    mode: ReconcileMode
    #: For the audit: a name of an API key, or of a person at the command line.
    actor: str
    #: Whether polls wait while the rate budget is empty.
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileItem:
    """One task of a manual run."""

    task_id: TaskId
    provider: str
    provider_task_id: ProviderTaskId | None
    #: The state before the run.
    state: TaskState
    #: What a poll of the task does.
    plan: PollAction
    #: How the poll ended, None when there was none.
    finding: PollResult | None = None
    #: The state that the answer leads to: the stored one, or on a dry run the one that would be stored.
    after: TaskState | None = None
    #: Why the task was not polled, None when it was or would have been.
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSummary:
    """What a manual run did."""

    asked: int
    #: Tasks whose state changed, or on a dry run would have.
    changed: int
    skipped: int
    tasks: tuple[ReconcileItem, ...]

    @classmethod
    def of(cls, items: Sequence[ReconcileItem]) -> "ReconcileSummary":
        return cls(
            asked=sum(item.finding is not None and item.plan is not PollAction.MARK_UNCERTAIN for item in items),
            changed=sum(item.after not in {None, item.state} for item in items),
            skipped=sum(item.skipped is not None for item in items),
            tasks=tuple(items),
        )
