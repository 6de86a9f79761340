"""A search finds what fits every condition, page by page, and looks at a bounded number of tasks."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.config.api_keys import Limits
from receiver.runtime.store import Store
from receiver.store.ids import id_maker
from receiver.tasks import search_repository
from receiver.tasks.model.search import EndedBy, TaskSearch, search_of, search_values
from submitter.model import ProviderTaskId, Refusal, Refused, Source, TaskError, TaskId, TaskState
from tests.support.builders import T0, a_report, a_task

HOUR_MS = 3_600_000


def id_of(number: int) -> TaskId:
    return TaskId(id_maker(number.to_bytes)("tsk", T0 + number * HOUR_MS))


async def has(store: Store, number: int, state: TaskState = TaskState.RUNNING, **changes: Any) -> TaskId:
    values: dict[str, Any] = {"created_ms": T0 + number * HOUR_MS, "provider_task_id": ProviderTaskId(f"p{number}")}
    await store.submissions.open_task(a_task(id_of(number), state=state, **(values | changes)), T0)
    return id_of(number)


async def found(store: Store, wanted: TaskSearch, *, limit: int = 50) -> list[int]:
    page = await store.task_search.page(wanted, limit=limit)
    names = {id_of(number): number for number in range(30)}
    return [names[task.id] for task in page.tasks]


async def test_each_condition_finds_its_tasks_the_newest_first(store: Store) -> None:
    await has(store, 0, provider="dashscope", model="wan")
    await has(store, 1, TaskState.UNCERTAIN, provider_task_id=None, idempotency_key="order-1")
    await has(store, 2, labels={"team": "a", "shot": "9"})
    await has(store, 3, labels={"team": "a"}, deadline_ms=T0)
    await has(store, 4)
    await store.ledger.mark_overdue(T0 + 1, limit=10)
    await store.ledger.record([a_report(TaskState.SUCCEEDED, "p4")], T0 + 2)
    await store.ledger.record([a_report(TaskState.FAILED, "p4")], T0 + 3)
    cases: dict[str, tuple[TaskSearch, list[int]]] = {
        "all": (TaskSearch(), [4, 3, 2, 1, 0]),
        "a state": (TaskSearch(states=frozenset({TaskState.UNCERTAIN})), [1]),
        "two states": (TaskSearch(states=frozenset({TaskState.UNCERTAIN, TaskState.SUCCEEDED})), [4, 1]),
        "overdue": (TaskSearch(is_overdue=True), [3]),
        "contradicted": (TaskSearch(is_contradicted=True), [4]),
        "a provider": (TaskSearch(provider="dashscope"), [0]),
        "a model": (TaskSearch(model="wan"), [0]),
        "a label": (TaskSearch(labels=(("team", "a"),)), [3, 2]),
        "two labels": (TaskSearch(labels=(("team", "a"), ("shot", "9"))), [2]),
        "two labels in the other order": (TaskSearch(labels=(("shot", "9"), ("team", "a"))), [2]),
        "our id": (TaskSearch(text=id_of(2)), [2]),
        "the beginning of our id": (TaskSearch(text=id_of(2)[:8]), [4, 3, 2, 1, 0]),
        "the provider's id": (TaskSearch(text="p3"), [3]),
        "an idempotency key": (TaskSearch(text="order-1"), [1]),
        "a time": (TaskSearch(since_ms=T0 + HOUR_MS, until_ms=T0 + 3 * HOUR_MS), [3, 2, 1]),
        "a label of overdue ones": (TaskSearch(is_overdue=True, labels=(("team", "b"),)), []),
        "both labels of overdue ones": (TaskSearch(is_overdue=True, labels=(("shot", "9"), ("team", "a"))), []),
        "a state of the contradicted": (TaskSearch(is_contradicted=True, states=frozenset({TaskState.FAILED})), []),
        "a text and a provider": (TaskSearch(text="p3", provider="dashscope"), []),
        "some ids": (TaskSearch(ids=(id_of(0), id_of(3), "tsk_none")), [3, 0]),
        "some ids and a state": (TaskSearch(ids=(id_of(0), id_of(4)), states=frozenset({TaskState.RUNNING})), [0]),
        "an id of the provider alone": (TaskSearch(provider_task_id="p3"), [3]),
        "no key": (TaskSearch(idempotency_key="p3"), []),
        "a key alone": (TaskSearch(idempotency_key="order-1"), [1]),
        "no id of the provider": (TaskSearch(provider_task_id="order-1"), []),
        "ended by a poll": (TaskSearch(ended_by=frozenset({EndedBy.POLL})), [4]),
        "ended by another": (TaskSearch(ended_by=frozenset(EndedBy) - {EndedBy.POLL}), []),
    }
    for name, (wanted, expected) in cases.items():
        assert await found(store, wanted) == expected, name
        assert (await store.task_search.number(wanted, most=50)).number == len(expected), name
        assert search_of(search_values(wanted)) == wanted


async def test_who_told_the_end_of_a_task_is_found(store: Store) -> None:
    for number, source in ((1, Source.CALLBACK), (2, Source.POLL), (3, Source.CLOCK)):
        await has(store, number)
        state = TaskState.EXPIRED if source is Source.CLOCK else TaskState.FAILED
        await store.ledger.record([a_report(state, f"p{number}", source=source)], T0 + number)
    await has(store, 4, TaskState.UNCERTAIN, provider_task_id=None)
    await store.submissions.settle_refuse(id_of(4), actor="key x", now_ms=T0 + 4)
    await has(store, 5, TaskState.SUBMITTING, provider_task_id=None)
    error = TaskError(code="bad", message="no")
    await store.submissions.store_refused(id_of(5), Refused(refusal=Refusal.INVALID, error=error), T0 + 5)
    await has(store, 6)
    expected = {EndedBy.CALLBACK: [1], EndedBy.POLL: [2], EndedBy.OPERATOR: [4], EndedBy.SERVICE: [5, 3]}
    assert {each: await found(store, TaskSearch(ended_by=frozenset({each}))) for each in EndedBy} == expected
    assert await found(store, TaskSearch(ended_by=frozenset(EndedBy))) == [5, 4, 3, 2, 1]


async def test_a_search_of_a_limited_key_finds_what_is_within_whatever_else_it_asks(store: Store) -> None:
    await has(store, 0, labels={"team": "a"})
    await has(store, 1, provider="dashscope", labels={"team": "a", "shot": "9"})
    await has(store, 2, provider="dashscope", labels={"team": "b"}, idempotency_key="order-2")
    await has(store, 3, provider="modellix", labels={"team": "a"}, idempotency_key="order-3")
    await has(store, 4)
    two = Limits(providers=frozenset({"hiapi", "dashscope"}))
    cases: dict[str, tuple[TaskSearch, list[int]]] = {
        "providers": (TaskSearch(limits=two), [4, 2, 1, 0]),
        "a label": (TaskSearch(limits=Limits(label=("team", "a"))), [3, 1, 0]),
        "both": (TaskSearch(limits=replace(two, label=("team", "a"))), [1, 0]),
        "a provider within": (TaskSearch(provider="dashscope", limits=two), [2, 1]),
        "a provider outside": (TaskSearch(provider="modellix", limits=two), []),
        "another value": (TaskSearch(labels=(("team", "b"),), limits=Limits(label=("team", "a"))), []),
        "two labels more": (
            TaskSearch(labels=(("shot", "9"), ("team", "a")), limits=Limits(label=("team", "a"))),
            [1],
        ),
        "a key outside": (TaskSearch(text="order-3", limits=two), []),
        "a key within": (TaskSearch(text="order-2", limits=two), [2]),
        "our id outside": (TaskSearch(text=id_of(3), limits=two), []),
        "a state": (TaskSearch(states=frozenset({TaskState.RUNNING}), limits=replace(two, label=("team", "b"))), [2]),
    }
    for name, (wanted, expected) in cases.items():
        assert await found(store, wanted) == expected, name
        assert (await store.task_search.number(wanted, most=50)).number == len(expected), name
        assert search_of(search_values(wanted)) == wanted


def test_a_search_without_limits_is_stored_as_an_earlier_version_does() -> None:
    values = search_values(TaskSearch(provider="hiapi"))
    assert "limits" not in values
    assert search_of(values) == TaskSearch(provider="hiapi")


async def test_pages_follow_each_other_without_a_gap(store: Store) -> None:
    for number in range(7):
        await has(store, number)
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = await store.task_search.page(TaskSearch(), cursor=cursor, limit=3)
        seen += [task.id for task in page.tasks]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [id_of(number) for number in reversed(range(7))]


@pytest.mark.parametrize("states", [frozenset(), frozenset({TaskState.RUNNING, TaskState.UNCERTAIN})])
async def test_a_page_ends_after_so_many_tasks_were_looked_at_and_says_where_to_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, states: frozenset[TaskState]
) -> None:
    monkeypatch.setattr(search_repository, "IDS_AT_ONCE", 2)
    monkeypatch.setattr(search_repository, "LOOKED_AT_MOST", 4)
    for number in range(10):
        await has(store, number, provider="dashscope" if number == 1 else "hiapi")
    wanted = TaskSearch(provider="dashscope", states=states)
    first = await store.task_search.page(wanted)
    assert (first.tasks, first.is_cut, first.next_cursor) == ((), True, id_of(6))
    second = await store.task_search.page(wanted, cursor=first.next_cursor)
    third = await store.task_search.page(wanted, cursor=second.next_cursor)
    assert [task.id for task in third.tasks] == [id_of(1)]
    assert (third.is_cut, third.next_cursor) == (False, None)
    assert (await store.task_search.number(wanted, most=5)).has_more


async def test_newer_tasks_are_counted_up_to_a_cap(store: Store) -> None:
    for number in range(5):
        await has(store, number)
    newer = await store.task_search.number(TaskSearch(), most=50, newer_than=id_of(1))
    assert (newer.number, newer.has_more) == (3, False)
    capped = await store.task_search.number(TaskSearch(), most=2, newer_than=id_of(1))
    assert (capped.number, capped.has_more) == (2, True)


async def test_rows_are_found_by_their_ids_whatever_became_of_them(store: Store) -> None:
    ids = [await has(store, number) for number in range(3)]
    await store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], T0 + 2)
    rows = await store.task_search.by_ids([*ids, TaskId("tsk_none")])
    assert [(row.id, row.state.value) for row in rows] == [
        (ids[2], "running"),
        (ids[1], "succeeded"),
        (ids[0], "running"),
    ]
    assert await store.task_search.by_ids([]) == []
