"""A run is started once, works through its items, survives the death of its process, and ends when it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.operator_runs.acts import ACTS
from receiver.runtime.operator_runs.acts.act import Act, Condition
from receiver.runtime.operator_runs.model import ItemResult, OperatorRun, RunItems, RunState, after_page
from receiver.runtime.operator_runs.repository import KEPT_MS, RunRepository
from receiver.runtime.operator_runs.runner import LEASE_MS, OperatorRuns
from receiver.runtime.services import Services
from receiver.runtime.store import Store
from tests.support.builders import T0
from tests.support.service import Served, served
from tests.support.submission_setup import FakeClock
from tests.support.tables import rows_of

OWNER = "one"

KINDS = ["count"]

ALL_TASKS: Condition = {"search": {"states": [], "labels": []}}


def a_draft(store: Store, nonce: str = "n1", **changes: Any) -> OperatorRun:
    values: dict[str, Any] = {"kind": "count", "actor": "key ada", "condition": {"most": 5}, "created_ms": T0}
    return OperatorRun(id=store.runs.new_run_id(T0), nonce=nonce, **(values | changes))


async def test_the_same_form_gives_one_run_and_one_line_in_the_audit(store: Store, database_url: str) -> None:
    first, second = a_draft(store), a_draft(store)
    started, again = [await store.runs.start(draft, now_ms=T0) for draft in (first, second)]
    assert started == again == first
    assert (await store.runs.runs()).items == (first,)
    assert rows_of(database_url, "SELECT actor, action FROM audit") == [("key ada", "count")]


async def test_a_run_is_worked_on_by_one_owner_until_its_lease_ends(store: Store) -> None:
    run = await store.runs.start(a_draft(store), now_ms=T0)
    assert await store.runs.has_free(T0, kinds=KINDS)
    assert await store.runs.lease(OWNER, now_ms=T0, lease_ms=100, kinds=KINDS, run_id=run.id) == run
    assert not await store.runs.has_free(T0 + 99, kinds=KINDS)
    assert await store.runs.lease("two", now_ms=T0 + 99, lease_ms=100, kinds=KINDS) is None
    assert await store.runs.lease("two", now_ms=T0 + 100, lease_ms=100, kinds=KINDS) == run
    assert not await store.runs.save(run, OWNER, until_ms=None)
    assert await store.runs.save(run, "two", until_ms=None)
    assert await store.runs.has_free(T0 + 100, kinds=KINDS)


async def test_only_its_owner_keeps_a_run_for_longer(store: Store) -> None:
    run = await store.runs.start(a_draft(store), now_ms=T0)
    await store.runs.lease(OWNER, now_ms=T0, lease_ms=100, kinds=KINDS)
    assert await store.runs.renew(run.id, OWNER, until_ms=T0 + 200)
    assert not await store.runs.renew(run.id, "two", until_ms=T0 + 300)
    assert await store.runs.lease("two", now_ms=T0 + 199, lease_ms=100, kinds=KINDS) is None
    assert await store.runs.lease("two", now_ms=T0 + 200, lease_ms=100, kinds=KINDS) == run
    assert not await store.runs.renew(run.id, OWNER, until_ms=T0 + 400)


async def test_a_run_in_work_is_left_and_the_next_one_is_taken(store: Store) -> None:
    for nonce in ("n1", "n2"):
        await store.runs.start(a_draft(store, nonce), now_ms=T0)
    first = await store.runs.lease(OWNER, now_ms=T0, lease_ms=100, kinds=KINDS)
    assert first is not None
    second = await store.runs.lease("two", now_ms=T0 + 100, lease_ms=100, kinds=KINDS, in_work=[first.id])
    assert second is not None
    assert second.id != first.id
    assert await store.runs.has_free(T0 + 100, kinds=KINDS)
    assert not await store.runs.has_free(T0 + 100, kinds=KINDS, in_work=[first.id])
    assert (
        await store.runs.lease("two", now_ms=T0 + 100, lease_ms=100, kinds=KINDS, in_work=[first.id, second.id]) is None
    )


async def test_a_stopped_run_keeps_what_became_of_its_page_and_goes_no_further(store: Store) -> None:
    run = await store.runs.start(a_draft(store), now_ms=T0)
    await store.runs.lease(OWNER, now_ms=T0, lease_ms=100, kinds=KINDS)
    await store.runs.stop(run.id, actor="key ada", now_ms=T0 + 1)
    after = after_page(run, [ItemResult(item="0"), ItemResult(item="1", is_done=False, words="no")], None, T0 + 2)
    assert not await store.runs.save(replace(after, done=9), "two", until_ms=None)
    assert not await store.runs.save(after, OWNER, until_ms=None)
    stored = await store.runs.run(run.id)
    assert stored is not None
    assert (stored.state, stored.ended_ms) == (RunState.STOPPED, T0 + 1)
    assert (stored.done, stored.failed, [note.item for note in stored.notes]) == (1, 1, ["1"])
    assert await store.runs.lease("two", now_ms=T0 + LEASE_MS, lease_ms=100, kinds=KINDS) is None


async def test_runs_of_long_ago_are_deleted_and_open_ones_stay(store: Store) -> None:
    old, still_open = a_draft(store, "n1", state=RunState.FINISHED), a_draft(store, "n2")
    for draft in (old, still_open):
        await store.runs.start(draft, now_ms=T0)
    later_ms = T0 + KEPT_MS + 1
    new = a_draft(store, "n3")
    new = replace(new, id=store.runs.new_run_id(later_ms))
    await store.runs.start(new, now_ms=later_ms)
    assert {run.id for run in (await store.runs.runs()).items} == {still_open.id, new.id}


class Counting:
    """An act on numbers, five a page, that notes what it worked on; `before` runs before each page."""

    def __init__(self, before: Callable[[int], Any] = lambda _: None) -> None:
        self.worked: list[str] = []
        self.before = before

    async def items(self, _services: Services, condition: Condition, cursor: str | None) -> RunItems:
        start, most = int(cursor or 0), condition["most"]
        end = min(start + 5, most)
        return RunItems(items=tuple(map(str, range(start, end))), next_cursor=str(end) if end < most else None)

    async def work(
        self, _services: Services, items: Sequence[str], _condition: Condition, _actor: str
    ) -> Sequence[ItemResult]:
        self.before(int(items[0]))
        self.worked += items
        return [
            ItemResult(item=each, is_done=each != "3", words="" if each != "3" else "not this one") for each in items
        ]

    def act(self) -> Act:
        return Act(items=self.items, work=self.work)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as service:
        yield service


async def _ended(store: Store, run_id: str) -> OperatorRun:
    while True:
        run = await store.runs.run(run_id)
        if run is not None and not run.is_open:
            return run
        await asyncio.sleep(0.01)


async def test_a_run_goes_through_every_page_and_says_what_became_of_its_items(node: Served) -> None:
    counting, store = Counting(), node.services.store
    runs = OperatorRuns(services=node.services, acts={"count": counting.act()})
    started = await runs.start(a_draft(store, condition={"most": 12}))
    run = await _ended(store, started.id)
    assert (run.state, run.done, run.failed) == (RunState.FINISHED, 11, 1)
    assert [(note.item, note.words) for note in run.notes] == [("3", "not this one")]
    assert counting.worked == [str(number) for number in range(12)]
    await runs.aclose()


async def test_two_presses_at_once_work_once(node: Served) -> None:
    counting, store = Counting(), node.services.store
    runs = OperatorRuns(services=node.services, acts={"count": counting.act()})
    first, second = await asyncio.gather(*(runs.start(a_draft(store)) for _ in range(2)))
    assert first.id == second.id
    await _ended(store, first.id)
    await runs.aclose()
    assert counting.worked == ["0", "1", "2", "3", "4"]


async def test_another_process_goes_on_where_a_closed_one_left_it(node: Served) -> None:
    store = node.services.store
    closing: list[asyncio.Task[None]] = []
    counting = Counting(lambda first: closing.append(asyncio.create_task(one.aclose())) if first == 5 else None)
    one = OperatorRuns(services=node.services, acts={"count": counting.act()})
    started = await one.start(a_draft(store, condition={"most": 20}))
    while not closing:
        await asyncio.sleep(0.01)
    await closing[0]
    left = await store.runs.run(started.id)
    assert left is not None
    assert left.is_open
    two = OperatorRuns(services=node.services, acts={"count": counting.act()})
    await two.take_on()
    run = await _ended(store, started.id)
    await two.aclose()
    assert (run.state, run.done, run.failed) == (RunState.FINISHED, 19, 1)
    assert counting.worked == [str(number) for number in range(20)]


class Waiting:
    """An act on one item that it works on until `go`."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def items(self, _services: Services, _condition: Condition, _cursor: str | None) -> RunItems:
        return RunItems(items=("0",))

    async def work(
        self, _services: Services, items: Sequence[str], _condition: Condition, _actor: str
    ) -> Sequence[ItemResult]:
        self.begun += 1
        await self.go.wait()
        return [ItemResult(item=each, words="it was late") for each in items]

    def act(self) -> Act:
        return Act(items=self.items, work=self.work)


async def _begun(waiting: Waiting) -> None:
    while not waiting.begun:
        await asyncio.sleep(0.01)


async def test_a_page_that_takes_longer_than_a_lease_keeps_its_run(node: Served) -> None:
    waiting, store, clock = Waiting(), node.services.store, FakeClock(node.services.clock())
    services = replace(node.services, clock=clock)
    runs = OperatorRuns(services=services, acts={"count": waiting.act()}, renew_every_s=0.01)
    started = await runs.start(a_draft(store))
    await _begun(waiting)
    first_ms = clock.now_ms
    clock.now_ms += LEASE_MS - 1
    while await store.runs.has_free(first_ms + LEASE_MS, kinds=KINDS):
        await asyncio.sleep(0.01)
    assert (await store.runs.lease("another", now_ms=first_ms + LEASE_MS, lease_ms=1, kinds=KINDS)) is None
    waiting.go.set()
    assert (await _ended(store, started.id)).done == 1
    await runs.aclose()


async def test_a_process_whose_lease_ended_takes_no_run_on_that_it_works_on(node: Served) -> None:
    waiting, store, clock = Waiting(), node.services.store, FakeClock(node.services.clock())
    services = replace(node.services, clock=clock)
    runs = OperatorRuns(services=services, acts={"count": waiting.act()})
    started = await runs.start(a_draft(store))
    await _begun(waiting)
    clock.now_ms += LEASE_MS
    await runs.take_on()
    assert await store.runs.has_free(clock.now_ms, kinds=KINDS)  # nothing was leased
    waiting.go.set()
    run = await _ended(store, started.id)
    await runs.aclose()
    assert (run.state, run.done, waiting.begun) == (RunState.FINISHED, 1, 1)


async def test_a_stop_waits_for_one_cancel_at_most(node: Served) -> None:
    condition = {**ALL_TASKS, "tasks": ["tsk_1", "tsk_2"]}
    first = await ACTS["cancel-tasks"].items(node.services, condition, None)
    rest = await ACTS["cancel-tasks"].items(node.services, condition, first.next_cursor)
    assert (first.items, rest.items, rest.next_cursor) == (("tsk_1",), ("tsk_2",), None)


async def test_a_bulk_reconcile_leaves_a_provider_that_throttles_since_its_preview(node: Served) -> None:
    await node.has("tsk_1", "p1")
    now_ms = node.services.clock()
    accounts = node.services.store.accounts
    await accounts.pause("hiapi", until_ms=now_ms + 60_000, reason="429", alarm=None, now_ms=now_ms)
    condition = {"search": {**ALL_TASKS["search"], "until_ms": now_ms - 1}}
    (left,) = await ACTS["reconcile-tasks"].work(node.services, ["tsk_1"], condition, "key ada")
    assert (left.is_done, left.words) == (False, "the provider throttles or denies us now")


async def test_each_lease_has_an_owner_of_its_own(node: Served) -> None:
    store, clock = node.services.store, FakeClock(node.services.clock())
    services = replace(node.services, clock=clock)
    waiting = Waiting()
    runs = OperatorRuns(services=services, acts={"count": waiting.act()})
    claimed = await runs.claim(a_draft(store))
    assert claimed is not None
    clock.now_ms += LEASE_MS
    await runs.take_on()
    assert not await store.runs.has_free(clock.now_ms, kinds=KINDS)
    await runs.end(claimed, ItemResult(item="0", words="late"))
    kept = await store.runs.run(claimed.run.id)
    assert kept is not None
    assert (kept.is_open, kept.done) == (True, 0)
    waiting.go.set()
    assert (await _ended(store, kept.id)).done == 1
    await runs.aclose()


async def test_a_page_that_breaks_ends_the_run_in_words(node: Served) -> None:
    counting, store = Counting(lambda _: 1 / 0), node.services.store
    runs = OperatorRuns(services=node.services, acts={"count": counting.act()})
    started = await runs.start(a_draft(store))
    run = await _ended(store, started.id)
    await runs.aclose()
    assert run.state is RunState.FAILED
    assert run.last_error is not None
    assert "ZeroDivisionError" in run.last_error


async def test_a_run_of_a_kind_that_a_newer_version_made_is_left_to_it(node: Served) -> None:
    counting, store = Counting(), node.services.store
    older, newer = (OperatorRuns(services=node.services, acts=acts) for acts in ({}, {"count": counting.act()}))
    started = await older.start(a_draft(store))
    await older.aclose()
    await older.take_on()
    await older.aclose()
    assert await store.runs.run(started.id) == started
    await newer.take_on()
    assert (await _ended(store, started.id)).state is RunState.FINISHED
    await newer.aclose()


async def test_a_row_that_this_version_can_not_read_does_not_end_the_watch(
    node: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    async def has_free(_runs: RunRepository, _now_ms: int, **_rest: Any) -> bool:
        reads.append("read")
        raise ValueError("a word of a newer version")

    monkeypatch.setattr(RunRepository, "has_free", has_free)
    monkeypatch.setattr("receiver.runtime.operator_runs.runner.TAKE_ON_EVERY_S", 0.01)
    watching = asyncio.create_task(OperatorRuns(services=node.services).watch())
    while len(reads) < 2 and not watching.done():
        await asyncio.sleep(0.01)
    assert not watching.done()
    watching.cancel()
    await asyncio.wait([watching])
