"""What an operator says about a task, in the ledger: an id, another id, no task at all, or an end."""

import asyncio
from typing import Any

import pytest

from receiver.reconcile.model.report import ReconcileFilter
from receiver.runtime.store import Store, open_store
from receiver.store.open import ledger_at
from receiver.store.url import LedgerServer
from receiver.tasks.model.settle import OperatorEnd, OperatorId
from receiver.tasks.model.task import Recorded, SettleRefused, Task, TaskMismatch, UnknownTask, Verdict
from submitter.model import ENDED, Output, ProviderTaskId, TaskError, TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_receipt, a_report, a_task

S = TaskState
ONE, TWO = TaskId("tsk_1"), TaskId("tsk_2")
LATER = T0 + 1_000
FILE = Output(url="https://cdn.example/v.mp4")
ENDS = (
    OperatorEnd(state=S.SUCCEEDED, outputs=(FILE,)),
    OperatorEnd(state=S.FAILED, reason="the picture was refused"),
    OperatorEnd(state=S.CANCELED),
)


async def _has(store: Store, state: TaskState, task_id: TaskId = ONE, **changes: Any) -> None:
    named = {} if state in {S.QUEUED, S.SUBMITTING, S.UNCERTAIN, S.REFUSED} else {"provider_task_id": "p1"}
    await store.submissions.open_task(a_task(task_id, state=state, **{"next_poll_ms": None, **named, **changes}), T0)


async def _settled(store: Store, provider_task_id: str = "p1", task_id: TaskId = ONE) -> None:
    await _has(store, S.UNCERTAIN, task_id)
    assert isinstance(await _adopt(store, provider_task_id, task_id), Task)


async def _adopt(store: Store, provider_task_id: str, task_id: TaskId = ONE, **more: Any) -> Task | SettleRefused:
    """By an operator who sees the task as it is."""
    more.setdefault("instead_of", (await _task(store, task_id)).provider_task_id)
    named = OperatorId(provider_task_id=ProviderTaskId(provider_task_id), **more)
    return await store.submissions.settle_adopt(task_id, named, actor="ann", now_ms=LATER)


async def _task(store: Store, task_id: TaskId = ONE) -> Task:
    found = await store.tasks.task(task_id)
    assert found is not None
    return found


async def _summaries(store: Store, kind: str, task_id: TaskId = ONE) -> list[str]:
    return [each.summary for each in await store.tasks.timeline(task_id) if each.kind == kind]


async def _event_types(store: Store) -> list[str]:
    return [event.type for event in await store.events.events(0)]


# The id.


@pytest.mark.parametrize("running", [False, True])
async def test_a_wrong_id_is_replaced_as_long_as_no_end_is_recorded(store: Store, *, running: bool) -> None:
    await _settled(store)
    if running:
        await store.ledger.record([a_report(S.RUNNING, provider_task_id="p1", progress=40)], T0)
    again = await _adopt(store, "p2", found="hiapi says running")
    assert isinstance(again, Task)
    assert (again.state, again.provider_task_id, again.settled) == (S.SUBMITTED, "p2", True)
    assert (again.raw_state, again.progress, again.next_poll_ms) == ("", None, LATER)
    assert again == await _task(store)
    assert await _summaries(store, "audit") == ["ann: settle", "ann: settle"]
    details = [dict(each.detail) for each in await store.tasks.timeline(ONE) if each.kind == "audit"]
    assert details == [{"task_id": "p1"}, {"task_id": "p2", "instead_of": "p1", "found": "hiapi says running"}]


async def test_what_another_operator_settled_meanwhile_is_not_undone(store: Store) -> None:
    await _settled(store, "p2")
    late = await _adopt(store, "p1", instead_of=None)
    assert late == SettleRefused(reason="it was settled as p2 meanwhile")
    assert (await _task(store)).provider_task_id == "p2"


async def test_who_saw_no_id_does_not_refuse_what_another_operator_settled_meanwhile(store: Store) -> None:
    await _settled(store, "p2")
    late = await store.submissions.settle_refuse(ONE, actor="ann", now_ms=LATER, seen="")
    assert late == SettleRefused(reason="it was settled as p2 meanwhile")
    assert (await _task(store)).provider_task_id == "p2"
    assert isinstance(await store.submissions.settle_refuse(ONE, actor="ann", now_ms=LATER, seen="p2"), Task)


async def test_who_saw_an_id_does_not_refuse_what_lost_it_meanwhile(store: Store) -> None:
    await _has(store, S.UNCERTAIN)
    late = await store.submissions.settle_refuse(ONE, actor="ann", now_ms=LATER, seen="p2")
    assert late == SettleRefused(reason="its id was taken from it meanwhile")


async def test_a_task_that_was_settled_wrong_is_settled_as_never_created_and_lets_go_of_the_id(store: Store) -> None:
    await _settled(store)
    refused = await store.submissions.settle_refuse(ONE, actor="ann", now_ms=LATER)
    assert isinstance(refused, Task)
    assert (refused.state, refused.provider_task_id, refused.settled) == (S.REFUSED, None, False)
    assert await store.ledger.record([a_report(provider_task_id="p1")], T0) == [UnknownTask()]


@pytest.mark.parametrize("state", TaskState)
async def test_only_an_uncertain_or_a_settled_task_gets_an_id(store: Store, state: TaskState) -> None:
    await _has(store, state)
    adopted = await _adopt(store, "p9")
    assert isinstance(adopted, Task) is (state is S.UNCERTAIN)


@pytest.mark.parametrize("state", TaskState)
async def test_only_an_uncertain_task_was_never_created(store: Store, state: TaskState) -> None:
    await _has(store, state)
    refused = await store.submissions.settle_refuse(ONE, actor="ann", now_ms=LATER)
    assert isinstance(refused, Task) is (state is S.UNCERTAIN)
    assert (await _summaries(store, "audit")) == (["ann: settle"] if state is S.UNCERTAIN else [])


@pytest.mark.parametrize("end", [S.SUCCEEDED, S.FAILED, S.CANCELED, S.EXPIRED])
async def test_after_the_end_of_the_wrong_task_nothing_is_settled_again(store: Store, end: TaskState) -> None:
    await _settled(store)
    await store.ledger.record([a_report(end, provider_task_id="p1")], T0)
    for again in (await _adopt(store, "p2"), await store.submissions.settle_refuse(ONE, actor="ann", now_ms=LATER)):
        assert isinstance(again, SettleRefused)
        assert again.reason.endswith(f"this one is {end.value} under p1, and a recorded end stays")
    assert await _event_types(store) == [f"task.{end.value}"]


async def test_the_id_of_another_task_is_refused_and_named(store: Store) -> None:
    await _has(store, S.RUNNING, TWO, provider_task_id="p2")
    await _settled(store)
    taken = await _adopt(store, "p2")
    assert taken == SettleRefused(reason="p2 belongs to another task of hiapi: tsk_2")
    assert (await _task(store)).provider_task_id == "p1"


async def test_of_two_tasks_that_are_settled_at_once_as_the_same_one_gets_it(store: Store) -> None:
    for task_id in (ONE, TWO):
        await _has(store, S.UNCERTAIN, task_id)
    outcomes = await asyncio.gather(_adopt(store, "p1", ONE), _adopt(store, "p1", TWO))
    assert sorted(type(each).__name__ for each in outcomes) == ["SettleRefused", "Task"]


async def test_the_answer_to_a_poll_about_the_wrong_id_comes_too_late(store: Store) -> None:
    await _settled(store)
    one = ReconcileFilter(task=ONE)
    (leased,) = await store.polls.lease_by_filter(one, owner="w", now_ms=LATER, lease_ms=60_000, limit=1)
    assert leased.provider_task_id == "p1"
    await _adopt(store, "p2")
    assert await store.ledger.record([a_report(provider_task_id="p1")], LATER) == [UnknownTask()]
    (free,) = await store.polls.lease_by_filter(one, owner="v", now_ms=LATER, lease_ms=60_000, limit=1)
    assert (free.state, free.provider_task_id) == (S.SUBMITTED, "p2")


async def test_a_callback_with_our_token_corrects_a_wrong_id(store: Store) -> None:
    await _settled(store)
    (outcome,) = await store.ledger.record([a_report(provider_task_id="p2", expected_task_id=ONE)], LATER)
    assert isinstance(outcome, Recorded)
    assert (outcome.verdict, outcome.task.provider_task_id, outcome.task.settled) == (Verdict.APPLIED, "p2", False)
    assert await store.ledger.record([a_report(provider_task_id="p1")], LATER) == [UnknownTask()]
    assert await _event_types(store) == ["task.succeeded"]


async def test_what_a_token_has_confirmed_is_corrected_by_nobody(store: Store) -> None:
    await _settled(store)
    running = a_report(S.RUNNING, provider_task_id="p1", expected_task_id=ONE)
    await store.ledger.record([running], LATER)
    assert isinstance(await _adopt(store, "p2"), SettleRefused)
    (other,) = await store.ledger.record([a_report(provider_task_id="p2", expected_task_id=ONE)], LATER)
    assert isinstance(other, TaskMismatch)


@pytest.mark.parametrize("names", [(ONE, TWO), (TWO, ONE)])
async def test_a_callback_takes_an_id_back_from_the_task_that_was_settled_with_it(
    store: Store, names: tuple[TaskId, TaskId]
) -> None:
    wrong, owner = names
    await _settled(store, "p1", wrong)
    await _has(store, S.UNCERTAIN, owner)
    report = a_report(provider_task_id="p1", expected_task_id=owner)
    outcomes = await store.ledger.record([report, a_report(provider_task_id="p1")], LATER)
    assert [each.verdict for each in outcomes if isinstance(each, Recorded)] == [Verdict.APPLIED, Verdict.DUPLICATE]
    assert ((await _task(store, owner)).state, (await _task(store, owner)).provider_task_id) == (S.SUCCEEDED, "p1")
    loser = await _task(store, wrong)
    assert (loser.state, loser.provider_task_id, loser.settled) == (S.UNCERTAIN, None, False)
    assert loser.error is not None
    assert owner in loser.error.message
    assert "callback says uncertain: contradiction" in await _summaries(store, "observation", wrong)
    assert await _event_types(store) == ["task.succeeded"]


async def test_an_id_is_taken_back_in_whichever_order_the_server_updates_the_rows(database_url: str) -> None:
    if isinstance(ledger_at(database_url), LedgerServer):
        # What is left of its plans goes through the rows in the order of their ids: the owner's comes first.
        database_url += "?options=-cenable_hashjoin%3Doff%20-cenable_nestloop%3Doff"
    async with open_store(database_url, clock=lambda: T0, migrating=True) as store:
        await _settled(store, "p1", TWO)
        await _has(store, S.UNCERTAIN, ONE)
        (outcome,) = await store.ledger.record([a_report(provider_task_id="p1", expected_task_id=ONE)], LATER)
        assert isinstance(outcome, Recorded)
        assert ((await _task(store, ONE)).state, (await _task(store, TWO)).state) == (S.SUCCEEDED, S.UNCERTAIN)


@pytest.mark.parametrize("names", [(ONE, TWO), (TWO, ONE)])
@pytest.mark.parametrize("second", ["p2", None])
async def test_one_batch_of_callbacks_puts_every_wrong_id_right(
    store: Store, names: tuple[TaskId, TaskId], second: str | None
) -> None:
    """The id that one task loses is the other's, whose own wrong id may be the first one's."""
    first, other = names
    await _settled(store, "p1", first)
    await (_has(store, S.UNCERTAIN, other) if second is None else _settled(store, second, other))
    reports = [
        a_report(provider_task_id="p2", expected_task_id=first),
        a_report(provider_task_id="p1", expected_task_id=other),
    ]
    outcomes = await store.ledger.record(reports, LATER)
    assert [each.verdict for each in outcomes if isinstance(each, Recorded)] == [Verdict.APPLIED, Verdict.APPLIED]
    ids = [(await _task(store, name)).provider_task_id for name in names]
    assert ids == ["p2", "p1"]
    assert await _event_types(store) == ["task.succeeded", "task.succeeded"]


async def test_an_id_that_a_task_loses_may_be_that_of_a_task_that_was_submitted_elsewhere(store: Store) -> None:
    await _settled(store, "p1", ONE)
    reports = [
        a_report(provider_task_id="p2", expected_task_id=ONE),
        a_report(provider_task_id="p1", allow_adoption=True),
    ]
    own, elsewhere = await store.ledger.record(reports, LATER)
    assert isinstance(own, Recorded)
    assert isinstance(elsewhere, Recorded)
    assert (elsewhere.task.adopted, elsewhere.task.provider_task_id) == (True, "p1")
    assert (await _task(store, ONE)).provider_task_id == "p2"
    assert await _event_types(store) == ["task.succeeded", "task.succeeded"]


async def test_an_id_that_has_brought_an_end_is_taken_from_nobody(store: Store) -> None:
    await _settled(store, "p1", ONE)
    await store.ledger.record([a_report(provider_task_id="p1")], T0)
    await _has(store, S.UNCERTAIN, TWO)
    (outcome,) = await store.ledger.record([a_report(provider_task_id="p1", expected_task_id=TWO)], LATER)
    assert isinstance(outcome, TaskMismatch)
    assert (await _task(store, TWO)).state is S.UNCERTAIN


async def test_a_late_receipt_corrects_a_wrong_id(store: Store) -> None:
    await _settled(store)
    after = await store.submissions.store_receipt(ONE, a_receipt("p2"), next_poll_ms=LATER, now_ms=LATER)
    assert (after.state, after.provider_task_id, after.settled) == (S.SUBMITTED, "p2", False)


@pytest.mark.parametrize("names", [(ONE, TWO), (TWO, ONE)])
async def test_a_receipt_takes_its_id_back_from_the_task_that_was_settled_with_it(
    store: Store, names: tuple[TaskId, TaskId]
) -> None:
    wrong, owner = names
    await _settled(store, "p1", wrong)
    await _has(store, S.SUBMITTING, owner)
    after = await store.submissions.store_receipt(owner, a_receipt("p1"), next_poll_ms=LATER, now_ms=LATER)
    assert (after.state, after.provider_task_id) == (S.SUBMITTED, "p1")
    assert ((await _task(store, wrong)).state, (await _task(store, wrong)).provider_task_id) == (S.UNCERTAIN, None)


# The end.


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.state.value)
@pytest.mark.parametrize("state", TaskState)
async def test_an_unfinished_task_is_ended_once(store: Store, state: TaskState, end: OperatorEnd) -> None:
    await _has(store, state)
    may = state not in ENDED | {S.QUEUED}  # nothing is polled, so the submit's process must have died
    for number in (1, 2):
        ended = await store.ledger.record_by_operator(ONE, end, actor="ann", now_ms=LATER)
        assert isinstance(ended, Task) is (may and number == 1)
    task = await _task(store)
    assert task.state is (end.state if may else state)
    assert (task.outputs, task.final_ms) == ((end.outputs, LATER) if may else ((), None))
    assert await _event_types(store) == ([f"task.{end.state.value}"] if may else [])
    assert await _summaries(store, "audit") == (["ann: settle"] if may else [])
    assert (f"operator says {end.state.value}: applied" in await _summaries(store, "observation")) is may


@pytest.mark.parametrize("reported", [S.SUCCEEDED, S.FAILED, S.CANCELED])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.state.value)
@pytest.mark.parametrize("state", [S.UNCERTAIN, S.RUNNING])
async def test_what_the_provider_reports_later_changes_nothing(
    store: Store, state: TaskState, end: OperatorEnd, reported: TaskState
) -> None:
    await _has(store, state)
    await store.ledger.record_by_operator(ONE, end, actor="ann", now_ms=LATER)
    before = await _task(store)
    report = a_report(reported, provider_task_id="p1", expected_task_id=ONE)
    (outcome,) = await store.ledger.record([report], LATER + 1)
    assert isinstance(outcome, Recorded)
    assert outcome.verdict is (Verdict.DUPLICATE if reported is end.state else Verdict.CONTRADICTION)
    after = await _task(store)
    assert (after.state, after.outputs, after.error, after.provider_task_id) == (
        before.state,
        before.outputs,
        before.error,
        "p1",
    )
    assert await _event_types(store) == [f"task.{end.state.value}"]


async def test_two_tasks_without_an_id_are_ended_side_by_side(store: Store) -> None:
    for task_id in (ONE, TWO):
        await _has(store, S.UNCERTAIN, task_id)
        ended = await store.ledger.record_by_operator(task_id, ENDS[0], actor="ann", now_ms=LATER)
        assert isinstance(ended, Task)
        assert ended.provider_task_id is None
    signed = a_report(provider_task_id="p1", allow_adoption=True)
    (outcome,) = await store.ledger.record([signed], LATER)
    assert isinstance(outcome, Recorded)
    assert outcome.task.adopted


async def test_a_later_report_about_a_task_without_an_id_gives_it_one(store: Store) -> None:
    """Otherwise the next callback, which only the provider has signed, would be a task of its own."""
    await _has(store, S.UNCERTAIN)
    await store.ledger.record_by_operator(ONE, ENDS[0], actor="ann", now_ms=LATER)
    tokened = a_report(provider_task_id="p1", expected_task_id=ONE)
    signed = a_report(provider_task_id="p1", allow_adoption=True)
    outcomes = await store.ledger.record([tokened, signed], LATER)
    assert [each.verdict for each in outcomes if isinstance(each, Recorded)] == [Verdict.DUPLICATE] * 2
    assert (await _task(store)).provider_task_id == "p1"


async def test_a_receipt_after_the_end_gives_the_id_and_no_other_state(store: Store) -> None:
    await _has(store, S.SUBMITTING)
    await store.ledger.record_by_operator(ONE, ENDS[1], actor="ann", now_ms=LATER)
    after = await store.submissions.store_receipt(ONE, a_receipt("p1"), next_poll_ms=LATER, now_ms=LATER)
    assert (after.state, after.provider_task_id, after.next_poll_ms) == (S.FAILED, "p1", None)
    assert (await _task(store)) == after


async def test_a_failure_tells_subscribers_the_operators_reason(store: Store) -> None:
    await _has(store, S.RUNNING, raw_state="expired")
    await store.ledger.record_by_operator(ONE, ENDS[1], actor="ann", now_ms=LATER)
    task = await _task(store)
    assert (task.raw_state, task.error) == (
        "expired",
        TaskError(code="settled_failed", message="the picture was refused"),
    )
    assert task.next_poll_ms is None


async def test_nothing_is_ended_while_its_post_may_be_repeated(store: Store) -> None:
    await _has(store, S.UNCERTAIN, submit_body="{}")
    await store.polls.lease_by_filter(ReconcileFilter(task=ONE), owner="w", now_ms=LATER, lease_ms=60_000, limit=1)
    early = await store.ledger.record_by_operator(ONE, ENDS[2], actor="ann", now_ms=LATER + 59_999)
    assert isinstance(early, SettleRefused)
    assert await _event_types(store) == []
    assert isinstance(await store.ledger.record_by_operator(ONE, ENDS[2], actor="ann", now_ms=LATER + 60_000), Task)


async def test_a_submit_that_is_under_way_is_not_ended(store: Store) -> None:
    await _has(store, S.SUBMITTING, next_poll_ms=LATER + 1)
    refused = await store.ledger.record_by_operator(ONE, ENDS[2], actor="ann", now_ms=LATER)
    assert refused == SettleRefused(reason="its submit is still under way; try again in a minute")


async def test_the_end_of_a_task_that_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError, match="tsk_none"):
        await store.ledger.record_by_operator(TaskId("tsk_none"), ENDS[0], actor="ann", now_ms=T0)


async def test_the_ledger_knows_some_of_many_ids(store: Store) -> None:
    await _has(store, S.RUNNING, provider_task_id="p1")
    await _has(store, S.RUNNING, TWO, provider_task_id="p2", provider="dashscope")
    many = [ProviderTaskId(f"p{number}") for number in range(1_500)]
    assert await store.tasks.known_ids("hiapi", many) == {"p1"}
    assert await store.tasks.known_ids("hiapi", []) == set()


async def test_an_uncertain_mark_after_the_end_changes_nothing(store: Store) -> None:
    await _has(store, S.SUBMITTING)
    await store.ledger.record_by_operator(ONE, ENDS[0], actor="ann", now_ms=LATER)
    after = await store.submissions.store_uncertain(ONE, Uncertain(reason="late"), next_poll_ms=LATER, now_ms=LATER)
    assert (after.state, after.next_poll_ms) == (S.SUCCEEDED, None)
