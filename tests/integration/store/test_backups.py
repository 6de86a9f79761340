"""A backup is a whole ledger of its own, made while the ledger is in use, and noted; a bad one leaves nothing."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from receiver.runtime.store import Store, open_store
from receiver.store.backups import BackupNote
from receiver.store.errors import StoreError
from receiver.store.file_copy import back_up
from submitter.model import TaskId
from tests.support.builders import T0, a_task


async def test_the_last_note_counts(store: Store) -> None:
    assert await store.backups.last() is None
    for number in range(2):
        await store.backups.note(BackupNote(at_ms=T0 + number, place=f"/backups/{number}"))
    assert await store.backups.last() == BackupNote(at_ms=T0 + 1, place="/backups/1")


async def test_a_copy_of_a_ledger_in_use_has_all_that_was_committed(tmp_path: Path) -> None:
    ledger, copy = tmp_path / "ledger.db", tmp_path / "copy.db"
    async with open_store(f"sqlite:///{ledger}", clock=lambda: T0, migrating=True) as store:
        await store.submissions.open_task(a_task(), T0)
    with closing(sqlite3.connect(ledger)) as other:
        other.execute("UPDATE tasks SET polls = 77")
        other.commit()
        assert ledger.with_name("ledger.db-wal").stat().st_size > 0
        size = back_up(ledger, copy)
    assert size == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.glob("copy.db*")) == ["copy.db"]
    async with open_store(f"sqlite:///{copy}", clock=lambda: T0, migrating=False) as restored:
        task = await restored.tasks.task(TaskId("tsk_1"))
        assert task is not None
        assert task.polls == 77


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        back_up(tmp_path / "ledger.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_what_cannot_be_copied_leaves_no_file(tmp_path: Path) -> None:
    ledger, copy = tmp_path / "ledger.db", tmp_path / "copy.db"
    with pytest.raises(StoreError, match="cannot be created"):
        back_up(ledger, tmp_path / "no-folder/copy.db")
    with pytest.raises(StoreError, match="was not written"):
        back_up(ledger, copy)
    ledger.write_bytes(b"no ledger at all" * 100)
    with pytest.raises(StoreError, match="was not written"):
        back_up(ledger, copy)
    assert not copy.exists()
