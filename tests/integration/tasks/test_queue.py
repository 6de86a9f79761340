"""A task that has no room at its account waits in the ledger, and is sent once when there is room."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from receiver.tasks.model.submit_result import RefusedSubmit
from receiver.tasks.model.task import Task
from submitter.errors import ConnectFailed
from submitter.http.messages import HttpReply
from submitter.model import Refusal, TaskState
from submitter.request import RawRequest
from tests.support.builders import T0, a_report
from tests.support.queue_steps import CROWDED, HOUR_MS, THROTTLED, WAITS, ends, events_of, receipts, states_of
from tests.support.submission_setup import (
    Answer,
    a_request,
    dashscope_receipt,
    hiapi_error,
    hiapi_receipt,
    submission_setup,
)


async def test_with_room_the_answer_carries_the_receipt(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), **WAITS) as setup:
        task = await setup.submitted(a_request())
        assert (task.state, task.provider_task_id, task.sent_ms) == (TaskState.SUBMITTED, "p1", T0)
        assert setup.woken == {}


async def test_beyond_the_limit_of_tasks_in_flight_a_task_waits_and_is_sent_when_one_has_ended(tmp_path: Path) -> None:
    script = receipts(1, 2, 3)
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 2}, **WAITS) as setup:
        first, _, third = [await setup.submitted(a_request(prompt=f"horse {number}")) for number in (1, 2, 3)]
        assert (third.state, third.provider_task_id, third.deadline_ms) == (TaskState.QUEUED, None, None)
        assert (third.next_poll_ms, setup.woken["queued"]) == (None, 1)
        await setup.send_queued()
        assert await states_of(setup, third) == ["queued"]
        await ends(setup, first, 1)
        setup.clock.now_ms += 5_000
        await setup.send_queued()
        sent = await setup.stored(third)
        assert (sent.state, sent.provider_task_id, sent.submits) == (TaskState.SUBMITTED, "p3", 1)
        assert (sent.sent_ms, sent.deadline_ms) == (T0 + 5_000, T0 + 5_000 + 1_800_000)
        assert len(setup.transport.sent) == 3


async def test_an_uncertain_or_overdue_task_does_not_block_its_account(tmp_path: Path) -> None:
    script: list[Answer] = [
        HttpReply(status=200, headers=(), body=b"?"),
        dashscope_receipt("p1"),
        dashscope_receipt("p2"),
    ]
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"dashscope": 1}, **WAITS) as setup:
        assert (await setup.submitted(a_request("dashscope", prompt="a"))).state is TaskState.UNCERTAIN
        assert (await setup.submitted(a_request("dashscope", prompt="b"))).state is TaskState.SUBMITTED
        queued = await setup.submitted(a_request("dashscope", prompt="c"))
        assert queued.state is TaskState.QUEUED
        setup.clock.now_ms += 1_800_000
        await setup.store.ledger.mark_overdue(setup.clock())
        await setup.send_queued()
        assert await states_of(setup, queued) == ["submitted"]


async def test_the_rate_budget_bounds_submits_where_the_provider_counts_them(tmp_path: Path) -> None:
    script = receipts(*range(1, 13))
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 100}, **WAITS) as setup:
        tasks = [await setup.submitted(a_request(prompt=f"horse {number}")) for number in range(12)]
        assert [task.state.value for task in tasks] == ["submitted"] * 9 + ["queued"] * 3
        again_s = await setup.sender.send_once()
        assert again_s == pytest.approx(60 / 50, abs=0.01)
        setup.clock.now_ms += 1_201
        await setup.send_queued()
        assert await states_of(setup, *tasks[9:]) == ["submitted", "queued", "queued"]


async def test_tasks_go_in_the_order_of_priority_and_then_of_arrival(tmp_path: Path) -> None:
    script = receipts(1, 2, 3, 4, 5)
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, **WAITS) as setup:
        await setup.submitted(a_request(prompt="0"))
        for prompt, priority in (("1", 0), ("2", 0), ("3", 5), ("4", 9)):
            setup.clock.now_ms += 1
            task = await setup.submitted(a_request(prompt=prompt, priority=priority))
            assert task.state is TaskState.QUEUED
        for number in range(1, 5):
            await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, f"p{number}")], setup.clock())
            await setup.send_queued()
        prompts = [json.loads(call.body)["input"]["prompt"] for call in setup.transport.sent]
        assert prompts == ["0", "4", "3", "1", "2"]


async def test_a_new_task_does_not_overtake_those_that_wait_unless_its_priority_is_higher(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1, 2), limits={"hiapi": 1}, **WAITS) as setup:
        await setup.submitted(a_request(prompt="0"))
        await setup.submitted(a_request(prompt="1"))
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], T0)  # room, and nobody has looked yet
        assert (await setup.submitted(a_request(prompt="2"))).state is TaskState.QUEUED
        assert (await setup.submitted(a_request(prompt="3", priority=1))).state is TaskState.SUBMITTED


PASSING: list[tuple[str, Answer, int]] = [
    ("hiapi", THROTTLED, 60_000),
    ("hiapi", hiapi_error(429, "RATE_LIMITED", retry_after="7"), 7_000),
    ("hiapi", CROWDED, 5_000),
    ("hiapi", hiapi_error(503, "SERVICE_UNAVAILABLE"), 5_000),
    ("dashscope", ConnectFailed("connection refused"), 5_000),
]


@pytest.mark.parametrize(("provider", "refusal", "held_ms"), PASSING)
async def test_a_refusal_that_passes_puts_the_task_back_and_holds_back_submits_only(
    tmp_path: Path, provider: str, refusal: Answer, held_ms: int
) -> None:
    receipt = hiapi_receipt("p1") if provider == "hiapi" else dashscope_receipt("p1")
    async with submission_setup(tmp_path / "ledger.db", refusal, receipt, submit_tries=1, **WAITS) as setup:
        task = await setup.submitted(a_request(provider))
        assert (task.state, task.submits, task.error is not None) == (TaskState.QUEUED, 1, True)
        (account,) = await setup.store.accounts.all()
        assert (account.submits_paused_until_ms, account.paused_until_ms) == (T0 + held_ms, None)
        setup.clock.now_ms += held_ms - 1
        await setup.send_queued()
        assert len(setup.transport.sent) == 1
        setup.clock.now_ms += 1
        await setup.send_queued()
        sent = await setup.stored(task)
        assert (sent.state, sent.error, sent.submits) == (TaskState.SUBMITTED, None, 2)
        (account,) = await setup.store.accounts.all()
        assert (account.submits_paused_until_ms, account.submit_refusals) == (None, 0)
        assert await events_of(setup) == []


async def test_refusals_in_a_row_hold_submits_back_longer_and_longer(tmp_path: Path) -> None:
    refusals = [ConnectFailed("refused")] * 9
    async with submission_setup(tmp_path / "ledger.db", *refusals, submit_tries=1, **WAITS) as setup:
        await setup.submitted(a_request("dashscope"))
        waits = []
        for _ in range(8):
            (account,) = await setup.store.accounts.all()
            assert account.submits_paused_until_ms is not None
            waits.append((account.submits_paused_until_ms - setup.clock()) // 1000)
            setup.clock.now_ms = account.submits_paused_until_ms
            await setup.send_queued()
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


async def test_a_held_account_sends_nothing_new_and_the_other_account_does(tmp_path: Path) -> None:
    script = [THROTTLED, dashscope_receipt("q1")]
    async with submission_setup(tmp_path / "ledger.db", *script, submit_tries=1, **WAITS) as setup:
        await setup.submitted(a_request(prompt="a"))
        assert (await setup.submitted(a_request(prompt="b"))).state is TaskState.QUEUED
        assert (await setup.submitted(a_request("dashscope"))).state is TaskState.SUBMITTED
        assert len(setup.transport.sent) == 2


async def test_a_refusal_of_the_request_itself_ends_a_queued_task_by_an_event(tmp_path: Path) -> None:
    script = [hiapi_receipt("p1"), hiapi_error(400, "INVALID_REQUEST", "no such ratio")]
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, **WAITS) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        second = await setup.submitted(a_request(prompt="b"))
        await ends(setup, first, 1)
        await setup.send_queued()
        ended = await setup.stored(second)
        assert (ended.state, ended.refusal, ended.final_ms) == (TaskState.REFUSED, Refusal.INVALID, T0)
        assert await events_of(setup) == [("task.succeeded", first.id), ("task.refused", second.id)]
        assert setup.woken["events"] == 1


async def test_a_submit_that_is_refused_in_the_answer_makes_no_event(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_error(400, "INVALID_REQUEST"), **WAITS) as setup:
        assert isinstance(await setup.submission.submit(a_request()), RefusedSubmit)
        assert await events_of(setup) == []


async def test_a_repeat_that_was_answered_202_meanwhile_is_told_of_the_refusal(tmp_path: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        arrived.set()
        await go_on.wait()
        return hiapi_error(400, "INVALID_REQUEST")

    async with submission_setup(tmp_path / "ledger.db", slow, **WAITS) as setup:
        first = asyncio.create_task(setup.submission.submit(a_request(idempotency_key="k")))
        await arrived.wait()
        second = await setup.submitted(a_request(idempotency_key="k"))
        go_on.set()
        await first
        assert await events_of(setup) == [("task.refused", second.id)]


async def test_after_its_time_in_the_queue_a_task_is_refused_once(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", THROTTLED, submit_tries=1, **WAITS) as setup:
        task = await setup.submitted(a_request(queue_for_s=30))
        setup.clock.now_ms += 29_999
        await setup.sender.refuse_overdue()
        assert await states_of(setup, task) == ["queued"]
        setup.clock.now_ms += 1
        for _ in range(2):
            await setup.sender.refuse_overdue()
            await setup.send_queued()
        ended = await setup.stored(task)
        assert (ended.state, ended.refusal, ended.final_ms) == (TaskState.REFUSED, Refusal.THROTTLED, T0 + 30_000)
        assert ended.error is not None
        assert (ended.error.code, "RATE_LIMITED" in ended.error.message) == ("queue_time_over", True)
        assert await events_of(setup) == [("task.refused", task.id)]
        assert len(setup.transport.sent) == 1


async def test_a_task_whose_time_is_over_is_never_sent_although_there_is_room(tmp_path: Path) -> None:
    script = receipts(1, 2)
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, **WAITS) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        late, last = [
            await setup.submitted(a_request(prompt=each, queue_for_s=wait)) for each, wait in (("b", 5), ("c", 60))
        ]
        await ends(setup, first, 1)
        setup.clock.now_ms += 5_000
        await setup.send_queued()
        assert await states_of(setup, late, last) == ["refused", "submitted"]
        assert len(setup.transport.sent) == 2


async def test_a_request_that_does_not_wait_is_refused_at_once_without_a_post(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), limits={"hiapi": 1}, **WAITS) as setup:
        await setup.submitted(a_request(prompt="a"))
        refused = await setup.refused(a_request(prompt="b", queue_for_s=0))
        assert (refused.refused.refusal, refused.refused.error.code) == (Refusal.THROTTLED, "no_room")
        assert (len(setup.transport.sent), await events_of(setup)) == (1, [])


async def test_a_queued_task_survives_the_process_and_is_sent_with_its_pictures(tmp_path: Path) -> None:
    picture = "data:image/png;base64," + "A" * 100_000
    request = a_request("dashscope", video=None, raw=RawRequest(body={"model": "m", "input": {"img": picture}}))
    path = tmp_path / "ledger.db"
    async with submission_setup(path, dashscope_receipt("p1"), limits={"dashscope": 1}, **WAITS) as setup:
        await setup.submitted(a_request("dashscope"))
        queued = await setup.submitted(request)
        assert picture not in json.dumps(dict(queued.request))
    async with submission_setup(path, dashscope_receipt("p2"), limits={"dashscope": 2}, **WAITS) as setup:
        await setup.send_queued()
        assert picture in setup.transport.sent[0].body.decode()
        assert (await setup.stored(queued)).state is TaskState.SUBMITTED
        assert setup.kept_requests() == []


async def test_the_key_is_in_no_stored_request(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), limits={"hiapi": 1}, **WAITS) as setup:
        for prompt in "ab":
            await setup.submitted(a_request(prompt=prompt))
    assert b"key-of-the-account" not in (tmp_path / "ledger.db").read_bytes()


async def test_a_pause_of_polls_holds_back_no_submit(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), **WAITS) as setup:
        await setup.store.accounts.pause("hiapi", until_ms=T0 + 60_000, reason="throttled", alarm=None, now_ms=T0)
        setup.clock.now_ms += 20_000  # the pause is on, and the rate budget of the new account has filled
        assert (await setup.submitted(a_request())).state is TaskState.SUBMITTED


async def test_a_person_ends_the_hold_of_submits(tmp_path: Path) -> None:
    script = [hiapi_error(401, "UNAUTHORIZED"), hiapi_receipt("p1")]
    async with submission_setup(tmp_path / "ledger.db", *script, **WAITS) as setup:
        await setup.refused(a_request(prompt="a"))
        assert (await setup.submitted(a_request(prompt="b"))).state is TaskState.QUEUED
        configured = setup.submission.providers["hiapi"]
        resumed = await setup.store.providers.resume(configured, speed=1, actor="ann", now_ms=T0)
        assert resumed.ended
        await setup.send_queued()
        (account,) = await setup.store.accounts.all()
        assert (account.submits_paused_until_ms, account.submits_alarm, len(setup.transport.sent)) == (None, None, 2)


async def test_the_place_in_the_queue_is_known(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", THROTTLED, submit_tries=1, **WAITS) as setup:
        tasks: list[Task] = []
        for priority in (0, 0, 3):
            tasks.append(await setup.submitted(a_request(prompt=f"{len(tasks)}", priority=priority)))
            setup.clock.now_ms += 1000
        places = [await setup.store.queue.place(task, setup.clock()) for task in tasks]
        assert [(each.position, each.depth) for each in places if each] == [(2, 3), (3, 3), (1, 3)]
        assert places[0] is not None
        assert (places[0].oldest_ms, places[0].until_ms) == (T0, T0 + HOUR_MS)
        assert places[0].held_reason == "throttled: RATE_LIMITED: too fast"
        assert [(each.provider, each.depth) for each in await setup.store.queue.depths()] == [("hiapi", 3)]


async def test_a_callback_for_a_task_that_was_queued_again_ends_its_waiting(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", THROTTLED, submit_tries=1, **WAITS) as setup:
        task = await setup.submitted(a_request())
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, "p9", expected_task_id=task.id)], T0)
        setup.clock.now_ms += HOUR_MS
        await setup.sender.refuse_overdue()
        await setup.send_queued()
        assert (await setup.stored(task)).state is TaskState.SUCCEEDED
        assert await events_of(setup) == [("task.succeeded", task.id)]
        assert (len(setup.transport.sent), setup.kept_requests()) == (1, [])


async def test_an_unsendable_task_is_refused_and_the_next_one_goes(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), limits={"hiapi": 1}, **WAITS) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        broken, fine = [await setup.submitted(a_request(prompt=each)) for each in "bc"]
        await ends(setup, first, 1)
        setup.transport.script = (setup.transport.script[0], hiapi_receipt("p2"))
        await setup.store.engine.write(lambda tx: tx.execute("remove_queued_request", task=broken.id))
        await setup.send_queued()
        assert await states_of(setup, broken, fine) == ["refused", "submitted"]
        assert ("task.refused", broken.id) in await events_of(setup)
