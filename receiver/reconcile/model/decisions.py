"""What one poll of a silent task should do, and what follows from its answer.

Pure: `receiver.reconcile.poller` carries the decisions out. A poll never changes a task by itself. It yields an
observation for the ledger, a time for the next poll, and sometimes a pause for the whole provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from receiver.reconcile.model.poll_times import PollTimes
from receiver.tasks.model.task import IncomingObservation, Task
from submitter.model import (
    REPORTED_FINAL,
    Denied,
    ListPage,
    NotFound,
    Observation,
    ProviderTaskId,
    Receipt,
    Refusal,
    Refused,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    TaskKey,
    TaskState,
    Throttled,
    Unavailable,
    Uncertain,
)
from submitter.providers import schedule
from submitter.providers.contract import Capabilities
from submitter.submit import is_repeated_later


class PollAction(StrEnum):
    """What a poll does. The values are shown to people and are part of the HTTP API."""

    QUERY = "ask for its status"
    RESUBMIT = "repeat the submit under the same key"
    MARK_UNCERTAIN = "call the submit uncertain and leave it to a callback or a person"
    SKIP = "leave it alone"


#: The action by state and by whether the submit may be repeated without paying twice. Other states are skipped.
ACTIONS: Mapping[tuple[TaskState, bool], PollAction] = {
    # The process that submitted it stopped between the intent and the receipt.
    (TaskState.SUBMITTING, True): PollAction.RESUBMIT,
    (TaskState.SUBMITTING, False): PollAction.MARK_UNCERTAIN,
    (TaskState.UNCERTAIN, True): PollAction.RESUBMIT,
    # The provider has forgotten the idempotency key or never takes one. Marking it again ends the polls.
    (TaskState.UNCERTAIN, False): PollAction.MARK_UNCERTAIN,
    (TaskState.SUBMITTED, True): PollAction.QUERY,
    (TaskState.SUBMITTED, False): PollAction.QUERY,
    (TaskState.RUNNING, True): PollAction.QUERY,
    (TaskState.RUNNING, False): PollAction.QUERY,
}


#: For a metric, what an answer is that reports nothing about a task.
_WORDS: Mapping[type, str] = {
    ListPage: "open",
    NotFound: "not_found",
    Throttled: "throttled",
    Denied: "denied",
    Unavailable: "error",
}


def word_of(answer: StatusOutcome | ListPage) -> str:
    """What a status query brought, as one of few words for a metric."""
    if not isinstance(answer, Observation):
        return _WORDS[type(answer)]
    if answer.state in REPORTED_FINAL:
        return "final"
    return "open" if answer.is_documented_state else "unknown_state"


class PollResult(StrEnum):
    """How a poll ended. The values are shown to people and are part of the HTTP API."""

    OBSERVED = "stated"
    WITHOUT_RESULT = "succeeded, but its result is missing"
    NOT_FOUND = "not found"
    FORGOTTEN = "forgotten by the provider"
    THROTTLED = "throttled"
    DENIED = "denied"
    FORBIDDEN = "denied for this task"
    UNAVAILABLE = "no usable answer"
    RECEIPT = "the submit has its receipt"
    REFUSED = "the submit was refused"
    UNCERTAIN = "the submit is uncertain"
    LISTED = "not running by the provider's list"
    SKIPPED = "left alone"


#: How often a task that succeeded without its result is polled again. With the waits of `schedule.after_unavailable`
#: and DashScope's advice this takes about eight minutes.
RESULT_POLLS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Send the provider no more polls until a time."""

    until_ms: int
    reason: str
    #: What an operator must act on, None where waiting is enough.
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollDecision:
    """What follows from a poll."""

    result: PollResult
    #: None: the stored time of the next poll stays, which is often "never".
    next_poll_ms: int | None
    #: What the ledger is to record of the task, None when the answer says nothing about it.
    observation: IncomingObservation | None = None
    #: Whether the task counts as missing: True starts or continues that period, False ends it.
    not_found: bool = False
    pause: Pause | None = None
    #: What the provider says about a task that it denies; None where it denies none.
    denial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollContext:
    """What a decision needs beside the task and the answer."""

    now_ms: int
    #: In [0, 1); spreads the polls.
    random: float
    #: From what was learned of tasks like it.
    times: PollTimes
    #: How many polls of the task in a row had no usable answer, this one not included.
    misses: int = 0
    #: How many polls of the task have found a success without its result, this one not included.
    without_result: int = 0
    #: Our clock may have leaped ahead; see `receiver.store.leap`.
    is_clock_doubted: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return self.times.capabilities

    @property
    def speed(self) -> float:
        """As in `submitter.providers.schedule`."""
        return self.times.speed


def plan_poll(task: Task, *, is_repeatable: bool) -> PollAction:
    """The action for a task. `is_repeatable`: its submit may be repeated without paying twice."""
    action = ACTIONS.get((task.state, is_repeatable), PollAction.SKIP)
    if action is PollAction.QUERY and task.provider_task_id is None:
        return PollAction.SKIP
    return action


def why_uncertain(task: Task) -> Uncertain:
    """The reason to store with a submit that no process waits for any more."""
    reason = "the submit ended between its intent and its answer" if task.error is None else task.error.message
    return Uncertain(reason=f"{reason}; only a callback or a person can settle it now")


def after_marking_uncertain(stored: Task, context: PollContext) -> PollDecision:
    """`stored` is the task afterwards: its receipt or a callback may have come before it could be marked."""
    if stored.state is TaskState.UNCERTAIN:
        return PollDecision(result=PollResult.UNCERTAIN, next_poll_ms=None)
    return PollDecision(result=PollResult.SKIPPED, next_poll_ms=context.times.first_ms(stored, context.now_ms))


def after_answer(task: Task, answer: StatusOutcome, context: PollContext) -> PollDecision:
    """What follows from the answer to a status query."""
    match answer:
        case Observation():
            return _after_observation(task, answer, context)
        case NotFound():
            return _after_not_found(task, answer, context)
        case Throttled():
            return _still_missing(task, _throttled(context, answer.retry_after_s))
        case Denied() if answer.is_about_account:
            return _still_missing(task, _denied(context, f"answers {answer.status}: {answer.message}"))
        case Denied():
            return _still_missing(task, _forbidden(context, answer))
        case Unavailable():
            return _still_missing(task, _unavailable(context, answer.retry_after_s))
        case _:
            assert_never(answer)


def after_resubmit(task: Task, outcome: SubmitOutcome, context: PollContext) -> PollDecision:
    """What follows from a repeated submit. The outcome itself is stored already; this decides the next poll."""
    match outcome:
        case Receipt():
            return PollDecision(result=PollResult.RECEIPT, next_poll_ms=context.times.first_ms(task, context.now_ms))
        case Refused():
            # A refused submit holds back submits (see `receiver.tasks.model.queue`), and says nothing about polls.
            return replace(_after_refusal(task, outcome, context), pause=None)
        case Uncertain():
            decision = replace(_unavailable(context, outcome.retry_after_s), result=PollResult.UNCERTAIN)
            if is_repeated_later(outcome, earlier_calls=task.submits):
                return decision
            return replace(decision, next_poll_ms=None)  # a person has to look
        case _:
            assert_never(outcome)


def due_singly(task: Task, context: PollContext) -> PollDecision:
    """What follows where a page of the provider's list does not show the task as running: its own poll, at once."""
    return _still_missing(task, PollDecision(result=PollResult.LISTED, next_poll_ms=context.now_ms))


def _still_missing(task: Task, decision: PollDecision) -> PollDecision:
    """An answer that says nothing about the task neither starts nor ends the period in which it is missing."""
    return replace(decision, not_found=task.missing_since_ms is not None)


def is_without_result(answer: StatusOutcome) -> bool:
    return isinstance(answer, Observation) and answer.state is TaskState.SUCCEEDED and not answer.outputs


def _after_observation(task: Task, observation: Observation, context: PollContext) -> PollDecision:
    if is_without_result(observation):
        return _after_success_without_result(observation, context)
    incoming = IncomingObservation(observation=observation)
    return PollDecision(result=PollResult.OBSERVED, next_poll_ms=_next_poll_ms(task, context), observation=incoming)


def _next_poll_ms(task: Task, context: PollContext) -> int:
    if task.overdue_ms is None:
        return context.times.next_ms(task, context.now_ms)
    return schedule.overdue_poll_ms(
        context.now_ms,
        context.capabilities.poll,
        callback_expected=task.callback_expected,
        speed=context.speed,
        random=context.random,
    )


def _after_success_without_result(observation: Observation, context: PollContext) -> PollDecision:
    """Poll again a few times, because a success without its result may be a moment too early or badly read.

    Until then the task runs, with the provider's word. Each such poll is a line of the timeline, which counts them.
    """
    found = replace(observation, without_result=True)
    if context.without_result < RESULT_POLLS:
        found = replace(found, state=TaskState.RUNNING)
    next_ms = _unavailable(replace(context, misses=context.without_result), None).next_poll_ms
    incoming = IncomingObservation(observation=found)
    return PollDecision(result=PollResult.WITHOUT_RESULT, next_poll_ms=next_ms, observation=incoming)


def _after_not_found(task: Task, answer: NotFound, context: PollContext) -> PollDecision:
    next_ms = schedule.after_not_found(
        context.now_ms,
        context.capabilities.poll,
        missing_since_ms=task.missing_since_ms,
        speed=context.speed,
        random=context.random,
    )
    missing = PollDecision(result=PollResult.NOT_FOUND, next_poll_ms=next_ms, not_found=True)
    may_expire = schedule.may_expire(
        context.now_ms,
        submitted_ms=task.submitted_ms,
        missing_since_ms=task.missing_since_ms,
        retention_s=context.capabilities.retention_s,
        speed=context.speed,
    )
    if not may_expire or context.is_clock_doubted:
        return missing
    incoming = IncomingObservation(observation=_expired(task, answer))
    return replace(missing, result=PollResult.FORGOTTEN, observation=incoming)


def _expired(task: Task, answer: NotFound) -> Observation:
    message = "the provider no longer knows the task, and the time for which it keeps tasks has passed"
    return Observation(
        key=TaskKey(provider=task.provider, provider_task_id=task.provider_task_id or ProviderTaskId("")),
        state=TaskState.EXPIRED,
        source=Source.CLOCK,
        raw_state=task.raw_state,
        error=TaskError(code="expired", message=message),
        raw=answer.raw,
    )


def _after_refusal(task: Task, refused: Refused, context: PollContext) -> PollDecision:
    match refused.refusal:
        case Refusal.THROTTLED:
            return _throttled(context, refused.retry_after_s)
        case Refusal.DENIED:
            return _denied(context, f"refuses a submit: {refused.error.code}: {refused.error.message}")
        case Refusal.UNAVAILABLE | Refusal.QUOTA:
            # No pause for lack of money, because the tasks that were paid for can still be polled.
            return _unavailable(context, refused.retry_after_s)
        case Refusal.INVALID:
            # The time counts only if a callback has meanwhile shown that the task exists after all.
            return PollDecision(result=PollResult.REFUSED, next_poll_ms=context.times.first_ms(task, context.now_ms))
        case _:
            assert_never(refused.refusal)


def _throttled(context: PollContext, retry_after_s: float | None) -> PollDecision:
    until_ms = schedule.throttled_until_ms(context.now_ms, retry_after_s=retry_after_s, speed=context.speed)
    return _paused(context, PollResult.THROTTLED, Pause(until_ms=until_ms, reason="throttled"))


def _denied(context: PollContext, alarm: str) -> PollDecision:
    pause = Pause(until_ms=schedule.denied_until_ms(context.now_ms), reason="denied", alarm=alarm)
    return _paused(context, PollResult.DENIED, pause)


def _forbidden(context: PollContext, answer: Denied) -> PollDecision:
    """Only this task waits, longer and longer, because the answer does not speak for the account."""
    denial = f"{answer.status}: {answer.message}"
    return replace(_unavailable(context, None), result=PollResult.FORBIDDEN, denial=denial)


def _paused(context: PollContext, result: PollResult, pause: Pause) -> PollDecision:
    next_ms = schedule.after_pause(
        pause.until_ms, context.capabilities.poll, speed=context.speed, random=context.random
    )
    return PollDecision(result=result, next_poll_ms=next_ms, pause=pause)


def _unavailable(context: PollContext, retry_after_s: float | None) -> PollDecision:
    next_ms = schedule.after_unavailable(
        context.now_ms,
        context.capabilities.poll,
        misses=context.misses + 1,
        retry_after_s=retry_after_s,
        speed=context.speed,
        random=context.random,
    )
    return PollDecision(result=PollResult.UNAVAILABLE, next_poll_ms=next_ms)
