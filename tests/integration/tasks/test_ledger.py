"""What a batch of observations changes in the ledger."""

import asyncio
import json

import pytest

from receiver.events.model.event import EventType
from receiver.runtime.store import Store
from receiver.tasks.model.reports import left_out
from receiver.tasks.model.task import Recorded, RecordOutcome, Task, TaskFilter, TaskMismatch, UnknownTask, Verdict
from submitter.model import ProviderTaskId, Source, TaskId, TaskState
from tests.support.builders import T0, a_receipt, a_report, a_task, an_observation, notified
from tests.support.tables import rows_of

LATER = T0 + 5_000


async def _submitted(store: Store, name: str = "tsk_1", provider_task_id: str = "p1", **changes: object) -> Task:
    await store.submissions.open_task(a_task(name, **changes), T0)
    receipt = a_receipt(provider_task_id, raw_state="queued")
    return await store.submissions.store_receipt(TaskId(name), receipt, next_poll_ms=T0 + 15_000, now_ms=T0 + 100)


def _verdicts(outcomes: list[RecordOutcome]) -> list[Verdict]:
    return [outcome.verdict for outcome in outcomes if isinstance(outcome, Recorded)]


async def test_the_first_reported_end_makes_one_event_and_repeats_make_none(store: Store) -> None:
    await _submitted(store)
    first = await store.ledger.record([a_report()], LATER)
    again = await store.ledger.record([a_report(), a_report(source=Source.CALLBACK)], LATER + 1)
    assert _verdicts(first + again) == [Verdict.APPLIED, Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert [event.type for event in await store.events.events(0)] == [EventType.SUCCEEDED]


async def test_observations_of_one_task_in_one_batch_are_applied_in_order(store: Store) -> None:
    await _submitted(store)
    states = [TaskState.RUNNING, TaskState.FAILED, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.RUNNING]
    outcomes = await store.ledger.record([a_report(state) for state in states], LATER)
    assert [verdict.value for verdict in _verdicts(outcomes)] == [
        "applied",
        "applied",
        "contradiction",
        "duplicate",
        "stale",
    ]
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.state, task.outputs, task.error) == (TaskState.FAILED, (), an_observation(TaskState.FAILED).error)


async def test_a_contradiction_is_on_the_timeline_and_makes_no_event(store: Store) -> None:
    await _submitted(store)
    await store.ledger.record([a_report(), a_report(TaskState.FAILED)], LATER)
    summaries = [entry.summary for entry in await store.tasks.timeline(TaskId("tsk_1"))]
    assert "poll says failed: contradiction" in summaries
    assert await store.events.last_seq() == 1


async def test_thirty_callbacks_at_once_make_one_event(store: Store) -> None:
    await _submitted(store)
    calls = [store.ledger.record([a_report(source=Source.CALLBACK)], LATER) for _ in range(30)]
    verdicts = [verdict for outcomes in await asyncio.gather(*calls) for verdict in _verdicts(outcomes)]
    assert sorted(verdicts) == [Verdict.APPLIED] + [Verdict.DUPLICATE] * 29
    assert await store.events.last_seq() == 1


async def test_event_numbers_have_no_gap_and_the_body_carries_them(store: Store) -> None:
    for index in range(5):
        await _submitted(store, f"tsk_{index}", f"p{index}")
    await store.ledger.record([a_report(provider_task_id=f"p{index}") for index in range(3)], LATER)
    await store.ledger.record([a_report(provider_task_id=f"p{index}") for index in range(5)], LATER)
    events = await store.events.events(0)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [json.loads(event.body)["data"]["seq"] for event in events] == [1, 2, 3, 4, 5]


async def test_an_end_clears_the_next_poll_and_stores_the_soonest_expiry(store: Store) -> None:
    await _submitted(store)
    await store.ledger.record([a_report()], LATER)
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.next_poll_ms, task.final_ms, task.result_expires_ms) == (None, LATER, T0 + 86_400_000)


async def test_a_callback_before_the_receipt_ends_the_task_and_the_receipt_changes_nothing(store: Store) -> None:
    await store.submissions.open_task(a_task(), T0)
    (outcome,) = await store.ledger.record([a_report(expected_task_id="tsk_1")], LATER)
    assert isinstance(outcome, Recorded)
    after = await store.submissions.store_receipt(TaskId("tsk_1"), a_receipt("p1"), next_poll_ms=1, now_ms=LATER)
    assert (after.state, after.provider_task_id, after.next_poll_ms) == (TaskState.SUCCEEDED, "p1", None)
    assert await store.events.last_seq() == 1


async def test_a_callback_settles_an_uncertain_submit(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.UNCERTAIN, submit_body="{}"), T0)
    await store.ledger.record([a_report(expected_task_id="tsk_1")], LATER)
    task = await store.tasks.task_by_key("hiapi", ProviderTaskId("p1"))
    assert task is not None
    assert (task.id, task.state, task.submit_body) == ("tsk_1", TaskState.SUCCEEDED, None)


@pytest.mark.parametrize(
    ("provider_task_id", "provider", "claim"),
    [("p2", "hiapi", "tsk_1"), ("p9", "hiapi", "tsk_1"), ("p1", "hiapi", "tsk_2"), ("p1", "tokenbay", "tsk_1")],
)
async def test_a_claim_never_works_for_another_task(
    store: Store, provider_task_id: str, provider: str, claim: str
) -> None:
    await _submitted(store)
    await _submitted(store, "tsk_2", "p2")
    (outcome,) = await store.ledger.record(
        [a_report(provider_task_id=provider_task_id, provider=provider, expected_task_id=claim)], LATER
    )
    assert isinstance(outcome, TaskMismatch)
    assert await store.events.last_seq() == 0


async def test_the_same_id_at_two_providers_is_two_tasks(store: Store) -> None:
    await _submitted(store)
    await _submitted(store, "tsk_2", "p1", provider="tokenbay")
    await store.ledger.record([a_report(provider="tokenbay")], LATER)
    states = {task.provider: task.state for task in (await store.tasks.tasks(TaskFilter())).items}
    assert states == {"hiapi": TaskState.SUBMITTED, "tokenbay": TaskState.SUCCEEDED}


async def test_an_unknown_task_is_adopted_only_where_that_is_allowed(store: Store) -> None:
    (refused,) = await store.ledger.record([a_report()], LATER)
    first, second = await store.ledger.record(
        [a_report(allow_adoption=True, model="m"), a_report(allow_adoption=True)], LATER
    )
    assert isinstance(refused, UnknownTask)
    assert _verdicts([first, second]) == [Verdict.APPLIED, Verdict.DUPLICATE]
    task = await store.tasks.task_by_key("hiapi", ProviderTaskId("p1"))
    assert task is not None
    assert (task.adopted, task.model, task.state) == (True, "m", TaskState.SUCCEEDED)


async def test_a_claim_for_a_task_that_is_not_there_is_unknown(store: Store) -> None:
    (outcome,) = await store.ledger.record([a_report(expected_task_id="tsk_none", allow_adoption=True)], LATER)
    assert isinstance(outcome, UnknownTask)


async def test_a_reported_end_supersedes_an_inferred_one_once(store: Store) -> None:
    await _submitted(store)
    await store.ledger.record([a_report(TaskState.EXPIRED, source=Source.CLOCK)], LATER)
    await store.ledger.record([a_report(), a_report(TaskState.FAILED)], LATER + 1)
    expired, succeeded = await store.events.events(0)
    assert (expired.type, succeeded.type) == (EventType.EXPIRED, EventType.SUCCEEDED)
    assert succeeded.supersedes == expired.id == json.loads(succeeded.body)["data"]["supersedes"]


async def test_overdue_is_said_once_and_polling_goes_on(store: Store) -> None:
    await _submitted(store, deadline_ms=T0 + 1_000)
    assert await store.ledger.mark_overdue(T0 + 999) == 0
    assert await store.ledger.mark_overdue(LATER) == 1
    assert await store.ledger.mark_overdue(LATER) == 0
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.state, task.next_poll_ms) == (TaskState.SUBMITTED, T0 + 15_000)
    assert [event.type for event in await store.events.events(0)] == [EventType.OVERDUE]


async def test_raw_bytes_that_are_no_text_are_stored_readable(store: Store) -> None:
    await _submitted(store)
    await store.ledger.record([a_report(raw=b'\xff\x00{"a":1}')], LATER)
    raws = [entry.detail.get("raw") for entry in await store.tasks.timeline(TaskId("tsk_1"))]
    assert '\\xff\\x00{"a":1}' in raws


async def test_an_event_owes_one_delivery_to_the_endpoint_that_the_task_named(store: Store) -> None:
    await store.submissions.open_task(notified(), T0)
    ended_ms = T0 - 1_000  # before the time of the ledger's clock, as every event is
    await store.ledger.record([a_report(expected_task_id="tsk_1"), a_report(expected_task_id="tsk_1")], ended_ms)
    (delivery,) = (await store.deliveries.deliveries()).items
    assert (delivery.task_id, delivery.endpoint, delivery.due_ms) == ("tsk_1", "https://hooks.example/a", ended_ms)


async def test_a_failing_batch_leaves_nothing_behind(store: Store) -> None:
    await _submitted(store)
    broken = a_report(TaskState.UNCERTAIN)  # no provider can report this
    with pytest.raises(KeyError):
        await store.ledger.record([a_report(), broken], LATER)
    assert await store.events.last_seq() == 0
    assert _verdicts(await store.ledger.record([a_report()], LATER)) == [Verdict.APPLIED]


async def test_of_many_reports_of_one_end_the_timeline_keeps_the_first_and_the_task_the_number(
    store: Store, database_url: str
) -> None:
    await _submitted(store)
    body = b"x" * 60_000
    for _ in range(8):
        batch = [a_report(raw=body) for _ in range(50)] + [a_report(TaskState.FAILED, raw=body)]
        await store.ledger.record(batch, T0)
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert task.reports == {"duplicate": 399, "contradiction": 8}
    lines = rows_of(database_url, "SELECT verdict, COUNT(*), SUM(LENGTH(raw)) FROM observations GROUP BY verdict")
    stored = {verdict: (count, size) for verdict, count, size in lines}
    assert stored["duplicate"] == (20, 3 * 60_000)
    assert stored["contradiction"] == (8, 8 * 60_000)
    assert left_out(task.reports) == {"duplicate": 379}


async def test_reports_that_come_at_once_are_all_counted(store: Store) -> None:
    await _submitted(store)
    await asyncio.gather(*(store.ledger.record([a_report()], T0) for _ in range(40)))
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert task.reports == {"duplicate": 39}


async def test_a_duplicate_that_names_its_task_at_last_is_stored_with_the_name_and_counted(store: Store) -> None:
    """A task that a person ended before the provider had named it."""
    await store.submissions.open_task(a_task(state=TaskState.SUCCEEDED, next_poll_ms=None), T0)
    await store.ledger.record([a_report(expected_task_id="tsk_1")], T0)
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.provider_task_id, dict(task.reports)) == ("p1", {"duplicate": 1})
