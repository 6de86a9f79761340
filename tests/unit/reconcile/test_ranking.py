"""Which due tasks are polled where the rate budget has too few tokens for all."""

from dataclasses import replace
from typing import Any

from receiver.reconcile.model.poll_rule import most_urgent
from receiver.reconcile.model.poll_times import PollTimes, unasked_s
from receiver.tasks.model.task import Task
from submitter.model import TaskId, TaskState
from submitter.providers.registry import ADAPTERS
from tests.support.builders import T0, a_task

TIMES = PollTimes(capabilities=ADAPTERS["dashscope"].CAPABILITIES, speed=1.0)  # of which nothing is learned
DAY_MS = 86_400_000


def _task(name: str, *, age_s: float, seen_open_s: float | None = None, **changes: Any) -> Task:
    """Submitted and last seen open so many seconds before T0."""
    seen_ms = None if seen_open_s is None else T0 - round(seen_open_s * 1000)
    sent_ms = T0 - round(age_s * 1000)
    return a_task(name, state=TaskState.RUNNING, sent_ms=sent_ms, seen_open_ms=seen_ms, created_ms=sent_ms, **changes)


def _rank(due: list[Task], count: int, *, asked_before: int = 0, now_ms: int = T0) -> list[str]:
    indexes = [TIMES.index_of(task, now_ms) for task in due]
    unasked = [unasked_s(task, now_ms, 1.0) for task in due]
    return [due[position].id for position in most_urgent(indexes, unasked, count, asked_before=asked_before)]


def test_the_task_whose_end_is_most_overdue_goes_first() -> None:
    fresh, likely, asked = (
        _task("fresh", age_s=20),
        _task("likely", age_s=180),
        _task("asked", age_s=180, seen_open_s=5),
    )
    assert _rank([fresh, likely, asked], 2) == ["likely", "fresh"]


def test_one_poll_in_five_goes_to_the_task_that_was_unasked_for_longest() -> None:
    likely = [_task(f"likely{number}", age_s=150, seen_open_s=100) for number in range(9)]
    expecting = _task("expecting", age_s=140, callback_expected=True)  # most callbacks come, so a poll is worth little
    assert "expecting" not in _rank([*likely, expecting], 4)
    assert "expecting" in _rank([*likely, expecting], 4, asked_before=4)


def test_a_task_that_the_provider_is_about_to_forget_goes_first() -> None:
    retention_s = TIMES.capabilities.retention_s
    waiting = [_task(f"waiting{number}", age_s=400) for number in range(40)]
    last = _task("last", age_s=retention_s - 5, seen_open_s=1)
    assert _rank([*waiting, last], 1) == ["last"]
    earlier = replace(last, sent_ms=(last.sent_ms or 0) + 3_600_000)
    assert _rank([*waiting, earlier], 1) != ["last"]


def test_no_task_starves_however_many_are_due() -> None:
    """400 tasks that never end and 10 polls a second: each is polled about once in 40 seconds."""
    tasks = {f"t{number}": _task(f"t{number}", age_s=30 + number) for number in range(400)}
    asked: dict[TaskId, int] = {}
    longest_s = 0.0
    for tick in range(600):
        now_ms = T0 + tick * 1000
        window = sorted(tasks.values(), key=lambda task: task.next_poll_ms or 0)[:80]
        for name in _rank(window, 10, asked_before=10 * tick, now_ms=now_ms):
            longest_s = max(longest_s, (now_ms - asked.get(TaskId(name), T0)) / 1000)
            asked[TaskId(name)] = now_ms
            tasks[name] = replace(tasks[name], seen_open_ms=now_ms, next_poll_ms=now_ms + 15_000)
    assert len(asked) == 400
    assert longest_s < 3 * 40
