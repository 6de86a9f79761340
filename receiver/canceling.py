"""A wish to cancel, carried to a provider that has such a thing.

Flow. It changes no state: a cancel may lose its race with the provider's scheduler, so the task is looked at next and
the provider's own word decides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from receiver import schedule
from receiver.accounts import ConfiguredProvider
from receiver.lookup import Purses, Sends, say_no_answer
from receiver.masking import mask
from receiver.records import Task
from submitter.model import ENDED, CancelAccepted, CancelOutcome, CancelRefused
from submitter.providers.contract import CancelsTasks


class MakesDue(Protocol):
    async def make_due(self, ids: Sequence[str], now_ms: int) -> None: ...


class Audits(Purses, Protocol):
    async def audit(
        self, *, actor: str, action: str, task: str | None, detail: Mapping[str, Any], now_ms: int
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCanceled:
    """`reason` for a person."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canceling:
    """`cancels` holds the adapters that can; `speed` as in `receiver.schedule`."""

    cancels: Mapping[str, CancelsTasks]
    transport: Sends
    ledger: MakesDue
    polls: Audits
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
        if task.task_id is None:
            return NotCanceled(reason="the provider's id is not known yet; once it is, try again")
        outcome = await self._ask(task, task.task_id, adapter, configured)
        words = mask(_words(outcome), (configured.account.api_key,))
        detail = {"answer": words}
        await self.polls.audit(actor=actor, action="cancel", task=task.id, detail=detail, now_ms=self.clock())
        return outcome if isinstance(outcome, CancelAccepted) else NotCanceled(reason=words)

    async def _ask(
        self, task: Task, task_id: str, adapter: CancelsTasks, configured: ConfiguredProvider
    ) -> CancelOutcome:
        budget = schedule.scaled(configured.adapter.CAPABILITIES.budget, self.speed)
        await self.polls.debit(task.provider, budget=budget, count=1, now_ms=self.clock())
        try:
            return adapter.parse_cancel(await self.transport.send(adapter.build_cancel(task_id, configured.account)))
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
