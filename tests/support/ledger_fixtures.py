"""Whole ledgers for tests of transfers: filled through the repositories, compared cell by cell."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg

from receiver.config.api_keys import Limits, Scope
from receiver.events.model.query import EventFilter
from receiver.runtime.key_repository import StoredKey
from receiver.runtime.operator_runs.model import OperatorRun
from receiver.runtime.store import Store, open_store
from receiver.store.audit import AuditEntry
from receiver.store.engine import Tx, Value
from receiver.store.minutes import MINUTE_MS, MinuteKey
from receiver.store.open import ledger_at
from receiver.store.processes import ProcessRow
from receiver.store.transfer.schema import TableSchema, table_schemas
from receiver.store.transfer.transfer import OnProgress, TransferReport, transfer
from receiver.store.url import LedgerFile
from receiver.tasks.model.queue import AccountLimits
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.rows import filter_json
from submitter.model import TaskState
from tests.support.builders import BUDGET, T0, a_report, a_task, notified
from tests.support.delivery_fixtures import finish, lease, publish_events, subscribe
from tests.support.tables import rows_of

SCHEMAS = table_schemas()
AWKWARD = "完成 🎬 \\N \\. \t\r\n'\"%s %(a)s \u2028 \x7f"


async def create(url: str) -> None:
    """A ledger with every migration and no rows."""
    async with open_store(url, clock=lambda: T0, migrating=True, pool_size=2):
        pass


async def _fill_operators(store: Store) -> None:
    """A run, a process and an API key."""
    key = StoredKey(
        id="key_1",
        name=AWKWARD,
        scopes=frozenset(Scope),
        limits=Limits(label=("team", AWKWARD)),
        sha256=b"d" * 32,
        created_ms=T0,
        created_by="key all",
    )
    await store.keys.add(key, now_ms=T0)
    run = OperatorRun(
        id="run_1",
        nonce="n",
        kind="cancel-tasks",
        actor=AWKWARD,
        condition={"why": AWKWARD},
        expected=None,
        created_ms=T0,
    )
    await store.runs.start(run, now_ms=T0)
    await store.processes.seen(
        ProcessRow(id="node-1", role="serve", version="1", python="3", host=AWKWARD, pid=1, started_ms=T0, seen_ms=T0)
    )


async def fill(url: str) -> None:
    """Fill every table: tasks that succeeded, failed and run; deliveries that are pending, delivered and dead."""
    async with open_store(url, clock=lambda: T0, migrating=True, pool_size=2) as store:
        await subscribe(store, description=AWKWARD, rate_per_s=0.1, granted_per_s=0.1 + 0.2)
        await subscribe(store, "sub_2", max_in_flight=2)
        for number in range(5):
            await publish_events(store, 1, first=number + 1, at_ms=T0 - 5 + number)
        await store.submissions.open_task(notified(labels={"film": AWKWARD}), T0)
        await store.ledger.record([a_report(TaskState.FAILED, expected_task_id="tsk_1")], T0)
        await store.submissions.open_task(a_task("tsk_2", idempotency_key="key"), T0)
        limits = AccountLimits(budget=BUDGET, max_in_flight=1, speed=1)
        waiting = a_task("tsk_3", queued_until_ms=T0 + 60_000)
        await store.submissions.open_task(waiting, T0, limits=limits, request_text=AWKWARD)
        await store.polls.lease_due("hiapi", budget=BUDGET, owner="gone", now_ms=T0 + 60_000, lease_ms=10_000, limit=5)
        for state in (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.PENDING):
            await finish(store, await lease(store, limit=1), state)
        await _fill_operators(store)
        await store.audit.record(AuditEntry(actor="ann", action="polled", detail={"why": AWKWARD}), now_ms=T0)
        await store.metadata.get_or_create("signing_key", "k" * 43)

        key = MinuteKey("whenfinal_polls", T0 - T0 % MINUTE_MS, "hiapi", AWKWARD)
        await store.minutes.add({key: 7}, names=(), now_ms=T0)

        learned: dict[str, Value] = {
            "provider": "hiapi",
            "model": AWKWARD,
            "resolution": "",
            "length": "",
            "count": 1,
            "learned_ms": T0,
        }

        async def lose(tx: Tx) -> None:
            await tx.execute("insert_lost_events", after_seq=1, until_seq=2, now_ms=T0)
            await tx.execute("set_durations", learned="{}", **learned)

        await store.engine.write(lose)
    former = {"id": "sub_0", "after_seq": 8, "until_seq": 9, "url": AWKWARD, "filter": filter_json(EventFilter())}
    put(url, "former_subscriptions", former)


async def transferring(source: str, target: str, on_progress: OnProgress = lambda *_: None) -> TransferReport:
    return await asyncio.to_thread(transfer, source, target, now_ms=T0, on_progress=on_progress)


def contents(url: str) -> dict[str, list[Any]]:
    """All rows of all tables, each cell with its type."""
    return {schema.name: [[repr(cell) for cell in row] for row in rows_of(url, schema.select)] for schema in SCHEMAS}


def schema_of(table: str) -> TableSchema:
    return next(schema for schema in SCHEMAS if schema.name == table)


def run_on(url: str, *statements: str) -> None:
    """Run statements on the database itself, and commit."""
    place = ledger_at(url)
    if isinstance(place, LedgerFile):
        with closing(sqlite3.connect(place.path, timeout=0.1)) as file, file:
            for statement in statements:
                file.execute(statement)
        return
    with closing(psycopg.connect(url, options="-c lock_timeout=100ms")) as server:
        for statement in statements:
            server.execute(statement.encode())
        server.commit()


def put(url: str, table: str, *rows: dict[str, Any]) -> None:
    """Insert rows of plain values; a missing column is zero or empty."""
    schema = schema_of(table)
    defaults = {"TEXT": "", "INTEGER": 0, "BIGINT": 0, "DOUBLE PRECISION": 0.0}
    full = [[row.get(column.name, defaults[column.type]) for column in schema.columns] for row in rows]
    place = ledger_at(url)
    if isinstance(place, LedgerFile):
        with closing(sqlite3.connect(place.path)) as file, file:
            file.executemany(schema.insert, full)
        return
    with closing(psycopg.connect(url)) as server, server.cursor() as cursor:
        with cursor.copy(schema.copy_in.encode()) as copy:
            for row in full:
                copy.write_row(row)
        server.commit()


def at_row(number: int, act: Callable[[], None]) -> OnProgress:
    """Calls `act` once, when that many rows of one table were copied."""
    tables: list[str] = []

    def on_progress(table: str, step: str, done: int, total: int) -> None:
        if done >= number and not tables:
            tables.append(table)
            act()

    return on_progress


def stop_halfway() -> None:
    """In a process of its own: begins a transfer, prints a line halfway, and waits there to be killed."""

    def wait() -> None:
        sys.stdout.write("halfway\n")
        sys.stdout.flush()
        sys.stdin.read()

    source, target = json.loads(sys.argv[1])
    transfer(source, target, now_ms=T0, on_progress=at_row(1000, wait))


def pairs() -> Iterator[tuple[str, str]]:
    """From each engine to each engine."""
    for source in ("sqlite", "postgres"):
        for target in ("sqlite", "postgres"):
            yield source, target


if __name__ == "__main__":
    stop_halfway()
