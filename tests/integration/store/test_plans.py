"""Every statement, planned by both engines over a ledger of a busy month: none of the hot ones reads a whole table."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import psycopg
import pytest

from receiver.store.engine import PLACEHOLDER, load_queries
from receiver.store.migrate import known_migrations
from receiver.store.postgres import placeholders
from receiver.store.sqlite_statements import bind
from tests.support.builders import T0
from tests.support.postgres import Databases
from tests.support.tables import migrated

ROWS = 100_000
#: From a statement and its parameters to the tables that are read from one end to the other.
Plan = Callable[[str, Mapping[str, Any]], list[str]]
#: From a statement and its parameters to the lines of SQLite's plan.
Lines = Callable[[str, Mapping[str, Any]], list[str]]
QUERIES = load_queries(lock="{lock}", skip_locked="{skip_locked}")

#: Those that scan a whole table on purpose: counts for metrics, which run seldom.
_WHOLE = {"count_tasks"}
#: Those that begin at one end of an index and stop at their limit.
_FROM_ONE_END = {"oldest_events"}
#: Nothing to plan.
_DDL = {"open_migrations"}

_SERIES = f"WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {ROWS})"
_ID = "CAST(10000000 + n AS TEXT)"
_AT = f"{T0} - {ROWS} + n"
_OLD = f"n <= {ROWS} - 1000"  # all but the last thousand are over and done with

#: Table → its columns and what each holds in row n.
_LEDGER: Mapping[str, Mapping[str, str]] = {
    "tasks": {
        "id": f"'tsk_' || {_ID}",
        "provider": "CASE WHEN n % 2 = 0 THEN 'hiapi' ELSE 'dashscope' END",
        "task_id": f"'p' || {_ID}",
        "state": f"CASE WHEN {_OLD} THEN 'succeeded' WHEN n % 2 = 0 THEN 'queued' ELSE 'running' END",
        "raw_state": "'SUCCEEDED'",
        "request": "'{}'",
        "request_hash": "'hash'",
        "labels": "'{}'",
        "idempotency_key": f"'key_' || {_ID}",
        "outputs": "'[]'",
        "adopted": "0",
        "callback_expected": "1",
        "created_ms": _AT,
        "queued_ms": _AT,
        "queued_until_ms": f"{_AT} + {ROWS}",
        "final_ms": f"CASE WHEN {_OLD} THEN {_AT} END",
        "deadline_ms": f"{_AT} + 1000",
        "next_poll_ms": f"CASE WHEN {_OLD} THEN NULL ELSE {_AT} END",
        "polls": "1",
        "submits": "1",
    },
    "queued_requests": {"task": f"'tsk_' || {_ID}", "request": "'{}'"},
    "task_labels": {"task": f"'tsk_' || {_ID}", "name": "'team'", "value": "'v' || CAST(n % 100 AS TEXT)"},
    "observations": {
        "id": f"'obs_' || {_ID}",
        "task": f"'tsk_' || {_ID}",
        "at_ms": _AT,
        "source": "'poll'",
        "state": "'succeeded'",
        "raw_state": "'SUCCEEDED'",
        "verdict": "'applied'",
        "detail": "'{}'",
        "raw": "''",
    },
    "events": {
        "seq": "n",
        "id": f"'evt_' || {_ID}",
        "task": f"'tsk_' || {_ID}",
        "type": "'task.succeeded'",
        "at_ms": _AT,
        "body": "'{}'",
    },
    "deliveries": {
        "id": f"'dlv_' || {_ID}",
        "event_seq": "n",
        "event_id": f"'evt_' || {_ID}",
        "event_type": "'task.succeeded'",
        "task": f"'tsk_' || {_ID}",
        "endpoint": "'https://hooks.example'",
        "subscription": "'sub_' || CAST(n % 100 AS TEXT)",
        "endpoint_id": "'sub_' || CAST(n % 100 AS TEXT)",
        "state": f"CASE WHEN {_OLD} THEN 'delivered' ELSE 'pending' END",
        "attempts": "1",
        "due_ms": f"CASE WHEN {_OLD} THEN NULL ELSE {_AT} END",
        "lease_until_ms": f"CASE WHEN n > {ROWS} - 50 THEN {_AT} END",
        "created_ms": _AT,
    },
    "attempts": {
        "id": f"'att_' || {_ID}",
        "delivery": f"'dlv_' || {_ID}",
        "at_ms": _AT,
        "latency_ms": "12",
        "response": "''",
    },
    "audit": {
        "id": f"'aud_' || {_ID}",
        "at_ms": _AT,
        "actor": "'ann'",
        "action": "'settle'",
        "task": f"'tsk_' || {_ID}",
        "detail": "'{}'",
    },
}

#: What stands in for a parameter of a name; any other is a text that is a number too.
_VALUES: Mapping[str, Any] = {
    "after": ROWS - 200,
    "after_seq": 0,
    "count": 10,
    "event_seq": ROWS,
    "last": 400,
    "limit": 100,
    "number": 500,
    "until": ROWS,
    "seq": ROWS,
    "not_found": 0,
    "seen_open": 0,
    "tasks": [f"tsk_{10_000_000 + n}" for n in range(8)],
    "ids": [f"tsk_{10_000_000 + n}" for n in range(8)],
    "provider_task_ids": [f"p{10_000_000 + n}" for n in range(8)],
    "seqs": list(range(1, 9)),
    "types": ["task.succeeded"],
    "before_ms": T0 - ROWS + 500,
    "cursor": "~",
    "endpoint_id": "sub_7",
    "provider": "hiapi",
    "state": "pending",
    "subscription": "sub_7",
    "tokens": 1.0,
}
#: Where a name means another thing than in most statements.
_OWN_VALUES: Mapping[str, Mapping[str, Any]] = {
    "delivery_past": {"last": 400},
    "events_between": {"after": 0, "last": 5000, "since_ms": 0},
    "endpoints_by_id": {"after": ""},
    "stored_requests": {"after": "", "limit": 200},
    "next_deleted_subscription": {"after": ""},
    "old_attempts": {"after_ms": 0},
    "old_observations": {"after_ms": 0},
    "tasks_page_in_state": {"state": "running"},
    "queued_page": {"provider": None, "name": None, "value": None, "limit_name": None, "limit_value": None},
    "tasks_page_with_label": {"state": None, "name": "team", "value": "v7"},
    "unfinished_tasks": {"task": None, "provider": None},
}


def _params(name: str) -> dict[str, Any]:
    found = PLACEHOLDER.findall(QUERIES[name])
    plain = {each: ["1"] if dots else T0 if each.endswith("_ms") else "1" for each, dots in found}
    return {each: {**plain, **_VALUES, **_OWN_VALUES.get(name, {})}[each] for each, _ in found}


def _fillings() -> Iterator[str]:
    for table, columns in _LEDGER.items():
        yield f"INSERT INTO {table} ({', '.join(columns)}) {_SERIES} SELECT {', '.join(columns.values())} FROM series"
    few = _SERIES.replace(str(ROWS), "100")
    name = "'sub_' || CAST(n - 1 AS TEXT)"
    yield (
        "INSERT INTO subscriptions (id, url, description, state, filter, secret, cloudevents, handshake, created_ms,"
        f" changed_ms) {few} SELECT {name}, 'https://hooks.example', '', 'active', '{{}}', 's', 0, 0, 1, 1 FROM series"
    )
    yield (
        "INSERT INTO endpoints (id, next_due_ms, last_leased_ms, failures, tokens, refilled_ms)"
        f" {few} SELECT {name}, {T0}, n, 0, 0, 0 FROM series"
    )
    yield f"DELETE FROM queued_requests WHERE task <= 'tsk_{10_000_000 + ROWS - 1000}'"


@pytest.fixture(scope="module")
def sqlite_lines() -> Iterator[Lines]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as file:
        file.execute(QUERIES["open_migrations"])
        for _, script in known_migrations():
            file.executescript(script)
        for filling in _fillings():
            file.execute(filling)

        def lines(statement: str, params: Mapping[str, Any]) -> list[str]:
            bare, values = bind(statement.replace("{lock}", "").replace("{skip_locked}", ""), params)
            return [row[3] for row in file.execute("EXPLAIN QUERY PLAN " + bare, values)]

        yield lines


@pytest.fixture(scope="module")
def sqlite_plan(sqlite_lines: Lines) -> Plan:
    def plan(statement: str, params: Mapping[str, Any]) -> list[str]:
        lines = sqlite_lines(statement, params)
        # "SCAN tasks USING COVERING INDEX" reads every row too, from the index.
        return [line.split()[1] for line in lines if line.startswith("SCAN")]

    return plan


@pytest.fixture(scope="module")
def postgres_plan(databases: Databases) -> Iterator[Plan]:
    url = databases.make()
    migrated(url)
    with closing(psycopg.connect(url, autocommit=True)) as server:
        for filling in _fillings():
            server.execute(filling.encode())
        server.execute(b"ANALYZE")  # as its autovacuum does; nothing ever gathers statistics for SQLite

        def plan(statement: str, params: Mapping[str, Any]) -> list[str]:
            locking = statement.replace("{lock}", "FOR UPDATE").replace("{skip_locked}", "FOR UPDATE SKIP LOCKED")
            statement = f"EXPLAIN (FORMAT JSON) {placeholders(locking)}"
            ((found,),) = server.execute(statement.encode(), params).fetchall()
            return list(_whole_tables(found[0]["Plan"]))

        yield plan
    databases.drop(url)


def _whole_tables(node: Mapping[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _whole_tables(below)


@pytest.mark.parametrize("name", sorted(set(QUERIES) - _DDL - _WHOLE))
def test_no_statement_reads_a_whole_big_table(name: str, sqlite_plan: Plan, postgres_plan: Plan) -> None:
    statement, params = QUERIES[name], _params(name)
    alias = {found[1]: found[0] for found in re.findall(r"\b(\w+) ([a-z])\b", statement)}
    by_sqlite = [alias.get(table, table) for table in sqlite_plan(statement, params) if name not in _FROM_ONE_END]
    by_postgres = postgres_plan(statement, params)
    assert set(by_sqlite) & set(_LEDGER) == set()
    assert set(by_postgres) & set(_LEDGER) == set()


@pytest.mark.parametrize("name", sorted(_WHOLE))
def test_counts_of_everything_are_planned_too(name: str, sqlite_plan: Plan, postgres_plan: Plan) -> None:
    assert isinstance(sqlite_plan(QUERIES[name], {}), list)
    assert isinstance(postgres_plan(QUERIES[name], {}), list)


def test_a_statement_without_an_index_would_be_seen(sqlite_plan: Plan, postgres_plan: Plan) -> None:
    statement = "SELECT id FROM attempts WHERE response = :response"
    assert sqlite_plan(statement, {"response": "x"}) == postgres_plan(statement, {"response": "x"}) == ["attempts"]


def test_a_statement_that_reads_a_whole_index_would_be_seen(sqlite_plan: Plan) -> None:
    statement = (
        "SELECT q.task FROM queued_requests q JOIN tasks t ON t.id = q.task WHERE t.state NOT IN ('queued', 'x')"
    )
    assert set(sqlite_plan(statement, {})) & {"t", "q"} != set()
    assert sqlite_plan("SELECT COUNT(*) FROM tasks", {}) == ["tasks"]


#: Index → a statement that needs it. Each costs something with every change of its table.
_USED_BY: Mapping[str, str] = {
    "api_keys_living": "living_api_key",
    "attempts_age": "old_attempts",
    "attempts_delivery": "attempts_of_delivery",
    "audit_action": "audit_page_of_action",
    "audit_actor": "audit_page_of_actor",
    "audit_task": "audit_page_of_task",
    "deliveries_dead": "count_dead_of_subscription",
    "deliveries_dead_of_notify": "dead_of_notify",
    "deliveries_endpoint": "leasable_deliveries",
    "deliveries_failing": "newest_failing_of_subscription",
    "deliveries_leased": "due_endpoints",
    "deliveries_of_subscription": "deliveries_page_of_subscription",
    "deliveries_state": "deliveries_page_in_state",
    "deliveries_subscription": "delivery_states_of_events",
    "deliveries_unfinished": "oldest_unfinished",
    "endpoints_due": "due_endpoints",
    "events_task": "events_of_task",
    "observations_age": "old_observations",
    "observations_contradictions": "contradicted",
    "observations_task": "observations_of_task",
    "observations_unknown_words": "unknown_words",
    "operator_runs_open": "free_run",
    "subscriptions_state": "next_deleted_subscription",
    "task_labels_value": "tasks_page_with_label",
    "tasks_deadline": "overdue_tasks",
    "tasks_due": "due_tasks",
    "tasks_leased": "pull_back_task_leases",
    "tasks_open": "in_flight",
    "tasks_overdue": "overdue_by_provider",
    "tasks_overdue_ids": "task_ids_overdue",
    "tasks_queue_end": "queue_time_over",
    "tasks_queued": "next_queued",
    "tasks_request_key": "task_by_request_key",
    "tasks_state": "tasks_page_in_state",
}


def test_every_index_is_there_for_a_named_statement() -> None:
    """A new one needs a row in `_USED_BY`."""
    with closing(sqlite3.connect(":memory:")) as file:
        for _, script in known_migrations():
            file.executescript(script)
        made = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")}
    assert made == set(_USED_BY)


@pytest.mark.parametrize("index", _USED_BY)
def test_the_statement_of_an_index_searches_it(index: str, sqlite_lines: Lines) -> None:
    name = _USED_BY[index]
    lines = sqlite_lines(QUERIES[name], _params(name))
    assert [line for line in lines if line.startswith("SEARCH") and re.search(rf"INDEX {index}\b", line)], lines


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("queued_providers", "tasks_queued"),
        ("queue_depths", "tasks_queued"),
        ("queue_of_account", "tasks_queued"),
        ("queued_before", "tasks_queued"),
        ("next_queued", "tasks_queued"),
        ("any_queued", "tasks_queued"),
        ("any_queue_time_over", "tasks_queue_end"),
        ("queue_time_over", "tasks_queue_end"),
    ],
)
def test_the_queue_is_read_by_its_own_indexes_and_never_sorted(name: str, index: str, sqlite_lines: Lines) -> None:
    lines = [line for line in sqlite_lines(QUERIES[name], _params(name)) if " tasks" in line or "B-TREE" in line]
    assert lines
    assert all(index in line for line in lines), lines
