"""Times of the API, which are texts, as an operator reads them: the clock in UTC, and how far away that is. Pure."""

from datetime import UTC, datetime

from receiver.runtime.durations import format_age, format_when
from submitter.timestamps import find_rfc3339_ms

_DAY_MS = 86_400_000


def read_ms(time: str) -> int:
    """Unix milliseconds. Raise ValueError for what is no time."""
    at_ms = find_rfc3339_ms(time)
    if at_ms is None:
        message = f"{time[:60]!r} is not a time in RFC 3339"
        raise ValueError(message)
    return at_ms


def clock_and_age(time: str | None, now_ms: int) -> str | None:
    """For a column: `14:10:02, 3 min ago`, or `2026-11-25 14:10:02` for what is a day or more away."""
    if time is None:
        return None
    at_ms = read_ms(time)
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    if abs(now_ms - at_ms) >= _DAY_MS:
        return f"{at:%Y-%m-%d %H:%M:%S}"
    return f"{at:%H:%M:%S}, {format_age(at_ms, now_ms)}"


def when(time: str, now_ms: int) -> str:
    """For a sentence: `3 min 20 s ago`, `in 4.2 s`."""
    return format_when(read_ms(time), now_ms)


def moment(time: str | None, now_ms: int) -> str | None:
    """For a sheet: the time as the API has it, and how far away it is."""
    return None if time is None else f"{time} ({when(time, now_ms)})"
