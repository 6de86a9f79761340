"""Callbacks that do not come are told once, after the first few misses, until one comes; on both engines."""

from collections.abc import Callable

import pytest

from receiver.events.model.event import Event, EventType, event_view
from receiver.runtime.missed_callbacks import MissedCallbacks
from receiver.runtime.store import Store
from receiver.store.minutes import HOUR_MS, MINUTE_MS, MinuteKey
from receiver.tasks.model.callback_counts import ENOUGH, FEW, NONE_MS
from tests.support.builders import T0

Checks = Callable[[int], MissedCallbacks]


@pytest.fixture
def checks(store: Store) -> Checks:
    def at(now_ms: int) -> MissedCallbacks:
        return MissedCallbacks(
            minutes=store.minutes, missed=store.missed_callbacks, clock=lambda: now_ms, on_events=lambda: None
        )

    return at


async def _count(store: Store, name: str, label: str, count: int, *, at_ms: int = T0) -> None:
    await store.minutes.add({MinuteKey(name, at_ms, "hiapi", label): count}, names=(), now_ms=at_ms)


async def _misses(store: Store, count: int = FEW, *, at_ms: int = T0) -> None:
    await _count(store, "whenfinal_tasks_final", "succeeded/poll/true", count, at_ms=at_ms)


async def _told(store: Store) -> list[Event]:
    return [event for event in await store.events.events(0) if event.type == EventType.CALLBACKS_MISSED]


async def test_the_first_few_misses_are_told_once(store: Store, checks: Checks) -> None:
    await _misses(store, FEW - 1)
    await checks(T0).check_once()
    assert await _told(store) == []
    await _misses(store, 1)
    for _ in range(2):
        await checks(T0).check_once()
    (event,) = await _told(store)
    shown = event_view(event)
    assert (shown["task"], shown["provider"]["name"], shown["provider"]["requests"]) == (None, "hiapi", "callbacks")
    assert f"{FEW} tasks" in shown["provider"]["reason"]


@pytest.mark.parametrize("verdict", ["applied", "duplicate", "stale", "contradiction", "thin"])
async def test_few_misses_are_not_told_while_a_callback_is_taken(store: Store, checks: Checks, verdict: str) -> None:
    await _misses(store, ENOUGH - 1)
    await _count(store, "whenfinal_callbacks", verdict, 1)
    await checks(T0).check_once()
    assert await _told(store) == []


async def test_callbacks_that_are_all_rejected_are_missed(store: Store, checks: Checks) -> None:
    await _misses(store)
    await _count(store, "whenfinal_callbacks", "rejected", 50)
    await checks(T0).check_once()
    assert len(await _told(store)) == 1


async def test_tasks_that_expect_no_callback_and_old_ones_are_no_misses(store: Store, checks: Checks) -> None:
    await _count(store, "whenfinal_tasks_final", "succeeded/poll/false", 50)
    await _count(store, "whenfinal_tasks_final", "succeeded/callback/true", 50)
    await _misses(store, 50)
    await checks(T0 + HOUR_MS + MINUTE_MS).check_once()
    assert await _told(store) == []


async def test_misses_after_a_callback_has_come_are_told_again(store: Store, checks: Checks) -> None:
    await _misses(store)
    await checks(T0).check_once()
    await _count(store, "whenfinal_callbacks", "applied", 1)
    await checks(T0).check_once()
    later = T0 + NONE_MS + MINUTE_MS
    await _misses(store, at_ms=later)
    await checks(later).check_once()
    assert len(await _told(store)) == 2


async def _ends(store: Store, *, by_poll: int, of: int, at_ms: int = T0) -> None:
    await _misses(store, by_poll, at_ms=at_ms)
    await _count(store, "whenfinal_tasks_final", "succeeded/callback/true", of - by_poll, at_ms=at_ms)
    await _count(store, "whenfinal_callbacks", "applied", of - by_poll, at_ms=at_ms)


async def test_a_share_of_misses_over_its_limit_is_told_once_though_callbacks_come(
    store: Store, checks: Checks
) -> None:
    await _ends(store, by_poll=1, of=ENOUGH)
    await checks(T0).check_once()
    assert await _told(store) == []
    await _misses(store, 1)
    for _ in range(2):
        await checks(T0).check_once()
    (event,) = await _told(store)
    assert f"2 of {ENOUGH + 1} tasks" in event_view(event)["provider"]["reason"]


async def test_a_share_near_its_limit_is_not_told_again_and_after_its_end_it_is(store: Store, checks: Checks) -> None:
    await _ends(store, by_poll=2, of=ENOUGH)
    await checks(T0).check_once()
    await _ends(store, by_poll=0, of=ENOUGH)  # just under the limit
    await checks(T0).check_once()
    await _ends(store, by_poll=2, of=ENOUGH)
    await checks(T0).check_once()
    assert len(await _told(store)) == 1
    later = T0 + HOUR_MS + MINUTE_MS
    await _ends(store, by_poll=0, of=ENOUGH, at_ms=later)
    await checks(later).check_once()
    await _ends(store, by_poll=3, of=ENOUGH, at_ms=later)
    await checks(later).check_once()
    assert len(await _told(store)) == 2


async def test_a_share_of_few_tasks_says_nothing(store: Store, checks: Checks) -> None:
    await _ends(store, by_poll=ENOUGH - 2, of=ENOUGH - 1)
    await checks(T0).check_once()
    assert await _told(store) == []
