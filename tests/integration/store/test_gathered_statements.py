"""Statements whose result nobody reads are run with the next one whose result is read, or with the commit."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from receiver.runtime.store import Store, open_store
from receiver.store.engine import Tx
from receiver.store.errors import StoreError, StoreUnavailable
from receiver.store.sqlite import SqliteEngine
from receiver.store.sqlite_writer import WriterThread
from receiver.tasks.model.task import Recorded
from tests.support.builders import T0, a_report


async def _keep(tx: Tx, name: str) -> None:
    await tx.execute("insert_metadata", name=name, value="x")


async def _fail(tx: Tx) -> None:
    """Break a constraint."""
    await tx.execute("insert_audit", id="aud_1", at_ms=T0, actor=None, action="x", task=None, detail="{}")


async def _found(store: Store) -> set[str]:
    return {name for name in ("before", "after", "next") if await store.metadata.find(name) is not None}


Ending = Callable[[Tx], Awaitable[object]]

#: Where the error of a statement is raised whose result nobody reads.
ENDINGS: dict[str, Ending] = {
    "read": lambda tx: tx.fetch_one("last_seq"),
    "count": lambda tx: tx.execute_and_count("prove_writable"),
    "many reads": lambda tx: tx.fetch_many("metadata_value", [{"name": "before"}]),
    "commit": lambda _: asyncio.sleep(0),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_error_is_raised_at_the_latest_where_the_next_result_is_read_and_nothing_is_stored(
    store: Store, ending: str
) -> None:
    """A server may have answered already when the next statement is sent."""
    steps: list[str] = []

    async def work(tx: Tx) -> None:
        await _keep(tx, "before")
        await _fail(tx)
        await _keep(tx, "after")
        steps.append("gathered")
        await ENDINGS[ending](tx)
        steps.append("ended")

    with pytest.raises((sqlite3.IntegrityError, StoreError)):
        await store.engine.write(work)
    if isinstance(store.engine, SqliteEngine):
        assert steps == (["gathered", "ended"] if ending == "commit" else ["gathered"])
    assert ending == "commit" or "ended" not in steps
    assert await _found(store) == set()
    await store.engine.write(lambda tx: _keep(tx, "next"))
    assert await _found(store) == {"next"}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_work_that_goes_on_after_an_error_stores_nothing_and_is_told_again(store: Store, ending: str) -> None:
    async def work(tx: Tx) -> None:
        await _keep(tx, "before")
        await _fail(tx)
        with pytest.raises((sqlite3.Error, psycopg.Error)):
            await tx.fetch_one("last_seq")
        await _keep(tx, "after")
        await ENDINGS[ending](tx)

    with pytest.raises((sqlite3.IntegrityError, StoreError)):
        await store.engine.write(work)
    assert await _found(store) == set()
    await store.engine.write(lambda tx: _keep(tx, "next"))
    assert await _found(store) == {"next"}


async def test_work_that_raises_stores_nothing_of_what_was_gathered(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await _keep(tx, "before")
        raise LookupError

    with pytest.raises(LookupError):
        await store.engine.write(work)
    await store.engine.write(lambda tx: _keep(tx, "next"))
    assert await _found(store) == {"next"}


async def test_work_may_await_something_else_between_its_statements(store: Store) -> None:
    async def work(tx: Tx) -> int:
        await asyncio.sleep(0.01)
        await _keep(tx, "before")
        await asyncio.gather(asyncio.sleep(0.01), store.events.last_seq())
        row = await tx.fetch_one("metadata_value", name="before")
        await asyncio.sleep(0.01)
        await _keep(tx, "after")
        await asyncio.sleep(0.01)
        return len(row or {})

    columns, value = await asyncio.gather(store.engine.write(work), store.metadata.get_or_create("next", "y"))
    assert (columns, value) == (1, "y")
    assert await _found(store) == {"before", "after", "next"}


async def test_values_are_those_of_the_call_whatever_becomes_of_them(store: Store) -> None:
    async def work(tx: Tx) -> None:
        row = {"name": "before", "value": "x"}
        await tx.execute_many("insert_metadata", rows := [row])
        row["name"] = "after"
        rows.clear()

    await store.engine.write(work)
    assert await _found(store) == {"before"}


async def test_a_transaction_without_statements_is_one(store: Store) -> None:
    assert await store.engine.write(lambda _: asyncio.sleep(0, "done")) == "done"


# What only SQLite has


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    async with open_store(url, clock=lambda: T0, migrating=True, busy_timeout_ms=200) as store:
        yield store


def _hand_offs(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one with each hand-off to the writer's thread."""
    counted: list[object] = []
    call = WriterThread.call

    async def counting(self: WriterThread, function: Callable[[], object]) -> object:
        counted.append(function)
        return await call(self, function)

    monkeypatch.setattr(WriterThread, "call", counting)
    return counted


async def test_only_what_is_read_and_the_commit_cost_a_hand_off(
    embedded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _hand_offs(monkeypatch)

    async def work(tx: Tx) -> None:
        await _keep(tx, "before")
        await tx.execute_many("insert_metadata", [{"name": f"n{each}", "value": ""} for each in range(9)])
        assert counted == []
        found = await tx.fetch_many("metadata_value", [{"name": f"n{each}"} for each in range(9)])
        assert (len(found), len(counted)) == (9, 1)
        await _keep(tx, "after")

    await embedded.engine.write(work)
    assert len(counted) == 2
    assert await _found(embedded) == {"before", "after"}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_transaction_that_cannot_begin_runs_nothing(embedded: Store, tmp_path: Path, ending: str) -> None:
    async def work(tx: Tx) -> None:
        await _keep(tx, "before")
        await ENDINGS[ending](tx)

    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await embedded.engine.write(work)
    other.execute("ROLLBACK")
    other.close()
    assert await _found(embedded) == set()
    await embedded.engine.write(lambda tx: _keep(tx, "next"))
    assert await _found(embedded) == {"next"}


@pytest.mark.parametrize("turns", range(24))
async def test_a_transaction_cancelled_at_any_point_is_stored_whole_or_not_at_all(embedded: Store, turns: int) -> None:
    """As the end of the event loop cancels it, which the shield of the caller does not hold off."""
    assert isinstance(embedded.engine, SqliteEngine)

    async def work(tx: Tx) -> None:
        await _keep(tx, "before")
        await tx.fetch_one("last_seq")
        await _keep(tx, "after")

    caller = asyncio.create_task(embedded.engine.write(work))
    for _ in range(turns):
        await asyncio.sleep(0)
    for running in tuple(embedded.engine._running):
        running.cancel()
    await asyncio.wait([caller])
    assert await _found(embedded) in (set(), {"before", "after"})
    await embedded.engine.write(lambda tx: _keep(tx, "next"))
    assert "next" in await _found(embedded)


async def test_closing_ends_the_writers_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with open_store(f"sqlite:///{tmp_path / 'a.db'}", clock=lambda: T0, migrating=True) as store:
        await store.check()
        assert {each.name for each in set(threading.enumerate()) - before} >= {"ledger-writer"}
    assert "ledger-writer" not in {each.name for each in set(threading.enumerate()) - before}


_NEVER_CLOSED = """
import asyncio, sys
from pathlib import Path
from receiver.store.sqlite import open_sqlite
from receiver.store.migrate import migrate

async def main():
    engine = await open_sqlite(Path(sys.argv[1]), busy_timeout_ms=500)
    await migrate(engine, 1)
    keep = lambda tx: tx.execute("insert_metadata", name="stored", value="x")
    await engine.write(keep)
    if sys.argv[2] == "within":
        async def stay(tx):
            await tx.execute_and_count("insert_metadata", name="half", value="x")
            print("stored", flush=True)
            await asyncio.sleep(60)
        asyncio.create_task(engine.write(stay))
        await asyncio.sleep(0.2)
    print("end", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["idle", "within"])
async def test_a_process_ends_with_an_engine_that_nobody_closed(tmp_path: Path, when: str) -> None:
    path = tmp_path / "a.db"
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "ignore", "-c", _NEVER_CLOSED, str(path), when],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout.endswith(b"end\n"), ended.stderr
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        assert await store.metadata.find("stored") == "x"
        assert await store.metadata.find("half") is None
        report = a_report(allow_adoption=True)
        assert isinstance((await store.ledger.record([report], T0))[0], Recorded)
