"""The audit is read by actor, action, task and time, in pages whose cost does not grow with it; on both engines."""

import pytest

from receiver.runtime.store import Store
from receiver.store import audit
from receiver.store.audit import AuditEntry, AuditSearch
from tests.support.builders import T0

HOUR = 3_600_000


async def _add(store: Store, number: int, actor: str = "ann", action: str = "settle", task: str | None = None) -> None:
    entry = AuditEntry(actor=actor, action=action, detail={"number": number}, task_id=task)
    await store.audit.record(entry, now_ms=T0 + number * HOUR)


async def _numbers(store: Store, **wanted: object) -> list[int]:
    found = await store.audit.page(AuditSearch(**wanted))  # type: ignore[arg-type]  # each test gives what fits
    return [row.detail["number"] for row in found.rows]


async def test_rows_are_found_by_actor_action_task_and_time_and_by_several_at_once(store: Store) -> None:
    await _add(store, 0)
    await _add(store, 1, "bob", "cancel", "tsk_1")
    await _add(store, 2, "ann", "cancel", "tsk_2")
    await _add(store, 3, "bob", "settle", "tsk_1")
    assert await _numbers(store) == [3, 2, 1, 0]
    assert await _numbers(store, actor="bob") == [3, 1]
    assert await _numbers(store, action="cancel") == [2, 1]
    assert await _numbers(store, task_id="tsk_1") == [3, 1]
    assert await _numbers(store, actor="bob", action="cancel") == [1]
    assert await _numbers(store, task_id="tsk_1", action="settle") == [3]
    assert await _numbers(store, since_ms=T0 + HOUR, until_ms=T0 + 2 * HOUR) == [2, 1]
    assert await _numbers(store, actor="ann", since_ms=T0 + 1) == [2]
    assert await _numbers(store, actor="nobody") == []


async def test_a_row_is_given_as_it_was_stored(store: Store) -> None:
    await _add(store, 1, "bob", "cancel", "tsk_1")
    (row,) = (await store.audit.page(AuditSearch())).rows
    assert (row.at_ms, row.actor, row.action, row.task_id) == (T0 + HOUR, "bob", "cancel", "tsk_1")
    assert row.id.startswith("aud_")


async def test_pages_follow_each_other_without_a_gap(store: Store) -> None:
    for number in range(7):
        await _add(store, number, action="settle" if number % 2 else "cancel")
    first = await store.audit.page(AuditSearch(action="cancel"), limit=3)
    second = await store.audit.page(AuditSearch(action="cancel"), cursor=first.next_cursor, limit=3)
    assert [row.detail["number"] for row in (*first.rows, *second.rows)] == [6, 4, 2, 0]
    assert second.next_cursor is None


async def test_a_page_that_looked_at_enough_rows_ends_and_can_be_gone_on_with(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(audit, "LOOKED_AT_MOST", 4)
    for number in range(7):
        await _add(store, number, action="cancel" if number == 0 else "settle")
    wanted = AuditSearch(actor="ann", action="cancel")
    first = await store.audit.page(wanted)
    assert (first.rows, first.is_cut) == ((), True)
    second = await store.audit.page(wanted, cursor=first.next_cursor)
    assert [row.detail["number"] for row in second.rows] == [0]
    assert not second.is_cut


async def test_newer_rows_are_counted(store: Store) -> None:
    for number in range(3):
        await _add(store, number)
    rows = (await store.audit.page(AuditSearch())).rows
    assert await store.audit.news(AuditSearch(), newer_than=rows[2].id) == 2
    assert await store.audit.news(AuditSearch(actor="bob"), newer_than=rows[2].id) == 0
