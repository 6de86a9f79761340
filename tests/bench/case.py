"""A case of the bench: something that is measured side by side with its ceiling, in rounds by turns."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


class CannotMeasure(Exception):
    """What a case needs is not on this machine; the text says what."""


class BenchFailed(Exception):
    """What was measured did not do its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much to measure. `say` tells what is done now; `on_round` is called after each arm of a round."""

    is_quick: bool
    say: Callable[[str], None]
    on_round: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one arm did in one round. `cpu_s`: of the measured processes; None: not known."""

    items: int
    wall_s: float
    cpu_s: float | None = None
    latencies_ms: Sequence[float] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class Arm:
    """One thing that is measured, and its rounds in their order."""

    name: str
    rounds: list[Round] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Items a second of each round."""
        return [each.items / each.wall_s for each in self.rounds]

    @property
    def cpu_us(self) -> float | None:
        """Processor time of an item in microseconds: the median of the rounds; None: not known."""
        known = [each.cpu_s / each.items * 1e6 for each in self.rounds if each.cpu_s is not None]
        return statistics.median(known) if known else None

    def percentile_ms(self, percent: int) -> float | None:
        """Of the latencies of all rounds; None: none were measured."""
        times = [ms for each in self.rounds for ms in each.latencies_ms]
        if len(times) < 2:
            return times[0] if times else None
        return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]

    def ratio_to(self, other: "Arm") -> float:
        """The median of the ratios of rates within a round."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A target, and what was measured. `is_met` None: shown without a target."""

    what: str
    measured: str
    target: str
    is_met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a case found. `left_out`: what could not be measured, and why."""

    arms: Sequence[Arm]
    checks: Sequence[Check]
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`measure` raises CannotMeasure or BenchFailed."""

    name: str
    title: str
    measure: Callable[[Options], Found]


def by_turns(arms: Sequence[tuple[Arm, Callable[[], Round]]], *, rounds: int, on_round: Callable[[], None]) -> None:
    """Forwards and backwards, so that other load of the machine affects all arms."""
    for number in range(rounds):
        for arm, measured in arms if number % 2 == 0 else reversed(arms):
            arm.rounds.append(measured())
            on_round()
