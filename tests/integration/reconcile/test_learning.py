"""Durations are learned from tasks that have ended, on both engines, and bad rows and clocks mislead nobody."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.reconcile.duration_repository import LEARN_AT_ONCE
from receiver.reconcile.learned import REFRESH_MS, LearnedDurations
from receiver.reconcile.model.duration_rows import finish_of, histogram_of, row_of
from receiver.reconcile.model.durations import UNKNOWN, DurationKey, Histogram, cell_of
from receiver.runtime.store import Store
from receiver.store.engine import Tx
from submitter.model import ProviderTaskId, Source, TaskId, TaskState
from tests.support.builders import T0, a_report, a_task
from tests.support.reconcile_setup import a_poll, a_provider
from tests.support.submission_setup import FakeClock

PROVIDERS = {name: a_provider(name) for name in ("hiapi", "modellix")}
MODEL = DurationKey("hiapi", "horse")
REQUEST = {"video": {"resolution": "720p", "duration": 5}}


async def _end(store: Store, number: int, took_s: float, *, source: Source = Source.CALLBACK, **changes: Any) -> None:
    """A task that ends so long after its submit."""
    name, theirs = f"tsk_{number}", f"p{number}"
    values: dict[str, Any] = {
        "provider_task_id": ProviderTaskId(theirs),
        "state": TaskState.RUNNING,
        "model": "horse",
        "request": REQUEST,
        "sent_ms": T0,
        "submitted_ms": T0 + 100,
    }
    await store.submissions.open_task(a_task(name, **(values | changes)), T0)
    provider = changes.get("provider", "hiapi")
    report = a_report(TaskState.SUCCEEDED, theirs, provider=provider, source=source, expected_task_id=TaskId(name))
    await store.ledger.record([report], T0 + round(took_s * 1000))


def _durations(store: Store, clock: Callable[[], int] = lambda: T0) -> LearnedDurations:
    return LearnedDurations(repository=store.durations, providers=PROVIDERS, speed=1.0, clock=clock)


async def _histograms(store: Store) -> dict[DurationKey, Histogram]:
    found = {key: histogram_of(row) for key, row in (await store.durations.rows()).items()}
    return {key: histogram for key, histogram in found.items() if histogram is not None}


async def _set(store: Store, key: DurationKey, **changes: Any) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute("set_durations", **(row_of(key, Histogram()) | changes))

    await store.engine.write(work)


async def test_ends_are_learned_once_by_provider_model_and_size(store: Store) -> None:
    for number in range(3):
        await _end(store, number, 60)
    durations = _durations(store)
    assert [await durations.learn_once(), await durations.learn_once()] == [3, 0]
    found = await _histograms(store)
    assert {key: histogram.count for key, histogram in found.items()} == dict.fromkeys(
        DurationKey("hiapi", "horse", "720p", "5").path, 3
    )
    assert found[MODEL].shares[-1] == pytest.approx(1)


async def test_several_workers_learn_each_end_once(store: Store) -> None:
    for number in range(20):
        await _end(store, number, 60)
    workers = [_durations(store) for _ in range(6)]
    learned = await asyncio.gather(*(worker.learn_once() for worker in workers))
    assert sum(learned) == 20
    assert (await _histograms(store))[MODEL].count == 20


async def test_an_end_that_a_poll_found_lies_after_the_last_poll_that_found_the_task_open(store: Store) -> None:
    await _end_after_a_poll(store, seen_open_s=50, found_s=90)
    await _durations(store).learn_once()
    shares = (await _histograms(store))[DurationKey("modellix", "horse")].shares
    ended_by = dict(zip(range(len(shares)), shares, strict=True))
    assert [share for cell, share in ended_by.items() if cell <= 30] == [0] * 31  # up to 50 s
    assert 0 < ended_by[36] < 1
    assert ended_by[39] == pytest.approx(1)


async def _end_after_a_poll(store: Store, *, seen_open_s: float, found_s: float) -> None:
    task = a_task(
        "tsk_1", provider="modellix", provider_task_id=ProviderTaskId("p1"), state=TaskState.RUNNING, model="horse",
        sent_ms=T0, submitted_ms=T0, next_poll_ms=T0,
    )  # fmt: skip
    await store.submissions.open_task(task, T0)
    now_ms = T0 + round(seen_open_s * 1000)
    budget = PROVIDERS["modellix"].adapter.CAPABILITIES.budget
    await store.polls.lease_due("modellix", budget=budget, owner="a", now_ms=now_ms, lease_ms=1000, limit=9)
    await store.polls.release([a_poll(next_poll_ms=now_ms + 1)], owner="a", now_ms=now_ms)
    stored = await store.tasks.task(TaskId("tsk_1"))
    assert stored is not None
    assert stored.seen_open_ms == now_ms
    report = a_report(TaskState.SUCCEEDED, "p1", provider="modellix")
    await store.ledger.record([report], T0 + round(found_s * 1000))


async def test_a_callback_that_did_not_come_raises_the_miss_rate_and_one_that_came_late_does_not(store: Store) -> None:
    for number in range(4):
        await _end(store, number, 60, source=Source.POLL, callback_expected=True)
    late = a_report(TaskState.SUCCEEDED, "p0", source=Source.CALLBACK, expected_task_id=TaskId("tsk_0"))
    await store.ledger.record([late], T0 + 61_000)
    await _durations(store).learn_once()
    callbacks = (await _histograms(store))[DurationKey("hiapi")].callbacks
    assert (round(callbacks.missed), round(callbacks.heard)) == (3, 1)


@pytest.mark.parametrize("changes", [{"adopted": True}, {"sent_ms": T0 + 70_000}])
async def test_a_task_that_does_not_tell_how_long_it_took_is_left_out(store: Store, changes: dict[str, Any]) -> None:
    """The last one seems to have ended before its submit, because a clock was set."""
    await _end(store, 1, 60, **changes)
    assert await _durations(store).learn_once() == 0
    assert await _histograms(store) == {}


async def test_a_backlog_is_learned_from_its_newest_end(store: Store) -> None:
    for number in range(LEARN_AT_ONCE + 5):
        await _end(store, number, 60 if number < 5 else 300)
    durations = _durations(store)
    assert [await durations.learn_once(), await durations.learn_once()] == [LEARN_AT_ONCE, 0]


async def test_open_tasks_are_looked_at_beside_the_ends(store: Store) -> None:
    for number in range(20):
        await _end(store, number, 60)
    running = {"state": TaskState.RUNNING, "model": "horse", "request": REQUEST, "sent_ms": T0}
    for number in range(20, 25):
        theirs = ProviderTaskId(f"p{number}")
        task = a_task(f"tsk_{number}", provider_task_id=theirs, next_poll_ms=T0 + 500_000, **running)
        await store.submissions.open_task(task, T0)
    await _durations(store, clock=lambda: T0 + 400_000).learn_once()
    found = (await _histograms(store))[MODEL]
    assert math.fsum(found.open) == 5
    assert found.shares[cell_of(60) + 1] < 0.95


@pytest.mark.parametrize(
    "learned",
    [
        "", "null", "[]", "{", '{"version":1}', '{"version":1,"ended":[1],"open":[],"places":[],"callbacks":[0,0,0,0]}',
        '{"version":1,"ended":"x","open":{},"places":[],"callbacks":[]}', "version",
    ],
)  # fmt: skip
async def test_a_damaged_row_counts_as_absent_and_is_learned_anew(store: Store, learned: str) -> None:
    text = (
        row_of(MODEL, Histogram())["learned"].replace('"version":1', '"version":2') if learned == "version" else learned
    )
    await _set(store, MODEL, learned=text, count=312)
    durations = _durations(store)
    await durations.refresh()
    estimate = durations.estimate_of(MODEL)
    assert (estimate.distribution, estimate.count) == (UNKNOWN.distribution, 0)
    assert [each.is_damaged for each in durations.report("hiapi").durations] == [False, True]
    for number in range(3):
        await _end(store, number, 60)
    await durations.learn_once()
    assert (await _histograms(store))[MODEL].count == 3


@pytest.mark.parametrize("number", ["-1", "1e300", "NaN", "Infinity", '"1"', "null", "true1"])
async def test_a_row_with_an_impossible_number_is_damaged(store: Store, number: str) -> None:
    row = row_of(MODEL, Histogram())
    assert histogram_of(row) is not None
    assert histogram_of({**row, "learned": row["learned"].replace("0.0", number, 1)}) is None


async def test_a_row_reads_as_it_was_written() -> None:
    histogram = Histogram(ended=(1.5,) * 91, open=(2.0,) * 91, count=7, places=(0.25,), is_drifting=True, learned_ms=T0)
    assert histogram_of(row_of(MODEL, histogram)) == histogram


async def test_a_copy_is_read_again_after_a_while_and_after_the_clock_was_set_back(store: Store) -> None:
    clock = FakeClock()
    durations = _durations(store, clock=clock)
    await durations.refresh()
    await _set(store, MODEL, count=1)
    await durations.refresh()
    assert durations.keys_of("hiapi") == []
    clock.now_ms += REFRESH_MS
    await durations.refresh()
    assert durations.keys_of("hiapi") == [MODEL]
    await _set(store, DurationKey("hiapi"), count=1)
    clock.now_ms -= 86_400_000
    await durations.refresh()
    assert durations.keys_of("hiapi") == [DurationKey("hiapi"), MODEL]


async def test_a_scarce_budget_goes_to_the_polls_that_are_worth_most(store: Store) -> None:
    durations = _durations(store, clock=lambda: T0 + 200_000)
    fresh = [a_task(f"tsk_{n}", sent_ms=T0, seen_open_ms=T0 + 199_000) for n in range(5)]
    late = [a_task(f"tsk_{n}", sent_ms=T0 + 20_000) for n in range(5, 9)]
    assert {task.id for task in durations.most_urgent([*fresh, *late], 4)} == {task.id for task in late}


async def test_every_fifth_request_is_for_the_task_unasked_for_longest_however_much_pages_are_worth(
    store: Store,
) -> None:
    durations = _durations(store, clock=lambda: T0 + 200_000)
    turns = [durations.is_turn_of_longest("hiapi") for _ in range(6)]
    assert turns == [False, False, False, False, True, True]
    asked = [a_task(f"tsk_{n}", sent_ms=T0, seen_open_ms=T0 + 100_000) for n in range(5)]
    expecting = a_task("tsk_9", sent_ms=T0 + 90_000, callback_expected=True)
    assert [task.id for task in durations.most_urgent([*asked, expecting], 1)] == ["tsk_9"]
    assert not durations.is_turn_of_longest("hiapi")


async def test_a_model_that_is_never_seen_again_makes_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.reconcile.duration_repository.MOST_KEYS", 3)
    for number in range(3):
        await _set(store, DurationKey("hiapi", f"old {number}"), learned_ms=T0 - 40 * 86_400_000)
    for number in range(2):
        await _end(store, number, 60)
        await _durations(store).learn_once()
    assert MODEL in await _histograms(store)
    assert len(await store.durations.rows()) <= 3


async def test_a_callback_that_says_running_is_a_look_at_that_age(store: Store) -> None:
    """The next poll follows from the age, and the end that a poll finds lies after it."""
    clock = FakeClock(now_ms=T0 + 100_000)
    durations = _durations(store, clock=clock)
    values: dict[str, Any] = {"state": TaskState.SUBMITTED, "model": "horse", "sent_ms": T0, "submitted_ms": T0}
    far_ms, theirs = T0 + 10**7, ProviderTaskId("p1")
    task = a_task("tsk_1", provider="modellix", provider_task_id=theirs, next_poll_ms=far_ms, **values)
    await store.submissions.open_task(task, T0)
    running = a_report(TaskState.RUNNING, "p1", provider="modellix", source=Source.CALLBACK, progress=40)
    await store.ledger.record([replace(running, next_poll_of=durations.after_callback_ms)], clock.now_ms)
    stored = await store.tasks.task(TaskId("tsk_1"))
    assert stored is not None
    assert (stored.state, stored.seen_open_ms) == (TaskState.RUNNING, clock.now_ms)
    assert stored.next_poll_ms == durations.times_of(stored).next_ms(stored, clock.now_ms) < far_ms
    await store.ledger.record([a_report(TaskState.SUCCEEDED, "p1", provider="modellix")], T0 + 140_000)
    await durations.learn_once()
    shares = (await _histograms(store))[DurationKey("modellix", "horse")].shares
    assert shares[cell_of(100)] == 0
    assert shares[cell_of(140) + 1] == pytest.approx(1)


async def test_a_callback_about_a_task_that_has_ended_is_no_look(store: Store) -> None:
    await _end(store, 1, 60)
    late = a_report(TaskState.RUNNING, "p1", source=Source.CALLBACK)
    await store.ledger.record([replace(late, next_poll_of=_durations(store).after_callback_ms)], T0 + 90_000)
    stored = await store.tasks.task(TaskId("tsk_1"))
    assert stored is not None
    assert (stored.seen_open_ms, stored.next_poll_ms) == (None, None)


@pytest.mark.parametrize("count", [2**63 - 1, -1])
async def test_a_count_that_can_not_be_is_learned_anew(store: Store, count: int) -> None:
    await _set(store, MODEL, count=count)
    await _end(store, 1, 60)
    assert await _durations(store).learn_once() == 1
    assert (await _histograms(store))[MODEL].count == 1


@pytest.mark.parametrize(("seen_ms", "after_s"), [(None, 0), (T0 + 40_000, 40), (T0 + 7_200_000, 0)])
def test_an_end_is_known_to_lie_after_the_last_look_unless_that_lies_ahead(seen_ms: int | None, after_s: float) -> None:
    """As of a clock that was ahead for a while."""
    times = {"sent_ms": T0, "submitted_ms": T0, "final_ms": T0 + 60_000, "seen_open_ms": seen_ms}
    task = {"provider": "hiapi", "model": "horse", "request": "{}", "adopted": 0, "settled": 0, "callback_expected": 0}
    finish = finish_of(task | times, [{"source": Source.POLL, "detail": "{}"}], has_finish_times=False, speed=1.0)
    assert finish is not None
    assert (finish.after_s, finish.until_s) == (after_s, 60)


async def test_drift_is_told_once_for_a_model_however_many_keys_have_their_estimate_from_there(store: Store) -> None:
    """The models come from requests, so that there is no end to them."""
    drifting = row_of(DurationKey("hiapi"), Histogram(ended=(1.0,) * 91, count=100, is_drifting=True))
    await _set(store, DurationKey("hiapi"), **drifting)
    durations = _durations(store)
    await durations.refresh()
    with capture_logs() as logged:
        for number in range(3_000):
            durations.estimate_of(DurationKey("hiapi", f"model-{number}"))
    assert [(line["event"], line["provider"], line["model"]) for line in logged] == [("durations_drift", "hiapi", "")]


async def test_drift_is_told_again_once_it_has_ended(store: Store) -> None:
    clock = FakeClock()
    durations = _durations(store, clock=clock)
    with capture_logs() as logged:
        for is_drifting in (True, True, False, True):
            for size in ("720p", "1080p"):
                key = DurationKey("hiapi", "horse", size)
                await _set(store, key, **row_of(key, Histogram(ended=(1.0,) * 91, count=9, is_drifting=is_drifting)))
            clock.now_ms += REFRESH_MS
            await durations.refresh()
            for size in ("720p", "1080p"):
                durations.estimate_of(DurationKey("hiapi", "horse", size))
    assert [(line["event"], line["model"]) for line in logged] == [("durations_drift", "horse")] * 2


@pytest.mark.parametrize("resolution", ["7\x0020p", "x" * 1_000])
async def test_a_resolution_that_no_column_can_hold_keeps_nothing_from_being_learned(
    store: Store, resolution: str
) -> None:
    """It is stored as JSON with the request, which can hold it."""
    await _end(store, 1, 60, request={"video": {"resolution": resolution}})
    assert await _durations(store).learn_once() == 1
    assert (await _histograms(store))[MODEL].count == 1
