"""A submit without a clear answer: when it is repeated, and what it takes to be sure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.reconcile.model.report import ReconcileFilter
from receiver.tasks.model.task import Task
from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.errors import ExchangeBroken
from submitter.model import Refusal, Refused, TaskState, Uncertain
from submitter.providers.contract import ConfiguredProvider
from tests.support.builders import T0, a_receipt
from tests.support.submission_setup import (
    Answer,
    SubmissionSetup,
    a_request,
    hiapi_error,
    hiapi_receipt,
    reply,
    submission_setup,
)

ALL = ReconcileFilter()
SECRET = new_webhook_secret(bytes(32))
LOST = ExchangeBroken("the connection ended")


async def test_a_lost_reply_without_a_key_waits_for_a_callback_or_a_person(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", LOST) as setup:
        task = await setup.submitted(a_request("dashscope"))
        assert (task.state, task.next_poll_ms) == (TaskState.UNCERTAIN, None)
        assert not setup.submission.is_repeatable(task, T0)


async def test_a_lost_reply_under_the_providers_key_is_repeated_in_the_same_call(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", LOST, hiapi_receipt()) as setup:
        task = await setup.submitted(a_request())
        assert (task.state, task.provider_task_id) == (TaskState.SUBMITTED, "p1")
        assert setup.transport.sent[0] == setup.transport.sent[1]


async def test_a_repeat_sends_the_same_bytes_under_the_same_key(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[LOST] * 3, hiapi_receipt()) as setup:
        task = await setup.submitted(a_request())
        assert (task.state, setup.submission.is_repeatable(task, T0)) == (TaskState.UNCERTAIN, True)
        setup.clock.now_ms += 60_000
        repeated = await setup.submission.repeat(await setup.stored(task))
        assert repeated.reply == a_receipt("p1")
        assert len(set(setup.transport.sent)) == 1
        assert repeated.task == await setup.stored(task)
        assert repeated.task.state is TaskState.SUBMITTED


async def test_a_refused_repeat_leaves_the_task_uncertain_and_returns_the_reply(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[LOST] * 3, hiapi_error(429, "rate_limit_exceeded")) as setup:
        task = await setup.submitted(a_request())
        repeated = await setup.submission.repeat(await setup.stored(task))
        assert isinstance(repeated.reply, Refused)
        assert repeated.reply.refusal is Refusal.THROTTLED
        assert repeated.task == await setup.stored(task)
        assert repeated.task.state is TaskState.UNCERTAIN


async def test_a_submit_stops_being_repeatable_before_the_provider_forgets_the_key(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[LOST] * 3) as setup:
        task = await setup.submitted(a_request())
        hour_ms = 3_600_000
        repeatable = [setup.submission.is_repeatable(task, T0 + hours * hour_ms) for hours in (0, 23, 24)]
        assert repeatable == [True, True, False]


@pytest.mark.parametrize("changed", [{"api_key": "key-of-another-account"}, {"base_url": "https://other.example"}])
async def test_a_submit_is_never_repeated_at_another_account(tmp_path: Path, changed: dict[str, Any]) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[LOST] * 3) as setup:
        task = await setup.submitted(a_request())
        configured = setup.submission.providers["hiapi"]
        elsewhere = ConfiguredProvider(adapter=configured.adapter, account=replace(configured.account, **changed))
        setup.submission = replace(setup.submission, providers={"hiapi": elsewhere})
        assert not setup.submission.is_repeatable(await setup.stored(task), T0)
        with pytest.raises(ValueError, match="may not be"):
            await setup.submission.repeat(await setup.stored(task))
        assert len(setup.transport.sent) == 3


async def test_a_key_that_came_with_other_bytes_settles_nothing(tmp_path: Path) -> None:
    mismatch = [hiapi_error(422, "IDEMPOTENCY_KEY_MISMATCH")] * 3
    async with submission_setup(tmp_path / "ledger.db", LOST, *mismatch) as setup:
        assert (await setup.submitted(a_request())).state is TaskState.UNCERTAIN


async def test_a_repeat_that_meets_a_missing_route_leaves_the_task_uncertain(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[LOST] * 3, hiapi_error(404, "NOT_FOUND")) as setup:
        task = await setup.submitted(a_request())
        repeated = await setup.submission.repeat(await setup.stored(task))
        assert isinstance(repeated.reply, Uncertain)
        assert (await setup.stored(task)).state is TaskState.UNCERTAIN


async def test_an_answer_without_a_task_id_is_uncertain_and_says_why(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", reply({"output": {}})) as setup:
        task = await setup.submitted(a_request("dashscope"))
        assert task.state is TaskState.UNCERTAIN
        assert task.error is not None
        assert task.error.code == "uncertain"


UNREADABLE = reply({"code": 200, "message": "success", "data": None})


async def _repeated(setup: SubmissionSetup, task: Task) -> Task:
    """As the reconciler repeats it."""
    setup.clock.now_ms += 3_600_000
    return (await setup.submission.repeat(await setup.stored(task))).task


async def test_an_accepted_answer_that_cannot_be_read_is_posted_three_times_and_left_to_a_person(
    tmp_path: Path,
) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[UNREADABLE] * 3) as setup:
        task = await setup.submitted(a_request())
        assert (task.state, len(setup.transport.sent)) == (TaskState.UNCERTAIN, 2)
        assert task.next_poll_ms is not None
        task = await _repeated(setup, task)
        assert (task.state, len(setup.transport.sent), task.next_poll_ms) == (TaskState.UNCERTAIN, 3, None)


async def test_a_lost_reply_after_an_accepted_one_is_left_to_a_person_as_well(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", UNREADABLE, UNREADABLE, LOST) as setup:
        task = await _repeated(setup, await setup.submitted(a_request()))
        assert (task.state, task.next_poll_ms) == (TaskState.UNCERTAIN, None)


async def test_a_lost_reply_is_repeated_for_as_long_as_the_key_is_remembered(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[LOST] * 6) as setup:
        task = await setup.submitted(a_request())
        for _ in range(3):
            task = await _repeated(setup, task)
            assert (task.state, task.next_poll_ms is None) == (TaskState.UNCERTAIN, False)


async def test_a_refusal_of_the_bytes_after_they_were_accepted_refuses_nothing(tmp_path: Path) -> None:
    invalid = hiapi_error(400, "INVALID_REQUEST")
    async with submission_setup(tmp_path / "ledger.db", UNREADABLE, UNREADABLE, invalid) as setup:
        assert (await _repeated(setup, await setup.submitted(a_request()))).state is TaskState.UNCERTAIN
    async with submission_setup(tmp_path / "other.db", *[LOST] * 3, invalid) as setup:
        assert (await _repeated(setup, await setup.submitted(a_request()))).state is TaskState.REFUSED


@pytest.mark.parametrize("unreadable", [1, 2])
async def test_a_new_task_after_an_accepted_answer_is_told_as_perhaps_paid_twice(
    tmp_path: Path, unreadable: int
) -> None:
    async with submission_setup(tmp_path / "ledger.db", *[UNREADABLE] * unreadable, hiapi_receipt()) as setup:
        with capture_logs() as lines:
            task = await setup.submitted(a_request())
            if unreadable == 2:
                task = await _repeated(setup, task)
        assert (task.state, task.provider_task_id) == (TaskState.SUBMITTED, "p1")
        assert [line["second"] for line in lines if line["event"] == "may_be_paid_twice"] == ["p1"]
        timeline = await setup.store.tasks.timeline(task.id)
        assert any("may_be_paid_twice" in str(entry) for entry in timeline)


@pytest.mark.parametrize("script", [[LOST] * 3, [UNREADABLE] * 2])
async def test_a_replay_of_the_same_task_is_no_second_one(tmp_path: Path, script: list[Answer]) -> None:
    again = replace(hiapi_receipt(), headers=(("idempotent-replay", "true"),))
    async with submission_setup(tmp_path / "ledger.db", *script, again) as setup:
        with capture_logs() as lines:
            task = await _repeated(setup, await setup.submitted(a_request()))
        assert task.state is TaskState.SUBMITTED
        assert not [line for line in lines if line["event"] == "may_be_paid_twice"]
