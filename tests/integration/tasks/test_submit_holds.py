"""Which answers to submits hold back the next ones of an account, and which let them go again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.store import Store
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import AccountLimits
from submitter.model import Refusal, Refused, TaskError, TaskState
from tests.support.builders import BUDGET, T0, a_task
from tests.support.submission_setup import Answer, a_request, hiapi_error, hiapi_receipt, submission_setup

LIMITS = AccountLimits(budget=BUDGET, max_in_flight=None, speed=1)
THROTTLED = Refused(
    refusal=Refusal.THROTTLED, error=TaskError(code="RATE_LIMITED", message="too fast"), retry_after_s=600, status=429
)
DENIED = Refused(refusal=Refusal.DENIED, error=TaskError(code="UNAUTHORIZED", message="no"), status=401)


async def _account(store: Store) -> AccountStatus:
    (account,) = await store.accounts.all()
    return account


async def _refused(store: Store, at_ms: int, refused: Refused = THROTTLED) -> None:
    await store.queue.hold_submits(a_task(), refused, limits=LIMITS, now_ms=at_ms)


async def test_the_receipt_of_an_earlier_post_does_not_end_the_hold(store: Store) -> None:
    await _refused(store, T0 + 500)
    for sent_ms in (T0, T0 + 499, T0 + 500):
        await store.accounts.submit_accepted("hiapi", sent_ms=sent_ms, now_ms=T0 + 1_000)
        account = await _account(store)
        assert (account.submits_paused_until_ms, account.submit_refusals) == (T0 + 600_500, 1)
        assert account.submits_paused_since_ms == T0 + 500


async def test_the_receipt_of_a_later_post_ends_the_hold(store: Store) -> None:
    await _refused(store, T0 + 500)
    await store.accounts.submit_accepted("hiapi", sent_ms=T0 + 501, now_ms=T0 + 1_000)
    account = await _account(store)
    assert (account.submits_paused_until_ms, account.submits_paused_reason, account.submit_refusals) == (None, None, 0)


async def test_each_further_refusal_counts_as_the_beginning_of_the_hold(store: Store) -> None:
    await _refused(store, T0)
    await _refused(store, T0 + 1_000)
    await store.accounts.submit_accepted("hiapi", sent_ms=T0 + 500, now_ms=T0 + 2_000)
    assert (await _account(store)).submit_refusals == 2


async def test_the_alarm_of_a_denied_key_stays_until_a_later_post_is_accepted(store: Store) -> None:
    await _refused(store, T0, DENIED)
    await store.accounts.submit_accepted("hiapi", sent_ms=T0 - 1, now_ms=T0)
    assert (await _account(store)).submits_alarm is not None
    await store.accounts.submit_accepted("hiapi", sent_ms=T0 + 1, now_ms=T0 + 2)
    assert (await _account(store)).submits_alarm is None


async def test_the_alarm_of_polls_says_nothing_about_submits_and_stays(store: Store) -> None:
    await _refused(store, T0, DENIED)
    await store.accounts.pause("hiapi", until_ms=T0 + 60_000, reason="denied", alarm="the key is denied", now_ms=T0)
    await store.accounts.submit_accepted("hiapi", sent_ms=T0 + 1, now_ms=T0 + 1)
    assert (await _account(store)).alarms == ("the key is denied",)


async def test_a_hold_that_lies_ahead_after_the_clock_was_set_back_is_ended_by_any_receipt(store: Store) -> None:
    await _refused(store, T0 + 3_600_000)
    await store.accounts.submit_accepted("hiapi", sent_ms=T0, now_ms=T0)
    assert (await _account(store)).submit_refusals == 0


async def test_receipts_and_a_refusal_at_once_leave_the_hold(store: Store) -> None:
    await _refused(store, T0, DENIED)
    accepted = [store.accounts.submit_accepted("hiapi", sent_ms=T0 + 400, now_ms=T0 + 600) for _ in range(8)]
    await asyncio.gather(*accepted[:4], _refused(store, T0 + 500), *accepted[4:])
    assert (await _account(store)).submits_paused_until_ms == T0 + 600_500


@pytest.mark.parametrize("waits", [{"queue_for_s": 3600}, {"queue_for_s": 0}])
async def test_one_refusal_among_many_posts_in_flight_is_kept(tmp_path: Path, waits: dict[str, Any]) -> None:
    go_on = [asyncio.Event() for _ in range(4)]
    throttled = hiapi_error(429, "RATE_LIMITED", "too fast", retry_after="600")

    def answers(number: int) -> Answer:
        async def answer() -> Any:
            await go_on[number].wait()
            return throttled if number == 1 else hiapi_receipt(f"p{number}")

        return answer

    script = [answers(number) for number in range(4)]
    async with submission_setup(tmp_path / "ledger.db", *script, submit_tries=1, **waits) as setup:
        posts = []
        for number in range(4):
            request = a_request(prompt=f"horse {number}")
            posts.append(asyncio.create_task(setup.submission.submit(request)))
            while len(setup.transport.sent) <= number:
                await asyncio.sleep(0.001)
        for number in (0, 1, 2, 3):
            setup.clock.now_ms += 100
            go_on[number].set()
            await posts[number]
        account = await _account(setup.store)
        assert (account.submits_paused_until_ms, account.submit_refusals) == (T0 + 200 + 600_000, 1)
        late = await setup.submitted(a_request(prompt="late", queue_for_s=60))
        assert (late.state, len(setup.transport.sent)) == (TaskState.QUEUED, 4)
