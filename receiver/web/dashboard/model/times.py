"""Times as a person reads them: the clock in UTC, and how far away that is. Pure.

An age has one unit, so that a fragment stays the same, and is not sent again, while nothing happens.
"""

from datetime import UTC, datetime

from submitter.timestamps import rfc3339

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"))


def clock(at_ms: int, now_ms: int) -> str:
    """`08:14:36` for a time of the same day as `now_ms`, both in UTC, else with its date. Milliseconds are left out."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    is_today = at.date() == datetime.fromtimestamp(now_ms / 1000, UTC).date()
    return at.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def machine(at_ms: int) -> str:
    """For the attribute `datetime`."""
    return rfc3339(at_ms) or ""


def age(at_ms: int, now_ms: int) -> str:
    """`4 min ago`, `in 2 h`, or `now` within a minute."""
    away_ms = abs(now_ms - at_ms)
    for size_ms, unit in _UNITS:
        if away_ms >= size_ms:
            number = away_ms // size_ms
            return f"{number} {unit} ago" if at_ms < now_ms else f"in {number} {unit}"
    return "just now" if at_ms <= now_ms else "in under 1 min"
