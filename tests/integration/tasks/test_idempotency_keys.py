"""What an idempotency key stands for, after each end that its submit can have, and whose it is."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.runtime.store import Store
from receiver.store.retention import START
from receiver.tasks.model.submit_result import Submitted
from receiver.tasks.model.task import FreeKey, IdempotencyMismatch, Replayed, Task
from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.errors import ConnectFailed
from submitter.model import Refusal, Refused, TaskError, TaskId, TaskState
from tests.support.builders import T0, a_report, a_task, notified
from tests.support.submission_setup import (
    Answer,
    a_request,
    dashscope_receipt,
    hiapi_error,
    hiapi_receipt,
    submission_setup,
)

PASSING: list[tuple[Answer, Refusal]] = [
    (hiapi_error(401, "UNAUTHORIZED"), Refusal.DENIED),
    (hiapi_error(403, "FORBIDDEN"), Refusal.DENIED),
    (hiapi_error(402, "INSUFFICIENT_BALANCE"), Refusal.QUOTA),
    (hiapi_error(429, "RATE_LIMITED"), Refusal.THROTTLED),
    (hiapi_error(503, "SERVICE_UNAVAILABLE"), Refusal.UNAVAILABLE),
    (ConnectFailed("refused"), Refusal.UNAVAILABLE),
]


@pytest.mark.parametrize(("answer", "refusal"), PASSING)
async def test_a_key_whose_submit_created_nothing_for_a_reason_that_passes_is_free_again(
    tmp_path: Path, answer: Answer, refusal: Refusal
) -> None:
    script = (answer, hiapi_receipt("p1"))
    async with submission_setup(tmp_path / "ledger.db", *script, submit_tries=1) as setup:
        request = a_request(idempotency_key="k", notify_url="https://hooks.example/a")
        first = await setup.refused(request)
        assert first.refused.refusal is refusal
        setup.clock.now_ms += 600_000
        again = await setup.submitted(request)
        assert (again.id, again.state, again.provider_task_id) == (first.task.id, TaskState.SUBMITTED, "p1")
        assert (again.error, again.refusal, again.submits) == (None, None, 2)
        assert again.notify_secret == first.task.notify_secret
        assert setup.transport.sent[0] == setup.transport.sent[1]
        assert [event for event in await setup.store.events.events(0) if event.task_id is not None] == []


async def test_a_key_that_is_free_goes_to_the_queue_while_its_account_is_held_back(tmp_path: Path) -> None:
    script = (hiapi_error(401, "UNAUTHORIZED"), hiapi_receipt("p1"))
    async with submission_setup(tmp_path / "ledger.db", *script, queue_for_s=3600) as setup:
        first = await setup.refused(a_request(idempotency_key="k"))
        again = await setup.submitted(a_request(idempotency_key="k"))
        assert (again.id, again.state) == (first.task.id, TaskState.QUEUED)
        other = await setup.submission.submit(a_request(idempotency_key="k", prompt="x"))
        assert isinstance(other, IdempotencyMismatch)
        setup.clock.now_ms += 300_000
        await setup.send_queued()
        assert (await setup.stored(again)).state is TaskState.SUBMITTED


async def test_many_repeats_at_once_under_a_free_key_make_one_post(tmp_path: Path) -> None:
    script = (hiapi_error(402, "INSUFFICIENT_BALANCE"), hiapi_receipt("p1"))
    async with submission_setup(tmp_path / "ledger.db", *script, queue_for_s=0) as setup:
        request = a_request(idempotency_key="k")
        first = await setup.refused(request)
        found = await asyncio.gather(*[setup.submission.submit(request) for _ in range(8)])
        assert {each.task.id for each in found if isinstance(each, Submitted)} == {first.task.id}
        assert len(setup.transport.sent) == 2


async def test_a_repeat_that_does_not_wait_is_refused_at_once_without_room_and_sent_at_once_with_room(
    tmp_path: Path,
) -> None:
    script = (hiapi_error(402, "INSUFFICIENT_BALANCE"), hiapi_receipt("p1"), hiapi_receipt("p2"))
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, queue_for_s=0) as setup:
        keyed = a_request(prompt="keyed", idempotency_key="k")
        first = await setup.refused(keyed)
        await setup.submitted(a_request(prompt="in flight"))
        for _ in range(3):
            again = await setup.refused(keyed)
            assert (again.task.id, again.is_without_room, again.replayed) == (first.task.id, True, False)
            assert (again.task.state, again.task.refusal) == (TaskState.REFUSED, Refusal.THROTTLED)
        assert (len(setup.transport.sent), setup.kept_requests(), await setup.store.events.events(0)) == (2, [], [])
        (line,) = [each.detail for each in await setup.store.tasks.timeline(first.task.id) if "again" in each.detail]
        assert (line["times"], line["error"]["code"]) == (3, "no_room")
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], setup.clock())
        sent = await setup.submitted(keyed)
        assert (sent.id, sent.state, sent.provider_task_id) == (first.task.id, TaskState.SUBMITTED, "p2")


async def test_after_task_refused_was_published_the_key_opens_a_new_task(tmp_path: Path) -> None:
    script = (hiapi_error(429, "RATE_LIMITED"), hiapi_receipt("p1"))
    async with submission_setup(tmp_path / "ledger.db", *script, queue_for_s=60) as setup:
        first = await setup.submitted(a_request(idempotency_key="k"))
        setup.clock.now_ms += 60_000
        await setup.sender.refuse_overdue()
        again = await setup.submitted(a_request(idempotency_key="k"))
        assert (again.id != first.id, again.state, again.idempotency_key) == (True, TaskState.SUBMITTED, "k")
        assert (await setup.stored(first)).state is TaskState.REFUSED
        assert (await setup.submitted(a_request(idempotency_key="k"))).id == again.id


async def test_another_body_under_a_free_key_is_still_a_mismatch(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_error(402, "INSUFFICIENT_BALANCE")) as setup:
        first = await setup.refused(a_request(idempotency_key="k"))
        other = await setup.submission.submit(a_request(idempotency_key="k", prompt="another"))
        assert other == IdempotencyMismatch(task_id=first.task.id)


async def test_a_key_belongs_to_the_api_key_that_used_it(tmp_path: Path) -> None:
    script = (dashscope_receipt("p1"), dashscope_receipt("p2"))
    async with submission_setup(tmp_path / "ledger.db", *script) as setup:
        mine, theirs = (a_request("dashscope", idempotency_key="k", key_scope=f"key {name}") for name in "ab")
        first, second = await setup.submitted(mine), await setup.submitted(replace(theirs, labels={"x": "y"}))
        assert first.id != second.id
        assert (await setup.submitted(mine)).id == first.id
        assert len(setup.transport.sent) == 2


async def test_a_secret_is_told_to_a_repeat_that_gives_another_one_or_none(tmp_path: Path) -> None:
    mine, other = new_webhook_secret(bytes(32)), new_webhook_secret(bytes(range(32)))
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt()) as setup:
        request = a_request(idempotency_key="k", notify_url="https://hooks.example/a", notify_secret=mine)
        told = [
            await setup.submission.submit(each)
            for each in (request, request, replace(request, notify_secret=None), replace(request, notify_secret=other))
        ]
        assert [each.notify_secret for each in told if isinstance(each, Submitted)] == [None, None, mine, mine]


@pytest.mark.parametrize("refusal", list(Refusal))
async def test_the_answer_of_a_key_does_not_change_when_its_timeline_is_deleted(store: Store, refusal: Refusal) -> None:
    await store.submissions.open_task(notified(idempotency_key="k"), T0)
    refused = Refused(refusal=refusal, error=TaskError(code="C", message="m"), status=400)
    await store.submissions.store_refused(TaskId("tsk_1"), refused, T0)
    await store.retention.remove_observations(START, limit=100, before_ms=T0 + 1)
    again = await store.submissions.open_task(notified("tsk_2", idempotency_key="k"), T0)
    if refusal is Refusal.INVALID:
        assert isinstance(again, Replayed)
        assert (again.task.refusal, again.task.refusal_status, again.task.error) == (refusal, 400, refused.error)
    else:
        assert isinstance(again, FreeKey)
        assert (again.task.id, again.task.state) == ("tsk_1", TaskState.REFUSED)
        opened = await store.submissions.open_task(notified(idempotency_key="k", sent_ms=T0 + 1), T0 + 1)
        assert isinstance(opened, Task)
        assert (opened.id, opened.state, opened.sent_ms, opened.submits) == ("tsk_1", TaskState.SUBMITTING, T0 + 1, 1)
        assert (opened.error, opened.refusal, opened.queued_ms) == (None, None, T0 + 1)


async def test_a_key_of_before_the_scopes_is_every_api_keys(store: Store) -> None:
    await store.submissions.open_task(a_task("tsk_1", idempotency_key="k"), T0)
    again = await store.submissions.open_task(a_task("tsk_2", idempotency_key="k", key_scope="key a"), T0)
    assert isinstance(again, Replayed)
    assert again.task.id == "tsk_1"


async def test_the_key_of_a_task_that_was_taken_out_of_the_queue_answers_with_the_canceled_task(tmp_path: Path) -> None:
    script = (hiapi_receipt("p1"),)
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, queue_for_s=3600) as setup:
        await setup.submitted(a_request(prompt="a"))
        queued = await setup.submitted(a_request(idempotency_key="k"))
        await setup.store.queue.cancel(queued.id, actor="ann", now_ms=T0)
        again = await setup.submission.submit(a_request(idempotency_key="k"))
        assert isinstance(again, Submitted)
        assert (again.replayed, again.task.id, again.task.state) == (True, queued.id, TaskState.CANCELED)
        assert await setup.store.queue.depths() == []
        assert len(setup.transport.sent) == 1
