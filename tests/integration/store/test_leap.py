"""Retention and a clock that leaps ahead: nothing is deleted by a time that may be wrong."""

import pytest
from structlog.testing import capture_logs

from receiver.runtime.store import Store
from receiver.store.leap import HOLD_MS, LEAP_MS, ClockRecord, LeapGuard, judge
from receiver.store.retention import Pruner, PruneReport
from tests.support.builders import T0, a_report, a_task
from tests.support.delivery_fixtures import event_numbers, publish_events

DAY_MS = 86_400_000
YEARS_MS = 800 * DAY_MS
MINUTE_MS = 60_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = T0

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _pruner(store: Store, clock: Clock) -> Pruner:
    """A new one is what a restart makes."""
    return Pruner(
        repository=store.retention,
        events_days=30,
        attempts_days=30,
        observations_days=30,
        clock=clock,
        guard=LeapGuard(store.engine),
    )


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_clock_that_leaps_beyond_retention_deletes_nothing_and_is_set_right_again(
    store: Store, clock: Clock, *, restarts: bool
) -> None:
    await publish_events(store, 3, at_ms=T0)
    pruner = _pruner(store, clock)
    await pruner.prune_once()
    clock.now_ms = T0 + YEARS_MS
    with capture_logs() as lines:
        for _ in range(5):
            pruner = _pruner(store, clock) if restarts else pruner
            assert await pruner.prune_once() == PruneReport()
            clock.now_ms += MINUTE_MS
    assert [line["event"] for line in lines] == ["retention_held"]
    clock.now_ms = T0 + 10 * MINUTE_MS
    await pruner.prune_once()
    assert await event_numbers(store) == [1, 2, 3]
    clock.now_ms = T0 + YEARS_MS  # the hold before does not count
    assert await pruner.prune_once() == PruneReport()
    assert await event_numbers(store) == [1, 2, 3]


async def test_a_clock_that_stays_is_believed_after_a_day(store: Store, clock: Clock) -> None:
    await publish_events(store, 3, at_ms=T0)
    pruner = _pruner(store, clock)
    await pruner.prune_once()
    leapt_ms = clock.now_ms = T0 + 40 * DAY_MS
    await pruner.prune_once()
    clock.now_ms = leapt_ms + HOLD_MS - 1
    assert (await _pruner(store, clock).prune_once()).events == 0
    clock.now_ms = leapt_ms + HOLD_MS
    assert (await _pruner(store, clock).prune_once()).events == 3


async def test_time_that_passes_as_usual_is_believed(store: Store, clock: Clock) -> None:
    await publish_events(store, 3, at_ms=T0)
    for _ in range(31):
        assert (await _pruner(store, clock).prune_once()).events == 0
        clock.now_ms += DAY_MS
    assert (await _pruner(store, clock).prune_once()).events == 3


async def test_a_ledger_without_a_record_is_compared_with_its_newest_observation(store: Store, clock: Clock) -> None:
    await store.submissions.open_task(a_task(), T0)
    await store.ledger.record([a_report(expected_task_id="tsk_1")], T0)
    clock.now_ms = T0 + YEARS_MS
    assert await _pruner(store, clock).prune_once() == PruneReport()
    assert await event_numbers(store) == [1]


@pytest.mark.parametrize(
    ("record", "now_ms", "expected"),
    [
        (ClockRecord(seen_ms=T0), T0 + LEAP_MS, ClockRecord(seen_ms=T0 + LEAP_MS)),
        (ClockRecord(seen_ms=T0), T0 + LEAP_MS + 1, ClockRecord(seen_ms=T0, held_since_ms=T0 + LEAP_MS + 1)),
        (ClockRecord(seen_ms=T0), T0 - YEARS_MS, ClockRecord(seen_ms=T0 - YEARS_MS)),
        (
            ClockRecord(seen_ms=T0, held_since_ms=T0 + YEARS_MS),
            T0 + 5 * DAY_MS,
            ClockRecord(seen_ms=T0, held_since_ms=T0 + 5 * DAY_MS),
        ),
        (ClockRecord(seen_ms=T0, held_since_ms=T0 + YEARS_MS), T0 + 1, ClockRecord(seen_ms=T0 + 1)),
    ],
)
def test_what_the_ledger_has_seen_decides(record: ClockRecord, now_ms: int, expected: ClockRecord) -> None:
    assert judge(record, now_ms) == expected
