"""One look carried out, and what a group of looks leaves in the ledger.

Flow: `receiver.looks` decides. Nothing that a provider does, and no fault of one adapter, leaves `look`
as an exception.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, assert_never

import structlog

from receiver.reconcile.model import decisions
from receiver.reconcile.model.decisions import Circumstances, Finding, FollowUp, Pause, Plan
from receiver.reconcile.model.report import PollResult
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.errors import StoreError
from receiver.tasks.model.redaction import mask, masked_status
from receiver.tasks.model.task import IncomingObservation, Recorded, RecordOutcome, Task, Verdict
from submitter.errors import TransportError
from submitter.http.messages import HttpCall, HttpReply
from submitter.model import (
    Observation,
    ProviderTaskId,
    StatusOutcome,
    SubmitOutcome,
    TaskId,
    TaskState,
    Unavailable,
    Uncertain,
)
from submitter.providers.contract import ConfiguredProvider

log = structlog.get_logger(__name__)

REMEMBERED = 10_000  # tasks and words kept in memory; forgetting one costs an early look or a second log line

ALARM_CHARACTERS = 300

_OPEN = frozenset({TaskState.SUBMITTING, TaskState.UNCERTAIN})

#: Findings that prove that the provider takes our key.
_ANSWERED = frozenset({Finding.STATED, Finding.NOT_FOUND, Finding.FORGOTTEN, Finding.RECEIPT})

#: States after a look at an open submit; what is not named leaves it as it was.
_AFTER_SUBMIT: Mapping[Finding, TaskState] = {
    Finding.RECEIPT: TaskState.SUBMITTED,
    Finding.REFUSED: TaskState.REFUSED,
    Finding.UNCERTAIN: TaskState.UNCERTAIN,
    Finding.THROTTLED: TaskState.UNCERTAIN,
    Finding.DENIED: TaskState.UNCERTAIN,
}


class Sends(Protocol):
    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply: ...


class Repeats(Protocol):
    """The submit flow; `repeat` has its outcome in the ledger when it returns."""

    def is_repeatable(self, task: Task, now_ms: int) -> bool: ...

    async def repeat(self, task: Task) -> SubmitOutcome: ...


class Records(Protocol):
    async def record(self, reports: Sequence[IncomingObservation], now_ms: int) -> list[RecordOutcome]: ...


class Doubts(Protocol):
    async def store_uncertain(
        self, task_id: TaskId, uncertain: Uncertain, *, next_poll_ms: int | None, now_ms: int
    ) -> Task: ...


class Finishes(Protocol):
    async def finish_poll(self, results: Sequence[PollResult], now_ms: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """A task as it was leased, and what a look at it came to."""

    task: Task
    follow_up: FollowUp


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPoll:
    """A look that is in the ledger, and the task's state after it. `changed`: by this look, not by other news."""

    looked: PollOutcome
    state: TaskState
    changed: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Poller:
    """`on_events` is called after a commit that made events; `speed` as in `receiver.schedule`."""

    providers: Mapping[str, ConfiguredProvider]
    submission: Repeats
    transport: Sends
    ledger: Records
    submits: Doubts
    polls: Finishes
    accounts: ProviderAccountRepository
    clock: Callable[[], int]
    random: Callable[[], float]
    on_events: Callable[[], None]
    speed: float
    timeout_s: float
    _misses: dict[TaskId, int] = field(default_factory=dict, init=False)
    _words: dict[tuple[str, str], None] = field(default_factory=dict, init=False)

    def plan(self, task: Task) -> Plan:
        return decisions.plan_poll(task, repeatable=self.submission.is_repeatable(task, self.clock()))

    async def look(self, task: Task) -> PollOutcome:
        """Changes the ledger only where the submit itself is open: a repeat stores its outcome, a doubt is stored."""
        try:
            follow_up = await self._carry_out(task, self.plan(task))
        except StoreError as error:
            log.warning("look_not_stored", task=task.id, provider=task.provider, error=str(error))
            follow_up = self._gave_up(task, "the ledger was not there")
        except Exception:
            log.exception("look_failed", task=task.id, provider=task.provider)
            follow_up = self._gave_up(task, "a fault of ours")
        self._count_miss(task, follow_up)
        return PollOutcome(task=task, follow_up=follow_up)

    async def _carry_out(self, task: Task, plan: Plan) -> FollowUp:
        match plan:
            case Plan.ASK:
                answer = await self._ask(task, task.provider_task_id or ProviderTaskId(""))
                self._note_answer(task, answer)
                return decisions.after_answer(task, answer, self._at(task))
            case Plan.REPEAT:
                outcome = await self.submission.repeat(task)
                return decisions.after_repeat(task, outcome, self._at(task))
            case Plan.DOUBT:
                doubt, now_ms = decisions.doubt_about(task), self.clock()
                after = await self.submits.store_uncertain(task.id, doubt, next_poll_ms=None, now_ms=now_ms)
                return decisions.after_doubt(after, self._at(task))
            case Plan.LEAVE:
                return decisions.left_alone()
            case _:
                assert_never(plan)

    async def _ask(self, task: Task, provider_task_id: ProviderTaskId) -> StatusOutcome:
        configured = self.providers[task.provider]
        call = configured.adapter.build_status(provider_task_id, configured.account)
        try:
            reply = await self.transport.send(call, timeout_s=self.timeout_s)
        except TransportError as error:
            return Unavailable(reason=f"{type(error).__name__}: {error}")
        said = configured.adapter.parse_status(provider_task_id, reply, configured.account)
        return masked_status(said, (configured.account.api_key,))

    def _at(self, task: Task) -> Circumstances:
        return Circumstances(
            now_ms=self.clock(),
            random=self.random(),
            speed=self.speed,
            capabilities=self.providers[task.provider].adapter.CAPABILITIES,
            misses=self._misses.get(task.id, 0),
        )

    def _gave_up(self, task: Task, reason: str) -> FollowUp:
        return decisions.after_answer(task, Unavailable(reason=reason), self._at(task))

    def _count_miss(self, task: Task, follow_up: FollowUp) -> None:
        missed = self._misses.pop(task.id, 0)
        if follow_up.finding in {Finding.UNAVAILABLE, Finding.UNCERTAIN} and follow_up.next_poll_ms is not None:
            self._misses[task.id] = missed + 1
        _forget_oldest(self._misses)

    def _note_answer(self, task: Task, answer: StatusOutcome) -> None:
        """Each undocumented state word once; an answer without a statement only for those who debug."""
        if isinstance(answer, Unavailable):
            log.debug("no_usable_answer", task=task.id, provider=task.provider, reason=answer.reason)
        if not isinstance(answer, Observation) or answer.known_word:
            return
        word = (task.provider, answer.raw_state[:80])
        if word not in self._words:
            self._words[word] = None
            _forget_oldest(self._words)
            log.warning("unknown_state_word", provider=word[0], word=word[1], task=task.id)

    async def book(self, looked: Sequence[PollOutcome], *, owner: str) -> list[RecordedPoll]:
        """Reports first, leases last: what is cut off in between is asked again. Raise StoreUnavailable."""
        now_ms = self.clock()
        booked = await self._record(looked, now_ms)
        await self._pause(booked, now_ms)
        await self._end_alarms(booked, now_ms)
        results = [_poll_result(entry.looked, owner) for entry in booked]
        # Without a time of ours nothing is set: news that came meanwhile keeps its time, and the lease ends alone.
        await self.polls.finish_poll([result for result in results if result.next_poll_ms is not None], now_ms)
        return booked

    async def _record(self, looked: Sequence[PollOutcome], now_ms: int) -> list[RecordedPoll]:
        with_news = [entry for entry in looked if entry.follow_up.report is not None]
        try:
            outcomes = await self._record_reports(with_news, now_ms)
        except StoreError:
            raise
        except Exception:
            log.exception("batch_not_recorded", tasks=[entry.task.id for entry in with_news])
            return [await self._record_alone(entry, now_ms) for entry in looked]
        told = dict(zip((entry.task.id for entry in with_news), outcomes, strict=True))
        return [self._booked(entry, told.get(entry.task.id)) for entry in looked]

    async def _record_alone(self, looked: PollOutcome, now_ms: int) -> RecordedPoll:
        """One at a time, so that a report that cannot be recorded holds back no other."""
        if looked.follow_up.report is None:
            return self._booked(looked, None)
        try:
            outcomes = await self._record_reports([looked], now_ms)
        except StoreError:
            raise
        except Exception:
            log.exception("look_not_recorded", task=looked.task.id, provider=looked.task.provider)
            return self._booked(replace(looked, follow_up=self._gave_up(looked.task, "a fault of ours")), None)
        return self._booked(looked, outcomes[0])

    async def _record_reports(self, looked: Sequence[PollOutcome], now_ms: int) -> list[RecordOutcome]:
        reports = [entry.follow_up.report for entry in looked if entry.follow_up.report is not None]
        outcomes = await self.ledger.record(reports, now_ms) if reports else []
        if any(isinstance(outcome, Recorded) and outcome.event_seq is not None for outcome in outcomes):
            self.on_events()
        return outcomes

    def _booked(self, looked: PollOutcome, outcome: RecordOutcome | None) -> RecordedPoll:
        before = looked.task.state
        if isinstance(outcome, Recorded):
            changed = outcome.verdict is Verdict.APPLIED and outcome.task.state is not before
            return RecordedPoll(looked=looked, state=outcome.task.state, changed=changed)
        if outcome is not None:
            log.error("answer_fits_no_task", task=looked.task.id, provider=looked.task.provider)
        state = _AFTER_SUBMIT.get(looked.follow_up.finding, before) if before in _OPEN else before
        return RecordedPoll(looked=looked, state=state, changed=state is not before)

    async def _pause(self, booked: Sequence[RecordedPoll], now_ms: int) -> None:
        longest: dict[str, Pause] = {}
        for entry in booked:
            name, pause = entry.looked.task.provider, entry.looked.follow_up.pause
            if pause is not None and (name not in longest or _weight(pause) > _weight(longest[name])):
                longest[name] = pause
        for name, pause in longest.items():
            alarm = None if pause.alarm is None else self._without_key(name, pause.alarm)
            log.warning("provider_paused", provider=name, reason=pause.reason, alarm=alarm, until_ms=pause.until_ms)
            await self.accounts.pause(name, until_ms=pause.until_ms, reason=pause.reason, alarm=alarm, now_ms=now_ms)

    def _without_key(self, provider: str, words: str) -> str:
        """Providers like to quote the key that they refuse."""
        return f"{provider} {mask(words, (self.providers[provider].account.api_key,))}"[:ALARM_CHARACTERS]

    async def _end_alarms(self, booked: Sequence[RecordedPoll], now_ms: int) -> None:
        """A provider that answers us again after its pause has been cured."""
        findings = Counter((entry.looked.task.provider, entry.looked.follow_up.finding) for entry in booked)
        denied = {name for name, finding in findings if finding is Finding.DENIED}
        answering = {name for name, finding in findings if finding in _ANSWERED} - denied
        for account in await self.accounts.all() if answering else []:
            if account.provider in answering and account.alarm and (account.paused_until_ms or 0) <= now_ms:
                log.info("provider_answers_again", provider=account.provider)
                await self.accounts.unpause(account.provider)


def _poll_result(looked: PollOutcome, owner: str) -> PollResult:
    follow_up = looked.follow_up
    return PollResult(
        task_id=looked.task.id, owner=owner, next_poll_ms=follow_up.next_poll_ms, not_found=follow_up.not_found
    )


def _weight(pause: Pause) -> tuple[bool, int]:
    """An alarm is never lost to a longer pause without one."""
    return pause.alarm is not None, pause.until_ms


def _forget_oldest(kept: dict[Any, Any]) -> None:
    while len(kept) > REMEMBERED:
        del kept[next(iter(kept))]
