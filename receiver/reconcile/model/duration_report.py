"""What was learned of a provider, for people: percentiles by model, and why a task is polled when it is. Pure."""

from dataclasses import dataclass

from receiver.reconcile.model.durations import DurationKey, Estimate
from receiver.reconcile.model.poll_times import PollTimes, age_s, began_ms
from receiver.tasks.model.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedDuration:
    """How long the tasks of a key take, in seconds. None in place of a name means all of them."""

    model: str | None
    resolution: str | None
    length: str | None
    #: Ends counted so far.
    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    #: How much of this is the prior, 0 to 1; the rest was learned.
    prior_share: float
    #: The last ends came earlier or later than was estimated, so that what was learned counts a quarter.
    is_drifting: bool
    #: What is stored can not be read, so that it does not count.
    is_damaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedProvider:
    """What was learned of a provider."""

    #: The share of callbacks that is taken not to come.
    callback_miss_rate: float
    #: The provider's own first, then its models.
    durations: tuple[LearnedDuration, ...]


def learned_duration(key: DurationKey, estimate: Estimate, *, is_damaged: bool, speed: float) -> LearnedDuration:
    p50_s, p95_s, p99_s = (round(estimate.distribution.age_of(share) / speed, 1) for share in (0.5, 0.95, 0.99))
    return LearnedDuration(
        model=key.model or None,
        resolution=key.resolution or None,
        length=key.length or None,
        count=estimate.count if estimate.learned == key else 0,
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        prior_share=round(estimate.prior_share, 3),
        is_drifting=estimate.is_drifting,
        is_damaged=is_damaged,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPolls:
    """Tasks of a provider that are due and have not been polled yet."""

    #: At most `MOST_COUNTED`.
    count: int
    #: When the first of them became due, unix milliseconds; None: none waits.
    since_ms: int | None
    #: What a poll must be worth to be made now, in seconds of lateness that is to be expected: the price of a poll. It
    #: is the least one while the rate budget suffices, and grows with the number of tasks that wait for it.
    price_s: float


MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PollReason:
    """Why the next poll of a task is when it is. Seconds are ours."""

    #: Of the task at its next poll, since its submit.
    age_s: float
    #: By which half of the tasks like it have ended.
    p50_s: float
    #: Ends counted of tasks like it; 0: nothing is known of them.
    count: int
    #: What these tasks have in common.
    of: str
    #: None where no callback is expected.
    callback_miss_rate: float | None


def poll_reason(task: Task, times: PollTimes) -> PollReason | None:
    """None for a task that has no next poll, or whose submit was not stored."""
    if task.next_poll_ms is None or began_ms(task) is None:
        return None
    estimate = times.estimate
    return PollReason(
        age_s=age_s(task, task.next_poll_ms, 1.0),
        p50_s=estimate.distribution.age_of(0.5) / times.speed,
        count=estimate.count,
        of=_common(estimate.learned),
        callback_miss_rate=estimate.miss_rate if task.callback_expected else None,
    )


def _common(key: DurationKey | None) -> str:
    if key is None or not key.model:
        return "of this provider"
    return "of this model and size" if key.resolution or key.length else "of this model"
