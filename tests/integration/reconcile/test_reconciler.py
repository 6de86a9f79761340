"""Turns of the reconciler over a real ledger."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType
from receiver.store.errors import StoreUnavailable
from receiver.tasks.model.task import Task
from submitter.errors import ConnectFailed, ExchangeTimeout, TransportError
from submitter.http.messages import HttpReply
from submitter.model import TaskError, TaskState, Uncertain
from tests.support.builders import T0, a_receipt, a_report
from tests.support.reconcile_setup import Scene, a_scene, held_until, hiapi, json_reply, modellix

UNAUTHORIZED = json_reply({"code": 401, "message": "bad key key-of-hiapi", "data": None}, 401)
UNKNOWN_TASK = json_reply({"code": 404, "message": "task not found", "data": None, "error_code": "NOT_FOUND"}, 404)
DAY_S = 86_400


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path) as opened:
        yield opened


async def _events(scene: Scene) -> list[EventType]:
    return [event.type for event in await scene.store.events.events(0)]


async def test_a_task_that_the_provider_has_finished_ends_with_one_event(scene: Scene) -> None:
    await scene.has()
    scene.wire.answer("p1", hiapi("success"))
    report = await scene.turn()
    task = await scene.task()
    assert (task.state, task.next_poll_ms, task.polls) == (TaskState.SUCCEEDED, None, 1)
    assert (report.asked, report.changed, scene.events) == (1, 1, [1])
    assert await _events(scene) == [EventType.SUCCEEDED]


async def test_a_task_that_still_runs_is_looked_at_again_after_the_advised_time(scene: Scene) -> None:
    await scene.has()
    scene.wire.answer("p1", hiapi("handling"))
    await scene.turn()
    assert await scene.waits() == 15
    await scene.turn(after_s=14.9)
    assert scene.wire.asked == ["p1"]
    await scene.turn(after_s=0.1)
    assert scene.wire.asked == ["p1", "p1"]


async def test_a_turn_with_nothing_due_asks_nobody(scene: Scene) -> None:
    await scene.has(next_poll_ms=T0 + 1)
    report = await scene.turn()
    assert (report.asked, scene.wire.asked) == (0, [])


async def test_the_tasks_of_several_providers_are_asked_in_one_turn(scene: Scene) -> None:
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2", provider="modellix")
    scene.wire.answer("p1", hiapi("success", "p1"))
    scene.wire.answer("p2", modellix("success", "p2"))
    assert (await scene.turn()).changed == 2


async def test_a_provider_that_hangs_holds_back_neither_results_nor_the_next_turn(scene: Scene) -> None:
    release = asyncio.Event()
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2", provider="modellix")
    scene.wire.answer("p1", held_until(release, hiapi("success", "p1")))
    scene.wire.answer("p2", modellix("processing", "p2"), modellix("success", "p2"))
    slow = asyncio.create_task(scene.turn())
    while (await scene.task("tsk_2")).polls == 0:
        await asyncio.sleep(0.001)
    await scene.turn(after_s=30)
    assert (await scene.task("tsk_2")).state is TaskState.SUCCEEDED
    release.set()
    await slow
    assert (await scene.task("tsk_1")).state is TaskState.SUCCEEDED


async def test_no_provider_takes_all_the_places(tmp_path: Path) -> None:
    release = asyncio.Event()
    async with a_scene(tmp_path, concurrency=4) as scene:
        for index in range(8):
            await scene.has(f"tsk_{index}", f"p{index}", provider="hiapi" if index < 4 else "modellix")
            scene.wire.answer(f"p{index}", held_until(release, HttpReply(status=500)))
        turns = [asyncio.create_task(scene.turn())]
        while len(scene.wire.asked) < 3:
            await asyncio.sleep(0.001)
        await scene.turn()
        assert sorted(scene.wire.asked) == ["p0", "p1", "p4"]
        release.set()
        await asyncio.gather(*turns)


async def test_a_throttle_pauses_that_provider_only(scene: Scene) -> None:
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2", next_poll_ms=T0 + 1000)
    await scene.has("tsk_3", "p3", provider="modellix", next_poll_ms=T0 + 1000)
    scene.wire.answer("p1", json_reply({"code": 429, "message": "slow down"}, 429, retry_after="20"))
    scene.wire.answer("p2", hiapi("success", "p2"))
    scene.wire.answer("p3", modellix("success", "p3"))
    assert (await scene.turn()).paused == ("hiapi",)
    await scene.turn(after_s=19)
    assert scene.wire.asked == ["p1", "p3"]
    await scene.turn(after_s=1)
    assert scene.wire.asked == ["p1", "p3", "p2"]


async def test_a_denied_key_raises_an_alarm_that_never_holds_the_key(scene: Scene) -> None:
    await scene.has()
    scene.wire.answer("p1", UNAUTHORIZED)
    with capture_logs() as lines:
        await scene.turn()
    (account,) = await scene.store.accounts.all()
    assert account.alarm == "hiapi answers 401: bad key [hidden]"
    assert account.paused_until_ms == T0 + 300_000
    assert "key-of-hiapi" not in str(lines)


async def test_a_failure_that_quotes_our_key_is_told_without_it(scene: Scene) -> None:
    await scene.has()
    told = {"taskId": "p1", "status": "fail", "error": {"code": "E", "message": "no rights for key-of-hiapi"}}
    scene.wire.answer("p1", json_reply({"code": 200, "message": "success", "data": told}))
    await scene.turn()
    (event,) = await scene.store.events.events(0)
    assert '"no rights for [hidden]"' in event.body


async def test_an_alarm_ends_when_the_provider_answers_again(scene: Scene) -> None:
    await scene.has()
    scene.wire.answer("p1", UNAUTHORIZED, hiapi("handling"))
    await scene.turn()
    await scene.turn(after_s=400)
    (account,) = await scene.store.accounts.all()
    assert (account.alarm, account.paused_until_ms) == (None, None)


async def test_a_task_expires_only_when_retention_has_passed_and_the_provider_said_so_twice(scene: Scene) -> None:
    await scene.has(submitted_ms=T0 - 8 * DAY_S * 1000)
    scene.wire.answer("p1", UNKNOWN_TASK)
    await scene.turn()
    assert ((await scene.task()).state, (await scene.task()).missing_since_ms) == (TaskState.RUNNING, T0)
    await scene.turn(after_s=20)
    assert (await scene.task()).state is TaskState.EXPIRED
    assert await _events(scene) == [EventType.EXPIRED]


async def test_a_task_that_is_not_visible_yet_is_asked_about_again_and_never_fails(scene: Scene) -> None:
    await scene.has()
    scene.wire.answer("p1", UNKNOWN_TASK, hiapi("success"))
    await scene.turn()
    assert await scene.waits() == 15
    await scene.turn(after_s=15)
    assert await _events(scene) == [EventType.SUCCEEDED]


@pytest.mark.parametrize(
    "answer",
    [
        HttpReply(status=200, body=b"<html>welcome</html>"),
        HttpReply(status=200, body=b'{"code":200,"data":{"taskId":"p1","sta'),
        HttpReply(status=302, headers=(("location", "https://elsewhere.example"),)),
        HttpReply(status=502),
        hiapi("success", "p2"),
        ConnectFailed("refused"),
        ExchangeTimeout("30 s"),
    ],
    ids=["html", "cut", "redirect", "502", "another id", "refused", "timeout"],
)
async def test_no_usable_answer_backs_the_task_off_and_says_nothing_of_it(
    scene: Scene, answer: HttpReply | TransportError
) -> None:
    await scene.has()
    scene.wire.answer("p1", answer)
    waits = []
    for _ in range(3):
        assert (await scene.turn()).missed == 1
        waits.append(await scene.waits())
        scene.now_ms += round(waits[-1] * 1000)
    assert waits == [15, 30, 60]
    assert (await scene.task()).state is TaskState.RUNNING


async def test_one_usable_answer_ends_the_back_off(scene: Scene) -> None:
    await scene.has()
    scene.wire.answer("p1", HttpReply(status=502), HttpReply(status=502), hiapi("handling"), HttpReply(status=502))
    waits = []
    for _ in range(4):
        await scene.turn()
        waits.append(await scene.waits())
        scene.now_ms += round(waits[-1] * 1000)
    assert waits == [15, 30, 15, 15]


async def test_an_undocumented_state_word_is_running_and_is_logged_once(scene: Scene) -> None:
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2")
    for name in ("p1", "p2"):
        scene.wire.answer(name, hiapi("levitating", name))
    with capture_logs() as lines:
        await scene.turn()
        await scene.turn(after_s=60)
    assert [line["word"] for line in lines if line["event"] == "unknown_state_word"] == ["levitating"]
    assert ((await scene.task()).state, (await scene.task()).raw_state) == (TaskState.RUNNING, "levitating")


async def test_a_fault_of_ours_in_one_look_is_logged_with_its_task_and_stops_no_other(scene: Scene) -> None:
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2")
    scene.wire.answer("p1", ZeroDivisionError("a bug"))
    scene.wire.answer("p2", hiapi("success", "p2"))
    with capture_logs() as lines:
        await scene.turn()
    assert [(line["event"], line["task"]) for line in lines] == [("look_failed", "tsk_1")]
    assert (await scene.task("tsk_2")).state is TaskState.SUCCEEDED
    assert await scene.waits("tsk_1") == 15


async def test_a_callback_that_comes_while_we_ask_leaves_one_event(scene: Scene) -> None:
    async def overtaken() -> HttpReply:
        await scene.store.ledger.record([a_report(TaskState.SUCCEEDED)], T0)
        return hiapi("success")

    await scene.has()
    scene.wire.answer("p1", overtaken)
    report = await scene.turn()
    assert (report.changed, await _events(scene)) == (0, [EventType.SUCCEEDED])


async def test_an_orphaned_submit_that_cannot_be_repeated_becomes_uncertain(scene: Scene) -> None:
    await scene.has(provider_task_id=None, provider="modellix")
    await scene.turn()
    task = await scene.task()
    assert (task.state, task.next_poll_ms, scene.wire.asked) == (TaskState.UNCERTAIN, None, [])


async def test_an_uncertain_submit_that_can_no_longer_be_repeated_is_left_to_callbacks_and_people(scene: Scene) -> None:
    await scene.has(
        provider_task_id=None, state=TaskState.UNCERTAIN, error=TaskError(code="uncertain", message="timed out")
    )
    await scene.turn()
    task = await scene.task()
    assert (task.state, task.next_poll_ms) == (TaskState.UNCERTAIN, None)
    assert task.error == TaskError(code="uncertain", message="timed out; only a callback or a person can settle it now")


async def test_an_orphaned_submit_is_repeated_where_the_provider_remembers_its_key(scene: Scene) -> None:
    scene.submits.outcome = a_receipt("p1", replayed=True)
    await scene.has(provider_task_id=None)
    report = await scene.turn()
    task = await scene.task()
    assert (report.changed, task.state, task.provider_task_id) == (1, TaskState.SUBMITTED, "p1")
    assert await scene.waits() == 60


async def test_an_uncertain_submit_is_repeated_later_and_later(scene: Scene) -> None:
    scene.submits.outcome = Uncertain(reason="lost again")
    await scene.has(provider_task_id=None, state=TaskState.UNCERTAIN)
    await scene.turn()
    first = await scene.waits()
    await scene.turn(after_s=first)
    assert (first, await scene.waits()) == (15, 30)


async def test_a_receipt_that_comes_while_its_submit_is_called_uncertain_is_looked_after(scene: Scene) -> None:
    await scene.has(provider_task_id=None, provider="modellix")

    def receive(task: Task, now_ms: int) -> bool:
        late = a_receipt("p9")
        storing = scene.store.submissions.store_receipt(task.id, late, next_poll_ms=T0 + 7000, now_ms=T0)
        receipts.append(asyncio.ensure_future(storing))
        return False

    receipts: list[asyncio.Future[Task]] = []
    scene.submits.is_repeatable = receive  # type: ignore[method-assign]  # the one moment between lease and doubt
    await scene.turn()
    task = await scene.task()
    assert (task.state, task.provider_task_id, await scene.waits()) == (TaskState.SUBMITTED, "p9", 7)


async def test_what_cannot_be_written_is_asked_again_when_its_lease_has_run_out(scene: Scene) -> None:
    blocker = sqlite3.connect(scene.path, isolation_level=None)

    async def locking() -> HttpReply:
        blocker.execute("BEGIN IMMEDIATE")
        return hiapi("success")

    await scene.has()
    scene.wire.answer("p1", locking, hiapi("success"))
    with pytest.raises(StoreUnavailable):
        await scene.turn()
    blocker.close()
    await scene.turn(after_s=59)
    assert scene.wire.asked == ["p1"]
    await scene.turn(after_s=1)
    assert await _events(scene) == [EventType.SUCCEEDED]
