"""RFC 3339 timestamps to and from unix milliseconds. Pure."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def find_rfc3339_ms(text: str) -> int | None:
    """Return unix milliseconds, or None for text that is not a time in RFC 3339 with its offset."""
    if not _FORM.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # the form is right, but there is no such day or hour
        return None


_LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999, where RFC 3339 ends


def rfc3339(at_ms: int | None) -> str | None:
    """Return the time in UTC with milliseconds. None stays None; a time after the year 9999 becomes its last moment."""
    if at_ms is None:
        return None
    seconds, ms = divmod(at_ms if 0 <= at_ms <= _LAST_MS else max(0, min(at_ms, _LAST_MS)), 1000)
    minutes, second = divmod(seconds, 60)
    # Every event body holds several times, and this is faster than a `datetime`.
    return f"{_minute(minutes)}:{second:02}.{ms:03}Z"


@lru_cache(maxsize=1024)
def _minute(minutes: int) -> str:
    return (EPOCH + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")
