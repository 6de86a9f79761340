"""A callback arrives: whose is it, what does it say, and what has the ledger made of it.

Flow: gather (token, adapter), decide, record. The order of the checks is the one in which a stranger learns least:
nothing of a body is believed before the path token or the provider's own signature has been found right.
Never here: HTTP statuses (`receiver.web.callbacks`), or asking the provider (`receiver.reconciler`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from receiver.callbacks.model import (
    CallbackClaim,
    Counted,
    IntakeOutcome,
    Malformed,
    NoSuchProvider,
    NotOurs,
    TokenError,
    TokenOfAnotherTask,
    TokenRule,
    read_callback_token,
)
from receiver.tasks.model.redaction import masked_observation
from receiver.tasks.model.task import (
    Conflicting,
    IncomingObservation,
    Recorded,
    RecordOutcome,
    Task,
    UnknownTask,
    Verdict,
)
from submitter.errors import CallbackError, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import ENDED, Observation, ProviderTaskId, TaskId, TaskState
from submitter.providers import schedule
from submitter.providers.contract import CallbackReport, ConfiguredProvider


class Commits(Protocol):
    async def record(self, report: IncomingObservation) -> RecordOutcome:
        """Returns once the outcome is durable."""


class MakesDue(Protocol):
    async def make_due(self, ids: Sequence[TaskId], now_ms: int) -> None: ...


class FindsTasks(Protocol):
    async def task(self, task_id: TaskId, /) -> Task | None: ...

    async def task_by_key(self, provider: str, provider_task_id: ProviderTaskId) -> Task | None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intake:
    """`speed` as in `receiver.schedule`."""

    providers: Mapping[str, ConfiguredProvider]
    tokens: TokenRule
    commits: Commits
    ledger: MakesDue
    tasks: FindsTasks
    clock: Callable[[], int]
    random: Callable[[], float]
    speed: float = 1.0

    async def receive(self, provider: str, token: str | None, callback: Callback) -> IntakeOutcome:
        """Counted only once it is durable. Raise StoreUnavailable when it could not be made so."""
        configured = self.providers.get(provider)
        if configured is None:
            return NoSuchProvider()
        now_ms = self.clock()
        claim = self._claim(provider, token, now_ms)
        if isinstance(claim, NotOurs):
            return claim
        try:
            report = configured.adapter.parse_callback(callback, configured.account, now_ms)
        except UnreadableCallback as error:
            return Malformed(reason=str(error))
        except CallbackError as error:
            return NotOurs(reason=str(error))
        return await self._count(configured, claim, report)

    def _claim(self, provider: str, token: str | None, now_ms: int) -> CallbackClaim | NotOurs | None:
        if token is None:
            return None
        try:
            claim = read_callback_token(self.tokens.keys, token, now_s=now_ms // 1000, max_age_s=self.tokens.max_age_s)
        except TokenError:
            return NotOurs(reason="the token in the path is not ours or too old")
        if claim.provider != provider:
            return NotOurs(reason="the token in the path was made for another provider")
        return claim

    async def _count(
        self, configured: ConfiguredProvider, claim: CallbackClaim | None, report: CallbackReport
    ) -> IntakeOutcome:
        seen = masked_observation(report.observation, (configured.account.api_key,))
        if claim is None and not report.verified:
            return NotOurs(reason="neither a token of ours nor a provider signature")
        if claim is not None and claim.task_id is None and not report.verified and not seen.thin:
            return NotOurs(reason="an account-wide token counts only for messages without a result")
        incoming = IncomingObservation(
            observation=seen,
            claim=None if claim is None else claim.task_id,
            adopt=report.verified,
            next_poll_ms=self._next_look_ms(configured),
        )
        return await (self._count_thin(incoming) if seen.thin else self._record(incoming))

    def _next_look_ms(self, configured: ConfiguredProvider) -> int:
        """A task that speaks before its end may not have been looked after until now (uncertain, adopted)."""
        advice = configured.adapter.CAPABILITIES.poll
        return schedule.first_poll_ms(
            self.clock(), advice, callback_expected=True, speed=self.speed, random=self.random()
        )

    async def _record(self, report: IncomingObservation) -> IntakeOutcome:
        outcome = await self.commits.record(report)
        match outcome:
            case Recorded():
                return Counted(verdict=outcome.verdict)
            case Conflicting():
                return TokenOfAnotherTask(reason=outcome.reason)
            case UnknownTask():
                return NotOurs(reason="no such task")
            case _:
                assert_never(outcome)

    async def _count_thin(self, report: IncomingObservation) -> IntakeOutcome:
        """An end without its result is no end yet: the task is asked about at once."""
        key = report.observation.key
        known = await self.tasks.task_by_key(key.provider, key.provider_task_id)
        if known is None:
            return await self._record(_as_sign_of_life(report, self.clock()))
        if report.claim not in {None, known.id}:
            return TokenOfAnotherTask(reason="the token was made for another task than the one reported")
        if known.state in ENDED - {TaskState.EXPIRED}:
            return Counted(verdict=Verdict.DUPLICATE)
        await self.ledger.make_due([known.id], self.clock())
        return Counted(verdict=Verdict.APPLIED)


def _as_sign_of_life(report: IncomingObservation, now_ms: int) -> IncomingObservation:
    """A thin message as what it proves: the task exists under this id. The look at `now_ms` brings its end.

    For a task whose receipt was lost this is how its id becomes known; the provider's own word is kept.
    """
    alive: Observation = replace(report.observation, state=TaskState.RUNNING, thin=False)
    return replace(report, observation=alive, next_poll_ms=now_ms)
