"""The queue before an account: when a task may be sent, and what a refused submit means for the next ones. Pure.

A task has room when submits are not held back, the rate budget has a token beside the one that is left to polls (where
submits count), and fewer tasks are in flight than the account may have. In flight are tasks that are submitting,
submitted or running and not overdue. An uncertain or overdue task is not counted, because it may stay so for days and
would block the account; if the provider counts it, it refuses one more, which costs nothing.

The limit of tasks in flight is learned: a refusal for concurrency lowers it to what the provider takes, and from time
to time one task more is tried. A refused submit holds back the submits of its account, and never its polls.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from receiver.store.accounts import ALARM_CHARACTERS, AccountStatus
from submitter.http.messages import HttpCall
from submitter.model import Refusal, Refused, TaskError
from submitter.providers import schedule
from submitter.providers.contract import Budget, ConfiguredProvider

LEFT_TO_POLLS = 1  # tokens that no submit takes; without them a long queue would keep polls out of the rate budget

TRIAL_EVERY_S = 300.0  # provider seconds between two trials of one task more; one that fails costs a POST that is free

FIRST_HOLD_S = 5.0  # provider seconds after the first refusal without a stated time; doubled by each further one

LONGEST_HOLD_S = 300.0  # provider seconds, without a Retry-After

LONGEST_CONCURRENCY_HOLD_S = 60.0  # provider seconds; the learned limit does the rest

FORBIDDEN_HOLD_S = 30.0  # a 403 may be about one model of the account; a 401 is about the key

MAX_DOUBLINGS = 10

#: Refusals that pass by themselves, so that the task goes back to the queue.
PASSING = frozenset({Refusal.THROTTLED, Refusal.UNAVAILABLE})

#: Refusals that hold back the next submits of the account.
HOLDING = PASSING | {Refusal.DENIED}

#: Refusals after which the same idempotency key may try again: nothing was created, and the request is not to blame.
FREES_KEY = frozenset(Refusal) - {Refusal.INVALID}

#: Words of a 429 for too many tasks at once. HiAPI: https://docs.hiapi.ai/api-reference/rate-limits ("concurrency");
#: Modellix: https://docs.modellix.ai/ways-to-use/api ("team concurrency reached"); new-api: the source's
#: `token_concurrency_limit_reached`. All read in November 2026.
_CONCURRENCY_WORDS = ("concurren", "simultaneous", "in parallel", "tasks at once", "too many tasks", "running tasks")


#: The code of a refusal for lack of room: no provider was asked.
NO_ROOM = "no_room"


class NoRoomReason(StrEnum):
    """Why a task of an account is not sent now. The values are shown to people."""

    PAUSED = "submits are held back"
    RATE = "the rate budget is used up"
    IN_FLIGHT = "as many tasks are in flight as the account may have"
    BEHIND = "other tasks go first"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """What an account may do, from its settings and its adapter."""

    #: Refilled by the provider's clock.
    budget: Budget
    #: Tasks in flight; None: no limit is documented or set.
    max_in_flight: int | None
    #: As in `submitter.providers.schedule`.
    speed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """The account cannot take the task now."""

    reason: NoRoomReason
    #: When it makes sense to look again; None where only an event, such as the end of a task, makes room.
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSubmit:
    """A POST that is ready to be sent."""

    call: HttpCall
    #: To be stored with the intent, where the POST may be repeated; see `request.seal_body`.
    submit_body: str | None
    #: The `traceparent` of the request that the task came with.
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlace:
    """Where a queued task stands."""

    #: 1: it is sent next.
    position: int
    #: Queued tasks of its account, this one included.
    depth: int
    priority: int
    #: Since when the oldest task of the queue waits.
    oldest_ms: int
    #: When the task is refused if it still waits.
    until_ms: int | None
    #: Until when submits of the account are held back; None: they are not.
    held_until_ms: int | None
    #: Why they are.
    held_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """The queue of one account."""

    provider: str
    depth: int
    oldest_ms: int


def limits_of(configured: ConfiguredProvider, *, speed: float) -> AccountLimits:
    capabilities, stated = configured.adapter.CAPABILITIES, configured.account.max_in_flight
    return AccountLimits(
        budget=schedule.scaled(capabilities.budget, speed),
        max_in_flight=capabilities.max_in_flight if stated is None else stated,
        speed=speed,
    )


def in_flight_limit(account: AccountStatus, limits: AccountLimits) -> int | None:
    """The stricter one of what is set and what was learned; None: no limit."""
    known = [each for each in (limits.max_in_flight, account.learned_in_flight) if each is not None]
    return min(known, default=None)


def find_room(account: AccountStatus, limits: AccountLimits, in_flight: int, now_ms: int) -> AccountStatus | NoRoom:
    """Whether one more task may be sent; if so, the account after that: a token less, and perhaps a limit on trial.

    `account` has its tokens as of now. `in_flight` does not matter where there is no limit.
    """
    held_ms = account.submits_paused_until_ms
    if held_ms is not None and held_ms > now_ms:
        return NoRoom(reason=NoRoomReason.PAUSED, until_ms=held_ms)
    budget = limits.budget
    needed = min(1 + LEFT_TO_POLLS, budget.burst)
    if budget.submits_count and account.tokens < needed:
        wait_ms = round((needed - account.tokens) / budget.per_s * 1000) + 1
        return NoRoom(reason=NoRoomReason.RATE, until_ms=now_ms + wait_ms)
    after = replace(account, tokens=account.tokens - 1) if budget.submits_count else account
    limit = in_flight_limit(account, limits)
    if limit is None or in_flight < limit:
        return after
    trial_ms = _trial_ms(account, limits)
    if trial_ms is None or in_flight > limit:
        return NoRoom(reason=NoRoomReason.IN_FLIGHT)
    if trial_ms > now_ms:
        return NoRoom(reason=NoRoomReason.IN_FLIGHT, until_ms=trial_ms)
    raised = limit + 1 if limits.max_in_flight is None or limit + 1 < limits.max_in_flight else None
    return replace(after, learned_in_flight=raised, learned_ms=now_ms)


def _trial_ms(account: AccountStatus, limits: AccountLimits) -> int | None:
    """When one task more than the learned limit is tried; None where the limit was not learned."""
    learned = account.learned_in_flight
    if learned is None or (limits.max_in_flight is not None and learned >= limits.max_in_flight):
        return None
    return (account.learned_ms or 0) + round(TRIAL_EVERY_S / limits.speed * 1000)


def after_refusal(
    account: AccountStatus, refused: Refused, limits: AccountLimits, *, others_in_flight: int, now_ms: int
) -> AccountStatus:
    """The account after a submit that the provider refused: submits held back, and the limit that this teaches.

    `others_in_flight`: tasks in flight beside the refused one; it counts only for a refusal for concurrency. A longer
    hold stays, and so does an alarm.
    """
    if refused.refusal not in HOLDING:
        return account
    number = account.submit_refusals + 1
    until_ms = max(_held_until_ms(refused, number, limits, now_ms), account.submits_paused_until_ms or 0)
    after = replace(
        account,
        submit_refusals=number,
        submits_paused_until_ms=until_ms,
        submits_paused_since_ms=now_ms,
        submits_paused_reason=f"{refused.refusal}: {refused.error.code}: {refused.error.message}"[:ALARM_CHARACTERS],
    )
    if refused.refusal is Refusal.DENIED:
        said = f"{account.provider} refuses a submit: {refused.error.code}: {refused.error.message}"
        return replace(after, submits_alarm=said[:ALARM_CHARACTERS])
    if not is_concurrency(refused):
        return after
    taken = max(1, others_in_flight)
    limit = in_flight_limit(account, limits)
    return replace(after, learned_in_flight=taken if limit is None else min(taken, limit), learned_ms=now_ms)


def is_concurrency(refused: Refused) -> bool:
    """Whether a refusal is about tasks at once rather than requests in a time."""
    said = f"{refused.error.code} {refused.error.message}".lower()
    return refused.refusal is Refusal.THROTTLED and any(word in said for word in _CONCURRENCY_WORDS)


def _held_until_ms(refused: Refused, number: int, limits: AccountLimits, now_ms: int) -> int:
    if refused.refusal is Refusal.DENIED:
        hold_s = FORBIDDEN_HOLD_S if refused.status == 403 else schedule.DENIED_PAUSE_S
        return now_ms + round(hold_s * 1000)
    if refused.retry_after_s is not None or (refused.refusal is Refusal.THROTTLED and not is_concurrency(refused)):
        return schedule.throttled_until_ms(now_ms, retry_after_s=refused.retry_after_s, speed=limits.speed)
    longest_s = LONGEST_CONCURRENCY_HOLD_S if is_concurrency(refused) else LONGEST_HOLD_S
    hold_s = min(FIRST_HOLD_S * 2.0 ** min(number - 1, MAX_DOUBLINGS), longest_s)
    return now_ms + round(hold_s / limits.speed * 1000)


def longest_hold_ms(speed: float) -> int:
    """No hold of submits is longer."""
    return max(schedule.LONGEST_PAUSE_MS, round(LONGEST_HOLD_S / speed * 1000))


def no_room_refusal(no_room: NoRoom, now_ms: int) -> Refused:
    """The answer to a request that does not wait in the queue."""
    wait_s = None if no_room.until_ms is None else max(0.0, (no_room.until_ms - now_ms) / 1000)
    message = f"{no_room.reason.value}, and the request does not wait in the queue"
    return Refused(refusal=Refusal.THROTTLED, error=TaskError(code=NO_ROOM, message=message), retry_after_s=wait_s)


def queue_time_over(waited_ms: int, last: TaskError | None) -> Refused:
    """Why a task that waited too long ends as refused. `last`: what the provider answered when it was sent before."""
    after = "" if last is None else f"; the provider's last answer was {last.code}: {last.message}"
    message = f"it waited {round(waited_ms / 1000)} s in the queue without room at the provider{after}"
    return Refused(refusal=Refusal.THROTTLED, error=TaskError(code="queue_time_over", message=message))


def unsendable(reason: str) -> Refused:
    """Why a task is not sent that could be sent when it was taken: the settings have changed since."""
    message = f"it was queued and cannot be sent as the account is set now: {reason}"
    return Refused(refusal=Refusal.UNAVAILABLE, error=TaskError(code="unsendable", message=message))
