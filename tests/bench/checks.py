"""Targets, and whether what was measured meets them."""

from tests.bench.case import Check
from tests.bench.report import short


def at_least(what: str, measured: float, target: float, unit: str = "") -> Check:
    met = measured >= target
    return Check(what=what, measured=_with(unit, measured), target=f"at least {_with(unit, target)}", is_met=met)


def at_most(what: str, measured: float, target: float, unit: str = "") -> Check:
    met = measured <= target
    return Check(what=what, measured=_with(unit, measured), target=f"at most {_with(unit, target)}", is_met=met)


def shown(what: str, measured: float, unit: str = "") -> Check:
    """Without a target."""
    return Check(what=what, measured=_with(unit, measured), target="", is_met=None)


def _with(unit: str, number: float) -> str:
    return f"{short(number)} {unit}".rstrip()
