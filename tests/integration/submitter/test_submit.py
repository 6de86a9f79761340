"""When a POST that may cost money is sent again, and when never."""

from dataclasses import dataclass, field, replace

import pytest

from submitter.errors import (
    AddressForbidden,
    ConnectFailed,
    ExchangeBroken,
    ExchangeTimeout,
    TransportError,
)
from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.submit import SubmitAttempt, is_repeated_later, post_with_retries, with_earlier_attempt
from tests.support.builders import a_receipt

RECEIPT = a_receipt("p1")
LOST = Uncertain(reason="no task id in the reply")
BEING_PROCESSED = Uncertain(reason="the same key is being processed", retry_after_s=5.0)


def refused(refusal: Refusal, *, status: int | None = None, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code="c", message="m")
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


THROTTLED = refused(Refusal.THROTTLED)
UNAVAILABLE = refused(Refusal.UNAVAILABLE)


@dataclass
class ScriptedPosts:
    """What each POST meets, in order, and a clock that only posting and sleeping move."""

    script: list[SubmitOutcome | TransportError]
    post_ms: int = 0
    posted: int = 0
    slept_s: list[float] = field(default_factory=list)
    now_ms: int = 0

    async def post(self) -> HttpReply:
        number = self.posted
        self.posted += 1
        self.now_ms += self.post_ms
        met = self.script[number]
        if isinstance(met, TransportError):
            raise met
        return HttpReply(status=200, body=str(number).encode())

    def parse(self, reply: HttpReply) -> SubmitOutcome:
        met = self.script[int(reply.body)]
        assert not isinstance(met, TransportError)
        return met

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ms += round(seconds * 1000)

    async def submit(self, *, is_idempotent: bool = False, max_tries: int = 3) -> SubmitAttempt:
        return await post_with_retries(
            self.post,
            self.parse,
            is_idempotent=is_idempotent,
            max_tries=max_tries,
            clock=lambda: self.now_ms,
            sleep=self.sleep,
        )


@pytest.mark.parametrize("passing", [THROTTLED, UNAVAILABLE, ConnectFailed("refused")])
async def test_what_surely_created_nothing_is_sent_again(passing: SubmitOutcome | TransportError) -> None:
    posts = ScriptedPosts([passing, RECEIPT])
    assert (await posts.submit()).outcome == RECEIPT
    assert posts.posted == 2


@pytest.mark.parametrize("final", [RECEIPT, *map(refused, [Refusal.INVALID, Refusal.DENIED, Refusal.QUOTA])])
@pytest.mark.parametrize("is_idempotent", [True, False])
async def test_a_clear_answer_is_the_last_word(final: SubmitOutcome, *, is_idempotent: bool) -> None:
    posts = ScriptedPosts([final])
    assert (await posts.submit(is_idempotent=is_idempotent)).outcome == final
    assert posts.posted == 1


LOSSES = [LOST, ExchangeTimeout("slow"), ExchangeBroken("reset")]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_answer_is_never_paid_for_twice_without_a_key(loss: SubmitOutcome | TransportError) -> None:
    posts = ScriptedPosts([loss])
    assert isinstance((await posts.submit()).outcome, Uncertain)
    assert posts.posted == 1


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_answer_is_repeated_under_the_providers_key(loss: SubmitOutcome | TransportError) -> None:
    posts = ScriptedPosts([loss, RECEIPT])
    assert (await posts.submit(is_idempotent=True)).outcome == RECEIPT
    assert posts.posted == 2


async def test_a_key_that_is_still_being_processed_is_waited_for() -> None:
    posts = ScriptedPosts([BEING_PROCESSED, RECEIPT])
    assert (await posts.submit(is_idempotent=True)).outcome == RECEIPT
    assert posts.slept_s == [5.0]


async def test_tries_end() -> None:
    posts = ScriptedPosts([THROTTLED] * 3)
    assert (await posts.submit()).outcome == THROTTLED
    assert (posts.posted, posts.slept_s) == (3, [0.5, 1.0])


async def test_a_retry_after_is_honoured() -> None:
    posts = ScriptedPosts([refused(Refusal.THROTTLED, retry_after_s=3.0), RECEIPT])
    assert (await posts.submit()).outcome == RECEIPT
    assert posts.slept_s == [3.0]


@pytest.mark.parametrize("retry_after_s", [8.5, 3600.0, float("inf")])
async def test_a_long_retry_after_ends_the_submit_at_once(retry_after_s: float) -> None:
    throttled = refused(Refusal.THROTTLED, retry_after_s=retry_after_s)
    posts = ScriptedPosts([throttled])
    assert (await posts.submit()).outcome == throttled
    assert posts.slept_s == []


async def test_slow_answers_count_as_waiting() -> None:
    posts = ScriptedPosts([UNAVAILABLE], post_ms=7_900)
    assert (await posts.submit()).outcome == UNAVAILABLE
    assert posts.posted == 1


@pytest.mark.parametrize("error", [ConnectFailed("refused"), AddressForbidden("loopback")])
async def test_a_provider_that_is_never_reached_is_unavailable(error: TransportError) -> None:
    outcome = (await ScriptedPosts([error] * 3).submit()).outcome
    assert isinstance(outcome, Refused)
    assert (outcome.refusal, outcome.error.message) == (Refusal.UNAVAILABLE, str(error))


@pytest.mark.parametrize("later", [THROTTLED, UNAVAILABLE, refused(Refusal.DENIED), refused(Refusal.QUOTA)])
async def test_a_refusal_after_a_lost_answer_proves_nothing(later: Refused) -> None:
    attempt = await ScriptedPosts([LOST, later]).submit(is_idempotent=True, max_tries=2)
    assert isinstance(attempt.outcome, Uncertain)
    assert attempt.last_reply == later


async def test_never_reached_after_a_lost_answer_stays_uncertain() -> None:
    attempt = await ScriptedPosts([ExchangeBroken("reset"), ConnectFailed("refused")]).submit(
        is_idempotent=True, max_tries=2
    )
    assert isinstance(attempt.outcome, Uncertain)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_the_same_bytes_called_invalid_were_invalid_before(status: int) -> None:
    invalid = refused(Refusal.INVALID, status=status)
    assert (await ScriptedPosts([LOST, invalid]).submit(is_idempotent=True)).outcome == invalid


@pytest.mark.parametrize("status", [404, 405, 410, None])
async def test_a_route_that_is_gone_says_nothing_of_an_earlier_post(status: int | None) -> None:
    attempt = await ScriptedPosts([LOST, refused(Refusal.INVALID, status=status)]).submit(
        is_idempotent=True, max_tries=2
    )
    assert isinstance(attempt.outcome, Uncertain)


@pytest.mark.parametrize("later", [THROTTLED, UNAVAILABLE, refused(Refusal.INVALID, status=404)])
def test_a_refusal_after_an_unanswered_post_of_another_time_proves_nothing(later: Refused) -> None:
    assert isinstance(with_earlier_attempt(later), Uncertain)


@pytest.mark.parametrize("later", [RECEIPT, LOST, refused(Refusal.INVALID, status=422)])
def test_what_is_clear_by_itself_needs_no_earlier_post(later: SubmitOutcome) -> None:
    assert with_earlier_attempt(later) == later


ACCEPTED = Uncertain(reason="accepted without a readable id", was_accepted=True, raw=b"first")
NAMED = Uncertain(reason="HTTP 500", provider_task_id=ProviderTaskId("p7"), raw=b"named")


async def test_an_accepted_answer_that_cannot_be_read_is_repeated_once_in_a_call() -> None:
    posts = ScriptedPosts([ACCEPTED] * 5)
    attempt = await posts.submit(is_idempotent=True, max_tries=5)
    assert posts.posted == 2
    assert attempt.outcome == ACCEPTED


@pytest.mark.parametrize("later", [LOST, BEING_PROCESSED, ExchangeTimeout("slow"), ConnectFailed("refused"), THROTTLED])
async def test_what_follows_an_accepted_answer_does_not_make_it_lost(later: SubmitOutcome | TransportError) -> None:
    posts = ScriptedPosts([ACCEPTED, later])
    outcome = (await posts.submit(is_idempotent=True, max_tries=5)).outcome
    assert isinstance(outcome, Uncertain)
    assert outcome.was_accepted
    assert outcome.raw == b"first"
    assert posts.posted == 2


async def test_an_accepted_answer_is_never_repeated_without_a_key() -> None:
    posts = ScriptedPosts([ACCEPTED])
    assert (await posts.submit()).outcome == ACCEPTED


@pytest.mark.parametrize("proof", [ACCEPTED, NAMED])
async def test_bytes_called_invalid_after_they_were_accepted_are_no_refusal(proof: Uncertain) -> None:
    posts = ScriptedPosts([proof, refused(Refusal.INVALID, status=400)])
    outcome = (await posts.submit(is_idempotent=True, max_tries=2)).outcome
    assert isinstance(outcome, Uncertain)
    assert (outcome.provider_task_id, outcome.was_accepted) == (proof.provider_task_id, proof.was_accepted)


@pytest.mark.parametrize("later", [LOST, THROTTLED, ExchangeBroken("reset"), ConnectFailed("refused")])
async def test_an_id_that_an_earlier_reply_named_is_kept(later: SubmitOutcome | TransportError) -> None:
    outcome = (await ScriptedPosts([NAMED, later]).submit(is_idempotent=True, max_tries=2)).outcome
    assert isinstance(outcome, Uncertain)
    assert (outcome.provider_task_id, outcome.raw) == ("p7", b"named")


@pytest.mark.parametrize(
    ("earlier", "receipt", "is_second"),
    [
        (ACCEPTED, RECEIPT, True),
        (ACCEPTED, a_receipt("p1", replayed=True), False),
        (NAMED, RECEIPT, True),
        (NAMED, a_receipt("p7"), False),
        (LOST, RECEIPT, False),
    ],
)
async def test_a_new_task_after_an_accepted_answer_may_be_the_second_one(
    earlier: Uncertain, receipt: Receipt, *, is_second: bool
) -> None:
    outcome = (await ScriptedPosts([earlier, receipt]).submit(is_idempotent=True)).outcome
    assert outcome == replace(receipt, may_be_second=is_second)


@pytest.mark.parametrize(
    ("outcome", "earlier_calls", "is_repeated"),
    [(LOST, 0, True), (LOST, 500, True), (ACCEPTED, 0, True), (ACCEPTED, 1, False), (ACCEPTED, 7, False)],
)
def test_an_accepted_answer_is_left_to_a_person_after_one_more_call(
    outcome: Uncertain, earlier_calls: int, *, is_repeated: bool
) -> None:
    assert is_repeated_later(outcome, earlier_calls=earlier_calls) is is_repeated
