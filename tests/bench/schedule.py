"""When polls are made: the learned rule beside fixed waits, the rule before it and the optimum, on simulated tasks.

No socket and no clock. A policy is a sequence of ages at which a task is polled until it has ended; its cost is the
price of its polls and its lateness, in seconds.
"""

import math
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from receiver.reconcile.model.distribution import Distribution
from receiver.reconcile.model.durations import DurationKey, Finish, Histogram, estimate, learned
from receiver.reconcile.model.poll_rule import due_age_s
from submitter.providers.schedule import MAX_WAIT_S, POLL_PRICE_S, spread_wait_s
from tests.bench.budget import Lateness, polled_in_turn, polled_under_a_budget
from tests.bench.case import Arm, Case, Check, Found, Options, Round

TASKS = 100_000  # of all shapes together

FLOOR_S = 3.0  # as HiAPI's

COLD = 100  # tasks, before which next to nothing is learned

WARM = 1_000  # tasks, after which all is learned

SETTLED = 500  # tasks after a change of the durations, after which the new ones are learned

SPREADS = 5  # of the hash of the id, which spreads the polls of tasks that were submitted together

#: Ages of polls, without end.
Ages = Callable[[], Iterator[float]]
#: A duration from random numbers, and how many tasks came before.
Draw = Callable[[random.Random, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How long tasks take. `ended_by`: the same as a share by age; `draw` gets the part of the run that is over."""

    name: str
    draw: Draw
    #: For each part of the run with durations of its own: the part's end, and its shares.
    parts: Sequence[tuple[float, Callable[[float], float]]]
    is_narrow: bool = False


def _log_normal(median_s: float, sigma: float) -> Callable[[float], float]:
    return lambda age: 0.0 if age <= 0 else (1 + math.erf(math.log(age / median_s) / sigma / math.sqrt(2))) / 2


def _simple(name: str, median_s: float, sigma: float, *, is_narrow: bool) -> Shape:
    return Shape(
        name=name,
        draw=lambda rng, _: rng.lognormvariate(math.log(median_s), sigma),
        parts=((1.0, _log_normal(median_s, sigma)),),
        is_narrow=is_narrow,
    )


def _slowed(done: float) -> float:
    """Twice as slow in the second third of the run."""
    return 2.0 if 1 / 3 <= done < 2 / 3 else 1.0


_LOMAX = 1.5

_LONGEST_S = 10_800.0  # of the heavy tail, whose mean would else hang on the longest of all

SHAPES = (
    _simple("log-normal .15", 120, 0.15, is_narrow=True),
    _simple("log-normal .3", 120, 0.3, is_narrow=True),
    _simple("log-normal .6", 120, 0.6, is_narrow=False),
    Shape(
        name="bimodal 60/400 s",
        draw=lambda rng, _: rng.lognormvariate(math.log(60 if rng.random() < 0.5 else 400), 0.3),
        parts=((1.0, lambda age: (_log_normal(60, 0.3)(age) + _log_normal(400, 0.3)(age)) / 2),),
    ),
    Shape(
        name="heavy tail",
        draw=lambda rng, _: min(_LONGEST_S, 120 * ((1 - rng.random()) ** (-1 / _LOMAX) - 1)),
        parts=((1.0, lambda age: 1 - (1 + age / 120) ** -_LOMAX if age < _LONGEST_S else 1.0),),
    ),
    Shape(
        name="drifting x2 and back",
        draw=lambda rng, done: _slowed(done) * rng.lognormvariate(math.log(120), 0.3),
        parts=((1 / 3, _log_normal(120, 0.3)), (2 / 3, _log_normal(240, 0.3)), (1.0, _log_normal(120, 0.3))),
    ),
)


def _every(*first_s: float, then_s: float) -> Ages:
    def ages() -> Iterator[float]:
        age = 0.0
        for wait_s in first_s:
            age += wait_s
            yield age
        while True:
            age += then_s
            yield age

    return ages


#: What the learned rule is compared with. The last one is what this service did before: 60 s, then every 15 s.
FIXED: dict[str, Ages] = {
    "fixed 15 s": _every(then_s=15),
    "fixed 5 s": _every(then_s=5),
    "5 s x 1.5 to 45 s": _every(5, 7.5, 11.25, 16.875, 25.3125, 37.96875, then_s=45),
    "60 s, then 15 s": _every(60, then_s=15),
}


@dataclass(slots=True)
class Cost:
    """Sums over tasks."""

    tasks: int = 0
    polls: int = 0
    late_s: float = 0.0

    def add(self, polls: int, late_s: float) -> None:
        self.tasks += 1
        self.polls += polls
        self.late_s += late_s

    @property
    def each(self) -> float:
        return (POLL_PRICE_S * self.polls + self.late_s) / self.tasks

    def __str__(self) -> str:
        return f"{self.polls / self.tasks:.1f} polls, {self.late_s / self.tasks:.1f} s late"


class Plan:
    """The ages of a policy, made as far as they are needed."""

    def __init__(self, ages: Iterator[float]) -> None:
        self._ages = ages
        self.known: list[float] = []

    def poll_at(self, duration_s: float) -> int:
        """The position of the poll that finds the end."""
        while not self.known or self.known[-1] < duration_s:
            self.known.append(next(self._ages))
        return bisect_left(self.known, duration_s)

    def run(self, duration_s: float, cost: Cost) -> tuple[float, float]:
        """The ages between which the end is seen to lie."""
        position = self.poll_at(duration_s)
        cost.add(position + 1, self.known[position] - duration_s)
        return self.known[position - 1] if position else 0.0, self.known[position]


def rule_ages(distribution: Distribution, *, price_s: float = POLL_PRICE_S, spread: float = 0.5) -> Iterator[float]:
    """As `PollTimes` times the polls of a task without a callback."""
    age_s = 0.0
    while True:
        due_s = due_age_s(distribution, age_s, price_s=price_s, least_gap_s=FLOOR_S, most_gap_s=MAX_WAIT_S)
        age_s += max(FLOOR_S, spread_wait_s(due_s - age_s, spread))
        yield age_s


@dataclass(slots=True, kw_only=True)
class Learning:
    """What the rule cost on a shape: all tasks, the first ones, and those after it had learned."""

    whole: Cost
    cold: Cost
    warm: Cost
    #: The first ones after each change of the durations, and those after it had learned again.
    changed: Cost
    settled: Cost
    distribution: Distribution
    cpu_s: float


def learn(shape: Shape, durations: Sequence[float], *, has_finish_times: bool) -> Learning:
    """Each batch is polled by what those before it have taught.

    Without the provider's finish times, ends are known only to lie between two polls.
    """
    key = DurationKey("simulated", shape.name)
    histograms: dict[DurationKey, Histogram] = {}
    whole, cold, warm, changed, settled = Cost(), Cost(), Cost(), Cost(), Cost()
    started_s, position = time.process_time(), 0
    while position < len(durations):
        size = 10 if position < WARM else 100
        known = estimate(key, histograms).distribution
        plans = [Plan(rule_ages(known, spread=(number + 0.5) / SPREADS)) for number in range(SPREADS)]
        finishes = []
        for number, duration_s in enumerate(durations[position : position + size], position):
            part = Cost()
            after_s, until_s = plans[number % SPREADS].run(duration_s, part)
            if has_finish_times:
                after_s = until_s = duration_s
            finishes.append(Finish(key=key, after_s=after_s, until_s=until_s))
            since = since_change(shape, number, len(durations))
            when = changed if since < COLD else settled if since >= SETTLED else None
            for cost in (whole, cold if number < COLD else warm if number >= WARM else None, when):
                if cost is not None:
                    cost.add(part.polls, part.late_s)
        histograms |= learned(histograms, finishes, {}, now_ms=1)
        position += size
    cpu_s = time.process_time() - started_s
    known = estimate(key, histograms).distribution
    return Learning(
        whole=whole, cold=cold, warm=warm, changed=changed, settled=settled, distribution=known, cpu_s=cpu_s
    )


def since_change(shape: Shape, number: int, count: int) -> int:
    """How many tasks came before this one since the durations changed last, or since the first one."""
    return number - max(
        round(until * count) for until in (0.0, *(end for end, _ in shape.parts)) if until * count <= number
    )


def optimum(shape: Shape) -> float:
    """The least cost of a task, by dynamic programming over a grid of ages, for who knows the shares exactly."""
    costs, before = 0.0, 0.0
    for until, shares in shape.parts:
        costs += (until - before) * _optimum(shares)
        before = until
    return costs


def _optimum(shares: Callable[[float], float]) -> float:
    grid = [0.0]
    while grid[-1] < 40_000:
        grid.append(grid[-1] + max(1.0, 0.01 * grid[-1]))
    ended = [shares(age) for age in grid]
    area = [0.0]
    for number in range(1, len(grid)):
        area.append(area[-1] + (grid[number] - grid[number - 1]) * (ended[number] + ended[number - 1]) / 2)
    rest = [0.0] * len(grid)
    for number in range(len(grid) - 2, -1, -1):
        asked_s, left = grid[number], 1 - ended[number]
        best = math.inf
        for later in range(number + 1, len(grid)):
            gap_s = grid[later] - asked_s
            if gap_s < FLOOR_S:
                continue
            late_s = area[later] - area[number] - gap_s * ended[number]
            if late_s >= best or (gap_s > MAX_WAIT_S and best < math.inf):
                break  # a later poll is late enough to cost more whatever follows
            best = min(best, POLL_PRICE_S * left + late_s + rest[later])
        rest[number] = best if best < math.inf else 0.0
    return rest[0]


def polls_at_equal_delay(distribution: Distribution, durations: Sequence[float], late_s: float) -> float:
    """Polls of a task by the rule, at the price at which it is as late as `late_s` in the mean."""
    low_s, high_s, found = 0.05, 60.0, Cost()
    for _ in range(12):
        price_s = math.sqrt(low_s * high_s)
        plan, found = Plan(rule_ages(distribution, price_s=price_s)), Cost()
        for duration_s in durations:
            plan.run(duration_s, found)
        low_s, high_s = (price_s, high_s) if found.late_s / found.tasks < late_s else (low_s, price_s)
    return found.polls / found.tasks


def measure(options: Options) -> Found:
    count = (TASKS // 4 if options.is_quick else TASKS) // len(SHAPES)
    rounds: list[Round] = []
    checks: list[Check] = []
    for number, shape in enumerate(SHAPES):
        options.say(shape.name)
        rng = random.Random(number)
        durations = [max(0.1, shape.draw(rng, done / count)) for done in range(count)]
        rule = learn(shape, durations, has_finish_times=True)
        seen = learn(shape, durations, has_finish_times=False)
        rounds.append(Round(items=count, wall_s=rule.cpu_s, cpu_s=rule.cpu_s))
        checks += _checks(shape, durations, rule, seen)
        options.on_round()
    options.say("a shared budget")
    minutes = 25 if options.is_quick else 60
    checks += _budget_checks(polled_under_a_budget(minutes=minutes))
    checks += _drift_checks(min(30, minutes))
    options.on_round()
    return Found(arms=[Arm(name="decide and learn, a task", rounds=rounds)], checks=checks)


def _checks(shape: Shape, durations: Sequence[float], rule: Learning, seen: Learning) -> Iterator[Check]:
    """`rule` learned from the provider's finish times, `seen` from polls alone."""
    fixed, fixed_cold = {name: Cost() for name in FIXED}, Cost()
    for name, ages in FIXED.items():
        plan = Plan(ages())
        for duration_s in durations:
            plan.run(duration_s, fixed[name])
    first = Plan(FIXED["fixed 15 s"]())
    for duration_s in durations[:COLD]:
        first.run(duration_s, fixed_cold)
    best, slow = optimum(shape), fixed["fixed 15 s"]
    count, fixed_changed = len(durations), Cost()
    for number, duration_s in enumerate(durations):
        if since_change(shape, number, count) < COLD:
            first.run(duration_s, fixed_changed)
    ratios = ", ".join(f"{name} {cost.each / best:.2f}" for name, cost in fixed.items())
    yield Check(what=f"{shape.name}: cost to the optimum", measured=ratios, target="", is_met=None)
    yield Check(what=f"{shape.name}: learned rule", measured=f"{rule.warm}; fixed 15 s: {slow}", target="", is_met=None)
    yield from _optimum_checks(shape, rule, seen, best)
    for what, ratio in (
        ("all tasks", max(rule.whole.each, seen.whole.each) / slow.each),
        (f"the first {COLD} tasks", max(rule.cold.each, seen.cold.each) / fixed_cold.each),
        (f"the first {COLD} tasks and those after each change", _worse(rule, seen) / fixed_changed.each),
    ):
        yield Check(
            what=f"{shape.name}: cost to fixed 15 s, {what}",
            measured=f"{ratio:.2f}",
            target="1 at most",
            is_met=ratio <= 1,
        )
    if shape.is_narrow:
        polls = polls_at_equal_delay(rule.distribution, durations[-5_000:], slow.late_s / slow.tasks)
        share = polls / (slow.polls / slow.tasks)
        yield Check(
            what=f"{shape.name}: polls to fixed 15 s at equal delay",
            measured=f"{share:.2f}",
            target="0.5 at most",
            is_met=share <= 0.5,
        )


def _optimum_checks(shape: Shape, rule: Learning, seen: Learning, best: float) -> Iterator[Check]:
    is_drifting = len(shape.parts) > 1
    when = ", once learned again" if is_drifting else ""
    for how, found in (("", rule), (", without the provider's finish times", seen)):
        to_best = (found.settled if is_drifting else found.warm).each / best
        yield Check(
            what=f"{shape.name}: learned rule's cost to the optimum{when}{how}",
            measured=f"{to_best:.3f}",
            target="1.05 at most",
            is_met=to_best <= 1.05,
        )
    if is_drifting:
        yield Check(
            what=f"{shape.name}: the same with the tasks in which it is learned again",
            measured=f"{rule.warm.each / best:.3f}",
            target="",
            is_met=None,
        )


def _worse(rule: Learning, seen: Learning) -> float:
    return max(rule.changed.each, seen.changed.each)


def _drift_checks(minutes: int) -> Iterator[Check]:
    """The provider takes longer or shorter than was learned; polls go on learning."""
    for words, factor in (("twice as slow", 2.0), ("twice as fast", 0.5)):
        late = polled_under_a_budget(minutes=minutes, factor=factor)
        in_turn = polled_in_turn(minutes=minutes, factor=factor)
        what = f"the same while the provider becomes {words}: lateness"
        yield Check(
            what=f"{what}, mean",
            measured=f"{late.mean_s:.1f} s",
            target=f"at most {in_turn.mean_s:.1f} s, as in turn",
            is_met=late.mean_s <= in_turn.mean_s,
        )
        yield Check(what=f"{what}, p99", measured=f"{late.p99_s:.1f} s", target="", is_met=None)
        yield Check(what=f"{what}, most", measured=f"{late.most_s:.1f} s", target="", is_met=None)


def _budget_checks(late: Lateness) -> Iterator[Check]:
    for what, measured_s, target_s in (("mean", late.mean_s, 20), ("p99", late.p99_s, 60), ("most", late.most_s, 90)):
        yield Check(
            what=f"1,000 open tasks, 20 polls a second: lateness, {what}",
            measured=f"{measured_s:.1f} s",
            target=f"below {target_s} s",
            is_met=measured_s < target_s,
        )


CASE = Case(
    name="schedule",
    title="polls by the learned rule, beside fixed waits and the optimum (simulated)",
    measure=measure,
)
