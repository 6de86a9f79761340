"""Many rows in one call: the same on both engines, and the same as row by row."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest

from receiver.runtime.store import Store
from receiver.store.engine import Tx, load_queries
from receiver.store.postgres import batch_statement, placeholders
from tests.support.tables import rows_of

QUERIES = load_queries(lock="FOR UPDATE", skip_locked="FOR UPDATE SKIP LOCKED")
BATCHED = {name: batch for name, statement in QUERIES.items() if (batch := batch_statement(statement))}
ODD = ("plain", "\x00", "\\u0000 and \x00", "\\u0000", '"\\"', "line\nend", "Ø 动画 🎬", "", "null", "1")


def _observation(number: int, text: str) -> dict[str, Any]:
    words = dict.fromkeys(("source", "state", "raw_state", "verdict", "detail", "raw"), text)
    return {"id": f"obs_{number}", "task": f"tsk_{number}", "at_ms": 2**61 + number, **words}


async def _execute_many(store: Store, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute_many(name, rows)

    await store.engine.write(work)


async def test_rows_that_are_inserted_at_once_are_those_that_are_inserted_one_by_one(
    store: Store, database_url: str
) -> None:
    rows = [_observation(number, text) for number, text in enumerate(ODD)]
    asked = "SELECT * FROM observations ORDER BY id"
    await _execute_many(store, "insert_observation", rows)
    at_once = rows_of(database_url, asked)
    await _execute_many(store, "remove_observation", [{"id": row["id"]} for row in rows])
    for row in rows:
        await _execute_many(store, "insert_observation", [row])
    assert at_once == rows_of(database_url, asked)
    assert len(at_once) == len(rows)


async def test_rows_that_are_updated_at_once_get_each_its_own_values_and_no_value_gets_lost(
    store: Store, database_url: str
) -> None:
    names = [f"e{number}" for number in range(3)]
    await _execute_many(store, "schedule_endpoint", [{"id": name, "due_ms": 1} for name in names])
    empty: dict[str, Any] = dict.fromkeys(("paused_until_ms", "failing_since_ms", "throttled_rate_per_s"))
    changed = [
        {**empty, "id": name, "last_leased_ms": 2**60 + number, "failures": number, "tokens": 0.1 * number}
        | {"refilled_ms": number, "throttled_rate_per_s": None if number else 1e-7}
        for number, name in enumerate(names[:2])
    ]
    await _execute_many(store, "update_endpoint", changed)
    columns = "id, last_leased_ms, failures, tokens, refilled_ms, throttled_rate_per_s, paused_until_ms, next_due_ms"
    assert rows_of(database_url, f"SELECT {columns} FROM endpoints ORDER BY id") == [
        ("e0", 2**60, 0, 0.0, 0, 1e-7, None, 1),
        ("e1", 2**60 + 1, 1, 0.1, 1, None, None, 1),
        ("e2", 0, 0, 0.0, 0, None, None, 1),
    ]


def test_the_inserts_and_updates_of_callbacks_and_attempts_have_a_form_for_all_rows_at_once() -> None:
    assert {
        "count_reports", "insert_attempt", "insert_delivery", "insert_event", "insert_observation", "insert_task",
        "update_endpoint", "update_task",
    } <= set(BATCHED)  # fmt: skip


def test_a_value_that_is_no_column_of_its_table_or_a_condition_beside_the_id_leaves_a_statement_as_it_is() -> None:
    assert batch_statement("INSERT INTO endpoints (id, next_due_ms) VALUES (:id, :now_ms)") is None
    assert batch_statement("UPDATE tasks SET state = :state WHERE id = :id AND lease_owner = :owner") is None
    assert batch_statement("UPDATE tasks SET state = COALESCE(:state, state) WHERE id = :id") is None


@pytest.mark.parametrize("name", BATCHED)
def test_postgres_understands_the_form_for_all_rows(postgres_url: str, name: str) -> None:
    with psycopg.connect(postgres_url) as server:
        assert server.execute(b"EXPLAIN " + BATCHED[name].encode(), {"rows": "[]"}).fetchall()


def test_a_list_is_one_array_on_postgres() -> None:
    assert placeholders("x IN (:ids...) AND y = :y") == "x = ANY(%(ids)s) AND y = %(y)s"


async def test_a_list_finds_what_is_in_it_and_an_empty_one_nothing(store: Store) -> None:
    await _execute_many(store, "schedule_endpoint", [{"id": f"e{number}", "due_ms": 1} for number in range(5)])

    async def found(ids: Sequence[str]) -> list[str]:
        rows = await store.engine.read(lambda reader: reader.fetch_all("endpoints_of_subscriptions", ids=ids))
        return sorted(row["id"] for row in rows)

    assert await found(["e1", "e3", "e4", "other"]) == ["e1", "e3", "e4"]
    assert await found(("e2",)) == ["e2"]
    assert await found([]) == []
