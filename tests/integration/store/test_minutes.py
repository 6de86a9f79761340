"""Counts by minute: added up over processes, read in spans, deleted after a day and an hour; on both engines."""

from receiver.runtime.store import Store
from receiver.store.minutes import HOUR_MS, KEPT_MS, MINUTE_MS, MinuteKey, SpanCount
from tests.support.builders import T0

NAME = "whenfinal_tasks_final"
START = T0 - T0 % HOUR_MS


async def _add(store: Store, minute: int, count: int, label: str = "succeeded/callback/true") -> None:
    key = MinuteKey(NAME, START + minute * MINUTE_MS, "hiapi", label)
    await store.minutes.add({key: count}, names=[NAME], now_ms=START + minute * MINUTE_MS)


async def test_what_two_processes_count_in_a_minute_is_added_up(store: Store) -> None:
    for count in (3, 4):
        await _add(store, 0, count)
    assert await store.minutes.since(NAME, since_ms=START) == [
        SpanCount(at_ms=START, provider="hiapi", label="succeeded/callback/true", count=7)
    ]


async def test_minutes_are_read_in_spans(store: Store) -> None:
    for minute in (0, 14, 15, 29, 30):
        await _add(store, minute, 1)
    await _add(store, 30, 5, "failed/poll/false")
    found = await store.minutes.since(NAME, since_ms=START, span_ms=15 * MINUTE_MS)
    assert [(each.at_ms - START, each.label.partition("/")[0], each.count) for each in found] == [
        (0, "succeeded", 2),
        (15 * MINUTE_MS, "succeeded", 2),
        (30 * MINUTE_MS, "failed", 5),
        (30 * MINUTE_MS, "succeeded", 1),
    ]
    assert {type(each.count) for each in found} == {int}


async def test_minutes_before_the_time_and_other_names_are_not_read(store: Store) -> None:
    await _add(store, 0, 1)
    await _add(store, 1, 1)
    assert len(await store.minutes.since(NAME, since_ms=START + 1)) == 1
    assert await store.minutes.since("whenfinal_polls", since_ms=START) == []


async def test_a_minute_is_deleted_once_it_is_too_old(store: Store) -> None:
    await _add(store, 0, 1)
    await _add(store, KEPT_MS // MINUTE_MS, 1)
    assert len(await store.minutes.since(NAME, since_ms=0)) == 2
    await _add(store, KEPT_MS // MINUTE_MS + 1, 1)
    assert len(await store.minutes.since(NAME, since_ms=0)) == 2


async def test_the_last_minute_in_which_something_was_counted_is_found_by_provider(store: Store) -> None:
    await _add(store, 2, 1)
    await _add(store, 5, 1)
    await _add(store, 9, 1, "rejected")
    assert await store.minutes.last(NAME, since_ms=START, but="rejected") == {"hiapi": START + 5 * MINUTE_MS}
    assert await store.minutes.last(NAME, since_ms=START + 6 * MINUTE_MS, but="rejected") == {}
