"""Which of the queued tasks is next, what a person is told of it, and what reading the queue costs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.store import Store
from receiver.store.engine import Tx
from receiver.tasks.model.queue import AccountLimits
from receiver.tasks.model.rows import task_row
from receiver.tasks.model.submit_result import RefusedSubmit, Submitted
from receiver.tasks.model.task import Task
from receiver.tasks.model.unusable import MOST_LINES
from submitter.http.messages import HttpReply
from submitter.model import Refusal, TaskId, TaskState
from tests.support.builders import BUDGET, T0, a_report, a_task
from tests.support.submission_setup import a_request, hiapi_error, hiapi_receipt, submission_setup

HOUR_MS = 3_600_000
FULL = AccountLimits(budget=BUDGET, max_in_flight=0, speed=1)


async def _queued(store: Store, *names: str, provider: str = "hiapi", **changes: Any) -> None:
    for number, name in enumerate(names):
        task = a_task(name, provider=provider, queued_until_ms=T0 + HOUR_MS, queued_ms=T0 + number, **changes)
        opened = await store.submissions.open_task(task, T0, limits=FULL, request_text="{}")
        assert isinstance(opened, Task)
        assert opened.state is TaskState.QUEUED


async def test_a_key_that_is_free_joins_the_end_of_the_queue(tmp_path: Path) -> None:
    script = [hiapi_error(402, "INSUFFICIENT_BALANCE"), hiapi_receipt("p1"), *map(hiapi_receipt, ("p2", "p3"))]
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, queue_for_s=3600) as setup:
        keyed = a_request(prompt="keyed", idempotency_key="k")
        assert isinstance(await setup.submission.submit(keyed), RefusedSubmit)
        await setup.submitted(a_request(prompt="in flight"))
        setup.clock.now_ms += 60_000
        waiting = await setup.submitted(a_request(prompt="waits"))
        setup.clock.now_ms += 1
        again = await setup.submitted(keyed)
        assert (again.state, again.id < waiting.id, again.queued_ms) == (TaskState.QUEUED, True, T0 + 60_001)
        places = [await setup.store.queue.place(each, setup.clock()) for each in (waiting, again)]
        assert [(each.position, each.oldest_ms) for each in places if each] == [(1, T0 + 60_000), (2, T0 + 60_000)]
        assert [each.oldest_ms for each in await setup.store.queue.depths()] == [T0 + 60_000]
        for number, task in ((1, waiting), (2, again)):
            await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, f"p{number}")], setup.clock())
            await setup.send_queued()
            assert (await setup.stored(task)).provider_task_id == f"p{number + 1}"


async def test_a_task_that_waited_twice_is_refused_with_the_time_of_the_second_wait(tmp_path: Path) -> None:
    script = [hiapi_error(402, "INSUFFICIENT_BALANCE"), hiapi_receipt("p1")]
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, queue_for_s=30) as setup:
        keyed = a_request(prompt="keyed", idempotency_key="k")
        await setup.submission.submit(keyed)
        await setup.submitted(a_request(prompt="in flight"))
        setup.clock.now_ms += HOUR_MS
        again = await setup.submitted(keyed)
        setup.clock.now_ms += 30_000
        await setup.sender.refuse_overdue()
        error = (await setup.stored(again)).error
        assert error is not None
        assert error.message == "it waited 30 s in the queue without room at the provider"


async def test_a_task_that_was_refused_for_the_moment_keeps_its_place(tmp_path: Path) -> None:
    script = [hiapi_error(429, "RATE_LIMITED", retry_after="5")]
    async with submission_setup(tmp_path / "ledger.db", *script, submit_tries=1, queue_for_s=3600) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        setup.clock.now_ms += 1_000
        second = await setup.submitted(a_request(prompt="b"))
        assert (first.state, second.state) == (TaskState.QUEUED, TaskState.QUEUED)
        places = [await setup.store.queue.place(each, setup.clock()) for each in (first, second)]
        assert [each.position for each in places if each] == [1, 2]


async def test_of_two_that_were_queued_in_one_millisecond_the_one_with_the_smaller_id_goes_first(store: Store) -> None:
    for name in ("tsk_2", "tsk_1", "tsk_3"):
        await _queued(store, name)
    found = [await store.tasks.task(TaskId(f"tsk_{number}")) for number in (1, 2, 3)]
    places = [await store.queue.place(each, T0) for each in found if each]
    assert [each.position for each in places if each] == [1, 2, 3]


async def test_every_account_with_queued_tasks_is_found_once(store: Store) -> None:
    assert await store.queue.waiting() == []
    await _queued(store, "tsk_1", "tsk_2")
    await _queued(store, "tsk_3", provider="dashscope")
    await _queued(store, "tsk_4", provider="modellix")
    assert await store.queue.waiting() == ["dashscope", "hiapi", "modellix"]
    await store.queue.cancel(TaskId("tsk_4"), actor="ann", now_ms=T0)
    assert await store.queue.waiting() == ["dashscope", "hiapi"]


async def _stored(store: Store) -> list[str]:
    rows = await store.engine.read(lambda tx: tx.fetch_all("stored_requests", after="", limit=100))
    return sorted(row["task"] for row in rows)


async def test_requests_of_tasks_that_are_not_sent_any_more_are_deleted_page_by_page(store: Store) -> None:
    names = [f"tsk_{number}" for number in range(1, 6)]
    await _queued(store, *names)
    for name in ("tsk_2", "tsk_5"):
        await store.ledger.record([a_report(TaskState.RUNNING, f"p{name}", expected_task_id=name)], T0)
    after = await store.queue.remove_left_requests("", limit=2)
    assert (after, await _stored(store)) == ("tsk_2", ["tsk_1", "tsk_3", "tsk_4", "tsk_5"])
    after = await store.queue.remove_left_requests(after, limit=2)
    assert after == "tsk_4"
    assert await store.queue.remove_left_requests(after, limit=2) == ""
    assert await _stored(store) == ["tsk_1", "tsk_3", "tsk_4"]


@asynccontextmanager
async def _writing(store: Store, work: Callable[[Tx], Awaitable[object]]) -> AsyncIterator[None]:
    """Another writer that has done `work` and commits when the block ends."""
    done, go_on = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await work(tx)
        done.set()
        await go_on.wait()

    writer = asyncio.create_task(store.engine.write(hold))
    await done.wait()
    try:
        yield
    finally:
        go_on.set()
        await writer


@pytest.mark.parametrize("number", [0, 3])
async def test_looking_for_what_is_over_waits_for_no_writer_while_nothing_is(store: Store, number: int) -> None:
    await _queued(store, *[f"tsk_{each}" for each in range(number)])
    async with _writing(store, lambda tx: tx.fetch_all("tasks_by_ids", ids=["tsk_0"])), asyncio.timeout(3):
        assert await store.queue.refuse_overdue(T0 + HOUR_MS - 1) == []
        assert await store.queue.remove_left_requests("") == ""
        assert await store.queue.waiting() == (["hiapi"] if number else [])


async def test_the_request_of_a_task_that_is_queued_again_meanwhile_is_kept(store: Store) -> None:
    await _queued(store, "tsk_1")
    queued = await store.tasks.task(TaskId("tsk_1"))
    assert queued is not None
    await store.ledger.record([a_report(TaskState.RUNNING, "p1", expected_task_id=queued.id)], T0)
    async with _writing(store, lambda tx: tx.execute("update_task", **task_row(queued))):
        removing = asyncio.create_task(store.queue.remove_left_requests(""))
        await asyncio.sleep(0.3)  # it has read that the task is running
    await removing
    assert await _stored(store) == ["tsk_1"]


def _refused(number: int) -> HttpReply:
    body = {"code": 429, "error": {"code": "RATE_LIMITED", "message": "too fast"}, "request_id": f"r{number}"}
    return HttpReply(status=429, headers=(("retry-after", "600"),), body=json.dumps(body).encode())


@pytest.mark.parametrize("is_each_reply_new", [False, True])
async def test_days_of_refusals_in_the_queue_are_a_few_lines_and_all_are_counted(
    tmp_path: Path, is_each_reply_new: bool
) -> None:
    replies = [_refused(number if is_each_reply_new else 0) for number in range(300)]
    async with submission_setup(tmp_path / "ledger.db", *replies, submit_tries=1, queue_for_s=604_800) as setup:
        task = await setup.submitted(a_request())
        for _ in range(299):
            setup.clock.now_ms += 600_000
            await setup.send_queued()
        stored = await setup.stored(task)
        lines = [entry for entry in await setup.store.tasks.timeline(task.id) if entry.kind == "observation"]
        answers = [entry for entry in lines if "reason" in entry.detail]
        assert (stored.state, stored.submits) == (TaskState.QUEUED, 300)
        last = answers[-1].detail
        assert json.loads(last["reply"])["request_id"] == ("r299" if is_each_reply_new else "r0")
        assert sum(each.detail.get("times", 1) + each.detail.get("left_out", 0) for each in answers) == 300
        assert len(answers) == (MOST_LINES if is_each_reply_new else 1)
        (left,) = [entry for entry in lines if "from_queue" in entry.detail]
        assert left.detail["times"] == 299
        assert len(lines) == len(answers) + 2  # and the line of the intent
        if not is_each_reply_new:
            assert answers[0].summary.startswith("submit: queued, RATE_LIMITED: too fast (300 times, last ")


async def test_the_last_reply_stays_when_the_time_in_the_queue_is_over(tmp_path: Path) -> None:
    async def late() -> HttpReply:
        setup.clock.now_ms += 40_000
        return _refused(1)

    async with submission_setup(tmp_path / "ledger.db", late, submit_tries=1, queue_for_s=30) as setup:
        task = await setup.submission.submit(a_request())
        assert isinstance(task, Submitted)
        lines = [entry.detail for entry in await setup.store.tasks.timeline(task.task.id)]
        assert [each["reply"] for each in lines if "reply" in each] == [_refused(1).body.decode()]
        assert (task.task.state, task.task.refusal) == (TaskState.REFUSED, Refusal.THROTTLED)
