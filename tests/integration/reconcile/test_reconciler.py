"""Scheduled runs of the reconciler over a real ledger."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType
from receiver.reconcile.model.decisions import PollResult
from receiver.reconcile.model.report import PollOutcome
from receiver.store.errors import StoreUnavailable
from receiver.store.ids import id_maker
from receiver.tasks.model.task import Task
from receiver.tasks.submission_repository import SubmissionRepository
from receiver.webhooks.publisher import EventPublisher
from submitter.errors import ConnectFailed, ExchangeTimeout, TransportError
from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, TaskError, TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_report
from tests.support.reconcile_setup import (
    DEAD_SUBMIT_S,
    ProcessDied,
    ReconcileSetup,
    held_until,
    hiapi,
    modellix,
    open_reconcile_setup,
)
from tests.support.submission_setup import hiapi_error, hiapi_receipt, reply

UNAUTHORIZED = reply({"code": 401, "message": "bad key key-of-hiapi", "data": None}, 401)
UNKNOWN_TASK = reply({"code": 404, "message": "task not found", "data": None, "error_code": "NOT_FOUND"}, 404)
DAY_S = 86_400


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[ReconcileSetup]:
    async with open_reconcile_setup(tmp_path) as opened:
        yield opened


async def _events(setup: ReconcileSetup) -> list[str]:
    return [event.type for event in await setup.store.events.events(0)]


def _changed(polls: list[PollOutcome]) -> int:
    """How many tasks a run changed."""
    return sum(poll.changed for poll in polls)


async def test_a_task_that_the_provider_has_finished_ends_with_one_event(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", hiapi("success"))
    (poll,) = await setup.run()
    task = await setup.task()
    assert (task.state, task.next_poll_ms, task.polls) == (TaskState.SUCCEEDED, None, 1)
    assert (poll.decision.result, poll.changed, setup.events) == (PollResult.OBSERVED, True, [1])
    assert await _events(setup) == [EventType.SUCCEEDED]


async def test_a_task_that_still_runs_is_polled_again_at_its_time_and_not_before(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", hiapi("handling"))
    await setup.run()
    wait_s = await setup.wait_s()
    assert 25 < wait_s < 55
    await setup.run(after_s=wait_s - 0.1)
    assert setup.transport.queried == ["p1"]
    await setup.run(after_s=0.1)
    assert setup.transport.queried == ["p1", "p1"]


async def test_a_run_with_nothing_due_polls_nothing(setup: ReconcileSetup) -> None:
    await setup.add_task(next_poll_ms=T0 + 1)
    assert (await setup.run(), setup.transport.queried) == ([], [])


async def test_the_tasks_of_several_providers_are_polled_in_one_run(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2", provider="modellix")
    setup.transport.answer("p1", hiapi("success", "p1"))
    setup.transport.answer("p2", modellix("success", "p2"))
    assert _changed(await setup.run()) == 2


async def test_a_provider_that_hangs_delays_neither_results_nor_the_next_run(setup: ReconcileSetup) -> None:
    release = asyncio.Event()
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2", provider="modellix")
    setup.transport.answer("p1", held_until(release, hiapi("success", "p1")))
    setup.transport.answer("p2", modellix("processing", "p2"), modellix("success", "p2"))
    slow = asyncio.create_task(setup.run())
    while (await setup.task("tsk_2")).polls == 0:
        await asyncio.sleep(0.001)
    await setup.run(after_s=50)
    assert (await setup.task("tsk_2")).state is TaskState.SUCCEEDED
    release.set()
    await slow
    assert (await setup.task("tsk_1")).state is TaskState.SUCCEEDED


async def test_no_provider_takes_all_slots(tmp_path: Path) -> None:
    release = asyncio.Event()
    async with open_reconcile_setup(tmp_path, concurrency=4) as setup:
        for index in range(8):
            await setup.add_task(f"tsk_{index}", f"p{index}", provider="hiapi" if index < 4 else "modellix")
            setup.transport.answer(f"p{index}", held_until(release, HttpReply(status=500)))
        runs = [asyncio.create_task(setup.run())]
        while len(setup.transport.queried) < 3:
            await asyncio.sleep(0.001)
        await setup.run()
        assert sorted(setup.transport.queried) == ["p0", "p1", "p4"]
        release.set()
        await asyncio.gather(*runs)


async def test_a_throttle_pauses_that_provider_only(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2", next_poll_ms=T0 + 1000)
    await setup.add_task("tsk_3", "p3", provider="modellix", next_poll_ms=T0 + 1000)
    setup.transport.answer("p1", reply({"code": 429, "message": "slow down"}, 429, retry_after="20"))
    setup.transport.answer("p2", hiapi("success", "p2"))
    setup.transport.answer("p3", modellix("success", "p3"))
    assert [poll.task.provider for poll in await setup.run() if poll.decision.pause is not None] == ["hiapi"]
    await setup.run(after_s=19)
    assert setup.transport.queried == ["p1", "p3"]
    await setup.run(after_s=1)
    assert setup.transport.queried == ["p1", "p3", "p2"]


async def test_a_denied_key_raises_an_alarm_that_never_holds_the_key(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", UNAUTHORIZED)
    with capture_logs() as lines:
        await setup.run()
    (account,) = await setup.store.accounts.all()
    assert account.alarm == "hiapi answers 401: bad key [hidden]"
    assert account.paused_until_ms == T0 + 300_000
    assert "key-of-hiapi" not in str(lines)


async def test_a_failure_that_quotes_our_key_is_recorded_without_it(setup: ReconcileSetup) -> None:
    await setup.add_task()
    failure = {"taskId": "p1", "status": "fail", "error": {"code": "E", "message": "no rights for key-of-hiapi"}}
    setup.transport.answer("p1", reply({"code": 200, "message": "success", "data": failure}))
    await setup.run()
    (event,) = await setup.store.events.events(0)
    assert '"no rights for [hidden]"' in event.body


async def test_an_alarm_ends_when_the_provider_answers_again(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", UNAUTHORIZED, hiapi("handling"))
    await setup.run()
    await setup.run(after_s=400)
    (account,) = await setup.store.accounts.all()
    assert (account.alarm, account.paused_until_ms) == (None, None)


async def test_an_answer_that_was_in_flight_when_the_pause_began_does_not_end_it(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2")
    release = asyncio.Event()
    setup.transport.answer("p1", reply({"code": 429, "message": "slow down"}, 429, retry_after="20"))
    setup.transport.answer("p2", held_until(release, hiapi("handling", "p2")))
    run = asyncio.create_task(setup.run())
    while not [account for account in await setup.store.accounts.all() if account.paused_until_ms]:
        await asyncio.sleep(0.001)
    setup.clock.now_ms += 1000
    release.set()
    await run
    (account,) = await setup.store.accounts.all()
    assert account.paused_until_ms == T0 + 20_000


async def test_a_task_expires_only_when_retention_has_passed_and_the_provider_said_so_twice(
    setup: ReconcileSetup,
) -> None:
    await setup.add_task(submitted_ms=T0 - 8 * DAY_S * 1000)
    setup.transport.answer("p1", UNKNOWN_TASK)
    await setup.run()
    assert ((await setup.task()).state, (await setup.task()).missing_since_ms) == (TaskState.RUNNING, T0)
    await setup.run(after_s=20)
    assert (await setup.task()).state is TaskState.EXPIRED
    assert await _events(setup) == [EventType.EXPIRED]


async def test_a_task_that_is_not_visible_yet_is_polled_again_and_never_fails(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", UNKNOWN_TASK, hiapi("success"))
    await setup.run()
    assert await setup.wait_s() == 15
    await setup.run(after_s=15)
    assert await _events(setup) == [EventType.SUCCEEDED]


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
async def test_no_usable_answer_delays_the_next_poll_and_changes_nothing_else(
    setup: ReconcileSetup, answer: HttpReply | TransportError
) -> None:
    await setup.add_task()
    setup.transport.answer("p1", answer)
    waits = []
    for _ in range(3):
        (poll,) = await setup.run()
        assert poll.decision.result is PollResult.UNAVAILABLE
        waits.append(await setup.wait_s())
        setup.clock.now_ms += round(waits[-1] * 1000)
    assert waits == [15, 30, 60]
    assert (await setup.task()).state is TaskState.RUNNING


async def test_one_usable_answer_ends_the_back_off(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", HttpReply(status=502), HttpReply(status=502), hiapi("handling"), HttpReply(status=502))
    waits = []
    for _ in range(4):
        await setup.run()
        waits.append(await setup.wait_s())
        setup.clock.now_ms += round(waits[-1] * 1000)
    assert (waits[:2], waits[3]) == ([15, 30], 15)
    assert 25 < waits[2] < 55  # as for any open task of its age


async def test_an_undocumented_state_word_is_running_and_is_logged_once(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2")
    for name in ("p1", "p2"):
        setup.transport.answer(name, hiapi("levitating", name))
    with capture_logs() as lines:
        await setup.run()
        await setup.run(after_s=60)
    assert [line["word"] for line in lines if line["event"] == "unknown_state_word"] == ["levitating"]
    assert ((await setup.task()).state, (await setup.task()).raw_state) == (TaskState.RUNNING, "levitating")


async def test_a_fault_of_ours_in_one_poll_is_logged_with_its_task_and_stops_no_other(setup: ReconcileSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2")
    setup.transport.answer("p1", ZeroDivisionError("a bug"))
    setup.transport.answer("p2", hiapi("success", "p2"))
    with capture_logs() as lines:
        await setup.run()
    assert [(line["event"], line["task"]) for line in lines if line["log_level"] != "info"] == [
        ("poll_failed", "tsk_1")
    ]
    assert (await setup.task("tsk_2")).state is TaskState.SUCCEEDED
    assert await setup.wait_s("tsk_1") == 15


async def test_a_callback_that_comes_during_a_poll_leaves_one_event(setup: ReconcileSetup) -> None:
    async def callback_first() -> HttpReply:
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED)], T0)
        return hiapi("success")

    await setup.add_task()
    setup.transport.answer("p1", callback_first)
    polls = await setup.run()
    assert (_changed(polls), await _events(setup)) == (0, [EventType.SUCCEEDED])


async def test_an_orphaned_submit_that_cannot_be_repeated_becomes_uncertain(setup: ReconcileSetup) -> None:
    await setup.add_task(provider_task_id=None, provider="modellix")
    await setup.run()
    task = await setup.task()
    assert (task.state, task.next_poll_ms, setup.transport.queried) == (TaskState.UNCERTAIN, None, [])


async def test_an_uncertain_submit_that_can_no_longer_be_repeated_is_left_to_callbacks_and_people(
    setup: ReconcileSetup,
) -> None:
    await setup.add_task(
        provider_task_id=None, state=TaskState.UNCERTAIN, error=TaskError(code="uncertain", message="timed out")
    )
    await setup.run()
    task = await setup.task()
    assert (task.state, task.next_poll_ms) == (TaskState.UNCERTAIN, None)
    assert task.error == TaskError(code="uncertain", message="timed out; only a callback or a person can settle it now")


async def test_an_orphaned_submit_is_repeated_where_the_provider_remembers_its_key(setup: ReconcileSetup) -> None:
    setup.transport.answer_submits(ProcessDied(), hiapi_receipt("p1"))
    with pytest.raises(ProcessDied):
        await setup.submit()
    assert (await setup.only_task()).state is TaskState.SUBMITTING
    polls = await setup.run(after_s=DEAD_SUBMIT_S)
    task = await setup.only_task()
    assert (_changed(polls), task.state, task.provider_task_id) == (1, TaskState.SUBMITTED, "p1")
    assert 20 < setup.until_poll_s(task) < 50  # the provider may have had it for the 40 s since the first POST
    first, second = setup.transport.submits
    assert first.body == second.body


async def test_an_uncertain_submit_is_repeated_later_and_later(setup: ReconcileSetup) -> None:
    setup.transport.answer_submits(ExchangeTimeout("30 s"))
    await setup.submit()
    assert (await setup.only_task()).state is TaskState.UNCERTAIN
    waits = []
    for _ in range(3):
        waits.append(setup.until_poll_s(await setup.only_task()))
        assert _changed(await setup.run(after_s=waits[-1])) == 0
    assert (waits, len(setup.transport.submits)) == ([15, 15, 30], 4)


async def test_an_accepted_submit_whose_answer_cannot_be_read_is_repeated_once_and_left_to_a_person(
    setup: ReconcileSetup,
) -> None:
    setup.transport.answer_submits(reply({"code": 200, "message": "success", "data": None}))
    await setup.submit()
    polls = [await setup.run(after_s=3_600) for _ in range(20)]
    task = await setup.only_task()
    assert ([len(each) for each in polls[:3]], len(setup.transport.submits)) == ([1, 0, 0], 2)
    assert (task.state, task.next_poll_ms) == (TaskState.UNCERTAIN, None)


async def test_a_throttled_repeat_of_an_accepted_submit_is_made_up_for(setup: ReconcileSetup) -> None:
    unreadable = reply({"code": 200, "message": "success", "data": None})
    setup.transport.answer_submits(unreadable, hiapi_error(429, "rate_limit_exceeded"), unreadable)
    await setup.submit()
    for _ in range(20):
        await setup.run(after_s=3_600)
    assert (len(setup.transport.submits), (await setup.only_task()).state) == (3, TaskState.UNCERTAIN)


class _ReceiptIntervenes(SubmissionRepository):
    """The receipt of a submit is stored just before or just after the submit is marked uncertain."""

    first = True

    async def store_uncertain(
        self, task_id: TaskId, uncertain: Uncertain, *, next_poll_ms: int | None, now_ms: int
    ) -> Task:
        if self.first:
            await self._receive(task_id)
        stored = await super().store_uncertain(task_id, uncertain, next_poll_ms=next_poll_ms, now_ms=now_ms)
        if not self.first:
            await self._receive(task_id)
        return stored

    async def _receive(self, task_id: TaskId) -> None:
        receipt = Receipt(provider_task_id=ProviderTaskId("p9"))
        await self.store_receipt(task_id, receipt, next_poll_ms=T0 + 7000, now_ms=T0)


@pytest.mark.parametrize(("first", "wait_s", "changed"), [(True, 71, 0), (False, 7, 1)])
async def test_a_receipt_that_comes_while_its_submit_is_marked_uncertain_is_polled(
    setup: ReconcileSetup, first: bool, wait_s: int, changed: int
) -> None:
    submissions = _ReceiptIntervenes(setup.store.engine, id_maker(bytes), EventPublisher())
    submissions.first = first
    setup.reconciler.poller = replace(setup.reconciler.poller, submissions=submissions)
    await setup.add_task(provider_task_id=None, provider="modellix")
    polls = await setup.run()
    task = await setup.task()
    assert (task.state, task.provider_task_id) == (TaskState.SUBMITTED, "p9")
    assert round(await setup.wait_s()) == wait_s
    assert _changed(polls) == changed


async def test_what_cannot_be_recorded_is_polled_again_when_its_lease_has_ended(setup: ReconcileSetup) -> None:
    blocker = sqlite3.connect(setup.path, isolation_level=None)

    async def locking() -> HttpReply:
        blocker.execute("BEGIN IMMEDIATE")
        return hiapi("success")

    await setup.add_task()
    setup.transport.answer("p1", locking, hiapi("success"))
    with pytest.raises(StoreUnavailable):
        await setup.run()
    blocker.close()
    await setup.run(after_s=59)
    assert setup.transport.queried == ["p1"]
    await setup.run(after_s=1)
    assert await _events(setup) == [EventType.SUCCEEDED]
