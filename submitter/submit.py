"""When the POST of a submit is sent again, and when never. The only place where a POST that may cost money is sent.

The rule that never bends: a POST is repeated only when surely nothing was created, or when the provider remembers our
idempotency key and gets byte-identical content. Everything else is uncertain, and is never settled by paying again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import assert_never

from submitter.errors import AddressForbidden, ConnectFailed, TransportError
from submitter.http.messages import HttpReply
from submitter.model import Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain

REPEATS_START_WITHIN_S = 8.0  # a caller waits for the answer, and most clients and proxies give up after 30 s

FIRST_PAUSE_S = 0.5  # where the provider names no time; doubled each time

#: POSTs of one call that are accepted (2xx) without a readable id, the first one included. A provider that remembers
#: the key answers a repeat as the first time, so more of them do not help; one that does not is paid each time.
ACCEPTED_TRIES = 2

#: Calls that came to such an answer, the first one included: after one more repeat, a person has to look.
ACCEPTED_CALLS = 2

#: Refusals that pass by themselves.
_PASSING = frozenset({Refusal.THROTTLED, Refusal.UNAVAILABLE})

#: Statuses that judge the bytes themselves. 404 and its like judge the route, which may have been another before.
_JUDGES_BYTES = frozenset({400, 413, 415, 422})

#: Sends the POST of one submit, each time the same bytes. Raises TransportError, and of these ConnectFailed and
#: AddressForbidden only if no byte has left.
Post = Callable[[], Awaitable[HttpReply]]

ParseReceipt = Callable[[HttpReply], SubmitOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitAttempt:
    """What one submit came to, after one or more POSTs of the same bytes."""

    #: What is true of the task, in the light of all POSTs.
    outcome: SubmitOutcome
    #: What the last POST alone was answered.
    last_reply: SubmitOutcome


async def post_with_retries(  # noqa: PLR0913 - pure, so clock, sleep, POST and limits are passed in, each by name
    post: Post,
    parse_receipt: ParseReceipt,
    *,
    is_idempotent: bool,
    max_tries: int,
    clock: Callable[[], int],
    sleep: Callable[[float], Awaitable[None]],
    repeats_throttled: bool = True,
) -> SubmitAttempt:
    """POST, and repeat the POST where that is safe, until the answer is clear or the tries or the time are spent.

    Return a Receipt (created), Refused (surely nothing was created) or Uncertain as `outcome`. Never raises for
    anything that a network or a provider does. `is_idempotent`: the POST carries an idempotency key that the provider
    remembers. `clock` gives unix milliseconds, `sleep` takes seconds. Without `repeats_throttled` a throttled POST is
    not repeated here, because the caller does that later.
    """
    started_ms = clock()
    earlier: Uncertain | None = None
    number = 1
    while True:
        reply = await post_once(post, parse_receipt)
        outcome = reply if earlier is None else with_earlier_attempt(reply, earlier)
        pause_s = pause_before_repeat(outcome, number=number, is_idempotent=is_idempotent)
        waited_s = (clock() - started_ms) / 1000
        if isinstance(outcome, Refused) and outcome.refusal is Refusal.THROTTLED and not repeats_throttled:
            pause_s = None
        if number >= max_tries or pause_s is None or waited_s + pause_s > REPEATS_START_WITHIN_S:
            return SubmitAttempt(outcome=outcome, last_reply=reply)
        earlier = outcome if isinstance(outcome, Uncertain) else earlier
        await sleep(pause_s)
        number += 1


async def post_once(post: Post, parse_receipt: ParseReceipt) -> SubmitOutcome:
    """What one POST was answered; never raises for anything that a network or a provider does."""
    try:
        reply = await post()
    except (ConnectFailed, AddressForbidden) as error:
        code = "connect_failed" if isinstance(error, ConnectFailed) else "address_forbidden"
        return Refused(refusal=Refusal.UNAVAILABLE, error=TaskError(code=code, message=str(error)))
    except TransportError as error:
        return Uncertain(reason=f"{type(error).__name__}: {error}")
    return parse_receipt(reply)


#: An earlier POST of which nothing is known.
_UNANSWERED = Uncertain(reason="")


def with_earlier_attempt(reply: SubmitOutcome, earlier: Uncertain = _UNANSWERED) -> SubmitOutcome:
    """What a reply means when an earlier POST of the same bytes got no clear answer.

    "Too fast" or "wrong key" concerns this POST only: the earlier one may have been accepted. "Invalid" concerns the
    bytes, and those are the same; it proves nothing once the earlier POST was accepted or named a task. What the
    earlier answer proved is kept.
    """
    proved = earlier.was_accepted or earlier.provider_task_id is not None
    match reply:
        case Receipt():
            is_other = reply.provider_task_id != earlier.provider_task_id
            return replace(reply, may_be_second=True) if proved and is_other and not reply.replayed else reply
        case Uncertain():
            return _keeping(earlier, reply)
        case Refused():
            if reply.refusal is Refusal.INVALID and reply.status in _JUDGES_BYTES and not proved:
                return reply
            reason = f"an earlier POST got no clear answer, then: {reply.error.code}: {reply.error.message}"
            return _keeping(earlier, Uncertain(reason=reason, retry_after_s=reply.retry_after_s, raw=reply.raw))
        case _:
            assert_never(reply)


def _keeping(earlier: Uncertain, later: Uncertain) -> Uncertain:
    """The later answer with what the earlier one proved, and the bytes that prove the most."""
    proves_more = earlier.provider_task_id is not None or (earlier.was_accepted and not later.was_accepted)
    is_earliers = later.provider_task_id is None and (proves_more or not later.raw)
    return replace(
        later,
        provider_task_id=later.provider_task_id or earlier.provider_task_id,
        was_accepted=later.was_accepted or earlier.was_accepted,
        raw=earlier.raw if is_earliers else later.raw,
    )


def is_repeated_later(outcome: Uncertain, *, earlier_calls: int) -> bool:
    """Whether another call may repeat the POST, at a provider that remembers the key.

    `earlier_calls` is how many calls have been stored for the task before this one. An answer that was accepted and
    cannot be read is repeated once more, then a person has to look.
    """
    return not outcome.was_accepted or earlier_calls + 1 < ACCEPTED_CALLS


def pause_before_repeat(outcome: SubmitOutcome, *, number: int, is_idempotent: bool) -> float | None:
    """Seconds before the next POST after POST `number`; None when there must be no next one."""
    match outcome:
        case Receipt():
            return None
        case Refused():
            may_repeat = outcome.refusal in _PASSING
        case Uncertain():
            may_repeat = is_idempotent and not (outcome.was_accepted and number >= ACCEPTED_TRIES)
        case _:
            assert_never(outcome)
    if not may_repeat:
        return None
    if outcome.retry_after_s is not None:
        return max(outcome.retry_after_s, FIRST_PAUSE_S)
    return FIRST_PAUSE_S * 2.0 ** (number - 1)
