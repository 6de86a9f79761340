"""Which of an account's due tasks are polled now, where its rate budget has too few tokens for all of them. Pure."""

import math
from collections.abc import Callable, Sequence

from receiver.reconcile.model.poll_rule import choose, index, ranking_weight_of
from receiver.reconcile.model.poll_times import PollTimes, age_s, asked_age_s, began_ms
from receiver.tasks.model.task import Task

#: What is known of tasks like one.
TimesOf = Callable[[Task], PollTimes]


def rank(
    due: Sequence[Task], count: int, *, times_of: TimesOf, now_ms: int, per_s: float, asked_before: int
) -> list[Task]:
    """The `count` tasks that are polled now: those whose polls are worth most, and some that waited for longest.

    `per_s`: polls that the rate budget allows in a second of ours. `asked_before` as in `choose`.
    """
    sweep_s = len(due) / per_s
    indexes = [worth(task, times_of(task), now_ms, sweep_s=sweep_s) for task in due]
    unasked_s = [_unasked_s(task, now_ms) for task in due]
    return [due[position] for position in choose(indexes, unasked_s, count, asked_before=asked_before)]


def worth(task: Task, times: PollTimes, now_ms: int, *, sweep_s: float) -> float:
    """What a poll of the task is worth now, in seconds of lateness; infinite just before the provider forgets it.

    `sweep_s`: in so many seconds of ours each due task can be polled once.
    """
    age = age_s(task, now_ms, times.speed)
    weight = ranking_weight_of(age, retention_s=times.capabilities.retention_s, sweep_s=sweep_s * times.speed)
    if weight == math.inf:
        return math.inf
    miss_rate = times.estimate.miss_rate if task.callback_expected else 1.0
    asked_s = asked_age_s(task, times.speed)
    return index(times.estimate.distribution, asked_s, age, miss_rate=miss_rate, weight=weight)


def _unasked_s(task: Task, now_ms: int) -> float:
    since_ms = began_ms(task) if task.seen_open_ms is None else task.seen_open_ms
    return (now_ms - (task.created_ms if since_ms is None else since_ms)) / 1000
