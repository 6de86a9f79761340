"""What a person may ask a provider about one task: to cancel it, and which of its tasks a lost submit may be.

Nothing here changes a task's state. A cancellation may come too late, so the task is polled next and the provider's
own answer decides. A list only helps a person to settle a task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditEntry, AuditLog
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.redaction import redact, redact_status
from receiver.tasks.model.task import Task
from receiver.tasks.repository import TaskRepository
from submitter.http.transport import Transport
from submitter.model import (
    ENDED,
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
    Denied,
    ListedTask,
    NotFound,
    Observation,
    ProviderTaskId,
    StatusOutcome,
    Throttled,
    Unavailable,
)
from submitter.providers import schedule
from submitter.providers.contract import CancelsTasks, ConfiguredProvider
from submitter.providers.registry import CANCELS_TASKS, LISTS_TASKS

EARLY_MS = 300_000  # a provider's clock may be behind ours by that much

LATE_MS = 900_000  # the longest submit, and a provider's clock that is ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCanceled:
    """The task was not canceled; `reason` is for a person."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task of the provider's that the ledger does not know."""

    listed: ListedTask
    #: How long after our intent it was created; None where the provider does not say.
    after_ms: int | None
    same_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The tasks that a lost submit may have created, the likeliest first."""

    found: tuple[Candidate, ...]
    #: How many rows the provider showed; older ones were not seen.
    listed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoList:
    """The provider documents no list of tasks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskOperator:
    """Sends a person's requests to providers, each within the account's rate budget."""

    tasks: TaskRepository
    ledger: Ledger
    accounts: ProviderAccountRepository
    audit: AuditLog
    transport: Transport
    clock: Callable[[], int]
    #: How much faster the providers' clocks run than ours.
    speed: float

    async def cancel(self, task: Task, configured: ConfiguredProvider, *, actor: str) -> CancelAccepted | NotCanceled:
        """Ask the provider to cancel a task, and write that to the audit.

        Return CancelAccepted when the provider accepted the request, which does not yet mean that the task is canceled.
        Raise TransportError or StoreUnavailable. Once anything was sent the task is due, so that its state is polled.
        """
        if task.state in ENDED:
            return NotCanceled(reason=f"it has ended already: {task.state.value}")
        adapter = CANCELS_TASKS.get(configured.account.adapter)
        if adapter is None:
            title = configured.adapter.CAPABILITIES.title
            return NotCanceled(reason=f"{title} documents no way to cancel; the task runs on until it ends by itself")
        if task.provider_task_id is None:
            return NotCanceled(reason="the provider's id is not known yet; once it is, try again")
        outcome = await self._request_cancel(task, task.provider_task_id, adapter, configured)
        answer = redact(_describe_cancel(outcome), (configured.account.api_key,))
        entry = AuditEntry(actor=actor, action="cancel", detail={"answer": answer}, task_id=task.id)
        await self.audit.record(entry, now_ms=self.clock())
        return outcome if isinstance(outcome, CancelAccepted) else NotCanceled(reason=answer)

    async def _request_cancel(
        self, task: Task, provider_task_id: ProviderTaskId, adapter: CancelsTasks, configured: ConfiguredProvider
    ) -> CancelOutcome:
        await self._consume_budget(configured)
        call = adapter.build_cancel(provider_task_id, configured.account)
        try:
            return adapter.parse_cancel(await self.transport.send(call))
        finally:
            await self.ledger.make_due([task.id], self.clock())

    async def find_candidates(self, task: Task, configured: ConfiguredProvider) -> Candidates | NoList | StatusOutcome:
        """List the provider's tasks of the time of a lost submit that the ledger does not know.

        Return NoList where the provider has no list, and a StatusOutcome for an answer that is none. Raise
        TransportError or StoreUnavailable.
        """
        account, capabilities = configured.account, configured.adapter.CAPABILITIES
        adapter = LISTS_TASKS.get(account.adapter)
        if adapter is None:
            return NoList()
        now_ms = self.clock()
        sent_ms = task.sent_ms or task.created_ms  # it may have waited in the queue before
        since_ms = sent_ms - EARLY_MS
        # With an idempotency key the submit may have been repeated at any time until now.
        until_ms = now_ms if capabilities.idempotency_s else min(now_ms, sent_ms + LATE_MS)
        await self._consume_budget(configured)
        call = adapter.build_list(account, since_ms=since_ms, until_ms=until_ms)
        rows = adapter.parse_list(await self.transport.send(call))
        if not isinstance(rows, tuple):
            return redact_status(rows, (account.api_key,))
        near = [row for row in rows if row.created_at_ms is None or since_ms <= row.created_at_ms <= until_ms + LATE_MS]
        unknown = [row for row in near if await self.tasks.task_by_key(task.provider, row.provider_task_id) is None]
        return Candidates(found=rank(task, unknown), listed=len(rows))

    async def _consume_budget(self, configured: ConfiguredProvider) -> None:
        budget = schedule.scaled(configured.adapter.CAPABILITIES.budget, self.speed)
        await self.accounts.consume(configured.account.name, budget=budget, count=1, now_ms=self.clock())


def describe_no_answer(outcome: StatusOutcome) -> str:
    """For a person: what a provider answered instead of a cancellation or a list."""
    match outcome:
        case NotFound():
            return "the provider does not know the task"
        case Throttled():
            return "the provider gets too many requests; try again in a minute"
        case Denied():
            return f"the provider denies our key: {outcome.message}"
        case Unavailable():
            return f"the provider gives no usable answer: {outcome.reason}"
        case Observation():
            return f"the provider reports on task {outcome.key.provider_task_id}"
        case _:
            assert_never(outcome)


def _describe_cancel(outcome: CancelOutcome) -> str:
    match outcome:
        case CancelAccepted():
            return "the provider accepted the cancellation request"
        case CancelRefused():
            return f"the provider cancels it no more: {outcome.error.code}: {outcome.error.message}"
        case _:
            return describe_no_answer(outcome)


def rank(task: Task, rows: list[ListedTask]) -> tuple[Candidate, ...]:
    """Those of the same model first, and among them the nearest in time."""
    found = [
        Candidate(
            listed=row,
            after_ms=None if row.created_at_ms is None else row.created_at_ms - (task.sent_ms or task.created_ms),
            same_model=task.model is not None and row.model == task.model,
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (not each.same_model, each.after_ms is None, abs(each.after_ms or 0))))
