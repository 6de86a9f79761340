"""When a POST that may cost money is sent again, and when never."""

from dataclasses import dataclass, field

import pytest

from submitter.errors import (
    AddressForbidden,
    ConnectFailed,
    ExchangeBroken,
    ExchangeTimeout,
    ReplyTooLarge,
    TransportError,
)
from submitter.http.messages import HttpCall, HttpReply
from submitter.model import Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.submit import Answer, Submit, SubmitEdges, post, submit
from tests.support.builders import a_receipt

CALL = HttpCall(method="POST", url="https://provider.example/tasks", body=b'{"model":"m"}')
RECEIPT = a_receipt("p1")
LOST = Uncertain(reason="no task id in the reply")
AT_WORK = Uncertain(reason="the same key is at work", retry_after_s=5.0)


def refused(refusal: Refusal, *, status: int | None = None, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code="c", message="m")
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


THROTTLED = refused(Refusal.THROTTLED)
UNAVAILABLE = refused(Refusal.UNAVAILABLE)


@dataclass
class Wire:
    """The edges: what each POST meets, in order, and a clock that only sleeping moves."""

    script: list[SubmitOutcome | TransportError]
    post_ms: int = 0
    sent: list[HttpCall] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)
    now_ms: int = 0

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        self.sent.append(call)
        self.now_ms += self.post_ms
        met = self.script[len(self.sent) - 1]
        if isinstance(met, TransportError):
            raise met
        return HttpReply(status=200, body=str(len(self.sent) - 1).encode())

    def parse(self, reply: HttpReply) -> SubmitOutcome:
        met = self.script[int(reply.body)]
        assert not isinstance(met, TransportError)
        return met

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ms += round(seconds * 1000)

    def edges(self) -> SubmitEdges:
        return SubmitEdges(transport=self, clock=lambda: self.now_ms, sleep=self.sleep)

    async def post(self, *, keyed: bool = False, tries: int = 3, in_doubt: bool = False) -> Answer:
        wanted = Submit(call=CALL, parse_receipt=self.parse, keyed=keyed, tries=tries, timeout_s=60, in_doubt=in_doubt)
        return await post(wanted, self.edges())


@pytest.mark.parametrize("passing", [THROTTLED, UNAVAILABLE, ConnectFailed("refused")])
async def test_what_surely_created_nothing_is_sent_again(passing: SubmitOutcome | TransportError) -> None:
    wire = Wire([passing, RECEIPT])
    assert (await wire.post()).outcome == RECEIPT
    assert wire.sent == [CALL, CALL]


@pytest.mark.parametrize("final", [RECEIPT, *map(refused, [Refusal.INVALID, Refusal.DENIED, Refusal.QUOTA])])
@pytest.mark.parametrize("keyed", [True, False])
async def test_a_clear_answer_is_the_last_word(final: SubmitOutcome, *, keyed: bool) -> None:
    wire = Wire([final])
    assert (await wire.post(keyed=keyed)).outcome == final
    assert wire.sent == [CALL]


LOSSES = [LOST, ExchangeTimeout("slow"), ExchangeBroken("reset"), ReplyTooLarge("9 MB")]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_answer_is_never_paid_for_twice_without_a_key(loss: SubmitOutcome | TransportError) -> None:
    wire = Wire([loss])
    assert isinstance((await wire.post()).outcome, Uncertain)
    assert wire.sent == [CALL]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_answer_is_asked_for_again_under_the_providers_key(loss: SubmitOutcome | TransportError) -> None:
    wire = Wire([loss, RECEIPT])
    assert (await wire.post(keyed=True)).outcome == RECEIPT
    assert wire.sent == [CALL, CALL]


async def test_a_key_that_is_still_at_work_is_waited_for() -> None:
    wire = Wire([AT_WORK, RECEIPT])
    assert (await wire.post(keyed=True)).outcome == RECEIPT
    assert wire.slept_s == [5.0]


async def test_tries_end() -> None:
    wire = Wire([THROTTLED] * 3)
    assert (await wire.post()).outcome == THROTTLED
    assert (len(wire.sent), wire.slept_s) == (3, [0.5, 1.0])


async def test_a_retry_after_is_honoured() -> None:
    wire = Wire([refused(Refusal.THROTTLED, retry_after_s=3.0), RECEIPT])
    assert (await wire.post()).outcome == RECEIPT
    assert wire.slept_s == [3.0]


@pytest.mark.parametrize("retry_after_s", [8.5, 3600.0, float("inf")])
async def test_a_caller_is_told_rather_than_kept_waiting(retry_after_s: float) -> None:
    told = refused(Refusal.THROTTLED, retry_after_s=retry_after_s)
    wire = Wire([told])
    assert (await wire.post()).outcome == told
    assert wire.slept_s == []


async def test_slow_answers_count_as_waiting() -> None:
    wire = Wire([UNAVAILABLE], post_ms=7_900)
    assert (await wire.post()).outcome == UNAVAILABLE
    assert wire.sent == [CALL]


@pytest.mark.parametrize("error", [ConnectFailed("refused"), AddressForbidden("loopback")])
async def test_a_provider_that_is_never_reached_is_unavailable(error: TransportError) -> None:
    outcome = (await Wire([error] * 3).post()).outcome
    assert isinstance(outcome, Refused)
    assert (outcome.refusal, outcome.error.message) == (Refusal.UNAVAILABLE, str(error))


@pytest.mark.parametrize("later", [THROTTLED, UNAVAILABLE, refused(Refusal.DENIED), refused(Refusal.QUOTA)])
async def test_a_refusal_after_a_lost_answer_proves_nothing(later: Refused) -> None:
    answer = await Wire([LOST, later]).post(keyed=True, tries=2)
    assert isinstance(answer.outcome, Uncertain)
    assert answer.said == later


async def test_never_reached_after_a_lost_answer_stays_uncertain() -> None:
    answer = await Wire([ExchangeBroken("reset"), ConnectFailed("refused")]).post(keyed=True, tries=2)
    assert isinstance(answer.outcome, Uncertain)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_the_same_bytes_called_invalid_were_invalid_before(status: int) -> None:
    invalid = refused(Refusal.INVALID, status=status)
    assert (await Wire([LOST, invalid]).post(keyed=True)).outcome == invalid


@pytest.mark.parametrize("status", [404, 405, 410, None])
async def test_a_route_that_is_gone_says_nothing_of_an_earlier_post(status: int | None) -> None:
    answer = await Wire([LOST, refused(Refusal.INVALID, status=status)]).post(keyed=True, tries=2)
    assert isinstance(answer.outcome, Uncertain)


async def test_doubt_from_before_is_remembered() -> None:
    assert isinstance((await Wire([THROTTLED]).post(keyed=True, tries=1, in_doubt=True)).outcome, Uncertain)


@dataclass
class Ledger:
    """Writes down the order of things."""

    wire: Wire
    ours: bool = True
    steps: list[str] = field(default_factory=list)

    async def keep_intent(self) -> bool:
        self.steps.append(f"intent after {len(self.wire.sent)} POSTs")
        return self.ours

    async def keep_answer(self, answer: Answer) -> None:
        self.steps.append(f"answer after {len(self.wire.sent)} POSTs")


def a_submit(wire: Wire) -> Submit:
    return Submit(call=CALL, parse_receipt=wire.parse, keyed=False, tries=3, timeout_s=60)


async def test_intent_comes_before_money_and_the_outcome_is_kept() -> None:
    wire = Wire([RECEIPT])
    ledger = Ledger(wire)
    await submit(a_submit(wire), ledger, wire.edges())
    assert ledger.steps == ["intent after 0 POSTs", "answer after 1 POSTs"]


async def test_what_another_has_begun_is_not_sent() -> None:
    wire = Wire([])
    assert await submit(a_submit(wire), Ledger(wire, ours=False), wire.edges()) is None
    assert wire.sent == []
