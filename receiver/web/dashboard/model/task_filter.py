"""The filter of the list of tasks: from the address to a search, and back. Pure.

Every filter stands in the address, so that a list can be sent to a colleague and each filter can be taken away alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from receiver.tasks.model.search import LABELS_MOST, TaskSearch
from receiver.web.dashboard.model.addresses import ROOT
from submitter.errors import InvalidRequest, Violation
from submitter.model import TaskState
from submitter.timestamps import EPOCH, find_rfc3339_ms

PATH = f"{ROOT}/tasks"

LONGEST_VALUE = 500  # characters of one filter

#: The names in the address, in the order in which they are written.
NAMES = ("state", "overdue", "contradicted", "provider", "model", "label", "q", "since", "until")

_TITLES = {"q": "id or key", "overdue": "deadline", "contradicted": "reports"}

_FLAGS = {"overdue": "passed", "contradicted": "contradict"}

_STATES = tuple(each.value for each in TaskState)

_AGO = re.compile(r"([0-9]{1,4})\s*(min|m|h|d)")

_UNIT_MS = {"m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

TIME_FORMS = "today, 90m, 24h, 7d, or a time as 2026-09-21T14:00 in UTC"

Pairs = Sequence[tuple[str, str]]


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


#: Each with its filter.
_VIEWS: tuple[tuple[str, Pairs], ...] = (
    ("All", ()),
    ("Stuck", (("overdue", "1"),)),
    ("Doubtful", (("state", "uncertain"),)),
    ("Failed today", (("state", "failed"), ("state", "expired"), ("since", "today"))),
)


def filters_of(query: Pairs) -> Pairs:
    """The filters among the fields of an address, in the order of NAMES. Blank ones are left out."""
    given = [(name, value.strip()) for name, value in query if name in NAMES and value.strip()]
    return sorted(dict.fromkeys(given), key=lambda pair: NAMES.index(pair[0]))


def read_search(filters: Pairs, now_ms: int) -> TaskSearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    violations = list(_violations(filters, now_ms))
    if violations:
        raise InvalidRequest(violations)
    values = {name: [value for each, value in filters if each == name] for name in NAMES}

    def first(name: str) -> str | None:
        return values[name][0] if values[name] else None

    since, until = first("since"), first("until")
    return TaskSearch(
        states=frozenset(map(TaskState, values["state"])),
        is_overdue=bool(values["overdue"]),
        is_contradicted=bool(values["contradicted"]),
        provider=first("provider"),
        model=first("model"),
        labels=tuple((name, value) for name, _, value in (each.partition("=") for each in values["label"])),
        text=first("q"),
        since_ms=None if since is None else read_time(since, now_ms),
        until_ms=None if until is None else read_time(until, now_ms),
    )


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


def _violations(filters: Pairs, now_ms: int) -> Iterator[Violation]:
    for name, value in filters:
        if (wrong := _wrong_value(name, value, now_ms)) is not None:
            yield Violation(field=name, rule=wrong[0], accepted=wrong[1])
    for name in NAMES:
        most = {"state": len(_STATES), "label": LABELS_MOST}.get(name, 1)
        if sum(each == name for each, _ in filters) > most:
            yield Violation(field=name, rule="is given too often", accepted=f"{most} of it")


def _wrong_value(name: str, value: str, now_ms: int) -> tuple[str, str] | None:
    """The rule that a value breaks and what would pass; None for a good one."""
    if len(value) > LONGEST_VALUE:
        return "is too long", f"at most {LONGEST_VALUE} characters"
    if name == "state" and value not in _STATES:
        return "is not one of the known words", ", ".join(_STATES)
    if name in _FLAGS and value != "1":
        return "is not one of the known words", "1"
    if name == "label" and not re.fullmatch("[^=]+=.+", value):
        return "has no name and value", "name=value"
    if name in {"since", "until"} and read_time(value, now_ms) is None:
        return "is no time", TIME_FORMS
    return None


def address(filters: Pairs, **more: str) -> str:
    """The list with these filters, and further fields of the address."""
    query = urlencode([*filters, *more.items()])
    return f"{PATH}?{query}" if query else PATH


def chips(filters: Pairs) -> list[Chip]:
    return [
        Chip(
            name=_TITLES.get(pair[0], pair[0]),
            value=_FLAGS.get(pair[0], pair[1]),
            without=address([each for each in filters if each != pair]),
        )
        for pair in filters
    ]


def saved_views(filters: Pairs) -> list[SavedView]:
    return [
        SavedView(name=name, address=address(wanted), is_here=list(filters) == list(wanted)) for name, wanted in _VIEWS
    ]
