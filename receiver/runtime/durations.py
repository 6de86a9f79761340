"""Durations and points in time as an operator writes and reads them: `90s`, `10m`, `2h`, `1d`. Pure."""

import re
from typing import NamedTuple

from submitter.timestamps import find_rfc3339_ms

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")

_STEPS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))

_TENTHS_BELOW_MS = 10_000  # a longer duration is shown in whole seconds


def parse_duration_s(text: str) -> float:
    """Seconds. Raise ValueError, which names the form, for anything else; a number needs its unit."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        message = f"{text!r} is not a duration; write a number and its unit, as 90s, 10m, 2h or 1d"
        raise ValueError(message)
    return float(found[1]) * _UNITS_S[found[2]]


def format_duration(span_ms: int) -> str:
    """The two largest units: `1 d 2 h`, `3 min 20 s`, `4.2 s`, `80 ms`. The sign is left out."""
    rest_ms = abs(span_ms)
    if rest_ms < 1000:
        return f"{rest_ms} ms"
    if rest_ms < _TENTHS_BELOW_MS:
        return f"{rest_ms / 1000:.1f} s"
    return " ".join(_two_largest(rest_ms))


def format_when(at_ms: int, now_ms: int) -> str:
    """Relative to now: `3 min ago`, `in 4.2 s`, `now`."""
    if at_ms == now_ms:
        return "now"
    span = format_duration(at_ms - now_ms)
    return f"in {span}" if at_ms > now_ms else f"{span} ago"


def format_age(at_ms: int, now_ms: int) -> str:
    """Relative to now in one unit: `3 min ago`, `in 2 h`, `now` within a second."""
    rest_ms = abs(now_ms - at_ms)
    for unit, size_ms in _STEPS:
        if rest_ms >= size_ms:
            span = f"{rest_ms // size_ms} {unit}"
            return f"{span} ago" if at_ms < now_ms else f"in {span}"
    return "now"


def format_offset(after_ms: int) -> str:
    """`+4.2 s`; negative for a time before the first one."""
    return f"{'-' if after_ms < 0 else '+'}{format_duration(after_ms)}"


def _two_largest(rest_ms: int) -> list[str]:
    parts: list[str] = []
    for unit, size_ms in _STEPS:
        count, rest_ms = divmod(rest_ms, size_ms)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return [part for part in parts if part]


class Moment(NamedTuple):
    """A point in time, or how long before now. One of the two is set."""

    at_ms: int | None = None
    ago_ms: int | None = None

    def resolve(self, now_ms: int) -> int:
        """Unix milliseconds."""
        return now_ms - (self.ago_ms or 0) if self.at_ms is None else self.at_ms


def parse_moment(text: str) -> Moment:
    """`2h` is two hours ago. Raise ValueError, which names both forms, for anything else."""
    at_ms = find_rfc3339_ms(text.strip())
    if at_ms is not None:
        return Moment(at_ms=at_ms)
    try:
        return Moment(ago_ms=round(parse_duration_s(text) * 1000))
    except ValueError:
        forms = "how long ago, as 90s, 10m, 2h or 1d, or 2026-09-21T14:13:20Z"
        message = f"{text[:60]!r} is not a time; write {forms}"
        raise ValueError(message) from None
