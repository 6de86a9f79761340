"""The intent and the receipt."""

import asyncio

import pytest

from receiver.events.model.event import EventType
from receiver.reconcile.model.report import ReconcileFilter
from receiver.runtime.store import Store
from receiver.tasks.model.settle import OperatorId
from receiver.tasks.model.task import IdempotencyMismatch, Recorded, Replayed, SettleRefused, Task, Verdict
from submitter.model import ProviderTaskId, Refusal, Refused, TaskError, TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_receipt, a_report, a_task

NEXT = T0 + 15_000
REFUSED = Refused(refusal=Refusal.INVALID, error=TaskError(code="INVALID_REQUEST", message="no"), status=400)


async def test_the_same_key_and_request_give_the_task_that_came_first(store: Store) -> None:
    await store.submissions.open_task(a_task("tsk_1", idempotency_key="k"), T0)
    again = await store.submissions.open_task(a_task("tsk_2", idempotency_key="k"), T0)
    assert isinstance(again, Replayed)
    assert again.task.id == "tsk_1"


async def test_the_same_key_with_another_request_is_a_mismatch(store: Store) -> None:
    await store.submissions.open_task(a_task("tsk_1", idempotency_key="k"), T0)
    other = await store.submissions.open_task(a_task("tsk_2", idempotency_key="k", request_hash="other"), T0)
    assert other == IdempotencyMismatch(task_id=TaskId("tsk_1"))
    assert await store.tasks.task(TaskId("tsk_2")) is None


async def test_many_opens_with_one_key_at_once_make_one_task(store: Store) -> None:
    opens = [store.submissions.open_task(a_task(f"tsk_{n}", idempotency_key="k"), T0) for n in range(20)]
    found = await asyncio.gather(*opens)
    assert [type(each) for each in found].count(Task) == 1
    assert len({each.task.id for each in found if isinstance(each, Replayed)}) == 1


async def test_a_receipt_names_the_task_and_forgets_the_body(store: Store) -> None:
    await store.submissions.open_task(a_task(submit_body='{"a":1}'), T0)
    await store.submissions.store_receipt(
        TaskId("tsk_1"),
        a_receipt("p1", raw_state="queued"),
        next_poll_ms=NEXT,
        now_ms=T0,
    )
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.provider_task_id, task.state, task.raw_state, task.next_poll_ms) == (
        "p1",
        TaskState.SUBMITTED,
        "queued",
        NEXT,
    )
    assert (task.submit_body, task.submits) == (None, 1)


@pytest.mark.parametrize("provider_task_id", ["x" * 1_000, "é" * 1_000, "\U0001f3ac" * 500])
async def test_the_longest_ids_are_stored_found_and_unique(store: Store, provider_task_id: str) -> None:
    for name in ("tsk_1", "tsk_2"):
        await store.submissions.open_task(a_task(name), T0)
    receipt = a_receipt(provider_task_id)
    await store.submissions.store_receipt(TaskId("tsk_1"), receipt, next_poll_ms=NEXT, now_ms=T0)
    again = await store.submissions.store_receipt(TaskId("tsk_2"), receipt, next_poll_ms=NEXT, now_ms=T0)
    found = await store.tasks.task_by_key("hiapi", ProviderTaskId(provider_task_id))
    assert found is not None
    assert (found.id, found.provider_task_id, again.state) == ("tsk_1", provider_task_id, TaskState.UNCERTAIN)


async def test_what_an_answer_proves_is_kept_until_the_next_one(store: Store) -> None:
    await store.submissions.open_task(a_task(), T0)
    task = TaskId("tsk_1")
    proved = []
    for uncertain in (
        Uncertain(reason="timed out"),
        Uncertain(reason="no id", was_accepted=True),
        Uncertain(reason="HTTP 500", provider_task_id=ProviderTaskId("p7")),
        Uncertain(reason="timed out"),
    ):
        await store.submissions.store_uncertain(task, uncertain, next_poll_ms=NEXT, now_ms=T0)
        earlier = await store.submissions.earlier_answer(task)
        proved.append((earlier.was_accepted, earlier.provider_task_id))
    assert proved == [(False, None), (True, None), (True, "p7"), (True, "p7")]


async def test_a_receipt_with_another_tasks_id_is_believed_for_neither(store: Store) -> None:
    for name in ("tsk_1", "tsk_2"):
        await store.submissions.open_task(a_task(name), T0)
    await store.submissions.store_receipt(TaskId("tsk_1"), a_receipt("p1"), next_poll_ms=NEXT, now_ms=T0)
    after = await store.submissions.store_receipt(TaskId("tsk_2"), a_receipt("p1"), next_poll_ms=NEXT, now_ms=T0)
    assert (after.state, after.provider_task_id) == (TaskState.UNCERTAIN, None)
    assert after.error is not None
    assert "p1" in after.error.message


async def test_a_refusal_after_a_callback_changes_nothing(store: Store) -> None:
    await store.submissions.open_task(a_task(), T0)
    await store.ledger.record([a_report(expected_task_id="tsk_1")], T0)
    assert (await store.submissions.store_refused(TaskId("tsk_1"), REFUSED, T0)).state is TaskState.SUCCEEDED
    uncertain = Uncertain(reason="timeout")
    after = await store.submissions.store_uncertain(TaskId("tsk_1"), uncertain, next_poll_ms=NEXT, now_ms=T0)
    assert (after.state, after.next_poll_ms) == (TaskState.SUCCEEDED, None)


async def test_a_refused_submit_stores_the_providers_words(store: Store) -> None:
    await store.submissions.open_task(a_task(), T0)
    after = await store.submissions.store_refused(TaskId("tsk_1"), REFUSED, T0)
    assert (after.state, after.error, after.next_poll_ms) == (TaskState.REFUSED, REFUSED.error, None)


def _named(provider_task_id: str) -> OperatorId:
    return OperatorId(provider_task_id=ProviderTaskId(provider_task_id), instead_of=None)


async def _uncertain(store: Store, name: str = "tsk_1") -> None:
    await store.submissions.open_task(a_task(name, submit_body="{}"), T0)
    await store.submissions.store_uncertain(TaskId(name), Uncertain(reason="reset"), next_poll_ms=None, now_ms=T0)


async def test_settling_adopts_the_providers_task(store: Store) -> None:
    await _uncertain(store)
    settled = await store.submissions.settle_adopt(TaskId("tsk_1"), _named("p7"), actor="ann", now_ms=T0)
    assert isinstance(settled, Task)
    assert (settled.state, settled.provider_task_id, settled.next_poll_ms) == (TaskState.SUBMITTED, "p7", T0)
    assert "ann: settle" in [entry.summary for entry in await store.tasks.timeline(TaskId("tsk_1"))]


async def test_settling_as_refused_ends_it_until_the_provider_says_otherwise(store: Store) -> None:
    await _uncertain(store)
    settled = await store.submissions.settle_refuse(TaskId("tsk_1"), actor="ann", now_ms=T0)
    assert isinstance(settled, Task)
    assert settled.state is TaskState.REFUSED
    (outcome,) = await store.ledger.record([a_report(expected_task_id="tsk_1")], T0)
    assert isinstance(outcome, Recorded)
    assert (outcome.verdict, outcome.task.state, outcome.event_seq) == (Verdict.APPLIED, TaskState.SUCCEEDED, 3)
    uncertain, refused, succeeded = await store.events.events(0)
    assert [each.type for each in (uncertain, refused, succeeded)] == [
        EventType.UNCERTAIN,
        EventType.REFUSED,
        EventType.SUCCEEDED,
    ]
    assert (refused.supersedes, succeeded.supersedes) == (None, refused.id)


async def test_a_task_that_was_told_to_be_refused_and_runs_after_all_is_unfinished_again(store: Store) -> None:
    await _uncertain(store)
    await store.submissions.settle_refuse(TaskId("tsk_1"), actor="ann", now_ms=T0)
    await store.ledger.record([a_report(TaskState.RUNNING, expected_task_id="tsk_1")], T0)
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.state, task.final_ms, task.error) == (TaskState.RUNNING, None, None)


async def test_only_an_uncertain_task_can_be_settled_and_only_with_a_free_id(store: Store) -> None:
    await _uncertain(store)
    await store.submissions.open_task(a_task("tsk_2"), T0)
    await store.submissions.store_receipt(TaskId("tsk_2"), a_receipt("p2"), next_poll_ms=NEXT, now_ms=T0)
    taken = await store.submissions.settle_adopt(TaskId("tsk_1"), _named("p2"), actor="ann", now_ms=T0)
    certain = await store.submissions.settle_refuse(TaskId("tsk_2"), actor="ann", now_ms=T0)
    assert isinstance(taken, SettleRefused)
    assert isinstance(certain, SettleRefused)


async def test_nothing_is_settled_while_the_submit_may_be_under_way_again(store: Store) -> None:
    await _uncertain(store)
    one = ReconcileFilter(task="tsk_1")
    await store.polls.lease_by_filter(one, owner="w", now_ms=T0, lease_ms=60_000, limit=1)
    early = await store.submissions.settle_refuse(TaskId("tsk_1"), actor="ann", now_ms=T0 + 59_999)
    adopted = await store.submissions.settle_adopt(TaskId("tsk_1"), _named("p7"), actor="ann", now_ms=T0)
    assert isinstance(early, SettleRefused)
    assert isinstance(adopted, SettleRefused)
    assert isinstance(await store.submissions.settle_refuse(TaskId("tsk_1"), actor="ann", now_ms=T0 + 60_000), Task)


async def test_a_receipt_for_a_task_that_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError, match="tsk_none"):
        await store.submissions.store_refused(TaskId("tsk_none"), REFUSED, T0)
