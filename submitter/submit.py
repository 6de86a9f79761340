"""One submit: intent, POST, outcome. The only place where a POST that may cost money is sent, and sent again.

The rule that never bends: a POST is repeated only when surely nothing was created, or when the provider knows our
idempotency key and gets byte-identical content. Everything else is uncertain, and is never cured by paying again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from submitter.errors import AddressForbidden, ConnectFailed, TransportError
from submitter.http.messages import HttpCall, HttpReply
from submitter.model import Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain

REPEATS_START_WITHIN_S = 8.0  # a caller waits for the answer; most clients and proxies give up after 30 s or more

FIRST_PAUSE_S = 0.5  # where the provider names no time; doubled each time

_PASSING = frozenset({Refusal.THROTTLED, Refusal.UNAVAILABLE})

#: Statuses that judge the bytes themselves; 404 and its like judge the route, which may have been another before.
_OF_THE_BYTES = frozenset({400, 413, 415, 422})


class Sends(Protocol):
    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        """Raise TransportError: ConnectFailed and AddressForbidden only when no byte of the request has left."""


class SubmitLedger(Protocol):
    """What must be durable around the POST."""

    async def keep_intent(self) -> bool:
        """Return once the intent is durable; False when this submit is not ours to send, since another has it."""

    async def keep_answer(self, answer: "Answer") -> None:
        """Return once the outcome is durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """A call that is ready to be sent. `timeout_s` is for each POST.

    `keyed`: the call carries an idempotency key that the provider remembers. `in_doubt`: an earlier POST of these bytes
    under this key got no clear answer.
    """

    call: HttpCall
    parse_receipt: Callable[[HttpReply], SubmitOutcome]
    keyed: bool
    tries: int
    timeout_s: float
    in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitEdges:
    """`clock` gives unix milliseconds; `sleep` takes seconds."""

    transport: Sends
    clock: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`outcome` is what the submit came to; `said` is what its last POST alone was answered."""

    outcome: SubmitOutcome
    said: SubmitOutcome


async def submit(wanted: Submit, ledger: SubmitLedger, edges: SubmitEdges) -> Answer | None:
    """None when the ledger says that the submit is not ours to send; then nothing was sent."""
    if not await ledger.keep_intent():
        return None
    answer = await post(wanted, edges)
    await ledger.keep_answer(answer)
    return answer


async def post(wanted: Submit, edges: SubmitEdges) -> Answer:
    """Send, and repeat where that is safe, until the answer is clear or tries or patience are spent.

    Never raises for anything that a network or a provider does.
    """
    started_ms = edges.clock()
    doubt, number = wanted.in_doubt, 1
    while True:
        said = await _post_once(wanted, edges)
        answer = Answer(outcome=weigh(said, in_doubt=doubt), said=said)
        doubt = doubt or isinstance(said, Uncertain)
        pause_s = pause_before_repeat(answer.outcome, number=number, keyed=wanted.keyed)
        waited_s = (edges.clock() - started_ms) / 1000
        if number >= wanted.tries or pause_s is None or waited_s + pause_s > REPEATS_START_WITHIN_S:
            return answer
        await edges.sleep(pause_s)
        number += 1


def weigh(said: SubmitOutcome, *, in_doubt: bool) -> SubmitOutcome:
    """An answer in the light of an earlier POST of the same bytes that got none.

    "Too fast" or "wrong key" speaks of this POST only: the earlier one may have been taken. "Invalid" speaks of
    the bytes, and those are the same.
    """
    if in_doubt and isinstance(said, Refused) and not _judges_bytes(said):
        words = f"an earlier POST got no clear answer, then: {said.error.code}: {said.error.message}"
        return Uncertain(reason=words, retry_after_s=said.retry_after_s)
    return said


def _judges_bytes(said: Refused) -> bool:
    return said.refusal is Refusal.INVALID and said.status in _OF_THE_BYTES


def pause_before_repeat(outcome: SubmitOutcome, *, number: int, keyed: bool) -> float | None:
    """Seconds before the next POST, `number` having been made; None when there must be no next one."""
    match outcome:
        case Receipt():
            return None
        case Refused():
            may_repeat = outcome.refusal in _PASSING
        case Uncertain():
            may_repeat = keyed
        case _:
            assert_never(outcome)
    if not may_repeat:
        return None
    own_s: float = FIRST_PAUSE_S * 2 ** (number - 1)
    return own_s if outcome.retry_after_s is None else max(outcome.retry_after_s, FIRST_PAUSE_S)


async def _post_once(wanted: Submit, edges: SubmitEdges) -> SubmitOutcome:
    try:
        reply = await edges.transport.send(wanted.call, timeout_s=wanted.timeout_s)
    except (ConnectFailed, AddressForbidden) as error:
        code = "connect_failed" if isinstance(error, ConnectFailed) else "address_forbidden"
        return Refused(refusal=Refusal.UNAVAILABLE, error=TaskError(code=code, message=str(error)))
    except TransportError as error:
        return Uncertain(reason=f"{type(error).__name__}: {error}")
    return wanted.parse_receipt(reply)
