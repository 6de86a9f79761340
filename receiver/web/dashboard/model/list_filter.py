"""The filter of a list: from the address to its values, and back. Pure.

Every filter stands in the address, so that a list can be sent to a colleague and each filter can be taken away alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from submitter.errors import InvalidRequest, Violation
from submitter.timestamps import EPOCH, find_rfc3339_ms

_AGO = re.compile(r"([0-9]{1,4})\s*(min|m|h|d)")

_UNIT_MS = {"m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

TIME_FORMS = "today, 90m, 24h, 7d, or a time as 2026-09-21T14:00 in UTC"

#: Filters that are times.
TIMES = frozenset({"since", "until"})

#: Names and values, in the order in which they are written.
Pairs = Sequence[tuple[str, str]]

#: The rule that a value of a name breaks, and what would pass; None for a good one.
WrongValue = Callable[[str, str], tuple[str, str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A filter that is on."""

    name: str
    value: str
    #: The address of the list without it.
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A filter with a name."""

    name: str
    address: str
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """The filters that one list takes."""

    path: str
    #: In the order in which they are written.
    names: tuple[str, ...]
    #: Names of saved views, each with its filter.
    views: tuple[tuple[str, Pairs], ...]
    #: How a chip names a filter, where it is not as in the address.
    titles: Mapping[str, str] = field(default_factory=dict)
    #: What a chip says of a filter that is on or off, whose value is "1".
    flags: Mapping[str, str] = field(default_factory=dict)
    #: How often a name may be given, where that is more than once.
    most: Mapping[str, int] = field(default_factory=dict)
    #: Characters of one value.
    longest: int = 500

    def given_in(self, query: Pairs) -> Pairs:
        """The filters among the fields of an address, in the order of their names. Blank ones are left out."""
        given = [(name, value.strip()) for name, value in query if name in self.names and value.strip()]
        return sorted(dict.fromkeys(given), key=lambda pair: self.names.index(pair[0]))

    def values(self, filters: Pairs) -> dict[str, list[str]]:
        """The values of each name."""
        return {name: [value for each, value in filters if each == name] for name in self.names}

    def shown(self, filters: Pairs) -> dict[str, Any]:
        """What `list.html` says of the filters that are on."""
        return {
            "filters": list(filters),
            "chosen": self.values(filters),
            "chips": self.chips(filters),
            "views": self.saved_views(filters),
            "list": self.path,
        }

    def check(self, filters: Pairs, now_ms: int, wrong_value: WrongValue, *, also: Iterable[Violation] = ()) -> None:
        """Raise InvalidRequest that names every filter which the list does not take."""
        violations = [
            Violation(field=name, rule=wrong[0], accepted=wrong[1])
            for name, value in filters
            if (wrong := self._wrong(name, value, now_ms) or wrong_value(name, value)) is not None
        ]
        for name, values in self.values(filters).items():
            if len(values) > (most := self.most.get(name, 1)):
                violations.append(Violation(field=name, rule="is given too often", accepted=f"{most} of it"))
        violations += also
        if violations:
            raise InvalidRequest(violations)

    def _wrong(self, name: str, value: str, now_ms: int) -> tuple[str, str] | None:
        if len(value) > self.longest:
            return "is too long", f"at most {self.longest:,} characters"
        if name in self.flags and value != "1":
            return "is not one of the known words", "1"
        if name in TIMES and read_time(value, now_ms) is None:
            return "is no time", TIME_FORMS
        return None

    def address(self, filters: Pairs, **more: str) -> str:
        """The list with these filters, and further fields of the address."""
        query = urlencode([*filters, *more.items()])
        return f"{self.path}?{query}" if query else self.path

    def chips(self, filters: Pairs) -> list[Chip]:
        return [
            Chip(
                name=self.titles.get(pair[0], pair[0]),
                value=self.flags.get(pair[0], pair[1]),
                without=self.address([each for each in filters if each != pair]),
            )
            for pair in filters
        ]

    def saved_views(self, filters: Pairs) -> list[SavedView]:
        return [
            SavedView(name=name, address=self.address(wanted), is_here=list(filters) == list(wanted))
            for name, wanted in self.views
        ]


def read_time(text: str, now_ms: int) -> int | None:
    """Unix milliseconds of a time, of an age or of `today`; None for any other text."""
    if text == "today":
        return now_ms - now_ms % 86_400_000
    if found := _AGO.fullmatch(text):
        return now_ms - int(found[1]) * _UNIT_MS[found[2]]
    if (at_ms := find_rfc3339_ms(text)) is not None:
        return at_ms
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo else round((at.replace(tzinfo=UTC) - EPOCH).total_seconds() * 1000)


def time_of(values: Sequence[str], now_ms: int) -> int | None:
    """Of a filter that was checked and is given at most once."""
    return read_time(values[0], now_ms) if values else None


def first_of(values: Sequence[str]) -> str | None:
    return values[0] if values else None


def wrong_label(value: str) -> tuple[str, str] | None:
    """The rule that a filter by label breaks."""
    return None if re.fullmatch("[^=]+=.+", value) else ("has no name and value", "name=value")
