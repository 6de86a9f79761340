"""Times of the API, which are texts, as an operator reads them: the clock in UTC, and how far away that is. Pure.

A text that is no time, which only a service of another version sends, is shown as it is.
"""

from datetime import UTC, datetime

from receiver.runtime.durations import format_age, format_duration, format_offset, format_when
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
    at_ms = None if time is None else find_rfc3339_ms(time)
    if time is None or at_ms is None:
        return time
    shown = clock(time, now_ms)
    return shown if abs(now_ms - at_ms) >= _DAY_MS else f"{shown}, {format_age(at_ms, now_ms)}"


def clock(time: str, now_ms: int) -> str:
    """`14:10:02`, or `2026-11-25 14:10:02` for what is a day or more away."""
    at_ms = find_rfc3339_ms(time)
    if at_ms is None:
        return time
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}" if abs(now_ms - at_ms) >= _DAY_MS else f"{at:%H:%M:%S}"


def when(time: str, now_ms: int) -> str:
    """For a sentence: `3 min 20 s ago`, `in 4.2 s`."""
    at_ms = find_rfc3339_ms(time)
    return time if at_ms is None else format_when(at_ms, now_ms)


def age(time: str, now_ms: int) -> str:
    """`3 min 20 s`, from then until now."""
    at_ms = find_rfc3339_ms(time)
    return time if at_ms is None else format_duration(now_ms - at_ms)


def offset(time: str, begun: str) -> str:
    """`+4.2 s`: how long after `begun`."""
    at_ms, begun_ms = find_rfc3339_ms(time), find_rfc3339_ms(begun)
    return time if at_ms is None or begun_ms is None else format_offset(at_ms - begun_ms)


def moment(time: str | None, now_ms: int) -> str | None:
    """For a sheet: the time as the API has it, and how far away it is."""
    return time if time is None or find_rfc3339_ms(time) is None else f"{time} ({when(time, now_ms)})"
