"""Many open tasks that share a rate budget, polled in the order of the ranking: how late their ends are found."""

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field

from receiver.reconcile.model.distribution import Distribution, log_normal, pooled, with_tail
from receiver.reconcile.model.durations import DurationKey, Finish, Histogram, estimate, learned
from receiver.reconcile.model.poll_rule import due_age_s, index, most_urgent
from receiver.reconcile.repository import CANDIDATES
from submitter.providers.schedule import MAX_WAIT_S

PRICE_S = 1.0  # at 5 s these tasks want 16 polls a second; at 1 s they want more than the budget gives

OPEN = 1_000
POLLS_PER_S = 20
WARM_UP_S = 600  # until the ages of the tasks are mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """From the ends of tasks to the polls that found them."""

    mean_s: float
    p99_s: float
    most_s: float


@dataclass(slots=True, kw_only=True)
class _Task:
    began_s: float
    ends_s: float
    asked_s: float
    #: Its number in `_MODELS`.
    model: int


_BIMODAL = pooled(log_normal(60, 0.3), 1, log_normal(400, 0.3), 1)

#: What is known of a model, and the medians and the spread of which its tasks have one.
_MODELS = (
    (with_tail(log_normal(120, 0.15)), (120.0,), 0.15),
    (with_tail(log_normal(200, 0.3)), (200.0,), 0.3),
    (with_tail(log_normal(150, 0.6)), (150.0,), 0.6),
    (with_tail(_BIMODAL), (60.0, 400.0), 0.3),
)


LEARNED_FROM = 400  # ends of each model, before the provider's times change

LEARN_EVERY_S = 5


@dataclass(slots=True, kw_only=True)
class _Account:
    """Its open tasks by the times of their next polls. One that was found ended is replaced by a new one."""

    rng: random.Random
    #: How much longer tasks take than is known at first.
    factor: float = 1.0
    #: What is known of each model.
    known: list[Distribution] = field(default_factory=lambda: [model for model, _, _ in _MODELS])
    due: list[tuple[float, int, _Task]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    finishes: list[Finish] = field(default_factory=list)
    histograms: dict[DurationKey, Histogram] = field(default_factory=dict)
    asked: int = 0

    def tick(self, now_s: int) -> None:
        """One second's polls."""
        found: list[tuple[float, int, _Task]] = []
        while self.due and self.due[0][0] <= now_s and len(found) < CANDIDATES * POLLS_PER_S:
            found.append(heapq.heappop(self.due))
        chosen = set(self._chosen([task for _, _, task in found], now_s))
        self.asked += len(chosen)
        for position, entry in enumerate(found):
            if position in chosen:
                self._ask(entry[2], entry[1], now_s)
            else:
                heapq.heappush(self.due, entry)

    def _chosen(self, tasks: list[_Task], now_s: int) -> list[int]:
        if len(tasks) <= POLLS_PER_S:
            return list(range(len(tasks)))
        worth = [index(self.known[task.model], task.asked_s - task.began_s, now_s - task.began_s) for task in tasks]
        return most_urgent(worth, [now_s - task.asked_s for task in tasks], POLLS_PER_S, asked_before=self.asked)

    def _ask(self, task: _Task, number: int, now_s: int) -> None:
        before_s, task.asked_s = task.asked_s, now_s
        if task.ends_s <= now_s:
            if now_s > WARM_UP_S:
                self.late.append(now_s - task.ends_s)
            after_s, until_s = before_s - task.began_s, now_s - task.began_s
            self.finishes.append(Finish(key=_key(task.model), after_s=after_s, until_s=until_s))
            task = self.begun(now_s)
        self.put(task, number)

    def put(self, task: _Task, number: int) -> None:
        known = self.known[task.model]
        age_s = due_age_s(known, task.asked_s - task.began_s, price_s=PRICE_S, least_gap_s=3.0, most_gap_s=MAX_WAIT_S)
        heapq.heappush(self.due, (task.began_s + age_s, number, task))

    def begun(self, now_s: float) -> _Task:
        model, took_s = _drawn(self.rng)
        return _Task(began_s=now_s, ends_s=now_s + took_s * self.factor, asked_s=now_s, model=model)

    def learn(self) -> None:
        """From the ends that polls have found since the last call."""
        self.histograms |= learned(self.histograms, self.finishes, {}, now_ms=1)
        self.finishes = []
        self.known = [estimate(_key(model), self.histograms).distribution for model in range(len(_MODELS))]

    def learn_first(self) -> None:
        """What is known before the provider's times change."""
        for _ in range(LEARNED_FROM * len(_MODELS)):
            model, took_s = _drawn(self.rng)
            self.finishes.append(Finish(key=_key(model), after_s=took_s, until_s=took_s))
        self.learn()


def polled_under_a_budget(*, minutes: int, factor: float | None = None) -> Lateness:
    """As many tasks are open all the time.

    `factor`: the provider takes so much longer than what was learned, and polls go on learning; None: the times are
    known exactly, and nothing is learned.
    """
    account = _Account(rng=random.Random(7), factor=factor or 1.0)
    if factor is not None:
        account.learn_first()
    for number in range(OPEN):
        account.put(account.begun(0.0), number)
    for now_s in range(1, 60 * minutes):
        account.tick(now_s)
        if factor is not None and now_s % LEARN_EVERY_S == 0:
            account.learn()
    return _lateness(account.late)


def polled_in_turn(*, minutes: int, factor: float) -> Lateness:
    """The same tasks, of which each second the next ones are polled, one after the other."""
    account, late = _Account(rng=random.Random(7), factor=factor), []
    tasks = deque(account.begun(0.0) for _ in range(OPEN))
    for now_s in range(1, 60 * minutes):
        for _ in range(POLLS_PER_S):
            task = tasks.popleft()
            if task.ends_s <= now_s:
                if now_s > WARM_UP_S:
                    late.append(now_s - task.ends_s)
                task = account.begun(now_s)
            tasks.append(task)
    return _lateness(late)


def _lateness(late: list[float]) -> Lateness:
    late = sorted(late)
    return Lateness(mean_s=math.fsum(late) / len(late), p99_s=late[len(late) * 99 // 100], most_s=late[-1])


def _key(model: int) -> DurationKey:
    return DurationKey("simulated", f"model {model}")


def _drawn(rng: random.Random) -> tuple[int, float]:
    """The number of a model, and how long a task of it takes."""
    model = rng.randrange(len(_MODELS))
    _, medians, sigma = _MODELS[model]
    return model, rng.lognormvariate(math.log(rng.choice(medians)), sigma)
