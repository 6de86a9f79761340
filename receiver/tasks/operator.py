"""A wish to cancel, carried to a provider that has such a thing.

Flow. It changes no state: a cancel may lose its race with the provider's scheduler, so the task is looked at next and
the provider's own word decides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditEntry, AuditLog
from receiver.tasks.model.redaction import mask, masked_status
from receiver.tasks.model.task import Task
from submitter.http.messages import HttpCall, HttpReply
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
    TaskId,
    Throttled,
    Unavailable,
)
from submitter.providers import schedule
from submitter.providers.contract import CancelsTasks, ConfiguredProvider, ListsTasks


class MakesDue(Protocol):
    async def make_due(self, ids: Sequence[TaskId], now_ms: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCanceled:
    """`reason` for a person."""

    reason: str


class Sends(Protocol):
    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canceling:
    """`cancels` holds the adapters that can; `speed` as in `receiver.schedule`."""

    cancels: Mapping[str, CancelsTasks]
    transport: Sends
    ledger: MakesDue
    accounts: ProviderAccountRepository
    audit: AuditLog
    clock: Callable[[], int]
    speed: float

    async def cancel(self, task: Task, configured: ConfiguredProvider, *, actor: str) -> CancelAccepted | NotCanceled:
        """Raise TransportError or StoreUnavailable; the task is due either way once anything was sent."""
        adapter = self.cancels.get(configured.account.adapter)
        if task.state in ENDED:
            return NotCanceled(reason=f"it has ended already: {task.state.value}")
        if adapter is None:
            title = configured.adapter.CAPABILITIES.title
            return NotCanceled(reason=f"{title} documents no way to cancel; the task runs on, and its end will be told")
        if task.provider_task_id is None:
            return NotCanceled(reason="the provider's id is not known yet; once it is, try again")
        outcome = await self._ask(task, task.provider_task_id, adapter, configured)
        words = mask(_words(outcome), (configured.account.api_key,))
        entry = AuditEntry(actor=actor, action="cancel", detail={"answer": words}, task_id=task.id)
        await self.audit.record(entry, now_ms=self.clock())
        return outcome if isinstance(outcome, CancelAccepted) else NotCanceled(reason=words)

    async def _ask(
        self, task: Task, provider_task_id: ProviderTaskId, adapter: CancelsTasks, configured: ConfiguredProvider
    ) -> CancelOutcome:
        budget = schedule.scaled(configured.adapter.CAPABILITIES.budget, self.speed)
        await self.accounts.consume(task.provider, budget=budget, count=1, now_ms=self.clock())
        try:
            return adapter.parse_cancel(
                await self.transport.send(adapter.build_cancel(provider_task_id, configured.account))
            )
        finally:
            await self.ledger.make_due([task.id], self.clock())


def _words(outcome: CancelOutcome) -> str:
    match outcome:
        case CancelAccepted():
            return "the provider takes the wish"
        case CancelRefused():
            return f"the provider cancels it no more: {outcome.error.code}: {outcome.error.message}"
        case _:
            return say_no_answer(outcome)


EARLY_MS = 300_000  # a provider's clock may be behind ours by that much

LATE_MS = 900_000  # the longest submit, and a provider's clock that is ahead


class FindsTasks(Protocol):
    async def task_by_key(self, provider: str, provider_task_id: ProviderTaskId) -> Task | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task of the provider's that the ledger does not know. `after_ms`: made that long after our intent."""

    listed: ListedTask
    after_ms: int | None
    same_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The likeliest first. `listed`: how many rows the provider showed; what is older than those was not seen."""

    found: tuple[Candidate, ...]
    listed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoList:
    """The provider documents no list of tasks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lookup:
    """`speed` as in `receiver.schedule`. `lists` holds the adapters that have a list."""

    lists: Mapping[str, ListsTasks]
    transport: Sends
    tasks: FindsTasks
    accounts: ProviderAccountRepository
    clock: Callable[[], int]
    speed: float

    async def candidates(self, task: Task, configured: ConfiguredProvider) -> Candidates | NoList | StatusOutcome:
        """A StatusOutcome is what came in place of a list. Raise TransportError or StoreUnavailable."""
        account, can = configured.account, configured.adapter.CAPABILITIES
        adapter = self.lists.get(account.adapter)
        if adapter is None:
            return NoList()
        now_ms = self.clock()
        since_ms = task.created_ms - EARLY_MS
        # Under a key the submit may have been sent again at any time until now.
        until_ms = now_ms if can.idempotency_s else min(now_ms, task.created_ms + LATE_MS)
        budget = schedule.scaled(can.budget, self.speed)
        await self.accounts.consume(task.provider, budget=budget, count=1, now_ms=now_ms)
        call = adapter.build_list(account, since_ms=since_ms, until_ms=until_ms)
        rows = adapter.parse_list(await self.transport.send(call))
        if not isinstance(rows, tuple):
            return masked_status(rows, (account.api_key,))
        near = [row for row in rows if row.created_at_ms is None or since_ms <= row.created_at_ms <= until_ms + LATE_MS]
        unknown = [row for row in near if await self.tasks.task_by_key(task.provider, row.provider_task_id) is None]
        return Candidates(found=rank(task, unknown), listed=len(rows))


def say_no_answer(outcome: StatusOutcome) -> str:
    """For a person: what a provider answered that was asked for something else than a status."""
    match outcome:
        case NotFound():
            return "the provider does not know the task"
        case Throttled():
            return "the provider is asked too fast; try again in a minute"
        case Denied():
            return f"the provider denies our key: {outcome.message}"
        case Unavailable():
            return f"the provider gives no usable answer: {outcome.reason}"
        case Observation():
            return f"the provider speaks of task {outcome.key.provider_task_id}"
        case _:
            assert_never(outcome)


def rank(task: Task, rows: list[ListedTask]) -> tuple[Candidate, ...]:
    """Those of the same model first, and among them the nearest in time."""
    found = [
        Candidate(
            listed=row,
            after_ms=None if row.created_at_ms is None else row.created_at_ms - task.created_ms,
            same_model=task.model is not None and row.model == task.model,
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (not each.same_model, each.after_ms is None, abs(each.after_ms or 0))))
