"""Answers to polls that speak for one task only, or that name a success without its result."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType
from submitter.model import TaskState
from tests.support.builders import T0
from tests.support.reconcile_setup import ReconcileSetup, hiapi, open_reconcile_setup
from tests.support.submission_setup import reply


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[ReconcileSetup]:
    async with open_reconcile_setup(tmp_path) as opened:
        yield opened


async def _events(setup: ReconcileSetup) -> list[str]:
    return [event.type for event in await setup.store.events.events(0)]


FORBIDDEN = reply({"code": 403, "message": "the content of key-of-hiapi's task is forbidden", "data": None}, 403)


async def test_a_403_to_one_task_never_stops_the_others(setup: ReconcileSetup) -> None:
    for number in range(4):
        await setup.add_task(f"tsk_{number}", f"p{number}")
        setup.transport.answer(f"p{number}", hiapi("success", f"p{number}"))
    setup.transport.answer("p0", FORBIDDEN)
    polls = await setup.run()
    assert [poll.decision.pause for poll in polls] == [None] * 4
    states = [(await setup.task(f"tsk_{number}")).state for number in range(4)]
    assert states == [TaskState.RUNNING, *[TaskState.SUCCEEDED] * 3]
    assert [account.alarm for account in await setup.store.accounts.all()] == [None]


async def test_a_task_that_is_denied_waits_longer_each_time_and_the_words_are_logged(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", FORBIDDEN, FORBIDDEN, FORBIDDEN, hiapi("success"))
    waits = []
    with capture_logs() as lines:
        for _ in range(3):
            await setup.run()
            waits.append(await setup.wait_s())
            setup.clock.now_ms += round(waits[-1] * 1000)
    assert waits == [15, 30, 60]
    assert {line["words"] for line in lines if line["event"] == "task_denied"} == {
        "the content of [hidden]'s task is forbidden"
    }
    await setup.run()
    assert (await setup.task()).state is TaskState.SUCCEEDED


async def test_task_after_task_denied_raises_an_alarm_without_a_pause(setup: ReconcileSetup) -> None:
    for number in range(5):
        await setup.add_task(f"tsk_{number}", f"p{number}", next_poll_ms=T0 + number * 1000)
        setup.transport.answer(f"p{number}", FORBIDDEN)
    setup.transport.answer("p4", hiapi("handling", "p4"))
    await setup.run()
    await setup.run(after_s=1)
    assert [account.alarm for account in await setup.store.accounts.all()] == [None]
    await setup.run(after_s=1)
    (account,) = await setup.store.accounts.all()
    assert account.alarm == ("hiapi answers 3 tasks in a row with 403: the content of [hidden]'s task is forbidden")
    assert (account.paused_until_ms or 0) <= setup.clock.now_ms
    await setup.run(after_s=2)
    assert setup.transport.queried == ["p0", "p1", "p2", "p3", "p4"]
    assert [each.alarm for each in await setup.store.accounts.all()] == [None]


async def test_a_good_answer_between_denied_tasks_keeps_the_alarm_away(setup: ReconcileSetup) -> None:
    for number, answer in enumerate((FORBIDDEN, FORBIDDEN, hiapi("handling", "p2"), FORBIDDEN, FORBIDDEN)):
        await setup.add_task(f"tsk_{number}", f"p{number}", next_poll_ms=T0 + number * 1000)
        setup.transport.answer(f"p{number}", answer)
    for _ in range(5):
        await setup.run(after_s=1)
    assert setup.transport.queried == ["p0", "p1", "p2", "p3", "p4"]
    assert [account.alarm for account in await setup.store.accounts.all()] == [None]


async def test_a_success_without_its_result_ends_with_the_result_that_a_later_poll_brings(
    setup: ReconcileSetup,
) -> None:
    await setup.add_task()
    bare = reply({"code": 200, "data": {"taskId": "p1", "status": "success", "output": []}})
    setup.transport.answer("p1", bare, bare, hiapi("success"))
    waits = []
    for _ in range(2):
        await setup.run()
        waits.append(await setup.wait_s())
        assert ((await setup.task()).state, (await setup.task()).raw_state) == (TaskState.RUNNING, "success")
        setup.clock.now_ms += round(waits[-1] * 1000)
    await setup.run()
    task = await setup.task()
    assert (waits, task.state, len(task.outputs)) == ([15, 30], TaskState.SUCCEEDED, 1)
    assert await _events(setup) == [EventType.SUCCEEDED]


async def test_a_success_that_never_has_a_result_ends_without_one_and_says_so_across_restarts(tmp_path: Path) -> None:
    bare = reply({"code": 200, "data": {"taskId": "p1", "status": "success", "output": None}})
    now_ms, waits = T0, []
    for restart in range(6):
        async with open_reconcile_setup(tmp_path) as setup:
            setup.clock.now_ms = now_ms
            if restart == 0:
                await setup.add_task()
            setup.transport.answer("p1", bare)
            await setup.run()
            task = await setup.task()
            if task.next_poll_ms is not None:
                waits.append((task.next_poll_ms - now_ms) // 1000)
                now_ms = task.next_poll_ms
    assert waits == [15, 30, 60, 120, 240]
    async with open_reconcile_setup(tmp_path) as setup:
        task = await setup.task()
        assert (task.state, task.outputs, task.error, task.raw_state) == (TaskState.SUCCEEDED, (), None, "success")
        assert await _events(setup) == [EventType.SUCCEEDED]
        timeline = await setup.store.tasks.timeline(task.id)
        found = [entry for entry in timeline or () if entry.detail.get("source") == "poll"]
        assert [entry.detail.get("without_result") for entry in found] == [True] * 6
        assert found[-1].summary == "poll says succeeded (success), without its result: applied"


async def test_a_failure_after_a_success_without_its_result_is_the_end(setup: ReconcileSetup) -> None:
    await setup.add_task()
    bare = reply({"code": 200, "data": {"taskId": "p1", "status": "success"}})
    setup.transport.answer("p1", bare, hiapi("fail"))
    await setup.run()
    await setup.run(after_s=15)
    assert await _events(setup) == [EventType.FAILED]
