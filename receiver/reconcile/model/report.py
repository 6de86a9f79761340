"""Reconcile by hand: the same looks, chosen by a filter and not by the clock.

Three ways: say what would be asked; ask and say what would change, changing nothing; or do it, with an audit line for
each task. Due times and pauses are no hindrance, but every request is debited, nobody's lease is broken, and a provider
that throttles or denies is asked no further.
"""

from dataclasses import dataclass
from enum import Enum, auto

from receiver.reconcile.model.decisions import Finding, Plan
from submitter.model import ProviderTaskId, TaskId, TaskState


class ReconcileMode(Enum):
    SAY = auto()
    ASK = auto()
    DO = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileItem:
    """One task of an order. `plan` is what a look does; `finding` what it came to, when there was one.

    `after` is the state that the answer means, stored or (on a dry run) not. `skipped` says why nothing was asked.
    """

    task_id: TaskId
    provider: str
    provider_task_id: ProviderTaskId | None
    state: TaskState
    plan: Plan
    finding: Finding | None = None
    after: TaskState | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSummary:
    """`changed` counts tasks whose state changed, or on a dry run would have."""

    asked: int
    changed: int
    skipped: int
    tasks: tuple[ReconcileItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFilter:
    """Which unfinished tasks to ask about by hand. `task` is our id or the provider's."""

    provider: str | None = None
    older_than_s: float | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualRequest:
    condition: ReconcileFilter
    mode: ReconcileMode
    actor: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What a look at a task leaves behind. `not_found`: True starts or keeps the "not found" clock, False clears it."""

    task_id: TaskId
    owner: str
    next_poll_ms: int | None
    not_found: bool = False
