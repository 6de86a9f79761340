"""A damaged histogram, a clock that is set, a provider whose times change: polls go on, and nobody waits for long.

The ledger, the reconciler and what it learns are the real ones. The provider has a time of its own, which no clock of
ours changes.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.reconcile.learned import REFRESH_MS, LearnedDurations
from receiver.reconcile.model.duration_report import LearnedDuration
from receiver.reconcile.model.duration_rows import row_of
from receiver.reconcile.model.durations import DurationKey, Histogram
from receiver.store.engine import Tx
from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Source, TaskState
from submitter.providers import modellix as adapter
from submitter.providers import schedule
from tests.support.builders import T0, a_report, a_task
from tests.support.reconcile_setup import ReconcileSetup, modellix, open_reconcile_setup

DAY_S = 86_400
MODEL = DurationKey("modellix", "horse")
STEP_S = 5


@dataclass(eq=False)
class _World:
    """The provider's time goes on; ours is `ahead_s` ahead of it."""

    setup: ReconcileSetup
    time_s: float = 0.0
    ahead_s: float = 0.0
    #: By the provider's id: when its task ends, and how much later we found that.
    ends_s: dict[str, float] = field(default_factory=dict)
    late_s: dict[str, float] = field(default_factory=dict)

    @property
    def durations(self) -> LearnedDurations:
        return self.setup.reconciler.poller.durations

    def _set_clock(self) -> None:
        self.setup.clock.now_ms = T0 + round((self.time_s + self.ahead_s) * 1000)

    def set_ahead(self, seconds: float) -> None:
        self.ahead_s = seconds
        self._set_clock()

    async def submit(self, took_s: float | None, *, began_s_ago: float = 0) -> str:
        """A task with its receipt, timed as a submit does; None: it never ends."""
        name = f"p{len(self.ends_s)}"
        self.ends_s[name] = float("inf") if took_s is None else self.time_s + took_s
        now_ms = self.setup.clock.now_ms - round(began_s_ago * 1000)
        task = a_task(
            f"tsk_{name}",
            provider="modellix",
            provider_task_id=ProviderTaskId(name),
            state=TaskState.SUBMITTED,
            model="horse",
            created_ms=now_ms,
            sent_ms=now_ms,
            submitted_ms=now_ms,
        )
        task = replace(task, next_poll_ms=await self.durations.first_poll_ms(task))
        await self.setup.store.submissions.open_task(task, now_ms)
        self.setup.transport.answer(name, self._answer(name))
        return name

    def _answer(self, name: str) -> Callable[[], Any]:
        async def answer() -> HttpReply:
            if self.time_s < self.ends_s[name]:
                return modellix("processing", name)
            self.late_s.setdefault(name, self.time_s - self.ends_s[name])
            return modellix("success", name)

        return answer

    async def run(self, seconds: float) -> None:
        until_s = self.time_s + seconds
        while self.time_s < until_s:
            self.time_s += STEP_S
            self._set_clock()
            await self.setup.run()
            await self.durations.learn_once()

    async def repair_the_clock(self) -> None:
        """As the worker does after a clock was set back."""
        advice = adapter.CAPABILITIES.poll
        await self.setup.store.polls.pull_back(
            "modellix",
            now_ms=self.setup.clock.now_ms,
            longest_wait_ms=schedule.longest_wait_ms(advice, speed=1.0),
            dead_submit_ms=60_000,
            lease_ms=60_000,
        )

    async def teach(self, took_s: float, *, count: int = 100) -> None:
        """Tasks that have ended before, as their callbacks told, within a fifth of this time."""
        rng, store = random.Random(3), self.setup.store
        for number in range(count):
            name, began_ms = f"old{number}", self.setup.clock.now_ms - 10_000_000
            task = a_task(
                name,
                provider="modellix",
                provider_task_id=ProviderTaskId(name),
                state=TaskState.RUNNING,
                model="horse",
                sent_ms=began_ms,
                submitted_ms=began_ms,
            )
            await store.submissions.open_task(task, began_ms)
            report = a_report(TaskState.SUCCEEDED, name, provider="modellix", source=Source.CALLBACK)
            await store.ledger.record([report], began_ms + round(took_s * 1000 * (0.8 + 0.4 * rng.random())))
        await self.durations.learn_once()
        await self.run(REFRESH_MS / 1000)

    def shown(self) -> LearnedDuration:
        """What `whenfinal providers show` says of the model."""
        (found,) = [each for each in self.durations.report("modellix").durations if each.model == "horse"]
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[_World]:
    async with open_reconcile_setup(tmp_path) as setup:
        yield _World(setup)


@pytest.mark.parametrize("factor", [10.0, 0.1, 0.0])
async def test_a_provider_that_becomes_ten_times_slower_or_quicker_or_answers_at_once_is_found_out(
    world: _World, factor: float
) -> None:
    await world.teach(100)
    assert world.shown().p50_s == pytest.approx(100, rel=0.15)
    with capture_logs() as logged:
        for _ in range(50):
            await world.submit(100 * factor)
            await world.run(10)
        await world.run(max(200.0, 100 * factor + 200))
    assert len(world.late_s) == 50
    assert max(world.late_s.values()) < max(120, 0.15 * 100 * factor)  # about a tenth of the age, or the time learned
    assert {"event": "durations_drift", "provider": "modellix", "model": "horse", "log_level": "warning"} in logged
    await world.run(REFRESH_MS / 1000)
    last = await world.submit(100 * factor)
    await world.run(100 * factor + 200)
    assert world.late_s[last] < max(60, 0.15 * 100 * factor)


async def test_a_provider_whose_times_alternate_does_not_drift_and_both_times_are_learned(world: _World) -> None:
    times_s = cycle([30, 300])
    for _ in range(60):
        await world.submit(next(times_s))
        await world.run(10)
    await world.run(400)
    assert len(world.late_s) == 60
    shown = world.shown()
    assert (shown.is_drifting, shown.count) == (False, 60)
    assert shown.p95_s == pytest.approx(300, rel=0.15)
    names = [await world.submit(30), await world.submit(300)]
    await world.run(400)
    assert max(world.late_s[name] for name in names) < 45


async def test_tasks_whose_submit_lies_ahead_because_a_clock_was_set_back_do_not_wait_until_it_comes(
    world: _World,
) -> None:
    """However scarce the rate budget is: a sweep of the tasks from long before takes five minutes here."""
    for _ in range(400):
        await world.submit(None, began_s_ago=7_200)
    new = [await world.submit(20) for _ in range(10)]
    await world.run(20)
    world.set_ahead(-3_600)
    await world.repair_the_clock()
    await world.run(500)
    assert set(world.late_s) == set(new)


async def test_a_clock_that_leaps_a_day_ahead_delays_no_task_for_longer_than_the_longest_wait_and_teaches_nothing(
    world: _World,
) -> None:
    await world.teach(100)
    before = world.shown()
    names = [await world.submit(60 + 10 * number) for number in range(12)]
    await world.run(50)
    world.set_ahead(DAY_S)
    await world.run(schedule.MAX_WAIT_S * 1.1 + 60)
    assert set(world.late_s) == set(names)
    assert max(world.late_s.values()) < schedule.MAX_WAIT_S * 1.1
    tasks = [await world.setup.task(f"tsk_{name}") for name in names]
    assert {task.state for task in tasks} == {TaskState.SUCCEEDED}
    await world.run(REFRESH_MS / 1000)
    assert world.shown().p50_s == pytest.approx(before.p50_s, rel=0.1)
    assert world.shown().p95_s < 1.3 * before.p95_s
    assert not world.shown().is_drifting


@pytest.mark.parametrize("has_restarted", [False, True])
async def test_callbacks_after_a_clock_has_leapt_ahead_do_not_seem_to_be_a_day_late(
    world: _World, *, has_restarted: bool
) -> None:
    """A process that was started after the leap does not know of it, and takes them for late callbacks."""
    await world.teach(100)
    before = world.shown()
    names = [await world.submit(None) for _ in range(40)]
    await world.run(50)
    world.set_ahead(DAY_S)
    reports = [a_report(TaskState.SUCCEEDED, name, provider="modellix", source=Source.CALLBACK) for name in names]
    await world.setup.store.ledger.record(reports, world.setup.clock())
    if has_restarted:
        world.durations._seen_ms = None
    with capture_logs() as logged:
        await world.run(2 * REFRESH_MS / 1000)
    assert any(line["event"] == "durations_clock_step" for line in logged) != has_restarted
    assert world.shown().count == (140 if has_restarted else 100)
    assert world.shown().p95_s < 1.5 * before.p95_s
    assert not world.shown().is_drifting


async def test_ends_with_impossible_times_are_told_in_the_log(world: _World) -> None:
    await world.submit(5)
    await world.run(20)
    world.set_ahead(-3_600)
    await world.repair_the_clock()
    with capture_logs() as logged:
        await world.run(60)
    assert len(world.late_s) == 1
    assert [line["ends"] for line in logged if line["event"] == "durations_impossible"] == [1]


def _learned(**changes: object) -> str:
    return json.dumps(json.loads(row_of(MODEL, Histogram(ended=(0.0,) * 90 + (50.0,)))["learned"]) | changes)


_EMPTY = [0.0] * 91

_DAMAGED: Mapping[str, Mapping[str, Any]] = {
    "no text": {"learned": ""},
    "half a text": {"learned": _learned()[:40]},
    "nested without end": {"learned": "[" * 100_000},
    "a negative count": {"learned": _learned(ended=[-1.0, *_EMPTY[1:]])},
    "not a number": {"learned": _learned(ended=[float("nan"), *_EMPTY[1:]])},
    "a huge count": {"learned": _learned(ended=[1e300, *_EMPTY[1:]])},
    "a count too long for a float": {"learned": _learned().replace("50.0", "9" * 400)},
    "a bin too many": {"learned": _learned(ended=[*_EMPTY, 0.0])},
    "places beyond one": {"learned": _learned(places=[7])},
    "callbacks below zero": {"learned": _learned(callbacks=[-5, 0, 0, 0])},
    "a later version": {"learned": _learned(version=2)},
    "a count that is a word": {"count": "many"},
    "a time that is a word": {"learned_ms": "yesterday"},
}


@pytest.mark.parametrize("changes", _DAMAGED.values(), ids=_DAMAGED)
async def test_a_damaged_row_is_shown_and_polls_follow_the_prior(world: _World, changes: Mapping[str, Any]) -> None:
    """The row is the model's own; it would say that all tasks take more than an hour."""
    await _set(world, **changes)
    with capture_logs() as logged:
        name = await world.submit(100)
        await world.run(250)
    assert 0 <= world.late_s[name] < 60
    assert {"event": "durations_damaged", "provider": "modellix", "model": "horse", "log_level": "warning"} in logged
    await world.run(2 * REFRESH_MS / 1000)
    assert (world.shown().is_damaged, world.shown().count) == (False, 1)


@pytest.mark.parametrize("learned_ms", [0, -(2**62), 2**62])
async def test_a_row_from_the_beginning_or_the_end_of_time_can_be_read(world: _World, learned_ms: int) -> None:
    await _set(world, learned_ms=learned_ms, learned=_learned(ended=[0.0] * 30 + [50.0] + [0.0] * 60))
    name = await world.submit(45)
    await world.run(200)
    assert 0 <= world.late_s[name] < 60
    assert not world.shown().is_damaged


async def _set(world: _World, **changes: Any) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute("set_durations", **(row_of(MODEL, Histogram()) | changes))

    await world.setup.store.engine.write(work)
