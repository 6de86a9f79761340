"""Cases of the bench one after the other, and what came of each."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from tests.bench.case import BenchFailed, CannotMeasure, Case, Found, Options


class Result(StrEnum):
    MEASURED = "measured"
    LEFT_OUT = "left out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`why`: a case was left out, or failed to do its work. `found` is there when it was measured."""

    name: str
    title: str
    result: Result
    took_s: float
    found: Found | None = None
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether no target was missed."""
        checks = self.found.checks if self.found else ()
        return self.result is not Result.FAILED and all(check.is_met is not False for check in checks)


def run(case: Case, options: Options) -> Outcome:
    """Whatever a case raises is its outcome, so that the cases after it are measured."""
    started_s = time.monotonic()

    def outcome(result: Result, found: Found | None = None, why: str = "") -> Outcome:
        took_s = time.monotonic() - started_s
        return Outcome(name=case.name, title=case.title, result=result, took_s=took_s, found=found, why=why)

    try:
        return outcome(Result.MEASURED, found=case.measure(options))
    except CannotMeasure as error:
        return outcome(Result.LEFT_OUT, why=str(error))
    except BenchFailed as error:
        return outcome(Result.FAILED, why=str(error))
    except Exception as error:  # noqa: BLE001 - the fault of one case, named with its place
        return outcome(Result.FAILED, why=f"{_place_of(error)}: {type(error).__name__}: {error}")


def _place_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def run_all(
    cases: Sequence[Case],
    *,
    is_quick: bool,
    say: Callable[[str], None],
    on_round: Callable[[], None],
    on_case: Callable[[Outcome], None],
) -> list[Outcome]:
    """`say` is told the case and what it does now; `on_case` gets each outcome as soon as it is known."""
    outcomes = []
    for case in cases:
        say(case.name)
        outcomes.append(run(case, Options(is_quick=is_quick, say=partial(_say, say, case.name), on_round=on_round)))
        on_case(outcomes[-1])
    return outcomes


def _say(say: Callable[[str], None], name: str, what: str) -> None:
    say(f"{name}: {what}")
