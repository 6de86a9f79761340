"""Many open tasks that share a rate budget, polled in the order of the ranking: how late their ends are found."""

import heapq
import math
import random
from dataclasses import dataclass, field

from receiver.reconcile.model.distribution import Distribution, log_normal, pooled, with_tail
from receiver.reconcile.model.poll_rule import choose, due_age_s, index
from receiver.reconcile.repository import CHOSEN_OF
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
    model: Distribution


_BIMODAL = pooled(log_normal(60, 0.3), 1, log_normal(400, 0.3), 1)

#: What is known of a model, and the medians and the spread of which its tasks have one.
_MODELS = (
    (with_tail(log_normal(120, 0.15)), (120.0,), 0.15),
    (with_tail(log_normal(200, 0.3)), (200.0,), 0.3),
    (with_tail(log_normal(150, 0.6)), (150.0,), 0.6),
    (with_tail(_BIMODAL), (60.0, 400.0), 0.3),
)


@dataclass(slots=True)
class _Account:
    """Its open tasks by the times of their next polls. One that was found ended is replaced by a new one."""

    rng: random.Random
    due: list[tuple[float, int, _Task]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    asked: int = 0

    def tick(self, now_s: int) -> None:
        """One second's polls."""
        found: list[tuple[float, int, _Task]] = []
        while self.due and self.due[0][0] <= now_s and len(found) < CHOSEN_OF * POLLS_PER_S:
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
        worth = [index(task.model, task.asked_s - task.began_s, now_s - task.began_s) for task in tasks]
        return choose(worth, [now_s - task.asked_s for task in tasks], POLLS_PER_S, asked_before=self.asked)

    def _ask(self, task: _Task, number: int, now_s: int) -> None:
        task.asked_s = now_s
        if task.ends_s <= now_s:
            if now_s > WARM_UP_S:
                self.late.append(now_s - task.ends_s)
            task = _begun(self.rng, now_s)
        self.put(task, number)

    def put(self, task: _Task, number: int) -> None:
        age_s = due_age_s(
            task.model, task.asked_s - task.began_s, price_s=PRICE_S, least_gap_s=3.0, most_gap_s=MAX_WAIT_S
        )
        heapq.heappush(self.due, (task.began_s + age_s, number, task))


def polled_under_a_budget(*, minutes: int) -> Lateness:
    """As many tasks are open all the time."""
    account = _Account(random.Random(7))
    for number in range(OPEN):
        account.put(_begun(account.rng, 0.0), number)
    for now_s in range(1, 60 * minutes):
        account.tick(now_s)
    late = sorted(account.late)
    return Lateness(mean_s=math.fsum(late) / len(late), p99_s=late[len(late) * 99 // 100], most_s=late[-1])


def _begun(rng: random.Random, now_s: float) -> _Task:
    model, medians, sigma = rng.choice(_MODELS)
    duration_s = rng.lognormvariate(math.log(rng.choice(medians)), sigma)
    return _Task(began_s=now_s, ends_s=now_s + duration_s, asked_s=now_s, model=model)
