"""What an operator does with one task: cancel it at the provider, ask about an id before settling with it, end it.

A cancellation changes no state: it may come too late, so the task is polled next and the provider's own answer decides.
Settling itself is a verb of `receiver.tasks.submission_repository`; `receiver.tasks.lost_submits` searches for the id.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditEntry, AuditLog
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.candidates import Candidate, compare, doubts, window_of
from receiver.tasks.model.redaction import redact, redact_status
from receiver.tasks.model.settle import OperatorEnd, belongs_to_another, why_not_settled
from receiver.tasks.model.task import IncomingObservation, SettleRefused, Task
from receiver.tasks.reporter import TaskReporter
from receiver.tasks.repository import TaskRepository
from receiver.tasks.submission_repository import SubmissionRepository
from submitter.errors import TransportError
from submitter.http.transport import Transport
from submitter.model import (
    ENDED,
    CancelAccepted,
    CanceledAtOnce,
    CancelOutcome,
    CancelRefused,
    Denied,
    ListedTask,
    NotFound,
    Observation,
    ProviderTaskId,
    Source,
    StatusOutcome,
    TaskError,
    TaskId,
    TaskKey,
    TaskState,
    Throttled,
    Unavailable,
)
from submitter.provider_calls import addressed, query_status, send_call
from submitter.providers import schedule
from submitter.providers.contract import CancelsTasks, ConfiguredProvider
from submitter.providers.origins import origin_of
from submitter.providers.registry import CANCELS_AFTER_LOOK, CANCELS_TASKS
from submitter.timestamps import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCanceled:
    """The task was not canceled; `reason` is for a person."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """The provider knows the id; what its answer says."""

    provider: str
    found: Candidate
    state: TaskState
    #: What speaks against this being the task, a sentence each.
    doubts: tuple[str, ...]

    def __str__(self) -> str:
        """One line for a person and for the timeline."""
        row, after_ms = self.found.listed, self.found.after_ms
        when = "at a time that it does not give"
        if row.created_at_ms is not None and after_ms is not None:
            side = "after" if after_ms >= 0 else "before"
            when = f"{rfc3339(row.created_at_ms)}, {abs(after_ms) / 1000:.0f} s {side} the submit began"
        prompt = {True: ", with the same prompt", False: ", with another prompt", None: ""}[self.found.same_prompt]
        word = "" if row.raw_state == self.state.value else f" ({row.raw_state})"
        model = row.model or "a model that it does not name"
        return f"{self.provider} says {self.state.value}{word}: {model}, created {when}{prompt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotIdentified:
    """The provider gave no usable answer about the id; `reason` is for a person."""

    reason: str
    #: None where no reply came.
    outcome: StatusOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskOperator:
    """Sends a person's requests to providers, each within the account's rate budget."""

    tasks: TaskRepository
    submissions: SubmissionRepository
    ledger: Ledger
    accounts: ProviderAccountRepository
    audit: AuditLog
    transport: Transport
    clock: Callable[[], int]
    #: How much faster the providers' clocks run than ours.
    speed: float
    #: Called after a commit that made events.
    on_events: Callable[[], None]
    reporter: TaskReporter = field(default_factory=TaskReporter)

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
        if isinstance(outcome, CanceledAtOnce):
            await self._record_canceled(task, task.provider_task_id, outcome)
        answer = redact(_describe_cancel(outcome), configured.account.secrets)
        entry = AuditEntry(actor=actor, action="cancel", detail={"answer": answer}, task_id=task.id)
        await self.audit.record(entry, now_ms=self.clock())
        is_accepted = isinstance(outcome, CancelAccepted | CanceledAtOnce)
        return CancelAccepted() if is_accepted else NotCanceled(reason=answer)

    async def _request_cancel(
        self, task: Task, provider_task_id: ProviderTaskId, adapter: CancelsTasks, configured: ConfiguredProvider
    ) -> CancelOutcome:
        await self._consume_budget(configured)
        account = configured.account
        their_id = addressed(account, provider_task_id, task.request)
        try:
            if (refused := await self._look_before_cancel(their_id, configured)) is not None:
                return refused
            call = adapter.build_cancel(their_id, account)
            return adapter.parse_cancel(await send_call(self.transport, call, account, clock=self.clock))
        finally:
            await self.ledger.make_due([task.id], self.clock())

    async def _look_before_cancel(
        self, provider_task_id: ProviderTaskId, configured: ConfiguredProvider
    ) -> CancelOutcome | None:
        """Why a cancellation may not be sent, where one would destroy a task that has gone on; None if it may."""
        looks = CANCELS_AFTER_LOOK.get(configured.account.adapter)
        if looks is None:
            return None
        seen, _ = await query_status(self.transport, configured, provider_task_id, clock=self.clock)
        if not isinstance(seen, Observation):
            return seen
        await self._consume_budget(configured)
        if seen.state in looks.CANCELS_WHILE and seen.is_documented_state:
            return None
        cancelable = " or ".join(sorted(looks.CANCELS_WHILE))
        # A word that no document knows counts as running, and may name an end.
        state = seen.state.value if seen.is_documented_state else f"{seen.raw_state!r}"
        message = f"a task that is {state} would be destroyed; only one that is {cancelable} can be canceled"
        return CancelRefused(error=TaskError(code="not_cancelable", message=message))

    async def _record_canceled(self, task: Task, provider_task_id: ProviderTaskId, outcome: CanceledAtOnce) -> None:
        observation = Observation(
            key=TaskKey(provider=task.provider, provider_task_id=provider_task_id),
            state=TaskState.CANCELED,
            source=Source.POLL,
            raw_state="canceled",
            error=TaskError(code="canceled", message=outcome.message),
        )
        incoming = IncomingObservation(observation=observation, expected_task_id=task.id)
        self.reporter.recorded([incoming], await self.ledger.record([incoming], self.clock()))
        self.on_events()

    async def identify(
        self, task: Task, provider_task_id: ProviderTaskId, configured: ConfiguredProvider
    ) -> Identified | SettleRefused | NotIdentified:
        """Ask the provider about the id with which an operator wants to settle a task. Change nothing.

        Return SettleRefused, without a request, when the task or the id is not free, and when the provider does not
        know the id. Raise StoreUnavailable.
        """
        if reason := why_not_settled(task, lease_until_ms=None, now_ms=self.clock()):
            return SettleRefused(reason=reason)
        owner = await self.tasks.task_by_key(task.provider, provider_task_id)
        if refused := belongs_to_another(task, provider_task_id, owner):
            return refused
        account = configured.account
        await self._consume_budget(configured)
        try:
            answer, _ = await query_status(
                self.transport, configured, provider_task_id, clock=self.clock, request=task.request
            )
        except TransportError as error:
            return NotIdentified(reason=f"{account.name} does not answer: {type(error).__name__}: {error}")
        seen = redact_status(answer, account.secrets)
        if isinstance(seen, NotFound):
            return SettleRefused(reason=f"{account.name} does not know {provider_task_id}")
        if not isinstance(seen, Observation):
            return NotIdentified(reason=f"{account.name}: {describe_no_answer(seen)}", outcome=seen)
        return self._identified(task, seen, configured)

    def _identified(self, task: Task, seen: Observation, configured: ConfiguredProvider) -> Identified:
        origin = origin_of(configured.account.adapter, seen)
        row = ListedTask(
            provider_task_id=seen.key.provider_task_id,
            raw_state=seen.raw_state,
            model=origin.model,
            created_at_ms=origin.created_at_ms,
            prompt=origin.prompt,
        )
        is_idempotent = configured.adapter.CAPABILITIES.idempotency_s is not None
        window = window_of(task, now_ms=self.clock(), is_idempotent=is_idempotent)
        return Identified(
            found=compare(task, row), state=seen.state, doubts=doubts(task, row, window), provider=task.provider
        )

    async def end(self, task_id: TaskId, end: OperatorEnd, *, actor: str) -> Task | SettleRefused:
        """End a task as an operator saw it end. Raise KeyError for an unknown task, or StoreUnavailable."""
        ended = await self.ledger.record_by_operator(task_id, end, actor=actor, now_ms=self.clock())
        if isinstance(ended, Task):
            self.reporter.ended(ended, Source.OPERATOR)
            self.on_events()
        return ended

    async def refuse(self, task_id: TaskId, *, actor: str, seen: str | None = None) -> Task | SettleRefused:
        """Settle an uncertain task as never created. Raise KeyError for an unknown task, or StoreUnavailable.

        `seen` is the provider's id that the task had when the person saw it, empty for none; None takes any.
        """
        refused = await self.submissions.settle_refuse(task_id, actor=actor, now_ms=self.clock(), seen=seen)
        if isinstance(refused, Task):
            self.reporter.ended(refused, Source.OPERATOR)
            self.on_events()
        return refused

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
        case CanceledAtOnce():
            return f"the provider canceled it and does not know it any more: {outcome.message}"
        case CancelRefused():
            return f"the provider cancels it no more: {outcome.error.code}: {outcome.error.message}"
        case _:
            return describe_no_answer(outcome)
