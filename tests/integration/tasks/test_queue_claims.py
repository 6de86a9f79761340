"""A queued task leaves the queue once: by one sender, by a cancellation, or not at all; and what refusals teach."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from receiver.runtime.store import Store
from receiver.store.leap import LeapGuard
from receiver.tasks.model.queue import AccountLimits, PreparedSubmit
from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.queue_repository import Claimed
from submitter.http.messages import HttpCall
from submitter.model import Refusal, Refused, TaskError, TaskState
from submitter.providers.contract import Budget
from tests.support.builders import BUDGET, T0, a_report, a_task
from tests.support.queue_steps import CROWDED, WAITS, ends, events_of, receipts, states_of
from tests.support.submission_setup import (
    a_request,
    submission_setup,
)

DAY_MS = 86_400_000


async def test_a_queued_task_is_claimed_once_by_many_that_try_at_once(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), limits={"hiapi": 1}, **WAITS) as setup:
        await setup.submitted(a_request(prompt="a"))
        queued = await setup.submitted(a_request(prompt="b"))
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], T0)
        found = await asyncio.gather(*[setup.submission.claim_next("hiapi") for _ in range(10)])
        claimed = [each for each in found if isinstance(each, Claimed)]
        assert [each.task.id for each in claimed] == [queued.id]
        assert (await setup.stored(queued)).state is TaskState.SUBMITTING


async def test_a_process_that_dies_between_claim_and_post_leaves_what_the_reconciler_recovers(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), limits={"hiapi": 1}, **WAITS) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        queued = await setup.submitted(a_request(prompt="b"))
        await ends(setup, first, 1)
        assert isinstance(await setup.submission.claim_next("hiapi"), Claimed)  # and no POST
    async with submission_setup(tmp_path / "ledger.db", *receipts(2), **WAITS) as setup:
        left = await setup.stored(queued)
        assert (left.state, left.next_poll_ms) == (TaskState.SUBMITTING, T0 + 70_000)
        assert setup.submission.is_repeatable(left, T0 + 70_000)
        assert (await setup.submission.repeat(left)).task.state is TaskState.SUBMITTED


async def test_a_canceled_task_is_out_of_the_queue_for_good(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1), limits={"hiapi": 1}, **WAITS) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        queued = await setup.submitted(a_request(prompt="b"))
        canceled = await setup.store.queue.cancel(queued.id, actor="ann", now_ms=T0)
        assert canceled is not None
        assert (canceled.state, canceled.final_ms) == (TaskState.CANCELED, T0)
        assert await setup.store.queue.cancel(queued.id, actor="ann", now_ms=T0) is None
        await ends(setup, first, 1)
        await setup.send_queued()
        assert await states_of(setup, queued) == ["canceled"]
        assert await events_of(setup) == [("task.canceled", queued.id), ("task.succeeded", first.id)]
        assert (len(setup.transport.sent), setup.kept_requests()) == (1, [])
        assert "ann: cancel" in [entry.summary for entry in await setup.store.tasks.timeline(queued.id)]


async def test_of_a_cancellation_and_a_claim_at_once_exactly_one_wins(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", *receipts(1, 2), limits={"hiapi": 1}, **WAITS) as setup:
        first = await setup.submitted(a_request(prompt="a"))
        queued = await setup.submitted(a_request(prompt="b"))
        await ends(setup, first, 1)
        canceled, claimed = await asyncio.gather(
            setup.store.queue.cancel(queued.id, actor="ann", now_ms=T0), setup.submission.claim_next("hiapi")
        )
        assert (canceled is None) == isinstance(claimed, Claimed)


async def test_a_limit_is_learned_from_refusals_and_raised_by_trial(tmp_path: Path) -> None:
    script = [*receipts(1, 2), CROWDED, *receipts(3, 4), CROWDED]
    async with submission_setup(
        tmp_path / "ledger.db", *script, submit_tries=1, limits={"hiapi": 10}, **WAITS
    ) as setup:
        tasks = [await setup.submitted(a_request(prompt=str(number), queue_for_s=7200)) for number in range(5)]
        (account,) = await setup.store.accounts.all()
        assert (account.learned_in_flight, [task.state.value for task in tasks[2:]]) == (2, ["queued"] * 3)
        setup.clock.now_ms += 60_000
        await setup.send_queued()
        assert len(setup.transport.sent) == 3  # as many are in flight as it takes
        await ends(setup, tasks[0], 1)
        await setup.send_queued()
        assert await states_of(setup, tasks[2]) == ["submitted"]
        setup.clock.now_ms += 240_000  # five minutes after the refusal: one more on trial, which is taken
        await setup.send_queued()
        (account,) = await setup.store.accounts.all()
        assert (account.learned_in_flight, await states_of(setup, tasks[3])) == (3, ["submitted"])
        setup.clock.now_ms += 300_000  # and one more, which is refused
        await setup.send_queued()
        (account,) = await setup.store.accounts.all()
        assert (account.learned_in_flight, await states_of(setup, tasks[4])) == (3, ["queued"])


# On both engines.

LIMITS = AccountLimits(budget=BUDGET, max_in_flight=2, speed=1)
REFUSED = Refused(refusal=Refusal.THROTTLED, error=TaskError(code="RATE", message="too fast"), status=429)


async def _opens(store: Store, *names: str, limits: AccountLimits = LIMITS) -> None:
    for name in names:
        waiting = a_task(name, queued_until_ms=T0 + 60_000)
        await store.submissions.open_task(waiting, T0, limits=limits, request_text="{}")


async def _claims(store: Store, limits: AccountLimits = LIMITS, now_ms: int = T0) -> Any:
    call = HttpCall(method="POST", url="https://p.example")
    return await store.queue.claim_next(
        "hiapi",
        limits=limits,
        prepare=lambda task, text: PreparedSubmit(call=call, submit_body=None),
        start=lambda task: replace(task, next_poll_ms=now_ms + 70_000),
        now_ms=now_ms,
    )


async def test_senders_together_never_exceed_the_limit(store: Store) -> None:
    await _opens(store, *[f"tsk_{number}" for number in range(9)])
    assert [each.state.value for each in await _all(store)].count("submitting") == 2
    raised = replace(LIMITS, max_in_flight=5)
    found = await asyncio.gather(*[_claims(store, raised) for _ in range(9)])
    assert [type(each) for each in found].count(Claimed) == 3
    assert len({each.task.id for each in found if isinstance(each, Claimed)}) == 3
    assert [each.state.value for each in await _all(store)].count("submitting") == 5


async def test_senders_together_spend_each_token_once(store: Store) -> None:
    limits = AccountLimits(budget=Budget(per_s=1, burst=3, submits_count=True), max_in_flight=None, speed=1)
    await _opens(store, *[f"tsk_{number}" for number in range(9)], limits=limits)
    assert [each.state.value for each in await _all(store)].count("submitting") == 2
    found = await asyncio.gather(*[_claims(store, limits, T0 + 2_000) for _ in range(6)])
    assert [type(each) for each in found].count(Claimed) == 2


async def _all(store: Store) -> list[Task]:
    return list((await store.tasks.tasks(TaskFilter())).items)


async def test_cancellations_and_claims_at_once_decide_each_task_once(store: Store) -> None:
    await _opens(store, *[f"tsk_{number}" for number in range(12)])
    names = [task.id for task in await _all(store) if task.state is TaskState.QUEUED]
    free = replace(LIMITS, max_in_flight=100)
    cancels = [store.queue.cancel(name, actor="ann", now_ms=T0) for name in names]
    claims = [_claims(store, free) for _ in names]
    found = await asyncio.gather(*[each for pair in zip(cancels, claims, strict=True) for each in pair])
    canceled = {each.id for each in found if isinstance(each, Task)}
    claimed = {each.task.id for each in found if isinstance(each, Claimed)}
    assert not canceled & claimed
    states = {task.id: task.state for task in await _all(store)}
    assert {name for name in names if states[name] is TaskState.CANCELED} == canceled
    assert {name for name in names if states[name] is TaskState.SUBMITTING} == claimed
    events = [(event.type, event.task_id) for event in await store.events.events(0)]
    assert sorted(events) == sorted(("task.canceled", name) for name in canceled)


async def test_a_task_is_put_back_only_while_it_is_submitting(store: Store) -> None:
    await _opens(store, "tsk_1")
    (sent,) = await _all(store)
    await store.ledger.record([a_report(TaskState.RUNNING, expected_task_id="tsk_1")], T0)
    after = await store.queue.requeue(sent, REFUSED, limits=LIMITS, request_text="{}", now_ms=T0)
    assert after.state is TaskState.RUNNING
    assert await _claims(store) is None


async def test_refusing_what_waited_too_long_at_once_ends_each_task_once(store: Store) -> None:
    await _opens(store, *[f"tsk_{number}" for number in range(6)])
    counts = await asyncio.gather(*[store.queue.refuse_overdue(T0 + 60_000) for _ in range(4)])
    assert sum(map(len, counts)) == 4
    events = [event.task_id for event in await store.events.events(0)]
    assert len(events) == len(set(events)) == 4


async def test_a_clock_that_leaps_ahead_neither_ends_nor_sends_a_queued_task_for_a_day(store: Store) -> None:
    await _opens(store, "tsk_0", "tsk_1", "tsk_2", "tsk_3")
    taken = next(task for task in await _all(store) if task.state is TaskState.SUBMITTING)
    guard, leaped_ms = LeapGuard(store.engine), T0 + 2 * DAY_MS
    assert await guard.is_believed(T0)
    for now_ms in (leaped_ms, leaped_ms + DAY_MS - 1):
        assert not await guard.is_believed(now_ms)
        assert await store.queue.refuse_overdue(now_ms) == []
        assert await _claims(store, now_ms=now_ms) is None
    back = await store.queue.requeue(taken, REFUSED, limits=LIMITS, request_text="{}", now_ms=leaped_ms)
    assert back.state is TaskState.QUEUED
    # A task that was queued since is sent, although those go first that may have waited too long.
    new = a_task("tsk_9", queued_until_ms=leaped_ms + DAY_MS)
    await store.submissions.open_task(new, leaped_ms, limits=LIMITS, request_text="{}")
    sent = await _claims(store, now_ms=leaped_ms + 60_000)
    assert isinstance(sent, Claimed)
    assert sent.task.id == "tsk_9"
    # The operator has set the clock right: everything goes on as it was.
    assert await guard.is_believed(T0 + 1_000)
    assert await store.queue.refuse_overdue(T0 + 1_000) == []
    # Or it was right, and a day has passed.
    assert not await guard.is_believed(leaped_ms)
    assert await guard.is_believed(leaped_ms + DAY_MS)
    assert len(await store.queue.refuse_overdue(leaped_ms + DAY_MS)) == 3
    assert await store.queue.refuse_overdue(leaped_ms + DAY_MS) == []


async def test_refusals_claims_and_opens_at_once_never_wait_for_each_other(store: Store) -> None:
    await _opens(store, *[f"tsk_{number}" for number in range(6)])
    sent = [task for task in await _all(store) if task.state is TaskState.SUBMITTING]
    free = replace(LIMITS, max_in_flight=100)
    works: list[Any] = [
        store.queue.requeue(task, REFUSED, limits=LIMITS, request_text="{}", now_ms=T0) for task in sent
    ]
    works += [_claims(store, free, T0 + number) for number in range(4)]
    works += [_opens(store, f"tsk_new_{number}") for number in range(4)]
    async with asyncio.timeout(60):
        await asyncio.gather(*works)
    (account,) = await store.accounts.all()
    assert account.submits_paused_until_ms == T0 + 60_000
