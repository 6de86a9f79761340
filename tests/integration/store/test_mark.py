"""A SQLite ledger that steps back between two starts, and what followers of its events get."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, FutureCursor
from receiver.runtime.store import Store, open_store
from receiver.store.engine import Tx
from receiver.store.ledger_mark import SUFFIX
from receiver.store.mark import LOST_MARGIN
from receiver.store.stepped_back import SHOWN_MS
from tests.support.builders import T0, a_task
from tests.support.delivery_fixtures import publish_events

NOTICED = "ledger_stepped_back"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def _mark(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


async def _publish(path: Path, count: int, first: int = 1) -> None:
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        await publish_events(store, count, first=first)


async def _step_back(path: Path) -> None:
    """Two events, a copy of the ledger, three more events; then the copy takes its place."""
    await _publish(path, 2)
    shutil.copy(path, path.with_name("copy"))
    await _publish(path, 3, first=3)
    shutil.copy(path.with_name("copy"), path)


async def test_a_wal_that_is_deleted_between_two_starts_is_noticed(path: Path) -> None:
    """A killed process leaves its WAL; here a copy of both files is what it leaves."""
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        await publish_events(store, 2)
        await store.marks.save()
        left = path.with_name("left.db")
        for suffix in ("", "-wal", SUFFIX):
            shutil.copy(path.with_name(path.name + suffix), left.with_name(left.name + suffix))
    left.with_name("left.db-wal").unlink()
    with capture_logs() as lines:
        async with open_store(f"sqlite:///{left}", clock=lambda: T0, migrating=True) as store:
            assert await store.events.last_seq() >= LOST_MARGIN
    assert [line["event"] for line in lines] == [NOTICED]


async def test_a_step_back_is_told_once_and_shown_for_a_week(path: Path) -> None:
    await _step_back(path)
    with capture_logs() as lines:
        for _ in range(3):
            async with open_store(f"sqlite:///{path}", clock=lambda: T0 + 1, migrating=True) as store:
                assert store.stepped_back is not None
                assert (store.stepped_back.at_ms, store.stepped_back.after_seq) == (T0 + 1, 2)
                assert store.stepped_back.is_recent(T0 + SHOWN_MS)
                assert not store.stepped_back.is_recent(T0 + 1 + SHOWN_MS)
    (line,) = lines
    assert (line["event"], line["events_before"], line["events_now"]) == (NOTICED, 5, 2)


async def test_a_number_that_was_lost_is_never_given_out_again(path: Path) -> None:
    await _step_back(path)
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        await publish_events(store, 1, first=9)
        assert await store.events.last_seq() == 5 + LOST_MARGIN + 1


async def _slice(store: Store, after: int | None, **wanted: Any) -> object:
    return await store.events.slice(after, EventFilter(**wanted))


@pytest.mark.parametrize(
    "wanted", [{}, {"types": frozenset({EventType.SUCCEEDED})}, {"providers": frozenset({"hiapi"})}]
)
async def test_a_follower_reads_up_to_the_loss_and_is_then_reset_once(path: Path, wanted: dict[str, object]) -> None:
    await _step_back(path)
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        until = 5 + LOST_MARGIN
        for round_ in range(2):
            found = await _slice(store, 0, **wanted)
            assert isinstance(found, EventSlice)
            assert ([event.seq for event in found.events], found.next_after, found.has_more) == ([1, 2], 2, True)
            for cursor in (2, 3, 5, until - 1):
                assert await _slice(store, cursor, **wanted) == ExpiredCursor(oldest_after=until)
            found = await _slice(store, until, **wanted)
            assert isinstance(found, EventSlice)
            assert [event.seq for event in found.events] == [until + 1] * round_
            await publish_events(store, 1 - round_, first=9)
        assert isinstance(await _slice(store, until + 2), FutureCursor)
        first = await _slice(store, None, **wanted)
        assert isinstance(first, EventSlice)
        assert [event.seq for event in first.events] == [1, 2]


async def test_a_ledger_that_lost_tasks_only_is_noticed_too(path: Path) -> None:
    await _publish(path, 1)
    shutil.copy(path, path.with_name("copy"))
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        await store.submissions.open_task(a_task("tsk_z"), T0)
    shutil.copy(path.with_name("copy"), path)
    with capture_logs() as lines:
        async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True):
            pass
    assert [line["event"] for line in lines] == [NOTICED]


async def test_a_second_step_back_is_a_second_loss(path: Path) -> None:
    await _step_back(path)
    await _publish(path, 1, first=8)
    shutil.copy(path, path.with_name("copy"))
    await _publish(path, 1, first=9)
    shutil.copy(path.with_name("copy"), path)
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        first, second = 5 + LOST_MARGIN, 7 + 2 * LOST_MARGIN
        assert await store.events.last_seq() == second
        assert await _slice(store, 4) == ExpiredCursor(oldest_after=first)
        found = await _slice(store, first)
        assert isinstance(found, EventSlice)
        assert [event.seq for event in found.events] == [first + 1]
        assert await _slice(store, first + 1) == ExpiredCursor(oldest_after=second)


async def test_two_processes_that_start_at_once_notice_it_once(path: Path) -> None:
    await _step_back(path)
    mark = b'{"events": 5, "task": "tsk_z"}'  # tasks were lost as well
    _mark(path).write_bytes(mark)
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as first:
        seq = await first.events.last_seq()
        _mark(path).write_bytes(mark)  # as the second process read it, before the first one wrote another
        async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as second:
            assert await second.events.last_seq() == seq


async def test_an_ordinary_restart_says_nothing(path: Path) -> None:
    with capture_logs() as lines:
        for number in range(3):
            await _publish(path, 1, first=number + 1)
    assert lines == []
    assert json.loads(_mark(path).read_text())["events"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '"x"',
        '{"events": 99}',
        '{"events": "99", "task": ""}',
        '{"events": -1, "task": ""}',
        '{"events": true, "task": ""}',
        '{"events": 99.5, "task": ""}',
        '{"events": 9007199254740993000, "task": ""}',
        '{"events": 99, "task": 7}',
        "[" * 2000,
        "\udcff",
    ],
)
async def test_a_mark_that_is_not_ours_is_as_none(path: Path, text: str) -> None:
    await _publish(path, 1)
    _mark(path).write_bytes(text.encode("utf-8", "surrogateescape"))
    with capture_logs() as lines:
        await _publish(path, 1, first=2)
    assert lines == []
    assert json.loads(_mark(path).read_text())["events"] == 2


async def test_a_mark_that_is_a_pipe_or_a_folder_holds_nobody_up(path: Path) -> None:
    await _publish(path, 1)
    _mark(path).unlink()
    _mark(path).mkdir()
    with capture_logs() as lines:
        await _publish(path, 1, first=2)
    assert [line["event"] for line in lines] == ["mark_not_written"]
    _mark(path).rmdir()
    os.mkfifo(_mark(path))
    await _publish(path, 1, first=3)
    assert json.loads(_mark(path).read_text())["events"] == 3


async def test_the_mark_is_its_owners_alone_and_leaves_no_other_file(path: Path) -> None:
    before = os.umask(0)
    try:
        await _publish(path, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(_mark(path).stat().st_mode) == 0o600
    assert {each.name for each in path.parent.iterdir()} == {"a.db", "a.db.seq"}


async def test_a_mark_is_written_when_the_ledger_has_come_further_and_only_then(path: Path) -> None:
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        await publish_events(store, 1)
        await store.marks.save()
        first = _mark(path).stat().st_ino
        await store.marks.save()
        assert _mark(path).stat().st_ino == first
        await publish_events(store, 1, first=2)
        await store.marks.save()
        assert json.loads(_mark(path).read_text())["events"] == 2


async def test_a_ledger_that_is_gone_writes_no_mark(path: Path) -> None:
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store:
        await publish_events(store, 1)
        path.unlink()
    assert not _mark(path).exists()


async def test_lost_numbers_reset_followers_on_each_engine(store: Store) -> None:
    await publish_events(store, 2)

    async def lose(tx: Tx) -> int:
        await tx.execute("insert_lost_events", after_seq=2, until_seq=10, now_ms=T0)
        return await tx.execute_and_count("skip_event_numbers", value=10)

    assert await store.engine.write(lose) == 1
    assert await _slice(store, 2) == ExpiredCursor(oldest_after=10)
    await publish_events(store, 1, first=3)
    found = await _slice(store, 10)
    assert isinstance(found, EventSlice)
    assert [event.seq for event in found.events] == [11]

    async def skip_back(tx: Tx) -> int:
        return await tx.execute_and_count("skip_event_numbers", value=11)

    assert await store.engine.write(skip_back) == 0
