"""A caller waits a bounded time in all for a ledger that others write, however many wait before it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from receiver.runtime.readiness import Readiness
from receiver.runtime.store import Store, open_store
from receiver.store import postgres
from receiver.store.engine import Reader, Tx
from receiver.store.errors import StoreUnavailable
from receiver.store.write_groups import WriteGroups
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.model.task import Recorded
from receiver.tasks.opening_repository import Opening
from submitter.model import TaskId
from tests.support.builders import T0, a_report, a_task

WAIT_S = 2.0
MOST_S = 5.7  # one wait, on Postgres two, and a slow machine; three waits one after the other would take longer


@pytest.fixture
async def hurried(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A ledger on which callers wait `WAIT_S`."""
    monkeypatch.setattr(postgres, "WAIT_S", WAIT_S)
    opening = open_store(
        database_url, clock=lambda: T0, migrating=True, busy_timeout_ms=round(WAIT_S * 1000), pool_size=2
    )
    async with opening as store:
        yield store


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Another program writes: the whole file, or the rows that every check and every event needs."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    with closing(psycopg.connect(database_url)) as other:
        other.execute("SELECT * FROM numbers FOR UPDATE")
        yield


@contextmanager
def locked_tasks(database_url: str) -> Iterator[None]:
    """Another program writes: the whole file, or every task."""
    if database_url.startswith("sqlite"):
        with locked(database_url):
            yield
        return
    with closing(psycopg.connect(database_url)) as other:
        other.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        yield


async def _seconds(work: Awaitable[object]) -> tuple[float, type | None]:
    """How long it took, and what it raised."""
    began = asyncio.get_running_loop().time()
    try:
        await work
    except StoreUnavailable as error:
        return asyncio.get_running_loop().time() - began, type(error)
    return asyncio.get_running_loop().time() - began, None


async def _later(delay_s: float, work: Awaitable[object]) -> tuple[float, type | None]:
    await asyncio.sleep(delay_s)
    return await _seconds(work)


async def test_the_waits_of_many_callers_do_not_add_up(hurried: Store, database_url: str) -> None:
    ready = Readiness(probe=hurried.check, clock=lambda: T0)
    with locked(database_url):
        waits = await asyncio.gather(
            *(
                _seconds(hurried.ledger.record([a_report(provider_task_id=f"p{n}", allow_adoption=True)], T0))
                for n in range(12)
            ),
            *(_later(0.05 * n, hurried.check()) for n in range(12)),
            _later(0.3, ready.check()),
        )
    assert {kind for _, kind in waits} == {StoreUnavailable}
    assert max(seconds for seconds, _ in waits) < MOST_S


async def test_the_waits_for_group_commits_before_ones_own_count(hurried: Store, database_url: str) -> None:
    commits = GroupCommit(hurried.ledger, clock=lambda: T0, on_events=lambda: None)
    with locked(database_url):
        waits = await asyncio.gather(
            *(
                _later(0.1 * n, commits.record(a_report(provider_task_id=f"p{n}", allow_adoption=True)))
                for n in range(9)
            )
        )
    assert {kind for _, kind in waits} == {StoreUnavailable}
    assert max(seconds for seconds, _ in waits) < MOST_S
    assert isinstance(await commits.record(a_report(provider_task_id="after", allow_adoption=True)), Recorded)


async def test_the_waits_for_groups_of_submits_before_ones_own_count(hurried: Store, database_url: str) -> None:
    openings = WriteGroups(
        lambda group, *, waited_s: hurried.submissions.open_tasks(group, T0, waited_s=waited_s), most=2
    )
    with locked_tasks(database_url):
        waits = await asyncio.gather(*(_seconds(openings.add(Opening(task=a_task(f"tsk_{n}")))) for n in range(16)))
    assert {kind for _, kind in waits} == {StoreUnavailable}
    assert max(seconds for seconds, _ in waits) < MOST_S
    assert await openings.add(Opening(task=a_task("tsk_after"))) == await hurried.tasks.task(TaskId("tsk_after"))


async def test_after_a_short_wait_the_next_caller_has_its_whole_time_again(hurried: Store, database_url: str) -> None:
    for _ in range(2):
        with locked(database_url):
            waits = await asyncio.gather(_seconds(hurried.check()), _later(WAIT_S / 2, hurried.check()))
        await hurried.check()
        with locked(database_url):
            alone, _ = await _seconds(hurried.check())
        assert alone > WAIT_S * 0.8
        assert max(seconds for seconds, _ in waits) < MOST_S


async def test_a_caller_whose_time_is_up_still_writes_when_nobody_is_in_the_way(hurried: Store) -> None:
    assert await hurried.ledger.record([a_report(allow_adoption=True)], T0, waited_s=WAIT_S * 10)


async def test_a_caller_that_gave_up_waiting_leaves_the_writer_whole(hurried: Store, database_url: str) -> None:
    """Its turn may come at the very moment at which its time is up or it is cancelled."""
    leave = asyncio.Event()

    async def stay(tx: Tx) -> None:
        await tx.execute_and_count("prove_writable")
        await leave.wait()

    holder = asyncio.create_task(hurried.engine.write(stay))
    waiting = [asyncio.create_task(hurried.check()) for _ in range(5)]
    await asyncio.sleep(0.05)
    waiting[1].cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in ended} == {StoreUnavailable, asyncio.CancelledError}
    leave.set()
    await holder
    for _ in range(3):
        await hurried.check()


async def test_reads_that_wait_for_a_reader_have_a_limit_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    async with open_store(url, clock=lambda: T0, migrating=True, busy_timeout_ms=300) as store:
        leave = asyncio.Event()
        holders = [asyncio.create_task(store.engine.read(lambda _: leave.wait())) for _ in range(2)]
        await asyncio.sleep(0.01)
        seconds, kind = await _seconds(store.events.last_seq())
        assert (kind, seconds < 5) == (StoreUnavailable, True)
        leave.set()
        await asyncio.gather(*holders)
        assert await store.events.last_seq() == 0


async def test_reads_that_wait_only_for_each_other_have_no_limit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    async with open_store(url, clock=lambda: T0, migrating=True, busy_timeout_ms=300) as store:
        turns: list[int] = []

        async def read(number: int) -> None:
            async def work(_: Reader) -> None:
                turns.append(number)
                await asyncio.sleep(0.1)

            await store.engine.read(work)

        reads = [asyncio.create_task(read(number)) for number in range(20)]
        await asyncio.sleep(0.01)
        reads[10].cancel()
        seconds, _ = await _seconds(asyncio.gather(*reads, return_exceptions=True))
        assert seconds > 0.6
        assert turns == [number for number in range(20) if number != 10]
        assert await store.events.last_seq() == 0


@asynccontextmanager
async def _rows_locked(url: str, *statements: str) -> AsyncIterator[None]:
    async with await psycopg.AsyncConnection.connect(url) as other:
        for statement in statements:
            await other.execute(statement.encode())
        yield
        await other.rollback()


async def test_the_locks_of_one_transaction_share_its_time(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's limit is for one lock; a transaction may meet several, one after the other."""
    monkeypatch.setattr(postgres, "WAIT_S", 1.0)
    async with open_store(postgres_url, clock=lambda: T0, migrating=True, pool_size=2) as store:

        async def work(tx: Tx) -> None:
            await tx.fetch_all("endpoints_by_ids", ids=["a"])
            await tx.execute("prove_writable")

        async def held() -> None:
            async with _rows_locked(postgres_url, "LOCK TABLE endpoints IN ACCESS EXCLUSIVE MODE"):
                await asyncio.sleep(0.7)

        async with _rows_locked(postgres_url, "SELECT * FROM numbers FOR UPDATE"):
            holding = asyncio.create_task(held())
            await asyncio.sleep(0.1)
            seconds, kind = await _seconds(store.engine.write(work))
            await holding
        assert kind is StoreUnavailable
        assert 0.8 < seconds < 1.5
