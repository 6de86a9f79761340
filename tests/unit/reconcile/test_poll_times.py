"""Times of polls that follow from what was learned, and from callbacks that say that a task still runs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.reconcile.model.poll_times import PollTimes
from receiver.tasks.model.task import Task
from submitter.model import TaskState
from submitter.providers.hiapi import CAPABILITIES
from submitter.providers.schedule import MAX_WAIT_S
from tests.support.builders import T0, a_task

TIMES = PollTimes(capabilities=CAPABILITIES, speed=1.0)
MAX_WAIT_MS = round(MAX_WAIT_S * 1000)


def _running(**changes: object) -> Task:
    values = {"state": TaskState.RUNNING, "sent_ms": T0, "callback_expected": True, "next_poll_ms": T0 + 10**9}
    return a_task("tsk_1", **(values | changes))


@pytest.mark.parametrize("age_s", [0, 40, 130, 550])
def test_a_callback_that_says_running_counts_as_a_poll_at_that_age(age_s: int) -> None:
    now_ms = T0 + age_s * 1000
    latest_ms = T0 + (now_ms - T0) // MAX_WAIT_MS * MAX_WAIT_MS + MAX_WAIT_MS
    assert TIMES.after_callback_ms(_running(), now_ms) == min(TIMES.next_ms(_running(), now_ms), latest_ms)


def test_after_a_late_callback_the_next_poll_is_sooner_than_after_an_early_one() -> None:
    """Half of the tasks have ended by 130 s, so that one which runs at 130 s is about to end."""
    early, late = (TIMES.after_callback_ms(_running(callback_expected=False), T0 + s * 1000) for s in (1, 130))
    assert late - (T0 + 130_000) < early - (T0 + 1_000)


def test_a_poll_that_is_due_stays_due() -> None:
    assert TIMES.after_callback_ms(_running(next_poll_ms=T0 + 5), T0 + 5) == T0 + 5
    assert TIMES.after_callback_ms(_running(next_poll_ms=T0 + 6), T0 + 5) > T0 + 6


@given(st.lists(st.integers(1, 60), min_size=1, max_size=400))
def test_callbacks_that_never_stop_put_no_poll_off_for_longer_than_the_longest_wait(gaps_s: list[int]) -> None:
    task, now_ms, asked_ms = _running(), T0, T0
    for gap_s in gaps_s:
        now_ms += gap_s * 1000
        if task.next_poll_ms is not None and task.next_poll_ms <= now_ms:
            asked_ms = now_ms
        task = replace(task, seen_open_ms=now_ms, next_poll_ms=TIMES.after_callback_ms(task, now_ms))
        if asked_ms == now_ms:
            task = replace(task, next_poll_ms=TIMES.next_ms(task, now_ms))
        assert now_ms - asked_ms <= MAX_WAIT_MS + 60_000


def test_a_task_whose_submit_seems_to_lie_ahead_is_polled_within_the_longest_wait() -> None:
    """Its clock was set back."""
    assert 0 < TIMES.after_callback_ms(_running(sent_ms=T0 + 10**8), T0) - T0 <= MAX_WAIT_MS
