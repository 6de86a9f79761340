"""What a run found: as tables of at most 80 columns for people, and as values for programs."""

import statistics
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tests.bench.case import Arm, Check, Found
from tests.bench.suite import Outcome, Result

WIDTH = 80
LINES = 5  # at most, of why a case failed; the last ones tell most
PERCENTILES = (50, 95, 99)
UNKNOWN = "–"
_WORDS = {True: "met", False: "missed", None: "shown"}
_STYLES = {True: "green", False: "bold red", None: "dim"}


def values(machine: dict[str, Any], outcomes: Sequence[Outcome], *, is_quick: bool, took_s: float) -> dict[str, Any]:
    """What `--json` prints."""
    cases = [_case_values(each) for each in outcomes]
    return {"machine": machine, "is_quick": is_quick, "took_s": round(took_s, 1), "cases": cases}


def _case_values(outcome: Outcome) -> dict[str, Any]:
    found = outcome.found or Found(arms=(), checks=())
    return {
        "name": outcome.name,
        "title": outcome.title,
        "result": outcome.result.value,
        "why": outcome.why,
        "took_s": round(outcome.took_s, 1),
        "arms": [_arm_values(arm) for arm in found.arms],
        "checks": [
            {"what": each.what, "measured": each.measured, "target": each.target, "is_met": each.is_met}
            for each in found.checks
        ],
        "left_out": list(found.left_out),
    }


def _arm_values(arm: Arm) -> dict[str, Any]:
    rates = arm.rates
    return {
        "name": arm.name,
        "per_s": _digits(statistics.median(rates)) if rates else None,
        "lowest_per_s": _digits(min(rates)) if rates else None,
        "highest_per_s": _digits(max(rates)) if rates else None,
        "cpu_us": _digits(arm.cpu_us),
        **{f"p{percent}_ms": _digits(arm.percentile_ms(percent)) for percent in PERCENTILES},
        "rounds": [
            {"items": each.items, "wall_s": _digits(each.wall_s), "cpu_s": _digits(each.cpu_s)} for each in arm.rounds
        ],
    }


def _digits(number: float | None) -> float | None:
    """Five that count; a clock gives no more."""
    return None if number is None else float(f"{number:.5g}")


def tables(outcome: Outcome) -> RenderableType:
    """A case: its arms, its checks, and what it left out."""
    title = Text(f"{outcome.name}: {outcome.title} ({outcome.took_s:.0f} s)", style="bold")
    parts: list[RenderableType] = [title]
    if outcome.result is not Result.MEASURED:
        why = "\n".join(outcome.why.strip().splitlines()[-LINES:])
        parts.append(_line(f"{outcome.result.value}: {why}", "yellow" if outcome.is_good else "bold red"))
    if outcome.found:
        if outcome.found.arms:
            parts.append(_arms(outcome.found.arms))
        parts.append(_checks(outcome.found.checks))
        parts += [_line(f"left out: {each}", "yellow") for each in outcome.found.left_out]
    return Group(*parts, Text())


def _line(text: str, style: str) -> RenderableType:
    return Padding(Text(text, style=style), (0, 0, 0, 2))


def _arms(arms: Sequence[Arm]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 1))
    table.add_column("arm", overflow="fold")
    for heading in ("per s", "lowest", "highest", "µs each", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm in arms:
        rates = arm.rates
        spread = (statistics.median(rates), min(rates), max(rates)) if rates else (None, None, None)
        times = (arm.cpu_us, arm.percentile_ms(50), arm.percentile_ms(99))
        table.add_row(arm.name, *(short(number) for number in (*spread, *times)))
    return table


def short(number: float | None) -> str:
    """Three digits that count, or all before the point."""
    if number is None:
        return UNKNOWN
    for limit, places in ((1, 3), (10, 2), (100, 1)):
        if abs(number) < limit:
            return f"{number:.{places}f}"
    return f"{number:,.0f}"


def _checks(checks: Sequence[Check]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in checks:
        word = Text(_WORDS[each.is_met], style=_STYLES[each.is_met])
        table.add_row(word, Text("; ".join(filter(None, (f"{each.what}: {each.measured}", each.target)))))
    return table


def summary(outcomes: Sequence[Outcome], *, took_s: float) -> str:
    """One line: how many targets were met, and which cases missed one, failed or were left out."""
    checks = [check for each in outcomes if each.found for check in each.found.checks]
    met, missed = (sum(check.is_met is wanted for check in checks) for wanted in (True, False))
    parts = [f"{len(outcomes)} {'case' if len(outcomes) == 1 else 'cases'} in {took_s:.0f} s"]
    parts += [f"{met} targets met", f"{missed} missed"]
    for result in (Result.FAILED, Result.LEFT_OUT):
        if names := [each.name for each in outcomes if each.result is result]:
            parts.append(f"{result.value}: {', '.join(names)}")
    return "; ".join(parts)
