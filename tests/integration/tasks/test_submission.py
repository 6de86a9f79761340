"""A request becomes a task, once, whatever the provider, the network and the caller do meanwhile."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.callbacks.model import CallbackToken, read_callback_token
from receiver.reconcile.model.report import ReconcileFilter
from receiver.store.errors import StoreUnavailable
from receiver.store.retention import START
from receiver.tasks.model.submit_result import Submitted
from receiver.tasks.model.task import IdempotencyMismatch
from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.errors import ConnectFailed, ExchangeBroken, InvalidRequest
from submitter.model import Refusal, TaskState
from submitter.request import RawRequest, VideoRequest
from tests.support.builders import T0
from tests.support.submission_setup import (
    API_KEY,
    PUBLIC_URL,
    SIGNING_KEYS,
    SubmissionSetup,
    a_request,
    dashscope_receipt,
    hiapi_error,
    hiapi_receipt,
    submission_setup,
)

ALL = ReconcileFilter()
SECRET = new_webhook_secret(bytes(32))
LOST = ExchangeBroken("the connection ended")


@pytest.fixture(name="setup")
async def _setup(tmp_path: Path) -> AsyncIterator[SubmissionSetup]:
    """Its provider gives receipts."""
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt("p1"), hiapi_receipt("p2")) as made:
        yield made


async def test_a_request_becomes_a_submitted_task(setup: SubmissionSetup) -> None:
    task = await setup.submitted(a_request(labels={"shot": "7"}))
    assert (task.state, task.provider_task_id, task.submits) == (TaskState.SUBMITTED, "p1", 1)
    assert (task.model, dict(task.labels), task.deadline_ms) == (
        "happyhorse-1.1/text-to-video",
        {"shot": "7"},
        T0 + 1_800_000,
    )
    assert await setup.stored(task) == task


async def test_the_provider_gets_a_callback_url_with_a_token_of_this_task(setup: SubmissionSetup) -> None:
    task = await setup.submitted(a_request())
    address = json.loads(setup.transport.sent[0].body)["callback"]["url"]
    before, _, token = address.rpartition("/")
    assert before == f"{PUBLIC_URL}/callbacks/hiapi"
    read = read_callback_token(SIGNING_KEYS, token, now_s=T0 // 1000, max_age_s=60)
    assert read == CallbackToken(provider="hiapi", task_id=task.id)


async def test_without_a_public_url_no_callback_is_requested(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt(), callbacks=False) as setup:
        task = await setup.submitted(a_request())
        assert not task.callback_expected
        assert "callback" not in json.loads(setup.transport.sent[0].body)


async def test_the_task_of_a_provider_without_callbacks_is_polled(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", dashscope_receipt()) as setup:
        task = await setup.submitted(a_request("dashscope"))
        assert (task.state, task.callback_expected) == (TaskState.SUBMITTED, False)
        assert task.next_poll_ms is not None


BAD_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"provider": "nobody"}, "provider"),
    ({"raw": RawRequest(body={"model": "m"})}, "video"),
    ({"video": None}, "video"),
    ({"video": VideoRequest(model="happyhorse-1.1/text-to-video")}, "video.prompt"),
    ({"labels": {str(number): "x" for number in range(33)}}, "labels"),
    ({"labels": {"": "x"}}, "labels"),
    ({"labels": {"n" * 65: "x"}}, "labels"),
    ({"labels": {"a\0b": "x"}}, "labels"),
    ({"labels": {"shot": "x" * 257}}, "labels.shot"),
    ({"labels": {"shot": "\ud800"}}, "labels.shot"),
    ({"notify_url": "http://hooks.example"}, "notify.url"),
    ({"notify_url": ""}, "notify.url"),
    ({"notify_url": "https://hooks.example/" + "a" * 2048}, "notify.url"),
    ({"notify_secret": SECRET}, "notify.url"),
    ({"notify_url": "https://hooks.example", "notify_secret": "hush"}, "notify.secret"),
    ({"deadline_s": 0}, "deadline_s"),
    ({"deadline_s": 10**400}, "deadline_s"),
    ({"idempotency_key": ""}, "Idempotency-Key"),
    ({"idempotency_key": "k" * 256}, "Idempotency-Key"),
    ({"idempotency_key": "ключ"}, "Idempotency-Key"),
]


@pytest.mark.parametrize(("changes", "field"), BAD_REQUESTS)
async def test_a_bad_request_is_refused_before_any_row_or_network(
    setup: SubmissionSetup, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await setup.submission.submit(a_request(**changes) if "provider" not in changes else _of_nobody())
    assert [violation.field for violation in caught.value.violations] == [field]
    assert (setup.transport.sent, await setup.store.tasks.counts()) == ([], {})


def _of_nobody() -> Any:
    request = a_request()
    return type(request)(provider="nobody", video=request.video)


async def test_every_broken_rule_is_named_at_once(setup: SubmissionSetup) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await setup.submission.submit(a_request(prompt="", deadline_s=0, labels={"": "x"}))
    assert {violation.field for violation in caught.value.violations} == {"labels", "deadline_s", "video.prompt"}


async def test_the_same_key_and_request_give_the_same_task_and_one_post(setup: SubmissionSetup) -> None:
    first = await setup.submitted(a_request(idempotency_key="k"))
    again = await setup.submission.submit(a_request(idempotency_key="k"))
    assert again == Submitted(task=first, replayed=True)
    assert len(setup.transport.sent) == 1


async def test_the_same_key_with_another_request_is_a_mismatch(setup: SubmissionSetup) -> None:
    first = await setup.submitted(a_request(idempotency_key="k"))
    other = a_request(idempotency_key="k", prompt="a cow at dusk")
    assert await setup.submission.submit(other) == IdempotencyMismatch(task_id=first.id)
    assert len(setup.transport.sent) == 1


async def test_the_same_key_while_the_first_is_in_flight_shows_it_submitting(tmp_path: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        arrived.set()
        await go_on.wait()
        return hiapi_receipt()

    async with submission_setup(tmp_path / "ledger.db", slow) as setup:
        first = asyncio.create_task(setup.submitted(a_request(idempotency_key="k")))
        await arrived.wait()
        second = await setup.submitted(a_request(idempotency_key="k"))
        go_on.set()
        assert (second.state, second.id) == (TaskState.SUBMITTING, (await first).id)


async def test_intent_comes_before_money_and_the_outcome_is_stored(tmp_path: Path) -> None:
    states: list[Any] = []

    async def answer() -> Any:
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
            states.extend(other.execute("SELECT state FROM tasks"))
        return hiapi_receipt()

    async with submission_setup(tmp_path / "ledger.db", answer) as setup:
        task = await setup.submitted(a_request())
        assert states == [("submitting",)]
        assert (await setup.stored(task)).state is TaskState.SUBMITTED


async def test_a_caller_who_goes_away_stops_nothing(tmp_path: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        arrived.set()
        await go_on.wait()
        return hiapi_receipt()

    async with submission_setup(tmp_path / "ledger.db", slow) as setup:
        caller = asyncio.create_task(setup.submission.submit(a_request()))
        await arrived.wait()
        caller.cancel()
        go_on.set()
        await setup.submission.drained()
        assert await setup.store.tasks.counts() == {("hiapi", TaskState.SUBMITTED): 1}


async def test_a_fault_after_the_caller_went_away_is_in_the_log_with_its_provider(tmp_path: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def broken() -> Any:
        arrived.set()
        await go_on.wait()
        raise RuntimeError("a fault of ours")

    async with submission_setup(tmp_path / "ledger.db", broken) as setup:
        caller = asyncio.create_task(setup.submission.submit(a_request()))
        await arrived.wait()
        with capture_logs() as lines:
            caller.cancel()
            await asyncio.wait({caller})
            go_on.set()
            await setup.submission.drained()
        assert [line["provider"] for line in lines if line["event"] == "submit_failed"] == ["hiapi"]


REFUSALS = [
    (400, "INVALID_REQUEST", Refusal.INVALID),
    (401, "UNAUTHORIZED", Refusal.DENIED),
    (402, "INSUFFICIENT_BALANCE", Refusal.QUOTA),
]


@pytest.mark.parametrize(("status", "code", "refusal"), REFUSALS)
async def test_a_refusal_says_who_can_correct_it_and_leaves_a_readable_task(
    tmp_path: Path, status: int, code: str, refusal: Refusal
) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_error(status, code, "because")) as setup:
        result = await setup.refused(a_request())
        assert (result.refused.refusal, result.refused.error.message) == (refusal, "because")
        assert (await setup.stored(result.task)).state is TaskState.REFUSED


async def test_a_refused_request_gets_the_same_answer_under_the_same_key(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_error(400, "INVALID_REQUEST")) as setup:
        first = await setup.refused(a_request(idempotency_key="k"))
        again = await setup.refused(a_request(idempotency_key="k"))
        assert (again.replayed, again.task.id) == (True, first.task.id)
        assert (again.refused.refusal, again.refused.status) == (Refusal.INVALID, 400)


async def test_a_refused_request_gets_the_same_answer_after_its_timeline_was_pruned(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_error(400, "INVALID_REQUEST")) as setup:
        first = await setup.refused(a_request(idempotency_key="k"))
        await setup.store.retention.remove_observations(START, limit=100, before_ms=T0 + 1)
        assert await setup.store.tasks.timeline(first.task.id) == []
        again = await setup.refused(a_request(idempotency_key="k"))
        assert (again.task.id, again.refused) == (first.task.id, first.refused)


async def test_a_request_that_a_person_settled_as_refused_may_be_sent_again_as_a_new_task(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", LOST, dashscope_receipt()) as setup:
        task = await setup.submitted(a_request("dashscope", idempotency_key="k"))
        await setup.store.submissions.settle_refuse(task.id, actor="ann", now_ms=T0)
        again = await setup.submitted(a_request("dashscope", idempotency_key="k"))
        assert (again.state, again.id != task.id) == (TaskState.SUBMITTED, True)


async def test_a_provider_that_is_never_reached_refuses_as_unavailable(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[ConnectFailed("refused")] * 3) as setup:
        assert (await setup.refused(a_request("dashscope"))).refused.refusal is Refusal.UNAVAILABLE


async def test_a_ledger_that_is_gone_after_the_post_never_says_try_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path, isolation_level=None)

    async def locking() -> Any:
        other.execute("BEGIN IMMEDIATE")
        return dashscope_receipt()

    async with submission_setup(path, locking) as setup:
        task = await setup.submitted(a_request("dashscope"))
        other.rollback()
        assert (task.state, task.provider_task_id) == (TaskState.SUBMITTING, None)
        assert await setup.stored(task) == task
    other.close()


async def test_a_ledger_that_is_gone_before_the_post_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with submission_setup(path) as setup:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await setup.submission.submit(a_request())
        other.close()
        assert setup.transport.sent == []


async def test_a_submit_whose_process_dies_is_polled_once_it_can_no_longer_answer(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def killed() -> Any:
        seen.extend(await setup.store.polls.find_by_filter(ALL, now_ms=T0, limit=9))
        raise ConnectFailed("gone")

    async with submission_setup(tmp_path / "ledger.db", killed, submit_tries=1) as setup:
        await setup.refused(a_request())
        assert [(task.state, task.next_poll_ms) for task in seen] == [(TaskState.SUBMITTING, T0 + 70_000)]


async def test_throttling_holds_back_the_submits_of_the_account_and_no_poll(tmp_path: Path) -> None:
    throttled = hiapi_error(429, "rate_limit_exceeded", retry_after="30")
    async with submission_setup(tmp_path / "ledger.db", throttled) as setup:
        assert (await setup.refused(a_request())).refused.retry_after_s == 30
        (account,) = await setup.store.accounts.all()
        held = (account.submits_paused_until_ms, account.paused_until_ms, account.alarm)
        assert held == (T0 + 30_000, None, None)


async def test_a_denied_key_holds_back_submits_and_raises_an_alarm_that_does_not_quote_it(tmp_path: Path) -> None:
    denied = hiapi_error(401, "UNAUTHORIZED", f"wrong key {API_KEY}")
    async with submission_setup(tmp_path / "ledger.db", denied) as setup:
        result = await setup.refused(a_request())
        (account,) = await setup.store.accounts.all()
        assert account.submits_alarm == "hiapi refuses a submit: UNAUTHORIZED: wrong key [hidden]"
        assert (account.submits_paused_until_ms, account.paused_until_ms) == (T0 + 300_000, None)
        assert API_KEY not in repr(result) + repr(await setup.store.tasks.timeline(result.task.id))


async def test_a_quoted_callback_url_is_stored_without_its_token(tmp_path: Path) -> None:
    async def quoting() -> Any:
        return hiapi_error(400, "INVALID_REQUEST", json.loads(setup.transport.sent[0].body)["callback"]["url"])

    async with submission_setup(tmp_path / "ledger.db", quoting) as setup:
        result = await setup.refused(a_request())
        assert result.refused.error.message == f"{PUBLIC_URL}/callbacks/hiapi/[hidden]"


async def test_every_post_is_taken_out_of_the_rate_budget_that_polls_share(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[ConnectFailed("refused")] * 3) as setup:
        await setup.refused(a_request())
        (account,) = await setup.store.accounts.all()
        assert account.tokens == pytest.approx(7 + 1.5 * 50 / 60, abs=0.5)


async def test_a_signing_secret_is_made_and_told_again_to_a_repeat_under_the_same_key(setup: SubmissionSetup) -> None:
    request = a_request(notify_url="https://hooks.example/a", idempotency_key="k")
    first, again = await setup.submission.submit(request), await setup.submission.submit(request)
    assert isinstance(first, Submitted)
    assert isinstance(again, Submitted)
    assert first.notify_secret == again.notify_secret == first.task.notify_secret
    assert first.notify_secret is not None
    assert first.notify_secret not in json.dumps(dict(first.task.request))


async def test_a_signing_secret_that_was_given_is_used_and_not_shown(setup: SubmissionSetup) -> None:
    result = await setup.submission.submit(a_request(notify_url="https://hooks.example/a", notify_secret=SECRET))
    assert isinstance(result, Submitted)
    assert (result.task.notify_secret, result.notify_secret) == (SECRET, None)


async def test_of_a_picture_inside_the_request_only_its_hash_is_stored(tmp_path: Path) -> None:
    picture = "data:image/png;base64," + "A" * 4000
    request = a_request(
        "dashscope", video=None, raw=RawRequest(body={"model": "m", "input": {"img": picture}}, path=None)
    )
    async with submission_setup(tmp_path / "ledger.db", dashscope_receipt()) as setup:
        task = await setup.submitted(request)
        stored = task.request["raw"]["body"]["input"]["img"]
        assert stored.startswith("data:image/png;base64,… (4022 characters, sha256 ")
        assert picture in setup.transport.sent[0].body.decode()


async def test_a_receipt_outlasts_a_locked_database(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path, isolation_level=None)

    async def locking() -> Any:
        other.execute("BEGIN IMMEDIATE")
        return dashscope_receipt()

    async with submission_setup(path, locking) as setup:
        setup.clock.on_sleep = other.rollback
        assert (await setup.submitted(a_request("dashscope"))).provider_task_id == "p1"
    other.close()
