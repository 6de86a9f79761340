"""Points in time as people and programs write them: RFC 3339, or how long ago. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from receiver.durations import parse_duration_s

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EXAMPLE = "2026-09-21T14:13:20Z"
_SHOWN = 60  # characters of what was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One of the two is set."""

    at_ms: int | None = None
    ago_ms: int | None = None

    def resolve(self, now_ms: int) -> int:
        """Unix milliseconds."""
        return now_ms - (self.ago_ms or 0) if self.at_ms is None else self.at_ms


def parse_rfc3339_ms(text: str) -> int:
    """Unix milliseconds. Raise ValueError that says the form; a time without its offset is refused, not guessed at."""
    found = _read(text)
    if found is None:
        message = f"{text[:_SHOWN]!r} is not a time in RFC 3339; write it as {_EXAMPLE}"
        raise ValueError(message)
    return found


def parse_moment(text: str) -> Moment:
    """`2h` is two hours ago. Raise ValueError that says both forms."""
    at_ms = _read(text.strip())
    if at_ms is not None:
        return Moment(at_ms=at_ms)
    try:
        return Moment(ago_ms=round(parse_duration_s(text) * 1000))
    except ValueError:
        message = f"{text[:_SHOWN]!r} is not a time; write how long ago, as 90s, 10m, 2h or 1d, or {_EXAMPLE}"
        raise ValueError(message) from None


def _read(text: str) -> int | None:
    if not _FORM.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):  # the form is right, but there is no such day or hour
        return None
