"""An order becomes a task, once, whatever the provider, the network and the caller do meanwhile."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.callbacks.model import CallbackClaim, read_callback_token
from receiver.reconcile.model.report import ReconcileFilter
from receiver.store.errors import StoreUnavailable
from receiver.tasks.submission import MismatchedKey, Submitted
from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.errors import ConnectFailed, ExchangeBroken, InvalidRequest
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, TaskState, Uncertain
from submitter.providers.contract import ConfiguredProvider
from submitter.request import RawRequest, VideoRequest
from tests.support.builders import T0
from tests.support.submission_setup import (
    API_KEY,
    PUBLIC_URL,
    Desk,
    a_desk,
    an_order,
    dashscope_receipt,
    hiapi_error,
    hiapi_receipt,
    reply,
)

ALL = ReconcileFilter()
SECRET = new_webhook_secret(bytes(32))
LOST = ExchangeBroken("the connection ended")


@pytest.fixture(name="desk")
async def _desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Its provider gives receipts."""
    async with a_desk(tmp_path / "ledger.db", hiapi_receipt("p1"), hiapi_receipt("p2")) as made:
        yield made


async def test_an_order_becomes_a_submitted_task(desk: Desk) -> None:
    task = await desk.submitted(an_order(labels={"shot": "7"}))
    assert (task.state, task.provider_task_id, task.submits) == (TaskState.SUBMITTED, "p1", 1)
    assert (task.model, dict(task.labels), task.deadline_ms) == (
        "happyhorse-1.1/text-to-video",
        {"shot": "7"},
        T0 + 1_800_000,
    )
    assert await desk.stored(task) == task


async def test_the_provider_is_told_to_call_back_under_a_token_of_this_task(desk: Desk) -> None:
    task = await desk.submitted(an_order())
    address = json.loads(desk.wire.sent[0].body)["callback"]["url"]
    before, _, token = address.rpartition("/")
    assert before == f"{PUBLIC_URL}/callbacks/hiapi"
    claim = read_callback_token(["a key to sign callback tokens"], token, now_s=T0 // 1000, max_age_s=60)
    assert claim == CallbackClaim(provider="hiapi", task_id=task.id)


async def test_without_a_public_url_no_callback_is_asked_for(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", hiapi_receipt(), callback_url=None) as desk:
        task = await desk.submitted(an_order())
        assert not task.callback_expected
        assert "callback" not in json.loads(desk.wire.sent[0].body)


async def test_a_provider_that_does_not_call_back_is_looked_after_by_polling(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", dashscope_receipt()) as desk:
        task = await desk.submitted(an_order("dashscope"))
        assert (task.state, task.callback_expected) == (TaskState.SUBMITTED, False)
        assert task.next_poll_ms is not None


BAD_ORDERS: list[tuple[dict[str, Any], str]] = [
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


@pytest.mark.parametrize(("changes", "field"), BAD_ORDERS)
async def test_a_bad_order_is_refused_before_any_row_or_network(
    desk: Desk, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await desk.submission.submit(an_order(**changes) if "provider" not in changes else _of_nobody())
    assert [violation.field for violation in caught.value.violations] == [field]
    assert (desk.wire.sent, await desk.store.tasks.counts()) == ([], {})


def _of_nobody() -> Any:
    order = an_order()
    return type(order)(provider="nobody", video=order.video)


async def test_every_broken_rule_is_told_at_once(desk: Desk) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await desk.submission.submit(an_order(prompt="", deadline_s=0, labels={"": "x"}))
    assert {violation.field for violation in caught.value.violations} == {"labels", "deadline_s", "video.prompt"}


async def test_the_same_key_and_order_give_the_same_task_and_one_post(desk: Desk) -> None:
    first = await desk.submitted(an_order(idempotency_key="k"))
    again = await desk.submission.submit(an_order(idempotency_key="k"))
    assert again == Submitted(task=first, replayed=True)
    assert len(desk.wire.sent) == 1


async def test_the_same_key_with_another_order_is_a_mismatch(desk: Desk) -> None:
    first = await desk.submitted(an_order(idempotency_key="k"))
    other = an_order(idempotency_key="k", prompt="a cow at dusk")
    assert await desk.submission.submit(other) == MismatchedKey(task_id=first.id)
    assert len(desk.wire.sent) == 1


async def test_the_same_key_while_the_first_is_in_flight_shows_it_submitting(tmp_path: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        arrived.set()
        await go_on.wait()
        return hiapi_receipt()

    async with a_desk(tmp_path / "ledger.db", slow) as desk:
        first = asyncio.create_task(desk.submitted(an_order(idempotency_key="k")))
        await arrived.wait()
        second = await desk.submitted(an_order(idempotency_key="k"))
        go_on.set()
        assert (second.state, second.id) == (TaskState.SUBMITTING, (await first).id)


async def test_a_caller_who_goes_away_stops_nothing(tmp_path: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        arrived.set()
        await go_on.wait()
        return hiapi_receipt()

    async with a_desk(tmp_path / "ledger.db", slow) as desk:
        caller = asyncio.create_task(desk.submission.submit(an_order()))
        await arrived.wait()
        caller.cancel()
        go_on.set()
        await desk.submission.drained()
        assert await desk.store.tasks.counts() == {("hiapi", TaskState.SUBMITTED): 1}


REFUSALS = [
    (400, "INVALID_REQUEST", Refusal.INVALID),
    (401, "UNAUTHORIZED", Refusal.DENIED),
    (402, "INSUFFICIENT_BALANCE", Refusal.QUOTA),
]


@pytest.mark.parametrize(("status", "code", "refusal"), REFUSALS)
async def test_a_refusal_says_who_can_cure_it_and_leaves_a_readable_task(
    tmp_path: Path, status: int, code: str, refusal: Refusal
) -> None:
    async with a_desk(tmp_path / "ledger.db", hiapi_error(status, code, "because")) as desk:
        result = await desk.refused(an_order())
        assert (result.refused.refusal, result.refused.error.message) == (refusal, "because")
        assert (await desk.stored(result.task)).state is TaskState.REFUSED


async def test_a_refused_order_under_the_same_key_is_told_the_same(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", hiapi_error(402, "INSUFFICIENT_BALANCE")) as desk:
        first = await desk.refused(an_order(idempotency_key="k"))
        again = await desk.refused(an_order(idempotency_key="k"))
        assert (again.replayed, again.task.id) == (True, first.task.id)
        assert (again.refused.refusal, again.refused.status) == (Refusal.QUOTA, 402)


async def test_a_provider_that_is_never_reached_refuses_as_unavailable(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", *[ConnectFailed("refused")] * 3) as desk:
        assert (await desk.refused(an_order("dashscope"))).refused.refusal is Refusal.UNAVAILABLE


async def test_a_lost_reply_without_a_key_waits_for_a_callback_or_a_person(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", LOST) as desk:
        task = await desk.submitted(an_order("dashscope"))
        assert (task.state, task.next_poll_ms) == (TaskState.UNCERTAIN, None)
        assert not desk.submission.is_repeatable(task, T0)


async def test_a_lost_reply_under_the_providers_key_is_cured_in_the_same_call(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", LOST, hiapi_receipt()) as desk:
        task = await desk.submitted(an_order())
        assert (task.state, task.provider_task_id) == (TaskState.SUBMITTED, "p1")
        assert desk.wire.sent[0] == desk.wire.sent[1]


async def test_a_repeat_sends_the_same_bytes_under_the_same_key(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", *[LOST] * 3, hiapi_receipt()) as desk:
        task = await desk.submitted(an_order())
        assert (task.state, desk.submission.is_repeatable(task, T0)) == (TaskState.UNCERTAIN, True)
        desk.time.now_ms += 60_000
        assert await desk.submission.repeat(await desk.stored(task)) == Receipt(
            provider_task_id=ProviderTaskId("p1"), raw_state=""
        )
        assert len(set(desk.wire.sent)) == 1
        assert (await desk.stored(task)).state is TaskState.SUBMITTED


async def test_a_refused_repeat_keeps_the_task_uncertain_and_says_what_it_was_told(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", *[LOST] * 3, hiapi_error(429, "rate_limit_exceeded")) as desk:
        task = await desk.submitted(an_order())
        said = await desk.submission.repeat(await desk.stored(task))
        assert isinstance(said, Refused)
        assert said.refusal is Refusal.THROTTLED
        assert (await desk.stored(task)).state is TaskState.UNCERTAIN


async def test_a_key_is_let_go_before_the_provider_forgets_it(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", *[LOST] * 3) as desk:
        task = await desk.submitted(an_order())
        hour_ms = 3_600_000
        repeatable = [desk.submission.is_repeatable(task, T0 + hours * hour_ms) for hours in (0, 23, 24)]
        assert repeatable == [True, True, False]


@pytest.mark.parametrize("changed", [{"api_key": "key-of-another-account"}, {"base_url": "https://other.example"}])
async def test_a_submit_is_never_repeated_at_another_account(tmp_path: Path, changed: dict[str, Any]) -> None:
    async with a_desk(tmp_path / "ledger.db", *[LOST] * 3) as desk:
        task = await desk.submitted(an_order())
        configured = desk.submission.providers["hiapi"]
        elsewhere = ConfiguredProvider(adapter=configured.adapter, account=replace(configured.account, **changed))
        desk.submission = replace(desk.submission, providers={"hiapi": elsewhere})
        assert not desk.submission.is_repeatable(await desk.stored(task), T0)
        with pytest.raises(ValueError, match="may not be"):
            await desk.submission.repeat(await desk.stored(task))
        assert len(desk.wire.sent) == 3


async def test_a_key_that_came_with_other_bytes_settles_nothing(tmp_path: Path) -> None:
    mismatch = [hiapi_error(422, "IDEMPOTENCY_KEY_MISMATCH")] * 3
    async with a_desk(tmp_path / "ledger.db", LOST, *mismatch) as desk:
        assert (await desk.submitted(an_order())).state is TaskState.UNCERTAIN


async def test_a_repeat_that_meets_a_missing_route_leaves_the_task_uncertain(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", *[LOST] * 3, hiapi_error(404, "NOT_FOUND")) as desk:
        task = await desk.submitted(an_order())
        assert isinstance(await desk.submission.repeat(await desk.stored(task)), Uncertain)
        assert (await desk.stored(task)).state is TaskState.UNCERTAIN


async def test_a_ledger_that_is_gone_after_the_post_never_says_try_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path, isolation_level=None)

    async def locking() -> Any:
        other.execute("BEGIN IMMEDIATE")
        return dashscope_receipt()

    async with a_desk(path, locking) as desk:
        task = await desk.submitted(an_order("dashscope"))
        other.rollback()
        assert (task.state, task.provider_task_id) == (TaskState.SUBMITTING, None)
        assert await desk.stored(task) == task
    other.close()


async def test_a_ledger_that_is_gone_before_the_post_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with a_desk(path) as desk:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await desk.submission.submit(an_order())
        other.close()
        assert desk.wire.sent == []


async def test_a_submit_whose_process_dies_is_looked_at_once_it_can_no_longer_answer(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def killed() -> Any:
        seen.extend(await desk.store.polls.find_by_filter(ALL, now_ms=T0, limit=9))
        raise ConnectFailed("gone")

    async with a_desk(tmp_path / "ledger.db", killed, tries=1) as desk:
        await desk.refused(an_order())
        assert [(task.state, task.next_poll_ms) for task in seen] == [(TaskState.SUBMITTING, T0 + 70_000)]


async def test_throttling_pauses_the_account(tmp_path: Path) -> None:
    throttled = hiapi_error(429, "rate_limit_exceeded", retry_after="30")
    async with a_desk(tmp_path / "ledger.db", throttled) as desk:
        assert (await desk.refused(an_order())).refused.retry_after_s == 30
        (account,) = await desk.store.accounts.all()
        assert (account.paused_until_ms, account.alarm) == (T0 + 30_000, None)


async def test_a_denied_key_pauses_the_account_and_raises_an_alarm_that_does_not_quote_it(tmp_path: Path) -> None:
    denied = hiapi_error(401, "UNAUTHORIZED", f"wrong key {API_KEY}")
    async with a_desk(tmp_path / "ledger.db", denied) as desk:
        result = await desk.refused(an_order())
        (account,) = await desk.store.accounts.all()
        assert account.alarm == "hiapi refuses a submit: UNAUTHORIZED: wrong key [hidden]"
        assert API_KEY not in repr(result) + repr(await desk.store.tasks.timeline(result.task.id))


async def test_a_quoted_callback_address_is_kept_without_its_token(tmp_path: Path) -> None:
    async def quoting() -> Any:
        return hiapi_error(400, "INVALID_REQUEST", json.loads(desk.wire.sent[0].body)["callback"]["url"])

    async with a_desk(tmp_path / "ledger.db", quoting) as desk:
        result = await desk.refused(an_order())
        assert result.refused.error.message == f"{PUBLIC_URL}/callbacks/hiapi/[hidden]"


async def test_every_post_is_taken_out_of_the_purse_that_polls_share(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", *[ConnectFailed("refused")] * 3) as desk:
        await desk.refused(an_order())
        (account,) = await desk.store.accounts.all()
        assert account.tokens == pytest.approx(7 + 1.5 * 50 / 60, abs=0.5)


async def test_a_signing_secret_is_made_and_shown_once(desk: Desk) -> None:
    order = an_order(notify_url="https://hooks.example/a", idempotency_key="k")
    first, again = await desk.submission.submit(order), await desk.submission.submit(order)
    assert isinstance(first, Submitted)
    assert isinstance(again, Submitted)
    assert first.task.notify is not None
    assert (first.notify_secret, again.notify_secret) == (first.task.notify.secret, None)
    assert first.notify_secret is not None
    assert first.notify_secret not in json.dumps(dict(first.task.request))


async def test_a_signing_secret_that_was_given_is_used_and_not_shown(desk: Desk) -> None:
    result = await desk.submission.submit(an_order(notify_url="https://hooks.example/a", notify_secret=SECRET))
    assert isinstance(result, Submitted)
    assert result.task.notify is not None
    assert (result.task.notify.secret, result.notify_secret) == (SECRET, None)


async def test_of_a_picture_inside_the_order_only_its_hash_is_kept(tmp_path: Path) -> None:
    picture = "data:image/png;base64," + "A" * 4000
    order = an_order("dashscope", video=None, raw=RawRequest(body={"model": "m", "input": {"img": picture}}, path=None))
    async with a_desk(tmp_path / "ledger.db", dashscope_receipt()) as desk:
        task = await desk.submitted(order)
        kept = task.request["raw"]["body"]["input"]["img"]
        assert kept.startswith("data:image/png;base64,… (4022 characters, sha256 ")
        assert picture in desk.wire.sent[0].body.decode()


async def test_a_receipt_outlasts_a_locked_database(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path, isolation_level=None)

    async def locking() -> Any:
        other.execute("BEGIN IMMEDIATE")
        return dashscope_receipt()

    async with a_desk(path, locking) as desk:
        desk.time.on_sleep = other.rollback
        assert (await desk.submitted(an_order("dashscope"))).provider_task_id == "p1"
    other.close()


async def test_an_answer_without_a_task_id_is_uncertain_and_tells_why(tmp_path: Path) -> None:
    async with a_desk(tmp_path / "ledger.db", reply({"output": {}})) as desk:
        task = await desk.submitted(an_order("dashscope"))
        assert task.state is TaskState.UNCERTAIN
        assert task.error is not None
        assert task.error.code == "uncertain"
