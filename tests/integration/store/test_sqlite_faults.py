"""What the embedded engine does when the file can not be written, and when callers go away."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from receiver.runtime.store import Store, open_store
from receiver.store.engine import Tx
from receiver.store.errors import StoreError, StoreUnavailable
from receiver.store.sqlite import READERS, open_sqlite
from receiver.tasks.model.task import Recorded
from tests.support.builders import T0, a_report


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


async def _record(store: Store, provider_task_id: str = "p1") -> object:
    return (await store.ledger.record([a_report(provider_task_id=provider_task_id, allow_adoption=True)], T0))[0]


async def _record_until_refused(store: Store) -> None:
    for index in range(1000):
        await _record(store, f"q{index}")


async def test_a_file_locked_by_another_process_is_unavailable_and_then_works(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_store(_url(path), clock=lambda: T0, migrating=True, busy_timeout_ms=50) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await _record(store)
        assert await store.events.last_seq() == 0  # readers do not wait
        other.execute("ROLLBACK")
        assert isinstance(await _record(store), Recorded)
        other.close()


async def test_a_new_file_that_another_process_is_writing_to_is_opened_after_it(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:  # not in WAL mode yet
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await open_sqlite(path, busy_timeout_ms=100)
        opening = asyncio.create_task(open_sqlite(path, busy_timeout_ms=30_000))
        await asyncio.wait({opening}, timeout=0.3)
        other.execute("COMMIT")
        engine = await opening
    await engine.close()


async def test_a_full_disk_at_commit_loses_nothing_and_claims_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)

        async def fill(tx: Tx) -> None:
            await tx.run_script("PRAGMA max_page_count = 1;\n")  # SQLite uses only the pages that exist

        await store.engine.write(fill)
        with pytest.raises(StoreUnavailable, match="full"):
            await _record_until_refused(store)
        assert (await store.events.last_seq()) == len(await store.events.events(0, limit=2000))

        async def free(tx: Tx) -> None:
            await tx.run_script("PRAGMA max_page_count = 1000000;\n")

        await store.engine.write(free)
        assert isinstance(await _record(store, "after"), Recorded)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is not a database, and long enough to be read as one" * 100)
    with pytest.raises(StoreError):
        await open_sqlite(path, busy_timeout_ms=50)


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await open_sqlite(tmp_path / "none" / "a.db", busy_timeout_ms=50)


async def test_what_can_not_be_opened_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            await open_sqlite(tmp_path / "nowhere" / "a.db", busy_timeout_ms=50)
        assert set(threading.enumerate()) - before == set()  # one of an earlier test may have ended meanwhile


async def test_every_connection_writes_ahead_and_a_commit_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[aiosqlite.Connection] = []
    connect = aiosqlite.connect

    def noted(*words: Any, **names: Any) -> aiosqlite.Connection:
        opened.append(connect(*words, **names))
        return opened[-1]

    monkeypatch.setattr(aiosqlite, "connect", noted)
    engine = await open_sqlite(tmp_path / "a.db", busy_timeout_ms=50)
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
        rows = [tuple(*await each.execute_fetchall(f"PRAGMA {pragma}")) for each in opened]
        rows += engine._writer.connection.execute(f"PRAGMA {pragma}").fetchall()
        assert rows == [(value,)] * (READERS + 1)
    await engine.close()


async def test_a_cancelled_caller_does_not_wedge_the_writer(tmp_path: Path) -> None:
    async with open_store(_url(tmp_path / "a.db"), clock=lambda: T0, migrating=True) as store:
        for index in range(50):
            caller = asyncio.create_task(_record(store, f"p{index}"))
            for _ in range(index % 7):
                await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait([caller])
        assert isinstance(await _record(store, "last"), Recorded)


async def test_transactions_of_two_coroutines_do_not_mix(tmp_path: Path) -> None:
    async with open_store(_url(tmp_path / "a.db"), clock=lambda: T0, migrating=True) as store:

        async def failing(tx: Tx) -> None:
            await tx.execute("insert_metadata", name="half", value="x")
            await asyncio.sleep(0.01)
            raise LookupError

        results = await asyncio.gather(store.engine.write(failing), _record(store), return_exceptions=True)
        assert isinstance(results[0], LookupError)
        assert isinstance(results[1], Recorded)
        assert await store.metadata.find("half") is None


async def test_two_stores_on_one_file_give_one_event_each(tmp_path: Path) -> None:
    url = _url(tmp_path / "a.db")
    async with (
        open_store(url, clock=lambda: T0, migrating=True) as one,
        open_store(url, clock=lambda: T0, migrating=True) as two,
    ):
        await asyncio.gather(*(_record(store, f"p{n}") for n in range(40) for store in (one, two)))
        assert await one.events.last_seq() == await two.events.last_seq() == 40


async def test_closing_waits_for_the_transaction_in_flight_and_later_calls_are_unavailable(tmp_path: Path) -> None:
    async with open_store(_url(tmp_path / "a.db"), clock=lambda: T0, migrating=True) as store:
        caller = asyncio.create_task(_record(store))
        await asyncio.sleep(0)
    assert isinstance(await caller, Recorded)
    with pytest.raises(StoreUnavailable):
        await _record(store)


async def test_the_check_fails_exactly_when_a_write_would(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_store(_url(path), clock=lambda: T0, migrating=True, busy_timeout_ms=50) as store:
        await store.check()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.check()
        other.close()
