"""The log read backwards, and by time; on both engines."""

from receiver.events.model.query import SCAN_LIMIT, EventFilter
from receiver.runtime.store import Store
from receiver.store.retention import START
from submitter.model import TaskId
from tests.support.builders import T0
from tests.support.delivery_fixtures import publish_event_of, publish_events

HOUR_MS = 3_600_000


async def test_pages_backwards_hold_each_stored_event_once(store: Store) -> None:
    await publish_events(store, 7)
    first = await store.events.newest(None, limit=3)
    assert [event.seq for event in first.events] == [7, 6, 5]
    second = await store.events.newest(first.next_before, limit=3)
    assert [event.seq for event in second.events] == [4, 3, 2]
    last = await store.events.newest(second.next_before, limit=3)
    assert ([event.seq for event in last.events], last.next_before, last.is_cut) == ([1], None, False)
    full = await store.events.newest(2, limit=1)
    assert ([event.seq for event in full.events], full.next_before) == ([1], None)


async def test_a_page_of_a_rare_filter_is_cut_and_goes_on(store: Store) -> None:
    await publish_event_of(store, "tsk_1", model="rare")
    await publish_events(store, SCAN_LIMIT + 5)
    for wanted in (EventFilter(models=frozenset({"rare"})), EventFilter(types=frozenset({"task.failed"}))):
        cut = await store.events.newest(None, wanted, limit=3)
        assert (cut.events, cut.is_cut, cut.next_before) == ((), True, 7)
        rest = await store.events.newest(cut.next_before, wanted, limit=3)
        assert (len(rest.events), rest.next_before) == (1 if wanted.models else 0, None)


async def test_an_empty_log_and_one_whose_beginning_is_gone_have_an_end(store: Store) -> None:
    assert (await store.events.newest(None, limit=3)).next_before is None
    assert await store.events.first_since(T0) is None
    await publish_events(store, 3, at_ms=T0 - HOUR_MS)
    await publish_events(store, 2, first=4)
    await store.retention.remove_events(START, limit=9, before_ms=T0)
    found = await store.events.newest(None, limit=2)
    assert ([event.seq for event in found.events], found.next_before) == ([5, 4], None)
    assert await store.events.first_since(0) == 4


async def test_events_of_a_task_are_found_whatever_else_happened(store: Store) -> None:
    await publish_event_of(store, "tsk_1")
    await publish_events(store, 3)
    found = await store.events.newest_of_task(TaskId("tsk_1"), None, limit=5)
    assert ([event.seq for event in found.events], found.next_before) == ([1], None)
    assert (await store.events.newest_of_task(TaskId("tsk_1"), 1, limit=5)).events == ()
    assert await store.events.event(found.events[0].id) == found.events[0]
    assert await store.events.event("evt_none") is None


async def test_the_first_event_since_a_time_is_found_by_halves(store: Store) -> None:
    for number in range(9):
        await publish_events(store, 3, first=1 + 3 * number, at_ms=T0 + number * HOUR_MS)
    for number in range(9):
        assert await store.events.first_since(T0 + number * HOUR_MS) == 1 + 3 * number
        assert await store.events.first_since(T0 + number * HOUR_MS - 1) == 1 + 3 * number
    assert await store.events.first_since(T0 + 8 * HOUR_MS + 1) is None
