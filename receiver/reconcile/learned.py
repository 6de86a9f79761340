"""What this process knows of how long tasks take: a copy of the table `durations`, and the poll times that follow.

The copy is read again from time to time. Without it, or with a row that can not be read, the estimate is that of the
coarser key, and in the end the prior.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from receiver.reconcile.duration_repository import DurationRepository
from receiver.reconcile.model import poll_rule
from receiver.reconcile.model.duration_report import LearnedProvider, learned_duration
from receiver.reconcile.model.duration_rows import PROMPT_MS, histogram_of, task_key
from receiver.reconcile.model.durations import UNKNOWN, DurationKey, Estimate, Histogram, estimate
from receiver.reconcile.model.poll_times import PollTimes, unasked_s
from receiver.store.engine import Row
from receiver.store.errors import StoreError
from receiver.tasks.model.task import Task
from submitter.providers import schedule
from submitter.providers.contract import ConfiguredProvider

log = structlog.get_logger(__name__)

REFRESH_MS = 10_000

MAX_ESTIMATES = 2_000  # in memory; one that was forgotten is made again

OPEN_EVERY = 6  # runs without an end, after which the open tasks are looked at nevertheless


@dataclass(slots=True, kw_only=True, eq=False)
class LearnedDurations:
    """One for a process."""

    repository: DurationRepository
    providers: Mapping[str, ConfiguredProvider]
    #: As in `submitter.providers.schedule`.
    speed: float
    #: Unix milliseconds.
    clock: Callable[[], int]
    _rows: Mapping[DurationKey, Row] = field(default_factory=dict, init=False)
    _estimates: dict[DurationKey, Estimate] = field(default_factory=dict, init=False)
    _read_ms: int | None = field(default=None, init=False)
    _seen_ms: int | None = field(default=None, init=False)
    #: Before this the clock was another one; 0: it was not set.
    _since_ms: int = field(default=0, init=False)
    _logged: set[DurationKey] = field(default_factory=set, init=False)
    _drifting: set[DurationKey] = field(default_factory=set, init=False)
    #: Providers whose estimates can not be made.
    _faulty: set[str] = field(default_factory=set, init=False)
    _asked: Counter[str] = field(default_factory=Counter, init=False)
    _quiet_runs: int = field(default=0, init=False)

    async def refresh(self) -> None:
        """Read what was learned, if the copy is old. Raise nothing: without the ledger the old copy stays."""
        now_ms = self.clock()
        self._watch_clock(now_ms)
        if self._read_ms is not None and 0 <= now_ms - self._read_ms < REFRESH_MS:
            return
        self._read_ms = now_ms
        try:
            rows = await self.repository.rows()
        except StoreError as error:
            log.debug("durations_not_read", error=str(error))
            return
        except Exception:
            log.exception("durations_not_read")
            return
        if rows != self._rows:
            self._rows = rows
            self._estimates.clear()
            self._logged &= rows.keys()
            self._drifting &= rows.keys()

    def _watch_clock(self, now_ms: int) -> None:
        """Called many times a minute: after a step of the clock, or a long sleep, the ages of tasks are not known."""
        before_ms, self._seen_ms = self._seen_ms, now_ms
        if before_ms is not None and not -schedule.MAX_CLOCK_SKEW_MS <= now_ms - before_ms <= PROMPT_MS:
            self._since_ms = now_ms
            log.warning("durations_clock_step", step_ms=now_ms - before_ms, hint="tasks from before it teach nothing")

    def estimate_of(self, key: DurationKey) -> Estimate:
        """From the copy, which may be old."""
        found = self._estimates.get(key)
        if found is None:
            found = self._estimates[key] = estimate(key, self.histograms(key))
            if len(self._estimates) > MAX_ESTIMATES:
                del self._estimates[next(iter(self._estimates))]
            self._tell_drift(found)
        return found

    def histograms(self, key: DurationKey) -> dict[DurationKey, Histogram]:
        """Of the key and those above it, as far as they are stored and can be read."""
        found = {}
        for level in key.path:
            row = self._rows.get(level)
            histogram = None if row is None else histogram_of(row)
            if histogram is not None:
                found[level] = histogram
            elif row is not None and level not in self._logged:
                self._logged.add(level)
                log.warning("durations_damaged", provider=level.provider, model=level.model)
        return found

    def _tell_drift(self, found: Estimate) -> None:
        """Once for what is stored of a model, however many keys have their estimate from there."""
        level = found.learned
        if level is None:
            return
        if not found.is_drifting:
            self._drifting.discard(level)
        elif level not in self._drifting:
            is_told = any((each.provider, each.model) == (level.provider, level.model) for each in self._drifting)
            self._drifting.add(level)
            if not is_told:
                log.warning("durations_drift", provider=level.provider, model=level.model)

    def keys_of(self, provider: str) -> list[DurationKey]:
        """What is stored of a provider, the coarser first."""
        return sorted(key for key in self._rows if key.provider == provider)

    def _is_damaged(self, key: DurationKey) -> bool:
        return key in self._rows and histogram_of(self._rows[key]) is None

    def report(self, provider: str) -> LearnedProvider:
        """What was learned of a configured provider, from the copy."""
        whole = DurationKey(provider)
        return LearnedProvider(
            callback_miss_rate=round(self.estimate_of(whole).miss_rate, 4),
            durations=tuple(
                learned_duration(key, self.estimate_of(key), is_damaged=self._is_damaged(key), speed=self.speed)
                for key in sorted({whole, *self.keys_of(provider)})
            ),
        )

    def times_of(self, task: Task) -> PollTimes:
        """Of a configured provider's task. Raise nothing: after a fault in what was learned the prior counts."""
        try:
            known = self.estimate_of(task_key(task.provider, task.model, task.request))
        except Exception:
            if task.provider not in self._faulty:
                self._faulty.add(task.provider)
                log.exception("durations_fault", provider=task.provider)
            return self.prior_of(task.provider)
        return self._times(task.provider, known)

    def prior_of(self, provider: str) -> PollTimes:
        """Of a configured provider's tasks, where nothing was learned of them."""
        return self._times(provider, UNKNOWN)

    def _times(self, provider: str, known: Estimate) -> PollTimes:
        capabilities = self.providers[provider].adapter.CAPABILITIES
        return PollTimes(estimate=known, capabilities=capabilities, speed=self.speed)

    async def first_poll_ms(self, task: Task) -> int:
        """When a task with a receipt is polled first. Raise nothing: the task is paid for, and must be stored."""
        await self.refresh()
        return self.times_of(task).first_ms(task, self.clock())

    def after_callback_ms(self, task: Task) -> int:
        """When a task is polled after a callback that did not end it. Nothing is read here."""
        return self.times_of(task).after_callback_ms(task, self.clock())

    def price_s(self, due: Sequence[Task], tokens: float) -> float:
        """What a poll of one of these due tasks must be worth to be made now; see `WaitingPolls`."""
        now_ms = self.clock()
        indexes = [self.times_of(task).index_of(task, now_ms) for task in due]
        return poll_rule.price_of(indexes, max(0, int(tokens)), least_s=schedule.POLL_PRICE_S)

    def is_turn_of_longest(self, provider: str) -> bool:
        """Whether the next request is for the task that was unasked for longest; else it is counted as another one."""
        is_turn = self._asked[provider] % poll_rule.UNASKED_EVERY == poll_rule.UNASKED_EVERY - 1
        self._asked[provider] += not is_turn
        return is_turn

    def most_urgent(self, due: Sequence[Task], count: int) -> list[Task]:
        """Of due tasks of one provider, those that are polled now; see `poll_rule.most_urgent`."""
        now_ms = self.clock()
        provider = due[0].provider
        chosen = poll_rule.most_urgent(
            [self.times_of(task).index_of(task, now_ms) for task in due],
            [unasked_s(task, now_ms, self.speed) for task in due],
            count,
            asked_before=self._asked[provider],
        )
        self._asked[provider] += count
        return [due[position] for position in chosen]

    async def learn_once(self) -> int:
        """Learn from the tasks that have ended since, and return how many. Raise StoreUnavailable."""
        if not await self.repository.has_ends():
            self._quiet_runs = (self._quiet_runs + 1) % OPEN_EVERY
            if self._quiet_runs:
                return 0
        learned = await self.repository.learn(
            self.providers, speed=self.speed, now_ms=self.clock(), since_ms=self._since_ms
        )
        if learned.impossible:
            log.warning("durations_impossible", ends=learned.impossible, hint="a clock was set; they teach nothing")
        return learned.ends
