"""Points in time as people and programs write them: RFC 3339, or how long ago. Pure."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)

_EXAMPLE = "2026-09-21T14:13:20Z"

_SHOWN = 60  # characters of what was written


def parse_rfc3339_ms(text: str) -> int:
    """Unix milliseconds. Raise ValueError that says the form; a time without its offset is refused, not guessed at."""
    found = _read(text)
    if found is None:
        message = f"{text[:_SHOWN]!r} is not a time in RFC 3339; write it as {_EXAMPLE}"
        raise ValueError(message)
    return found


def _read(text: str) -> int | None:
    if not _FORM.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # the form is right, but there is no such day or hour
        return None


_LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999, where RFC 3339 ends


def rfc3339(at_ms: int | None) -> str | None:
    """UTC with milliseconds; None stays None, times past the year 9999 stop there."""
    if at_ms is None:
        return None
    within_ms = max(0, min(at_ms, _LAST_MS))
    moment = _EPOCH + timedelta(milliseconds=within_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{within_ms % 1000:03d}Z"
