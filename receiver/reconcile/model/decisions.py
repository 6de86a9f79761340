"""What one look at a silent task should do, and what follows from its answer.

Pure: the flow around it is `receiver.reconciler`. A look never ends a task by itself: it yields a report for the
ledger, a time for the next look, and sometimes a pause for the whole provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from receiver.tasks.model.task import IncomingObservation, Task
from submitter.model import (
    Denied,
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


class Plan(StrEnum):
    """What a look does; the value is what a person reads."""

    ASK = "ask for its status"
    REPEAT = "repeat the submit under the same key"
    DOUBT = "call the submit uncertain and leave it to a callback or a person"
    LEAVE = "leave it alone"


#: Plan by state and by whether the submit may be repeated without paying twice. States not named are left alone.
PLANS: Mapping[tuple[TaskState, bool], Plan] = {
    # Its submitter died between the intent and the receipt.
    (TaskState.SUBMITTING, True): Plan.REPEAT,
    (TaskState.SUBMITTING, False): Plan.DOUBT,
    (TaskState.UNCERTAIN, True): Plan.REPEAT,
    # Its key is remembered no longer, or never was: this stops the looks.
    (TaskState.UNCERTAIN, False): Plan.DOUBT,
    (TaskState.SUBMITTED, True): Plan.ASK,
    (TaskState.SUBMITTED, False): Plan.ASK,
    (TaskState.RUNNING, True): Plan.ASK,
    (TaskState.RUNNING, False): Plan.ASK,
}


class Finding(StrEnum):
    """How a look ended, for counts and for people."""

    STATED = "stated"
    NOT_FOUND = "not found"
    FORGOTTEN = "forgotten by the provider"
    THROTTLED = "throttled"
    DENIED = "denied"
    UNAVAILABLE = "no usable answer"
    RECEIPT = "the submit has its receipt"
    REFUSED = "the submit was refused"
    UNCERTAIN = "the submit is uncertain"
    LEFT = "left alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Ask nothing more of the provider until then; `alarm` where an operator must act."""

    until_ms: int
    reason: str
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What a look leaves behind. `next_poll_ms` None: the ledger holds the right time already, often "never"."""

    finding: Finding
    next_poll_ms: int | None
    report: IncomingObservation | None = None
    not_found: bool = False
    pause: Pause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a decision needs beside the task: `misses` counts its looks in a row, before this one, without an answer."""

    now_ms: int
    random: float
    speed: float
    capabilities: Capabilities
    misses: int = 0


def plan_poll(task: Task, *, repeatable: bool) -> Plan:
    plan = PLANS.get((task.state, repeatable), Plan.LEAVE)
    return Plan.LEAVE if plan is Plan.ASK and task.provider_task_id is None else plan


def doubt_about(task: Task) -> Uncertain:
    """Why a submit is uncertain, when nobody is left who waits for its answer."""
    words = "the submit ended between its intent and its answer" if task.error is None else task.error.message
    return Uncertain(reason=f"{words}; only a callback or a person can settle it now")


def left_alone() -> FollowUp:
    return FollowUp(finding=Finding.LEFT, next_poll_ms=None)


def after_doubt(task: Task, at: Circumstances) -> FollowUp:
    """`task` as it is after the attempt to call it uncertain: its receipt or a callback may have been faster."""
    if task.state is TaskState.UNCERTAIN:
        return FollowUp(finding=Finding.UNCERTAIN, next_poll_ms=None)
    return FollowUp(finding=Finding.LEFT, next_poll_ms=_first_look_ms(task, at))


def after_answer(task: Task, answer: StatusOutcome, at: Circumstances) -> FollowUp:
    match answer:
        case Observation():
            return _after_statement(task, answer, at)
        case NotFound():
            return _after_not_found(task, answer, at)
        case Throttled():
            return _with_clock_kept(task, _throttled(at, answer.retry_after_s))
        case Denied():
            return _with_clock_kept(task, _denied(at, f"answers {answer.status}: {answer.message}"))
        case Unavailable():
            return _with_clock_kept(task, _unavailable(at, answer.retry_after_s))
        case _:
            assert_never(answer)


def after_repeat(task: Task, outcome: SubmitOutcome, at: Circumstances) -> FollowUp:
    """The outcome itself is in the ledger already; here is only when to look again."""
    match outcome:
        case Receipt():
            return FollowUp(finding=Finding.RECEIPT, next_poll_ms=_first_look_ms(task, at))
        case Refused():
            return _after_refusal(task, outcome, at)
        case Uncertain():
            again = _unavailable(at, outcome.retry_after_s)
            return replace(again, finding=Finding.UNCERTAIN)
        case _:
            assert_never(outcome)


def _with_clock_kept(task: Task, follow_up: FollowUp) -> FollowUp:
    """An answer that states nothing neither starts nor clears the "not found" clock."""
    return replace(follow_up, not_found=task.missing_since_ms is not None)


def _after_statement(task: Task, seen: Observation, at: Circumstances) -> FollowUp:
    next_ms = schedule.next_poll_ms(
        at.now_ms,
        at.capabilities.poll,
        callback_expected=task.callback_expected,
        overdue=task.overdue_ms is not None,
        speed=at.speed,
        random=at.random,
    )
    return FollowUp(finding=Finding.STATED, next_poll_ms=next_ms, report=IncomingObservation(observation=seen))


def _after_not_found(task: Task, answer: NotFound, at: Circumstances) -> FollowUp:
    forgotten = schedule.may_expire(
        at.now_ms,
        submitted_ms=task.submitted_ms,
        missing_since_ms=task.missing_since_ms,
        retention_s=at.capabilities.retention_s,
        speed=at.speed,
    )
    next_ms = schedule.after_not_found(
        at.now_ms, at.capabilities.poll, missing_since_ms=task.missing_since_ms, speed=at.speed, random=at.random
    )
    return FollowUp(
        finding=Finding.FORGOTTEN if forgotten else Finding.NOT_FOUND,
        next_poll_ms=next_ms,
        report=IncomingObservation(observation=_expired(task, answer)) if forgotten else None,
        not_found=True,
    )


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


def _after_refusal(task: Task, refused: Refused, at: Circumstances) -> FollowUp:
    words = f"refuses a submit: {refused.error.code}: {refused.error.message}"
    match refused.refusal:
        case Refusal.THROTTLED:
            return _throttled(at, refused.retry_after_s)
        case Refusal.DENIED:
            return _denied(at, words)
        case Refusal.UNAVAILABLE | Refusal.QUOTA:
            # Without money nothing new is made, but what was paid for can still be asked about: no pause.
            return _unavailable(at, refused.retry_after_s)
        case Refusal.INVALID:
            # A time all the same: it counts only if a callback has meanwhile shown that the task exists after all.
            return FollowUp(finding=Finding.REFUSED, next_poll_ms=_first_look_ms(task, at))
        case _:
            assert_never(refused.refusal)


def _throttled(at: Circumstances, retry_after_s: float | None) -> FollowUp:
    until_ms = schedule.throttled_until_ms(at.now_ms, retry_after_s=retry_after_s, speed=at.speed)
    return _paused(at, Finding.THROTTLED, Pause(until_ms=until_ms, reason="throttled"))


def _denied(at: Circumstances, words: str) -> FollowUp:
    pause = Pause(until_ms=schedule.denied_until_ms(at.now_ms), reason="denied", alarm=words)
    return _paused(at, Finding.DENIED, pause)


def _paused(at: Circumstances, finding: Finding, pause: Pause) -> FollowUp:
    next_ms = schedule.after_pause(pause.until_ms, at.capabilities.poll, speed=at.speed, random=at.random)
    return FollowUp(finding=finding, next_poll_ms=next_ms, pause=pause)


def _unavailable(at: Circumstances, retry_after_s: float | None) -> FollowUp:
    next_ms = schedule.after_unavailable(
        at.now_ms,
        at.capabilities.poll,
        misses=at.misses + 1,
        retry_after_s=retry_after_s,
        speed=at.speed,
        random=at.random,
    )
    return FollowUp(finding=Finding.UNAVAILABLE, next_poll_ms=next_ms)


def _first_look_ms(task: Task, at: Circumstances) -> int:
    return schedule.first_poll_ms(
        at.now_ms,
        at.capabilities.poll,
        callback_expected=task.callback_expected,
        speed=at.speed,
        random=at.random,
    )
