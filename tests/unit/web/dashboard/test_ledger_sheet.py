"""Sizes in words, and what an operator should look into at the ledger."""

from pathlib import Path

import pytest

from receiver.store.backups import BackupNote
from receiver.store.processes import ProcessRow
from receiver.store.url import LedgerFile, LedgerServer
from receiver.web.dashboard.model.ledger_sheet import (
    GONE_MS,
    LONG_LOG_BYTES,
    OLD_BACKUP_MS,
    is_gone,
    last_pruned_ms,
    remarks,
    size,
)

NOW = 1_790_000_000_000
FILE = LedgerFile(path=Path("ledger.db"))
SERVER = LedgerServer(url="postgresql://h/n", password=None, name="n", hosts="h")
FRESH = BackupNote(at_ms=NOW, place="x")


def _process(role: str = "serve", seen_ms: int = NOW, version: str = "1", pruned_ms: int | None = None) -> ProcessRow:
    return ProcessRow(
        id=role,
        role=role,
        version=version,
        python="3",
        host="h",
        pid=1,
        started_ms=1,
        seen_ms=seen_ms,
        pruned_ms=pruned_ms,
    )


def _words(*processes: ProcessRow, backup: BackupNote | None = FRESH, wal_bytes: int | None = 0) -> str:
    return " ".join(each.words for each in remarks(processes, backup, FILE, NOW, wal_bytes))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (1536 * 1024, "1.5 MiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**4, "5,000.0 TiB"),
    ],
)
def test_a_size_has_one_unit(count: int, text: str) -> None:
    assert size(count) == text


def test_all_is_well_with_a_worker_and_a_fresh_backup() -> None:
    assert _words(_process()) == ""
    assert _words(_process("web"), _process("worker")) == ""
    assert _words() == ""


def test_what_is_missing_is_named() -> None:
    assert "polls, delivers or prunes" in _words(_process("web"))
    assert "polls, delivers or prunes" in _words(_process("web"), _process("worker", seen_ms=NOW - GONE_MS - 1))
    assert "several versions" in _words(_process("web"), _process("worker", version="2"))
    assert "No backup" in _words(_process(), backup=None)
    assert "older than a week" in _words(_process(), backup=BackupNote(at_ms=NOW - OLD_BACKUP_MS - 1, place="x"))
    assert "write-ahead log" in _words(_process(), wal_bytes=LONG_LOG_BYTES + 1)


def test_each_engine_has_its_own_way_to_a_backup() -> None:
    (of_file,) = remarks([_process()], None, FILE, NOW)
    (of_server,) = remarks([_process()], None, SERVER, NOW)
    assert of_file.cure == "whenfinal backup FILE"
    assert "pg_dump" in of_server.cure


def test_a_process_is_gone_after_three_minutes_and_the_newest_pruning_counts() -> None:
    assert not is_gone(_process(seen_ms=NOW - GONE_MS), NOW)
    assert is_gone(_process(seen_ms=NOW - GONE_MS - 1), NOW)
    assert last_pruned_ms([_process(pruned_ms=5), _process(pruned_ms=9), _process()]) == 9
    assert last_pruned_ms([_process()]) is None
