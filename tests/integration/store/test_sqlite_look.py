"""A look at a SQLite ledger finds what the engine finds, and leaves everything out of the ordinary to it."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.runtime.store import open_store
from receiver.store.engine import NEVER_MS, NEWEST, Engine, Param, Row
from receiver.store.errors import Unsuited
from receiver.store.ledger_mark import LedgerMark, mark_path
from receiver.store.sqlite_look import LookEngine, looking, run_now
from receiver.tasks.repository import TaskRepository
from receiver.webhooks.fan_out import FanOut
from submitter.model import TaskState
from tests.support.builders import T0, a_report

READS: dict[str, dict[str, Param]] = {
    "tasks_page": {"cursor": NEWEST, "created_before_ms": NEVER_MS, "provider": None, "limit": 10},
    "tasks_page_in_state": {
        "state": "succeeded",
        "cursor": NEWEST,
        "created_before_ms": NEVER_MS,
        "provider": "hiapi",
        "limit": 2,
    },
    "known_tasks": {"provider_task_ids": ["p1", "p3", "unheard"], "provider": "hiapi"},
    "events_up_to_of_types": {"after": 0, "until": 9, "limit": 9, "types": ["task.succeeded"]},
    "states_of_tasks": {"ids": []},
    "last_seq": {},
}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "a #ledger?.db"
    async with open_store(
        f"sqlite:///{str(path).replace('#', '%23').replace('?', '%3F')}", clock=lambda: T0, migrating=True
    ) as store:
        reports = [a_report(provider_task_id=f"p{number}", allow_adoption=True) for number in range(4)]
        await store.ledger.record(reports, T0)
    return path


async def _rows(engine: Engine, name: str) -> list[Row]:
    return await engine.read(lambda reader: reader.fetch_all(name, **READS[name]))


def _looked(path: Path, name: str) -> list[Row]:
    with looking(path) as look:
        return run_now(_rows(LookEngine(look), name))


@pytest.mark.parametrize("name", READS)
async def test_a_look_finds_what_the_engine_finds(name: str, path: Path) -> None:
    url = f"sqlite:///{str(path).replace('#', '%23').replace('?', '%3F')}"
    async with open_store(url, clock=lambda: T0, migrating=False) as store:
        expected = await _rows(store.engine, name)
    assert _looked(path, name) == expected
    assert (expected == []) == (name == "states_of_tasks")


def test_repositories_work_on_it(path: Path) -> None:
    with looking(path) as look:
        engine = LookEngine(look)
        tasks = TaskRepository(
            engine, FanOut(engine, lambda _kind, _at_ms: "dlv_1", lambda: T0, on_failure=lambda _: None)
        )
        assert run_now(tasks.counts()) == {("hiapi", TaskState.SUCCEEDED): 4}


def test_nobody_who_writes_is_waited_for_or_kept_waiting(path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with looking(path) as look:
        writer.execute("DELETE FROM tasks")
        assert len(look.fetch_all("tasks_page", **READS["tasks_page"])) == 4
        writer.execute("ROLLBACK")
    writer.close()


def _execute(statement: str) -> Callable[[Path], None]:
    def execute(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()

    return execute


TROUBLES: dict[str, Callable[[Path], object]] = {
    "it is missing": Path.unlink,
    "it is no database": lambda path: path.write_text("only words that stand in its place"),
    "it is empty": lambda path: path.write_bytes(b""),
    "its schema is behind": _execute("DELETE FROM migrations WHERE name LIKE '0003%'"),
    "it is of a newer version": _execute("INSERT INTO migrations (name, applied_ms) VALUES ('9999_later', 0)"),
    "it never had a schema": _execute("DROP TABLE migrations"),
    "it has stepped back": _execute("UPDATE numbers SET value = 1 WHERE name = 'events'"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_left_to_the_engine(trouble: str, path: Path) -> None:
    assert len(_looked(path, "tasks_page")) == 4
    TROUBLES[trouble](path)
    with pytest.raises(Unsuited):
        _looked(path, "tasks_page")
    assert path.exists() == (trouble != "it is missing")


@pytest.mark.parametrize("text", ["", "{", '{"events": -1, "task": ""}', "[]"])
def test_a_mark_that_can_not_be_read_is_none(text: str, path: Path) -> None:
    mark_path(path).write_text(text)
    assert len(_looked(path, "tasks_page")) == 4


def test_a_ledger_that_is_locked_as_a_whole_is_left_to_the_engine(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unsuited):
        _looked(path, "tasks_page")
    other.execute("ROLLBACK")
    other.close()


def test_what_writes_or_waits_is_left_to_the_engine(path: Path) -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    async def writes(engine: Engine) -> None:
        await engine.write(lambda tx: tx.execute("prove_writable"))

    with looking(path) as look:
        for work in (waits(), writes(LookEngine(look))):
            with pytest.raises(Unsuited):
                run_now(work)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            look.fetch_all("prove_writable")
    assert LedgerMark(events=2, task="").is_beyond(LedgerMark(events=1, task="x"))
