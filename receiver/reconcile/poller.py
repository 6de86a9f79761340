"""Poll one task, and record what a group of polls found.

`receiver.reconcile.model.decisions` decides; this module calls the provider and the repositories. `poll` raises nothing
because of a provider or a faulty adapter, so one task never fails the others of its run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import structlog

from receiver.config.sections import ProvidersSettings
from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.model import decisions
from receiver.reconcile.model.decisions import Pause, PollAction, PollContext, PollDecision, PollResult
from receiver.reconcile.model.denials import TASKS_OF_AN_ALARM, Denials
from receiver.reconcile.model.poll_times import PollTimes
from receiver.reconcile.model.report import PollOutcome
from receiver.reconcile.provider_repository import ProviderRepository
from receiver.reconcile.repository import PollRepository
from receiver.store.accounts import ALARM_CHARACTERS, PollPause, ProviderAccountRepository
from receiver.store.errors import StoreError
from receiver.tasks.model.redaction import redact, redact_reply, redact_status
from receiver.tasks.model.task import Recorded, RecordOutcome, Task, Verdict
from receiver.tasks.model.unusable import unusable_answer
from receiver.tasks.submission import Submission
from receiver.tasks.submission_repository import SubmissionRepository
from submitter.errors import TransportError
from submitter.http.transport import Transport
from submitter.model import Denied, ListPage, NotFound, Observation, ProviderTaskId, StatusOutcome, TaskId, Unavailable
from submitter.provider_calls import query_status
from submitter.providers import schedule
from submitter.providers.contract import Budget, ConfiguredProvider

log = structlog.get_logger(__name__)

MAX_REMEMBERED = 10_000  # tasks and words in memory; forgetting one costs an early poll or a second log line

RECORDING_MS = 15_000  # from the last byte of an answer until it is recorded in a ledger that is locked for a while

#: Good answers: they prove that the provider accepts our key and our pace again.
_GOOD_ANSWERS = frozenset(
    {
        PollResult.OBSERVED,
        PollResult.WITHOUT_RESULT,
        PollResult.NOT_FOUND,
        PollResult.FORGOTTEN,
        PollResult.RECEIPT,
    }
)

#: Results after which the next poll of the task waits longer and longer.
_MISSES = frozenset({PollResult.UNAVAILABLE, PollResult.UNCERTAIN, PollResult.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poller:
    """One for a process."""

    providers: Mapping[str, ConfiguredProvider]
    settings: ProvidersSettings
    transport: Transport
    submission: Submission
    submissions: SubmissionRepository
    polls: PollRepository
    accounts: ProviderAccountRepository
    pauses: ProviderRepository
    durations: LearnedDurations
    #: The configured lease; see `poll_lease_ms`.
    lease_ms: int
    #: Unix milliseconds.
    clock: Callable[[], int]
    #: Numbers in [0, 1).
    random: Callable[[], float]
    #: Called after a commit that made events.
    on_events: Callable[[], None]
    _misses: dict[TaskId, int] = field(default_factory=dict, init=False)
    _logged_words: dict[tuple[str, str], None] = field(default_factory=dict, init=False)
    _denials: Denials = field(default_factory=Denials, init=False)

    @property
    def poll_lease_ms(self) -> int:
        """How long to lease a task for one poll: the configured lease, or longer where a poll may take longer.

        A lease that ended before its poll would let a hanging provider be polled again and again, without back-off.
        """
        return max(self.lease_ms, round(self.settings.timeout_s * 1000) + RECORDING_MS)

    def rate_budget(self, provider: str) -> Budget:
        return schedule.scaled(self.providers[provider].adapter.CAPABILITIES.budget, self.settings.speed)

    def plan(self, task: Task) -> PollAction:
        """What `poll` would do with the task now."""
        return decisions.plan_poll(task, is_repeatable=self.submission.is_repeatable(task, self.clock()))

    async def poll(self, task: Task) -> PollOutcome:
        """Do what the task's state calls for, and decide what follows.

        A status query stores nothing: `record` does. A repeated submit and the mark "uncertain" are stored here.
        Raise nothing: when the database or an adapter fails, the outcome is "no usable answer".
        """
        sent_ms = self.clock()
        try:
            outcome = await self._execute(task, self.plan(task), sent_ms)
        except StoreError as error:
            log.warning("poll_not_stored", task=task.id, provider=task.provider, error=str(error))
            outcome = self._failed(task, "the ledger was not there", sent_ms)
        except Exception:
            log.exception("poll_failed", task=task.id, provider=task.provider)
            outcome = self._failed(task, "a fault of ours", sent_ms)
        self._count_misses(outcome)
        return outcome

    async def _execute(self, task: Task, action: PollAction, sent_ms: int) -> PollOutcome:
        match action:
            case PollAction.QUERY:
                with self.submission.reporter.spans.about("poll", task.id, {"whenfinal.provider": task.provider}):
                    answer, body = await self._query(task)
                self.count(task.provider, "single", answer, self.clock() - sent_ms)
                self._log_answer(task, answer)
                context = self._context(task)
                if decisions.is_without_result(answer):
                    context = replace(context, without_result=await self.polls.count_without_result(task.id))
                if isinstance(answer, NotFound):
                    context = replace(context, is_clock_doubted=await self.polls.is_clock_doubted(context.now_ms))
                decision = decisions.after_answer(task, answer, context)
                unusable = unusable_answer(answer, body)
                return PollOutcome(task=task, decision=decision, stored=task, sent_ms=sent_ms, unusable=unusable)
            case PollAction.RESUBMIT:
                repeated = await self.submission.repeat(task)
                decision = decisions.after_resubmit(task, repeated.reply, self._context(task))
                return _stored(task, decision, repeated.task, sent_ms)
            case PollAction.MARK_UNCERTAIN:
                reason, now_ms = decisions.why_uncertain(task), self.clock()
                stored = await self.submissions.store_uncertain(task.id, reason, next_poll_ms=None, now_ms=now_ms)
                self.on_events()  # the first time there is a `task.uncertain`
                return _stored(task, decisions.after_marking_uncertain(stored, self._context(task)), stored, sent_ms)
            case PollAction.SKIP:
                decision = PollDecision(result=PollResult.SKIPPED, next_poll_ms=None)
                return PollOutcome(task=task, decision=decision, stored=task, sent_ms=sent_ms)
            case _:
                assert_never(action)

    async def _query(self, task: Task) -> tuple[StatusOutcome, bytes]:
        """What the provider answers, and the beginning of its reply; neither holds a secret of ours."""
        provider_task_id = task.provider_task_id or ProviderTaskId("")
        configured = self.providers[task.provider]
        try:
            answer, reply = await query_status(
                self.transport,
                configured,
                provider_task_id,
                clock=self.clock,
                request=task.request,
                timeout_s=self.settings.timeout_s,
            )
        except TransportError as error:
            return Unavailable(reason=f"{type(error).__name__}: {error}"), b""
        if isinstance(answer, Observation) and answer.error is None:
            return answer, b""
        secrets = self.submission.secrets_of(task)
        return redact_status(answer, secrets), redact_reply(reply.body, secrets)

    def outcome_of(self, task: Task, answer: StatusOutcome) -> PollOutcome:
        """A poll of the task that got this answer. Raise nothing."""
        return PollOutcome(task=task, decision=decisions.after_answer(task, answer, self._context(task)), stored=task)

    def due_singly(self, task: Task) -> PollOutcome:
        """A poll of the task that got no answer about it, so that its next one is due at once."""
        context = self._context(task, times=self.durations.prior_of(task.provider))
        return PollOutcome(task=task, decision=decisions.due_singly(task, context), stored=task)

    def count(self, provider: str, kind: str, answer: StatusOutcome | ListPage, took_ms: int) -> None:
        """Count a status query, of one task (`single`) or by a page of a list (`list`)."""
        metrics = self.submission.reporter.metrics
        metrics.count("whenfinal_polls", provider, kind, decisions.word_of(answer)).add()
        metrics.distribution("whenfinal_poll_duration_seconds", provider).observe(max(0, took_ms) / 1000)

    def _context(self, task: Task, *, times: PollTimes | None = None) -> PollContext:
        return PollContext(
            now_ms=self.clock(),
            random=self.random(),
            times=times or self.durations.times_of(task),
            misses=self._misses.get(task.id, 0),
        )

    def _failed(self, task: Task, reason: str, sent_ms: int) -> PollOutcome:
        """Nothing that was learned is used, because that may be what failed."""
        answer = Unavailable(reason=reason)
        context = self._context(task, times=self.durations.prior_of(task.provider))
        decision = decisions.after_answer(task, answer, context)
        unusable = unusable_answer(answer, b"")
        return PollOutcome(task=task, decision=decision, stored=task, sent_ms=sent_ms, unusable=unusable)

    def _count_misses(self, outcome: PollOutcome) -> None:
        task_id, decision = outcome.task.id, outcome.decision
        misses = self._misses.pop(task_id, 0)
        if decision.result in _MISSES and decision.next_poll_ms is not None:
            self._misses[task_id] = misses + 1
        _forget_oldest(self._misses)

    def _log_answer(self, task: Task, answer: StatusOutcome) -> None:
        """Log each undocumented state word once, and each denied task; others without a statement at level debug."""
        if isinstance(answer, Unavailable):
            log.debug("no_usable_answer", task=task.id, provider=task.provider, reason=answer.reason)
        if isinstance(answer, Denied) and not answer.is_about_account:
            log.warning("task_denied", task=task.id, provider=task.provider, status=answer.status, words=answer.message)
        if not isinstance(answer, Observation) or answer.is_documented_state:
            return
        word = (task.provider, answer.raw_state[:80])
        if word not in self._logged_words:
            self._logged_words[word] = None
            _forget_oldest(self._logged_words)
            log.warning("unknown_state_word", provider=word[0], word=word[1], task=task.id)

    async def record(self, polls: Sequence[PollOutcome], *, owner: str) -> list[PollOutcome]:
        """Store what the polls of one owner found: observations, pauses and their ends; and release the leases.

        Return the polls with their tasks as stored. Raise StoreUnavailable; what was stored before that stays.
        """
        now_ms = self.clock()
        observed = [poll for poll in polls if poll.decision.observation is not None]
        others = [poll for poll in polls if poll.decision.observation is None]
        recorded = [*await self._record_observed(observed, owner, now_ms), *others]
        await self._pause_providers(recorded, now_ms)
        await self._raise_alarms(recorded, now_ms)
        await self._end_pauses(recorded, now_ms)
        # Last, because a crash before this only repeats the polls. Without a time of ours a lease ends by itself, so
        # that a time which was stored meanwhile, for example by a callback, is not overwritten.
        held = [poll for poll in recorded if poll.decision.observation is None]
        timed = [poll for poll in held if poll.decision.next_poll_ms is not None]
        if timed:
            await self.polls.release(timed, owner=owner, now_ms=now_ms)
        return recorded

    async def _record_observed(self, polls: Sequence[PollOutcome], owner: str, now_ms: int) -> list[PollOutcome]:
        """All in one transaction. When that fails by a fault of ours, one by one, so that one failure is alone."""
        if not polls:
            return []
        try:
            outcomes = await self.polls.record(polls, owner=owner, now_ms=now_ms)
        except StoreError:
            raise
        except Exception:
            log.exception("polls_not_recorded", tasks=[poll.task.id for poll in polls])
            if len(polls) == 1:
                return [self._failed(polls[0].task, "a fault of ours", polls[0].sent_ms)]
            return [each for poll in polls for each in await self._record_observed([poll], owner, now_ms)]
        observed = [poll.decision.observation for poll in polls if poll.decision.observation is not None]
        self.submission.reporter.recorded(observed, outcomes)
        if any(isinstance(outcome, Recorded) and outcome.event_seq is not None for outcome in outcomes):
            self.on_events()
        return [_recorded(poll, outcome) for poll, outcome in zip(polls, outcomes, strict=True)]

    async def _pause_providers(self, polls: Sequence[PollOutcome], now_ms: int) -> None:
        """One pause for each provider: an alarm first, because a longer pause must not hide it, then the longest."""
        pauses: dict[str, Pause] = {}
        for poll in polls:
            provider, pause = poll.task.provider, poll.decision.pause
            if pause is not None and (provider not in pauses or _urgency(pause) > _urgency(pauses[provider])):
                pauses[provider] = pause
        for provider, pause in pauses.items():
            alarm = None if pause.alarm is None else self._redacted_alarm(provider, pause.alarm)
            stored = PollPause(until_ms=pause.until_ms, reason=pause.reason, alarm=alarm)
            await self._pause(provider, stored, now_ms)

    async def _raise_alarms(self, polls: Sequence[PollOutcome], now_ms: int) -> None:
        """Raise the alarm of a provider that denies task after task; its polls go on."""
        for poll in polls:
            provider, denial = poll.task.provider, poll.decision.denial
            if poll.decision.result in _GOOD_ANSWERS:
                self._denials.end(provider)
            elif denial is not None and self._denials.add(provider, poll.task.id):
                alarm = self._redacted_alarm(provider, f"answers {TASKS_OF_AN_ALARM} tasks in a row with {denial}")
                await self._pause(provider, PollPause(until_ms=now_ms, reason="denied", alarm=alarm), now_ms)

    async def _pause(self, provider: str, pause: PollPause, now_ms: int) -> None:
        if await self.pauses.pause(provider, pause, now_ms=now_ms):
            self.on_events()

    def _redacted_alarm(self, provider: str, message: str) -> str:
        """Without our key, because providers quote the key that they refuse."""
        return f"{provider} {redact(message, self.providers[provider].account.secrets)}"[:ALARM_CHARACTERS]

    async def _end_pauses(self, polls: Sequence[PollOutcome], now_ms: int) -> None:
        """End the pause and the alarm of each provider that gave a good answer to a request sent after they began."""
        sent_ms: dict[str, int] = {}
        for poll in polls:
            if poll.decision.result in _GOOD_ANSWERS:
                sent_ms[poll.task.provider] = max(poll.sent_ms, sent_ms.get(poll.task.provider, 0))
        if not sent_ms:
            return
        for account in await self.accounts.all():
            if account.provider in sent_ms and account.is_troubled:
                await self._end_pause(account.provider, sent_ms[account.provider], now_ms)

    async def _end_pause(self, provider: str, sent_ms: int, now_ms: int) -> None:
        configured, speed = self.providers[provider], self.settings.speed
        if await self.pauses.end_pause(configured, speed=speed, sent_ms=sent_ms, now_ms=now_ms):
            log.info("provider_answers_again", provider=provider)


def _stored(task: Task, decision: PollDecision, stored: Task, sent_ms: int) -> PollOutcome:
    """A poll whose change of an open submit is stored. A task that was skipped after all was changed by another."""
    changed = stored.state is not task.state and decision.result is not PollResult.SKIPPED
    return PollOutcome(task=task, decision=decision, stored=stored, changed=changed, sent_ms=sent_ms)


def _recorded(poll: PollOutcome, outcome: RecordOutcome) -> PollOutcome:
    if not isinstance(outcome, Recorded):
        log.error("observation_fits_no_task", task=poll.task.id, provider=poll.task.provider)
        return poll
    return PollOutcome(
        task=poll.task,
        decision=poll.decision,
        stored=outcome.task,
        changed=outcome.verdict is Verdict.APPLIED and outcome.task.state is not poll.task.state,
        sent_ms=poll.sent_ms,
        unusable=poll.unusable,
    )


def _urgency(pause: Pause) -> tuple[bool, int]:
    return pause.alarm is not None, pause.until_ms


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    while len(remembered) > MAX_REMEMBERED:
        del remembered[next(iter(remembered))]
