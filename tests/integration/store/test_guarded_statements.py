"""Each guarded statement alone on rows that it must leave; and each of its conditions is needed for one of them."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import errors

from receiver.runtime.store import Store
from receiver.store.engine import Tx, load_queries
from receiver.store.migrate import known_migrations
from receiver.store.postgres import placeholders
from tests.support.guarded import NOW, Cells, Guarded
from tests.support.guarded_statements import GUARDED, UNGUARDED
from tests.support.ledger_fixtures import put, schema_of
from tests.support.tables import empty, rows_of

QUERIES = load_queries(lock="", skip_locked="")

#: `INSERT … DO NOTHING` and plain inserts change no row that is there.
_CHANGES = re.compile(r"^\s*(UPDATE|DELETE)|DO UPDATE", re.MULTILINE)


def test_every_statement_that_changes_rows_is_in_one_of_the_two_tables() -> None:
    """A new one needs a row in `tests/support/guarded_statements.py`."""
    changing = {name for name, statement in QUERIES.items() if _CHANGES.search(statement)}
    assert set(GUARDED) | set(UNGUARDED) == changing
    assert not set(GUARDED) & set(UNGUARDED)


def _clear(url: str, guarded: Guarded) -> None:
    if not url.startswith("sqlite"):
        empty_rows = "; ".join(f'DELETE FROM "{table}"' for table in (guarded.table, *guarded.beside))
        with closing(psycopg.connect(url)) as server:
            server.execute(empty_rows.encode())
            server.commit()
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
        for table in (guarded.table, *guarded.beside):
            file.execute(f'DELETE FROM "{table}"')


async def _changed(store: Store, url: str, name: str, change: Cells) -> tuple[int, bool]:
    """How many rows the statement changed, and whether the row is as before."""
    guarded = GUARDED[name]
    _clear(url, guarded)
    put(url, guarded.table, {**guarded.row, **change})
    for table, rows in guarded.beside.items():
        put(url, table, *map(dict, rows))
    before = rows_of(url, schema_of(guarded.table).select)

    async def work(tx: Tx) -> int:
        return await tx.execute_and_count(name, **guarded.params)

    count = await store.engine.write(work)
    return count, rows_of(url, schema_of(guarded.table).select) == before


@pytest.mark.parametrize("name", GUARDED)
async def test_a_guarded_statement_takes_its_row_and_leaves_every_other(
    store: Store, database_url: str, name: str
) -> None:
    for change in ({}, *GUARDED[name].takes):
        assert await _changed(store, database_url, name, change) == (1, False), change
    for change in GUARDED[name].leaves:
        assert await _changed(store, database_url, name, change) == (0, True), change
    if not database_url.startswith("sqlite"):
        empty(database_url)


# Faults are planted in the statements, and the tables must notice each.


def _split(text: str, word: str) -> list[str]:
    """At a word that stands outside all parentheses and all CASE … END."""
    parts, depth, start = [], 0, 0
    for token in re.finditer(r"\(|\)|\bCASE\b|\bEND\b|\b" + word + r"\b", text):
        if token.group() in {"(", "CASE"}:
            depth += 1
        elif token.group() in {")", "END"}:
            depth -= 1
        elif depth == 0:
            parts.append(text[start : token.start()])
            start = token.end()
    return [*parts, text[start:]]


def _faults(statement: str) -> Iterator[str]:
    """The statement without one of its conditions, and with one alternative of a condition alone."""
    *heads, guard = _split(statement, "WHERE")
    head = "WHERE".join(heads)
    conditions = _split(guard, "AND")
    for place, condition in enumerate(conditions):
        others = [*conditions[:place], *conditions[place + 1 :]]
        yield f"{head} WHERE {' AND '.join(others)}" if others else head
        bare = condition.strip()
        alternatives = _split(bare[1:-1], "OR") if bare.startswith("(") else _split(bare, "OR")
        for number in range(len(alternatives) if len(alternatives) > 1 else 0):
            left = " OR ".join(alternatives[:number] + alternatives[number + 1 :])
            yield f"{head} WHERE {' AND '.join([*others, f'({left})'])}"
        for old, new in ((" <= ", " < "), (" < ", " <= "), (" > ", " >= "), (" >= ", " > ")):
            if old in bare and "CASE" not in bare and "SELECT" not in bare:
                yield f"{head} WHERE {' AND '.join([*others, bare.replace(old, new, 1)])}"


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        for _, script in known_migrations():
            opened.executescript(script)
        yield opened


def _run_on(database: sqlite3.Connection, guarded: Guarded, statement: str, change: Cells) -> int:
    defaults = {"TEXT": "", "INTEGER": 0, "BIGINT": 0, "DOUBLE PRECISION": 0.0}

    def insert(table: str, row: Cells) -> None:
        schema = schema_of(table)
        database.execute(schema.insert, [row.get(column.name, defaults[column.type]) for column in schema.columns])

    for table in (guarded.table, *guarded.beside):
        database.execute(f'DELETE FROM "{table}"')
    insert(guarded.table, {**guarded.row, **change})
    for table, rows in guarded.beside.items():
        for row in rows:
            insert(table, row)
    return database.execute(statement, dict(guarded.params)).rowcount


def _notices(database: sqlite3.Connection, guarded: Guarded, statement: str) -> bool:
    taken = [_run_on(database, guarded, statement, change) for change in ({}, *guarded.takes)]
    left = [_run_on(database, guarded, statement, change) for change in guarded.leaves]
    return set(taken) != {1} or set(left) != {0}


@pytest.mark.parametrize("name", GUARDED)
def test_a_statement_that_lacks_a_condition_is_noticed(database: sqlite3.Connection, name: str) -> None:
    faults = list(_faults(QUERIES[name]))
    assert faults
    unnoticed = [fault for fault in faults if not _notices(database, GUARDED[name], fault)]
    assert unnoticed == []


# Row locks, which only Postgres has.

_LOCKING = {
    name: statement
    for name, statement in load_queries(lock="FOR UPDATE", skip_locked="FOR UPDATE SKIP LOCKED").items()
    if statement.endswith(("FOR UPDATE", "FOR UPDATE SKIP LOCKED"))
}

_TASK = {"id": "t", "provider": "p", "task_id": "x", "labels": "{}", "state": "running", "idempotency_key": None}
_DUE = {"id": "d", "endpoint_id": "e", "event_seq": 7, "due_ms": 1, "lease_until_ms": None, "subscription": None}
_SUBSCRIPTION = {"id": "s", "state": "active"}
_RUN = {
    "id": "r",
    "nonce": "n",
    "kind": "k",
    "state": "running",
    "lease_until_ms": None,
    "condition": "{}",
    "notes": "[]",
}

#: A row that the statement finds, its table, and what it takes.
_FOUND: dict[str, tuple[str, Cells, dict[str, Any]]] = {
    "account": ("accounts", {"provider": "p"}, {"provider": "p"}),
    "lock_counter": ("numbers", {"name": "a"}, {"name": "a"}),
    "due_tasks": (
        "tasks",
        {**_TASK, "next_poll_ms": 1, "lease_until_ms": None},
        {"provider": "p", "now_ms": NOW, "limit": 9},
    ),
    "put_off_tasks": (
        "tasks",
        {**_TASK, "next_poll_ms": NOW},
        {"provider": "p", "from_ms": NOW, "until_ms": NOW, "limit": 9},
    ),
    "later_deliveries": (
        "deliveries",
        {**_DUE, "is_replay": 0, "due_ms": NOW + 1},
        {"endpoint_id": "e", "now_ms": NOW, "limit": 9},
    ),
    "dead_of_notify": ("deliveries", {**_DUE, "state": "dead"}, {"endpoint_id": "e", "limit": 9}),
    "overdue_tasks": (
        "tasks",
        {**_TASK, "deadline_ms": 1, "overdue_ms": None, "final_ms": None},
        {"now_ms": NOW, "limit": 9},
    ),
    "tasks_by_keys_or_ids": ("tasks", _TASK, {"provider_task_ids": ["x"], "ids": ["t"]}),
    "reported_tasks": ("tasks", _TASK, {"provider_task_ids": ["x"], "ids": ["t"]}),
    "tasks_by_ids": ("tasks", _TASK, {"ids": ["t"]}),
    "next_queued": (
        "tasks",
        {**_TASK, "state": "queued", "queued_until_ms": NOW + 1},
        {"provider": "p", "after_ms": NOW},
    ),
    "queue_time_over": ("tasks", {**_TASK, "state": "queued", "queued_until_ms": 1}, {"now_ms": NOW, "limit": 9}),
    "task_by_request_key": (
        "tasks",
        {**_TASK, "request_key": "k", "key_scope": ""},
        {"request_key": "k", "key_scope": "key a"},
    ),
    "lock_request_keys": ("tasks", {**_TASK, "request_key": "k"}, {"keys": ["k"]}),
    "oldest_events": ("events", {"seq": 7, "id": "v"}, {"limit": 9}),
    "lock_events": ("events", {"seq": 7, "id": "v"}, {"seqs": [7]}),
    "leasable_deliveries": ("deliveries", _DUE, {"endpoint_id": "e", "is_replay": 0, "now_ms": NOW, "count": 9}),
    "newest_leasable_deliveries": ("deliveries", _DUE, {"endpoint_id": "e", "is_replay": 0, "now_ms": NOW, "count": 9}),
    "endpoints_by_ids": ("endpoints", {"id": "e"}, {"ids": ["e"]}),
    "subscriptions_by_ids": ("subscriptions", _SUBSCRIPTION, {"ids": ["s"]}),
    "lock_subscription": ("subscriptions", _SUBSCRIPTION, {"id": "s"}),
    "free_run": ("operator_runs", _RUN, {"id": None, "now_ms": NOW, "kinds": ["k"], "in_work": ["q"]}),
}

#: What only one owner at a time may go through; each of these locks the row that it reads.
_MUST_LOCK = frozenset(_FOUND)


def test_every_statement_that_must_lock_does_and_the_table_knows_all_that_lock() -> None:
    """A new one needs a row in `_FOUND`; one that lost its lock is missing here."""
    assert set(_LOCKING) == _MUST_LOCK


def _found(connection: psycopg.Connection[Any], name: str, suffix: str = "") -> Sequence[Any]:
    return connection.execute((placeholders(_LOCKING[name]) + suffix).encode(), _FOUND[name][2]).fetchall()


@pytest.mark.parametrize("name", _FOUND)
def test_a_row_that_one_transaction_has_locked_is_not_had_by_another(postgres_url: str, name: str) -> None:
    table, row, _ = _FOUND[name]
    put(postgres_url, table, dict(row))
    with closing(psycopg.connect(postgres_url)) as one, closing(psycopg.connect(postgres_url)) as two:
        assert len(_found(one, name)) == 1
        if _LOCKING[name].endswith("SKIP LOCKED"):
            assert _found(two, name) == []
        else:
            with pytest.raises(errors.LockNotAvailable):
                _found(two, name, " NOWAIT")
        one.rollback()
        two.rollback()
        assert len(_found(two, name)) == 1
