"""Submits that come at once are opened, and their receipts stored, in one transaction: each as if it were alone."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from structlog.testing import capture_logs

from receiver.runtime.store import Store, open_store
from receiver.store.errors import StoreUnavailable
from receiver.store.write_groups import WriteGroups
from receiver.tasks.model.queue import AccountLimits
from receiver.tasks.model.task import IdempotencyMismatch, Replayed, Task, TaskFilter
from receiver.tasks.opening_repository import Opening
from receiver.tasks.submission_repository import StoredReceipt
from submitter.model import TaskId, TaskState
from submitter.providers.contract import Budget
from tests.support.builders import T0, a_receipt, a_report, a_task

BUDGET = Budget(per_s=1.0, burst=10, submits_count=True)

TURNS = 20


def _limits(max_in_flight: int | None = None) -> AccountLimits:
    return AccountLimits(budget=BUDGET, max_in_flight=max_in_flight, speed=1.0)


def _opening(name: str, limits: AccountLimits, **changes: object) -> Opening:
    values: dict[str, object] = {"queued_ms": T0, "queued_until_ms": T0 + 60_000}
    return Opening(task=a_task(name, **(values | changes)), limits=limits, request_text="{}")


async def test_a_group_takes_a_token_and_a_place_for_each_and_the_rest_waits(store: Store) -> None:
    group = [_opening(f"tsk_{number}", _limits(3)) for number in range(5)]
    opened = await store.submissions.open_tasks(group, T0)
    states = [each.state for each in opened if isinstance(each, Task)]
    assert states == [TaskState.SUBMITTING] * 3 + [TaskState.QUEUED] * 2
    (account,) = await store.accounts.all()
    assert account.tokens == 7.0
    (later,) = await store.submissions.open_tasks([_opening("tsk_9", _limits(9))], T0)
    assert isinstance(later, Task)
    assert later.state is TaskState.QUEUED  # behind those that wait


@pytest.mark.parametrize("keys", ["edcba", "abcde", "badce"])
async def test_no_more_than_there_are_places_are_sent_in_whatever_order_their_keys_are_stored(
    store: Store, keys: str
) -> None:
    group = [_opening(f"tsk_{key}", _limits(3), idempotency_key=key, request_hash=key) for key in keys]
    opened = await store.submissions.open_tasks(group, T0)
    states = [each.state for each in opened if isinstance(each, Task)]
    assert states == [TaskState.SUBMITTING] * 3 + [TaskState.QUEUED] * 2


async def test_a_group_never_takes_the_token_that_is_left_to_polls(store: Store) -> None:
    group = [_opening(f"tsk_{number}", _limits()) for number in range(12)]
    opened = await store.submissions.open_tasks(group, T0)
    assert sum(isinstance(each, Task) and each.state is TaskState.SUBMITTING for each in opened) == 9
    (account,) = await store.accounts.all()
    assert account.tokens == 1.0


async def test_one_key_twice_in_a_group_is_one_task(store: Store) -> None:
    key = {"idempotency_key": "k", "request_hash": "h", "labels": {"film": "1"}}
    group = [
        _opening("tsk_1", _limits(), **key),
        _opening("tsk_2", _limits(), **key),
        _opening("tsk_3", _limits(), **(key | {"request_hash": "other"})),
        _opening("tsk_4", _limits(), labels={"film": "2"}),
    ]
    opened = await store.submissions.open_tasks(group, T0)
    assert [type(each) for each in opened] == [Task, Replayed, IdempotencyMismatch, Task]
    assert {task.id for task in (await store.tasks.tasks(TaskFilter())).items} == {"tsk_1", "tsk_4"}
    again = await store.submissions.open_tasks([_opening("tsk_5", _limits(), **key)], T0)
    assert [type(each) for each in again] == [Replayed]
    labelled = await store.tasks.tasks(TaskFilter(label=("film", "2")))
    assert [task.id for task in labelled.items] == ["tsk_4"]
    assert len(await store.tasks.timeline(TaskId("tsk_4"))) == 1


def _repeats(turn: str, keys: Sequence[str]) -> list[Opening]:
    return [
        _opening(f"tsk_{turn}.{number}", _limits(), idempotency_key=key, request_hash="h")
        for number, key in enumerate(keys)
    ]


async def test_groups_with_the_same_keys_in_other_orders_never_wait_for_each_other(postgres_url: str) -> None:
    """Two nodes; clients repeat known keys or send new ones at both, beside callbacks of the same tasks."""
    opening = partial(open_store, postgres_url, clock=lambda: T0, migrating=True, pool_size=3)
    names = [f"k{n}" for n in range(8)]
    async with opening() as one, opening() as other:
        known = [_opening(f"tsk_{name}", _limits(), idempotency_key=name, request_hash="h") for name in names]
        await one.submissions.open_tasks(known, T0)
        reports = [a_report(TaskState.RUNNING, provider_task_id=name, expected_task_id=f"tsk_{name}") for name in names]
        with capture_logs() as logged:
            for turn in range(TURNS):
                fresh = [f"{turn}.{name}" for name in names]
                for keys in (names, fresh):
                    await asyncio.gather(
                        one.submissions.open_tasks(_repeats(f"a{turn}", keys), T0),
                        other.submissions.open_tasks(_repeats(f"b{turn}", keys[::-1]), T0),
                        one.ledger.record(reports, T0 + turn),
                    )
        assert [each for each in logged if each["event"] == "transaction_retried"] == []
        same = await one.submissions.open_tasks(_repeats("c", [f"0.{name}" for name in names]), T0)
        assert {type(each) for each in same} == {Replayed}


def _receipt(name: str, provider_task_id: str) -> StoredReceipt:
    return StoredReceipt(task_id=TaskId(name), receipt=a_receipt(provider_task_id), next_poll_ms=T0 + 60_000)


async def test_receipts_of_a_group_name_their_own_tasks_and_one_id_for_two_is_believed_once(store: Store) -> None:
    await store.submissions.open_tasks([_opening(f"tsk_{number}", _limits()) for number in range(4)], T0)
    group = [_receipt("tsk_0", "p0"), _receipt("tsk_1", "p1"), _receipt("tsk_2", "p1"), _receipt("tsk_3", "p3")]
    stored = await store.submissions.store_receipts(group, T0)
    assert [task.id for task in stored] == ["tsk_0", "tsk_1", "tsk_2", "tsk_3"]
    assert [task.provider_task_id for task in stored] == ["p0", "p1", None, "p3"]
    assert stored[2].state is TaskState.UNCERTAIN
    assert [(await store.tasks.task(task.id)) for task in stored] == stored
    assert [len(await store.tasks.timeline(task.id)) for task in stored] == [2, 2, 3, 2]


async def test_what_comes_while_a_group_is_written_goes_together_into_the_next() -> None:
    groups: list[Sequence[int]] = []
    may_end = asyncio.Event()

    async def write(group: Sequence[int], *, waited_s: float) -> list[int]:
        groups.append(group)
        await may_end.wait()
        return [-number for number in group]

    writes = WriteGroups(write)
    adding = [asyncio.create_task(writes.add(number)) for number in range(1)]
    await asyncio.sleep(0)
    adding += [asyncio.create_task(writes.add(number)) for number in range(1, 4)]
    while not groups:
        await asyncio.sleep(0)
    may_end.set()
    assert await asyncio.gather(*adding) == [0, -1, -2, -3]
    assert sum(map(len, groups)) == 4
    assert len(groups) <= 2


async def test_an_item_that_cannot_be_stored_fails_alone() -> None:
    async def write(group: Sequence[int], *, waited_s: float) -> list[int]:
        if 2 in group:
            raise ZeroDivisionError
        return list(group)

    writes = WriteGroups(write)
    results = await asyncio.gather(*(writes.add(number) for number in range(4)), return_exceptions=True)
    assert [results[number] for number in (0, 1, 3)] == [0, 1, 3]
    assert isinstance(results[2], ZeroDivisionError)


async def test_a_ledger_that_is_gone_fails_the_whole_group_once() -> None:
    tries = 0

    async def write(_: Sequence[int], *, waited_s: float) -> list[int]:
        nonlocal tries
        tries += 1
        raise StoreUnavailable("gone")

    writes = WriteGroups(write)
    results = await asyncio.gather(*(writes.add(number) for number in range(4)), return_exceptions=True)
    assert all(isinstance(each, StoreUnavailable) for each in results)
    assert tries == 1
    with pytest.raises(StoreUnavailable):
        await writes.add(5)
