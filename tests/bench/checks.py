"""Targets, and whether what was measured meets them."""

from tests.bench.case import Arm, Check
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


def processor_time(arm: Arm, other: Arm) -> list[Check]:
    """What the other needs for an item, as a part of what the arm needs. Nothing where the system does not tell."""
    if arm.cpu_us is None or other.cpu_us is None or arm.cpu_us == 0:
        return []
    return [shown(f"{other.name} : {arm.name}, by processor time", other.cpu_us / arm.cpu_us)]


def _with(unit: str, number: float) -> str:
    return f"{short(number)} {unit}".rstrip()
