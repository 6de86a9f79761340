"""A ledger of the version before opens, loses no row, and goes on; the newest dump in `ledgers` is that version's."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from receiver.runtime.store import open_store
from receiver.store.errors import SchemaBehind
from receiver.store.migrate import known_migrations, migrate
from receiver.store.open import ledger_at
from receiver.store.url import LedgerFile
from submitter.model import TaskState
from tests.support.builders import T0, a_report, a_task
from tests.support.tables import engine_at, rows_of

LEDGERS = Path(__file__).with_name("ledgers")
PREVIOUS = max(path.name.split("_")[1] for path in LEDGERS.glob("ledger_*_sqlite.sql"))
SINCE = [name for name, _ in known_migrations() if name.split("_")[0] > PREVIOUS]
DUMP = (LEDGERS / f"ledger_{PREVIOUS}_sqlite.sql").read_text(encoding="utf-8")
TABLES = sorted(set(re.findall(r"^CREATE TABLE (\w+)", DUMP, re.MULTILINE)) - {"migrations"})


@pytest.fixture(name="previous_url")
def _previous_url(empty_url: str) -> str:
    place = ledger_at(empty_url)
    if isinstance(place, LedgerFile):
        with closing(sqlite3.connect(place.path)) as file:
            file.executescript(DUMP)
    else:
        script = (LEDGERS / f"ledger_{PREVIOUS}_postgres.sql").read_text(encoding="utf-8")
        with closing(psycopg.connect(empty_url, autocommit=True)) as server:
            server.execute(script.encode())
    return empty_url


def _rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows_of(url, f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES}


def test_the_dump_has_rows_in_many_tables() -> None:
    filled = set(re.findall(r'^INSERT INTO "?(\w+)"?', DUMP, re.MULTILINE))
    assert {"tasks", "events", "deliveries", "subscriptions", "observations", "numbers"} <= filled


async def test_its_rows_are_all_there_after_the_update(previous_url: str) -> None:
    before = _rows(previous_url)
    if SINCE:
        with pytest.raises(SchemaBehind, match=SINCE[0]):
            async with open_store(previous_url, clock=lambda: T0, migrating=False):
                pass
    async with engine_at(previous_url) as engine:
        assert list(await migrate(engine, T0)) == SINCE
    after = _rows(previous_url)
    for name, rows in before.items():
        width = len(rows[0]) if rows else 0  # later migrations may add columns
        kept = [row[:width] for row in after[name]]
        assert [row for row in rows if row not in kept] == [], name


async def test_a_task_ends_in_it_with_the_next_number(previous_url: str) -> None:
    newest = max(row[0] for row in rows_of(previous_url, "SELECT value FROM numbers WHERE name = 'events'"))
    async with open_store(previous_url, clock=lambda: T0, migrating=True) as store:
        task = a_task("tsk_new", provider_task_id="new", state=TaskState.RUNNING)
        await store.submissions.open_task(task, T0)
        await store.ledger.record([a_report(provider_task_id="new")], T0)
        (event,) = await store.events.events(newest)
        assert (event.seq, event.task_id) == (newest + 1, "tsk_new")
