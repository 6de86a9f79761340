"""The one file of statements: nothing unused, nothing missing, everything planned by the engine."""

import re
from pathlib import Path

import aiosqlite
import pytest

from receiver.store.engine import load_queries
from receiver.store.migrate import known_migrations
from receiver.store.sqlite_statements import bind

RECEIVER = Path(__file__).parents[3] / "receiver"
QUERIES = load_queries(lock="", skip_locked="")
_USED = re.compile(r'"([a-z_]+)"')


def test_the_names_defined_and_the_names_used_are_the_same_set() -> None:
    source = "\n".join(path.read_text() for path in RECEIVER.rglob("*.py"))
    assert set(QUERIES) <= set(_USED.findall(source))
    calls = re.findall(r'\.(?:fetch_(?:all|one|many)|execute(?:_and_count|_many)?)\(\s*"([a-z_]+)"', source)
    assert set(calls) <= set(QUERIES)
    assert len(QUERIES) == len(
        re.findall(
            r"^-- [a-z_]+: ", "".join(p.read_text() for p in (RECEIVER / "store/queries").glob("*.sql")), re.MULTILINE
        )
    )


@pytest.mark.parametrize("name", sorted(QUERIES))
async def test_sqlite_plans_the_statement(name: str) -> None:
    async with aiosqlite.connect(":memory:") as connection:
        await connection.execute(QUERIES["open_migrations"])
        for _, script in known_migrations():
            await connection.executescript(script)
        names = set(re.findall(r"(?<!:):(\w+)", QUERIES[name]))
        statement, values = bind(QUERIES[name], dict.fromkeys(names, None))
        prefix = "" if statement.startswith("CREATE") else "EXPLAIN QUERY PLAN "
        await connection.execute(prefix + statement, values)


#: Statements of the hot paths, and the index that each must use however large the table grows.
_INDEXED = {
    "tasks_by_keys_or_ids": r"task_id=\?.*id=\?",
    "reported_tasks": r"task_id=\?.*id=\?",
    "known_request_keys": "request_key",
    "due_tasks": "tasks_due",
    "any_due": "tasks_due",
    "waiting_polls": "tasks_due",
    "overdue_tasks": "tasks_deadline",
    "due_endpoints": "endpoints_due",
    "leasable_deliveries": "deliveries_endpoint",
    "newest_leasable_deliveries": "deliveries_endpoint",
    "events_after": "INTEGER PRIMARY KEY|rowid|events",
    "observations_of_task": "observations_task",
    "tasks_page_in_state": "tasks_state",
    "in_flight": "tasks_open",
    "count_pending_of_subscription": "deliveries_endpoint",
    "count_dead_of_subscription": "deliveries_dead",
    "newest_failing_of_subscription": "deliveries_failing",
    "newest_dead_of_subscription": "deliveries_dead",
    "count_dead": "deliveries_state|deliveries_dead",
    "events_between": "seq>. AND seq<",
    "delivery_states_of_events": "deliveries_subscription",
    "unfinished_of_endpoint": "deliveries_endpoint",
    "unfinished_by_age": "deliveries_unfinished",
    "oldest_unfinished": "deliveries_unfinished",
    "delivery_past": "deliveries_subscription",
    "remove_attempts_of_delivery": "attempts_delivery",
    "deliveries_of_events": "deliveries_subscription",
    "remove_deliveries_of_events": "deliveries_subscription",
    "remove_events": "seq<",
    "old_attempts": "attempts_age",
    "old_observations": "observations_age",
    "endpoints_by_id": "id>",
    "dead_page_of_subscription": "deliveries_dead",
}


@pytest.mark.parametrize("name", sorted(_INDEXED))
async def test_hot_statements_search_an_index_and_never_scan(name: str) -> None:
    async with aiosqlite.connect(":memory:") as connection:
        for _, script in known_migrations():
            await connection.executescript(script)
        names = set(re.findall(r"(?<!:):(\w+)", QUERIES[name]))
        statement, values = bind(QUERIES[name], dict.fromkeys(names, None))
        rows = await (await connection.execute("EXPLAIN QUERY PLAN " + statement, values)).fetchall()
    plan = "\n".join(str(row[3]) for row in rows)
    assert "SCAN" not in plan.replace("SCAN ep\n", "")  # `ep` is a page of endpoints, which an index chose
    assert re.search(_INDEXED[name], plan, re.DOTALL)


def test_a_list_grows_in_powers_of_two_and_an_empty_one_matches_nothing() -> None:
    statement, values = bind("x IN (:ids...) AND y = :y", {"ids": ["a", "b", "c"], "y": 1})
    assert (statement, values) == ("x IN (?, ?, ?, ?) AND y = ?", ["a", "b", "c", "c", 1])
    assert bind("x IN (:ids...)", {"ids": []}) == ("x IN (?)", [None])
