"""A SQLite ledger that is deleted, moved or replaced under a process, and the modes of its files."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.runtime.store import Store, open_store
from receiver.store.errors import LedgerGone, StoreUnavailable
from receiver.store.ledger_file import COMPANIONS
from receiver.store.sqlite import SqliteEngine
from receiver.tasks.model.task import Recorded
from tests.support.builders import T0, a_report
from tests.support.ledger_fixtures import transferring

FILES = ("", *COMPANIONS)


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


async def _record(store: Store, provider_task_id: str = "p1") -> object:
    return (await store.ledger.record([a_report(provider_task_id=provider_task_id, allow_adoption=True)], T0))[0]


def _move(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for suffix in FILES:
        path.with_name(path.name + suffix).rename(folder / (path.name + suffix))


def _replace(path: Path) -> None:
    """As a restored backup does: the same content in other files."""
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.rename(path)


def _delete(*suffixes: str) -> Callable[[Path], None]:
    def delete(path: Path) -> None:
        for suffix in suffixes:
            path.with_name(path.name + suffix).unlink()

    return delete


def _move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))


def _replace_folder(path: Path) -> None:
    _move_folder(path)
    shutil.copytree(path.parent.with_name("away"), path.parent)


DISASTERS: dict[str, Callable[[Path], None]] = {
    "the ledger is deleted": _delete(""),
    "all its files are deleted": _delete(*FILES),
    "its WAL is deleted": _delete("-wal"),
    "its SHM is deleted": _delete("-shm"),
    "it is replaced": _replace,
    "it is moved away": lambda path: _move(path, path.parent / "away"),
    "its folder is moved": _move_folder,
    "another folder is at its path": _replace_folder,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "a.db"


@pytest.mark.parametrize("disaster", DISASTERS)
async def test_nothing_is_acknowledged_or_read_that_the_ledger_at_the_path_does_not_hold(
    disaster: str, path: Path
) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)
        DISASTERS[disaster](path)
        with capture_logs() as lines:
            for _ in range(3):
                with pytest.raises(LedgerGone):
                    await _record(store, "p2")
                with pytest.raises(LedgerGone):
                    await store.events.last_seq()
                with pytest.raises(LedgerGone):
                    await store.check()
        assert [line["event"] for line in lines] == ["ledger_gone"]
        assert str(path) in lines[0]["problem"]


async def test_a_ledger_that_goes_away_within_a_transaction_is_noticed_before_its_end(path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:

        async def work(tx: object) -> None:
            path.parent.rename(path.parent.with_name("away"))

        with pytest.raises(LedgerGone):
            await store.engine.write(work)
        path.parent.with_name("away").rename(path.parent)
        assert isinstance(await _record(store), Recorded)


async def test_a_commit_into_a_ledger_that_has_just_gone_away_is_not_acknowledged(path: Path) -> None:
    def leaving(statement: str) -> None:
        if statement == "COMMIT":
            path.parent.rename(path.parent.with_name("away"))

    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        assert isinstance(store.engine, SqliteEngine)
        writer = store.engine._writer.connection
        writer.set_trace_callback(leaving)  # called before a statement is run
        with pytest.raises(LedgerGone):
            await _record(store)
        writer.set_trace_callback(None)
        path.parent.with_name("away").rename(path.parent)
        assert isinstance(await _record(store), Recorded)


async def test_a_folder_that_is_moved_back_goes_on_where_it_was(path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)
        away = path.parent.rename(path.parent.with_name("away"))
        with pytest.raises(LedgerGone, match="put it back"):
            await _record(store, "p2")
        away.rename(path.parent)
        with capture_logs() as lines:
            assert isinstance(await _record(store, "p2"), Recorded)
            assert await store.events.last_seq() == 2
        assert [line["event"] for line in lines] == ["ledger_back"]
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        assert await store.events.last_seq() == 2


async def test_a_replaced_ledger_needs_a_restart_and_says_so(path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        _replace(path)
        with pytest.raises(LedgerGone, match="restart this process"):
            await _record(store, "p2")
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        assert await store.events.last_seq() == 1
        assert isinstance(await _record(store, "p2"), Recorded)


async def test_a_stop_does_not_touch_the_ledger_that_has_come_to_the_path(path: Path) -> None:
    """SQLite deletes a WAL by its name at the end, and another process may be using the new one."""
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as gone:
        await _record(gone)
        path.parent.rename(path.parent.with_name("away"))
        path.parent.mkdir()
        async with open_store(_url(path), clock=lambda: T0, migrating=True) as new:
            await _record(new, "p2")
            await gone.engine.close()
            assert isinstance(await _record(new, "p3"), Recorded)
            assert path.with_name("a.db-wal").exists()
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as new:
        assert await new.events.last_seq() == 2


async def test_a_stop_saves_what_a_deleted_wal_held(path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)
        path.with_name("a.db-wal").unlink()
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        assert await store.events.last_seq() == 1


async def test_a_ledger_behind_a_link_is_watched_where_it_is_and_where_the_link_leads(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with open_store(_url(link), clock=lambda: T0, migrating=True) as store:
        assert isinstance(await _record(store), Recorded)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        other = path.with_name("other.db")
        shutil.copy(path, other)
        link.unlink()
        link.symlink_to(other)
        with pytest.raises(LedgerGone):
            await _record(store, "p2")


async def test_a_relative_path_is_the_folder_of_the_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    async with open_store("sqlite:///a.db", clock=lambda: T0, migrating=True) as store:
        monkeypatch.chdir(path.parent.parent)
        assert isinstance(await _record(store), Recorded)


async def test_other_processes_come_and_go_and_the_files_stay_the_same(path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        for number in range(5):
            async with open_store(_url(path), clock=lambda: T0, migrating=True) as other:
                await _record(other, f"o{number}")
            with closing(sqlite3.connect(path)) as shell:
                shell.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                shell.execute("VACUUM")
            assert isinstance(await _record(store, f"p{number}"), Recorded)


@pytest.fixture(params=(0o000, 0o022, 0o077, 0o777), ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _modes(path: Path) -> dict[str, str]:
    return {each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in path.parent.iterdir()}


@pytest.mark.usefixtures("umask")
async def test_every_file_of_a_new_ledger_is_its_owners_alone(path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)
        assert len(_modes(path)) >= 3
        assert set(_modes(path).values()) == {"0o600"}


@pytest.mark.usefixtures("umask")
async def test_so_are_those_of_a_copy(path: Path, tmp_path: Path) -> None:
    async with open_store(_url(path), clock=lambda: T0, migrating=True):
        pass
    folder = tmp_path / "copies"
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)
    await transferring(_url(path), _url(folder / "b.db"))
    assert set(_modes(folder / "b.db").values()) == {"0o600"}


async def test_the_mode_of_a_ledger_that_is_there_stays(path: Path) -> None:
    path.touch()
    path.chmod(0o640)
    async with open_store(_url(path), clock=lambda: T0, migrating=True) as store:
        await _record(store)
        assert _modes(path)["a.db"] == "0o640"


async def test_a_ledger_in_a_folder_that_nobody_may_write_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        async with open_store(_url(tmp_path / "none" / "a.db"), clock=lambda: T0, migrating=True):
            pass
