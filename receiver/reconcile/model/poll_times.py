"""The time of a task's next poll, from what was learned of tasks like it, and the reason in words. Pure.

Times are unix milliseconds; `speed` as in `submitter.providers.schedule`.
"""

import math
import zlib
from dataclasses import dataclass

from receiver.reconcile.model import poll_rule
from receiver.reconcile.model.durations import UNKNOWN, Estimate
from receiver.reconcile.model.poll_rule import due_age_s, weight_of
from receiver.tasks.model.task import Task
from submitter.providers import schedule
from submitter.providers.contract import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class PollTimes:
    """Of the tasks of one key at one provider."""

    estimate: Estimate = UNKNOWN
    capabilities: Capabilities
    speed: float

    def first_ms(self, task: Task, now_ms: int) -> int:
        """The first poll of a task that the provider has got, nothing else being known of it."""
        return self._due_ms(task, now_ms, asked_age_s=0.0)

    def next_ms(self, task: Task, now_ms: int) -> int:
        """The next poll of a task that was just seen open."""
        return self._due_ms(task, now_ms, asked_age_s=age_s(task, now_ms, self.speed))

    def after_callback_ms(self, task: Task, now_ms: int) -> int:
        """The next poll of a task that a callback has just reported unfinished.

        That is as good as a poll that finds it open. But a poll that is due stays due, and one is due whenever the age
        has grown by the longest wait: however many callbacks say that the task runs on, it is still polled.
        """
        if task.next_poll_ms is not None and task.next_poll_ms <= now_ms:
            return task.next_poll_ms
        longest_ms = schedule.MAX_WAIT_S / self.speed * 1000
        start_ms = min(began_ms(task) or now_ms, now_ms)
        latest_ms = start_ms + math.ceil(((now_ms - start_ms) // longest_ms + 1) * longest_ms)
        return min(self.next_ms(task, now_ms), latest_ms)

    def index_of(self, task: Task, now_ms: int) -> float:
        """How much a poll of a due task is worth; infinite where the provider is about to forget it."""
        now_s, asked_s = age_s(task, now_ms, self.speed), asked_age_s(task, now_ms, self.speed)
        retention_s = self.capabilities.retention_s
        return poll_rule.index(
            self.estimate.distribution,
            asked_s,
            asked_s + unasked_s(task, now_ms, self.speed),
            miss_rate=self.estimate.miss_rate if task.callback_expected else 1.0,
            weight=poll_rule.ranking_weight_of(now_s, retention_s=retention_s, sweep_s=schedule.MAX_WAIT_S),
        )

    def _due_ms(self, task: Task, now_ms: int, *, asked_age_s: float) -> int:
        advice, now_s = self.capabilities.poll, age_s(task, now_ms, self.speed)
        due_s = due_age_s(
            self.estimate.distribution,
            asked_age_s,
            price_s=schedule.POLL_PRICE_S / weight_of(now_s, retention_s=self.capabilities.retention_s),
            least_gap_s=advice.floor_s,
            most_gap_s=schedule.MAX_WAIT_S,
            miss_rate=self.estimate.miss_rate if task.callback_expected else 1.0,
        )
        wait_s = max(0.0, due_s - now_s)
        return schedule.learned_poll_ms(now_ms, advice, wait_s, speed=self.speed, spread=spread_of(task.id))


def began_ms(task: Task) -> int | None:
    """Since when the provider may have had the task; None while that is not known."""
    return task.sent_ms if task.sent_ms is not None else task.submitted_ms


def age_s(task: Task, now_ms: int, speed: float) -> float:
    """Seconds of the provider's clock since the submit; 0 where a clock was set back."""
    start_ms = began_ms(task)
    return 0.0 if start_ms is None else max(0, now_ms - start_ms) / 1000 * speed


def asked_age_s(task: Task, now_ms: int, speed: float) -> float:
    """The age at which the task was last found open; 0 where it was not, or where that lies ahead."""
    seen_ms = task.seen_open_ms
    return 0.0 if seen_ms is None or _is_ahead(seen_ms, now_ms) else age_s(task, seen_ms, speed)


def unasked_s(task: Task, now_ms: int, speed: float) -> float:
    """Seconds of the provider's clock since the task was last found open, or since its submit.

    A time that lies ahead tells nothing, because the clock was set back. Without any other it is the longest wait, so
    that the task comes before those that were just asked.
    """
    for known_ms in (task.seen_open_ms, began_ms(task)):
        if known_ms is not None and not _is_ahead(known_ms, now_ms):
            return max(0, now_ms - known_ms) / 1000 * speed
    return schedule.MAX_WAIT_S


def _is_ahead(time_ms: int, now_ms: int) -> bool:
    return time_ms > now_ms + schedule.MAX_CLOCK_SKEW_MS


def spread_of(task_id: str) -> float:
    """A number in [0, 1) that is the task's own."""
    return zlib.crc32(task_id.encode()) / 2**32
