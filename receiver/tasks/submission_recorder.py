"""The ledger's side of one submit: the intent before the POST, the outcome after it, and what it means for the account.

Flow: implements `submitter.submit.SubmitLedger` over the store's rooms. Once the POST is out, nothing here gives up
easily: a receipt that is not kept is paid work that nobody knows of.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, assert_never

import structlog

from receiver.store.accounts import ProviderAccountRepository
from receiver.store.errors import StoreUnavailable
from receiver.store.ids import IdMaker
from receiver.tasks.model.redaction import masked_submit
from receiver.tasks.model.task import IdempotencyMismatch, Task
from submitter.http.messages import HttpCall, HttpReply
from submitter.model import Receipt, Refusal, Refused, SubmitOutcome, TaskId, Uncertain
from submitter.providers import schedule
from submitter.providers.contract import Capabilities
from submitter.submit import Answer, Sends

log = structlog.get_logger(__name__)

#: Waits between the tries to keep an outcome: a locked database comes back, a full disk may.
STORE_PAUSES_S = (0.1, 0.5, 2.0, 5.0)

ALARM_CHARACTERS = 300


class Submits(Protocol):
    async def open_task(self, task: Task, now_ms: int) -> Task | IdempotencyMismatch: ...

    async def store_receipt(self, task_id: TaskId, receipt: Receipt, *, next_poll_ms: int, now_ms: int) -> Task: ...

    async def store_refused(self, task_id: TaskId, refused: Refused, now_ms: int) -> Task: ...

    async def store_uncertain(
        self, task_id: TaskId, uncertain: Uncertain, *, next_poll_ms: int | None, now_ms: int
    ) -> Task: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionEdges:
    """`dice` gives numbers in [0, 1), `random_bytes` as many bytes as asked for; `sleep` takes seconds."""

    clock: Callable[[], int]
    random: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    sleep: Callable[[float], Awaitable[None]]
    new_id: IdMaker


@dataclass(slots=True, kw_only=True, eq=False)
class SubmissionRecorder:
    """One submit. `task` is as last stored, `outcome` what the submit came to, None before that.

    `speed` as in `receiver.schedule`. `hidden` must not be kept from a provider's words. `earlier` is set when the
    intent found that the idempotency key was used before; `said` is what the last POST alone was answered.
    """

    task: Task
    submits: Submits
    accounts: ProviderAccountRepository
    can: Capabilities
    edges: SubmissionEdges
    speed: float
    hidden: tuple[str, ...] = field(repr=False)
    outcome: SubmitOutcome | None = field(default=None, init=False)
    said: SubmitOutcome | None = field(default=None, init=False)
    earlier: Task | IdempotencyMismatch | None = field(default=None, init=False)

    async def keep_intent(self) -> bool:
        opened = await self.submits.open_task(self.task, self.edges.clock())
        if isinstance(opened, IdempotencyMismatch) or opened.id != self.task.id:
            self.earlier = opened
            return False
        return True

    async def keep_answer(self, answer: Answer) -> None:
        self.outcome, self.said = masked_submit(answer.outcome, self.hidden), masked_submit(answer.said, self.hidden)
        self.task = await self._insist(self.outcome)
        await self._tell_account(self.said)

    async def consume(self) -> None:
        """Failing to take a token stops no submit: at worst the provider gets requests a little too fast."""
        if not self.can.budget.submits_count:
            return
        budget = schedule.scaled(self.can.budget, self.speed)
        try:
            await self.accounts.consume(self.task.provider, budget=budget, count=1, now_ms=self.edges.clock())
        except StoreUnavailable as error:
            log.warning("rate_budget_not_updated", provider=self.task.provider, error=str(error))

    async def _insist(self, outcome: SubmitOutcome) -> Task:
        for pause_s in STORE_PAUSES_S:
            try:
                return await self._store(outcome)
            except StoreUnavailable as error:
                log.warning("outcome_not_stored", task=self.task.id, again_in_s=pause_s, error=str(error))
                await self.edges.sleep(pause_s)
        try:
            return await self._store(outcome)
        except StoreUnavailable:
            # The last place where the provider's id is known; with it a person can settle the task.
            log.critical("outcome_lost", task=self.task.id, provider=self.task.provider, outcome=repr(outcome))
            raise

    async def _store(self, outcome: SubmitOutcome) -> Task:
        now_ms = self.edges.clock()
        match outcome:
            case Receipt():
                next_ms = self._first_look_ms(now_ms)
                return await self.submits.store_receipt(self.task.id, outcome, next_poll_ms=next_ms, now_ms=now_ms)
            case Refused():
                return await self.submits.store_refused(self.task.id, outcome, now_ms)
            case Uncertain():
                next_poll_ms = self._repeat_ms(now_ms, outcome)
                return await self.submits.store_uncertain(
                    self.task.id, outcome, next_poll_ms=next_poll_ms, now_ms=now_ms
                )
            case _:
                assert_never(outcome)

    def _first_look_ms(self, now_ms: int) -> int:
        return schedule.first_poll_ms(
            now_ms,
            self.can.poll,
            callback_expected=self.task.callback_expected,
            speed=self.speed,
            random=self.edges.random(),
        )

    def _repeat_ms(self, now_ms: int, outcome: Uncertain) -> int | None:
        """Without the provider's own idempotency there is nothing that the clock could do about it."""
        if self.can.idempotency_s is None:
            return None
        return schedule.after_unavailable(
            now_ms,
            self.can.poll,
            misses=1,
            retry_after_s=outcome.retry_after_s,
            speed=self.speed,
            random=self.edges.random(),
        )

    async def _tell_account(self, said: SubmitOutcome) -> None:
        if not isinstance(said, Refused):
            return
        try:
            await self._pause(said)
        except StoreUnavailable as error:
            log.warning("provider_not_paused", provider=self.task.provider, error=str(error))

    async def _pause(self, refused: Refused) -> None:
        now_ms, provider = self.edges.clock(), self.task.provider
        words = f"{provider} refuses a submit: {refused.error.code}: {refused.error.message}"[:ALARM_CHARACTERS]
        match refused.refusal:
            case Refusal.THROTTLED:
                until_ms = schedule.throttled_until_ms(now_ms, retry_after_s=refused.retry_after_s, speed=self.speed)
                await self.accounts.pause(provider, until_ms=until_ms, reason="throttled", alarm=None, now_ms=now_ms)
            case Refusal.DENIED:
                until_ms = schedule.denied_until_ms(now_ms)
                await self.accounts.pause(provider, until_ms=until_ms, reason="denied", alarm=words, now_ms=now_ms)
            case Refusal.QUOTA:
                # What is paid for can still be asked about, so nothing pauses.
                log.error("provider_out_of_quota", provider=provider, words=words)
            case Refusal.INVALID | Refusal.UNAVAILABLE:
                pass
            case _:
                assert_never(refused.refusal)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metered:
    """Sends, and takes each call out of the account's rate budget, which polls share."""

    transport: Sends
    book: SubmissionRecorder

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        await self.book.consume()
        return await self.transport.send(call, timeout_s=timeout_s)
