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

RAW_BYTES = 4_096  # of a reply that is no receipt; what quotes our key is cut again where it is hidden

FIRST_PAUSE_S = 0.5  # where the provider names no time; doubled each time

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


async def post_with_retries(
    post: Post,
    parse_receipt: ParseReceipt,
    *,
    is_idempotent: bool,
    max_tries: int,
    clock: Callable[[], int],
    sleep: Callable[[float], Awaitable[None]],
) -> SubmitAttempt:
    """POST, and repeat the POST where that is safe, until the answer is clear or the tries or the time are spent.

    Return a Receipt (created), Refused (surely nothing was created) or Uncertain as `outcome`. Never raises for
    anything that a network or a provider does. `is_idempotent`: the POST carries an idempotency key that the provider
    remembers. `clock` gives unix milliseconds, `sleep` takes seconds.
    """
    started_ms = clock()
    earlier_attempt_unanswered, number = False, 1
    while True:
        reply = await post_once(post, parse_receipt)
        outcome = with_earlier_attempt(reply) if earlier_attempt_unanswered else reply
        pause_s = pause_before_repeat(outcome, number=number, is_idempotent=is_idempotent)
        waited_s = (clock() - started_ms) / 1000
        if number >= max_tries or pause_s is None or waited_s + pause_s > REPEATS_START_WITHIN_S:
            return SubmitAttempt(outcome=outcome, last_reply=reply)
        earlier_attempt_unanswered = earlier_attempt_unanswered or isinstance(reply, Uncertain)
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
    outcome = parse_receipt(reply)
    if isinstance(outcome, Receipt) or outcome.raw:
        return outcome
    return replace(outcome, raw=reply.body[:RAW_BYTES])


def with_earlier_attempt(reply: SubmitOutcome) -> SubmitOutcome:
    """What a reply means when an earlier POST of the same bytes got no clear answer.

    "Too fast" or "wrong key" concerns this POST only: the earlier one may have been accepted. "Invalid" concerns the
    bytes, and those are the same.
    """
    if not isinstance(reply, Refused) or (reply.refusal is Refusal.INVALID and reply.status in _JUDGES_BYTES):
        return reply
    reason = f"an earlier POST got no clear answer, then: {reply.error.code}: {reply.error.message}"
    return Uncertain(reason=reason, retry_after_s=reply.retry_after_s, raw=reply.raw)


def pause_before_repeat(outcome: SubmitOutcome, *, number: int, is_idempotent: bool) -> float | None:
    """Seconds before the next POST after POST `number`; None when there must be no next one."""
    match outcome:
        case Receipt():
            return None
        case Refused():
            may_repeat = outcome.refusal in _PASSING
        case Uncertain():
            may_repeat = is_idempotent
        case _:
            assert_never(outcome)
    if not may_repeat:
        return None
    if outcome.retry_after_s is not None:
        return max(outcome.retry_after_s, FIRST_PAUSE_S)
    return FIRST_PAUSE_S * 2.0 ** (number - 1)
