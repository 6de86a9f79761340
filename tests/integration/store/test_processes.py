"""Which processes run on a ledger: each has a row, renewed by itself alone; on both engines."""

from dataclasses import replace

from receiver.runtime.store import Store
from receiver.store.processes import KEPT_MS, ProcessRow
from tests.support.builders import T0

ONE = ProcessRow(
    id="node-1", role="serve", version="1.0", python="3.11.9", host="a.example", pid=7, started_ms=T0, seen_ms=T0
)


async def test_a_process_has_one_row_however_often_it_is_seen(store: Store) -> None:
    await store.processes.seen(ONE)
    later = replace(ONE, seen_ms=T0 + 60_000, pruned_ms=T0 + 5_000)
    await store.processes.seen(later)
    assert await store.processes.all() == [later]


async def test_the_one_that_was_started_last_comes_first(store: Store) -> None:
    other = replace(ONE, id="node-2", role="worker", started_ms=T0 + 1)
    for each in (ONE, other):
        await store.processes.seen(each)
    assert await store.processes.all() == [other, ONE]


async def test_a_process_that_stops_takes_its_row_out_and_no_other(store: Store) -> None:
    other = replace(ONE, id="node-2")
    for each in (ONE, other):
        await store.processes.seen(each)
    await store.processes.stopped("node-1")
    assert await store.processes.all() == [other]


async def test_one_that_ended_without_a_word_is_forgotten_after_a_day(store: Store) -> None:
    await store.processes.seen(ONE)
    await store.processes.seen(replace(ONE, id="node-2", seen_ms=T0 + KEPT_MS))
    assert len(await store.processes.all()) == 2
    await store.processes.seen(replace(ONE, id="node-2", seen_ms=T0 + KEPT_MS + 1))
    assert [each.id for each in await store.processes.all()] == ["node-2"]
