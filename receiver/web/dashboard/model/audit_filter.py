"""The filter of the audit: from the address to a search, and back; and what a line is about. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from receiver.store.audit import AuditRow, AuditSearch
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.task_filter import LONGEST_VALUE, TIME_FORMS, Chip, SavedView, read_time
from submitter.errors import InvalidRequest, Violation

PATH = f"{ROOT}/audit"

#: The names in the address, in the order in which they are written.
NAMES = ("actor", "action", "task", "since", "until")

Pairs = Sequence[tuple[str, str]]

_VIEWS: tuple[tuple[str, Pairs], ...] = (
    ("All", ()),
    ("Today", (("since", "today"),)),
    ("By the service itself", (("actor", "service"),)),
)

#: Members of a detail that have a page, and where it is.
_PAGES: Mapping[str, str] = {
    "run": f"{ROOT}/runs/",
    "subscription": f"{ROOT}/subscriptions/",
    "provider": f"{ROOT}/providers/",
    "delivery": f"{ROOT}/deliveries/",
}


_KINDS = ("run", "subscription", "provider", "endpoint", "delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a line is about. Without an address there is no page of it."""

    kind: str
    name: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A row as the page shows it."""

    row: AuditRow
    subjects: tuple[Subject, ...]
    #: What the detail says beside that, by name.
    rest: tuple[tuple[str, str], ...]


def filters_of(query: Pairs) -> Pairs:
    """The filters among the fields of an address, in the order of NAMES. Blank ones are left out."""
    given = [(name, value.strip()) for name, value in query if name in NAMES and value.strip()]
    return sorted(dict.fromkeys(given), key=lambda pair: NAMES.index(pair[0]))


def read_search(filters: Pairs, now_ms: int) -> AuditSearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    violations = list(_violations(filters, now_ms))
    if violations:
        raise InvalidRequest(violations)
    given = dict(filters)
    since, until = given.get("since"), given.get("until")
    return AuditSearch(
        actor=given.get("actor"),
        action=given.get("action"),
        task_id=given.get("task"),
        since_ms=None if since is None else read_time(since, now_ms),
        until_ms=None if until is None else read_time(until, now_ms),
    )


def _violations(filters: Pairs, now_ms: int) -> Iterator[Violation]:
    for name, value in filters:
        if len(value) > LONGEST_VALUE:
            yield Violation(field=name, rule="is too long", accepted=f"at most {LONGEST_VALUE} characters")
        elif name in {"since", "until"} and read_time(value, now_ms) is None:
            yield Violation(field=name, rule="is no time", accepted=TIME_FORMS)
    for name in NAMES:
        if sum(each == name for each, _ in filters) > 1:
            yield Violation(field=name, rule="is given too often", accepted="1 of it")


def address(filters: Pairs, **more: str) -> str:
    """The audit with these filters, and further fields of the address."""
    query = urlencode([*filters, *more.items()])
    return f"{PATH}?{query}" if query else PATH


def narrowed(filters: Pairs, name: str, value: str) -> str:
    """The audit with this value of one filter in place of another one."""
    return address(filters_of([*((each, old) for each, old in filters if each != name), (name, value)]))


def chips(filters: Pairs) -> list[Chip]:
    return [
        Chip(name=pair[0], value=pair[1], without=address([each for each in filters if each != pair]))
        for pair in filters
    ]


def saved_views(filters: Pairs) -> list[SavedView]:
    return [
        SavedView(name=name, address=address(wanted), is_here=list(filters) == list(wanted)) for name, wanted in _VIEWS
    ]


def line_of(row: AuditRow, paths: frozenset[str]) -> AuditLine:
    """`paths`: those of the pages that there are."""
    subjects = []
    if row.task_id is not None:
        subjects.append(Subject(kind="task", name=row.task_id, address=f"{ROOT}/tasks/{quote(row.task_id, safe='')}"))
    named = [kind for kind in _KINDS if isinstance(row.detail.get(kind), str)]
    subjects += [_subject(kind, row.detail[kind], paths) for kind in named]
    rest = {name: value for name, value in row.detail.items() if name not in named and value not in (None, {}, "")}
    facts = tuple((name, _text(value)) for name, value in rest.items())
    return AuditLine(row=row, subjects=tuple(subjects), rest=facts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _subject(kind: str, name: str, paths: frozenset[str]) -> Subject:
    begin = _PAGES.get(kind, "")
    has_page = any(path.startswith(f"{begin}{{") for path in paths) if begin else False
    return Subject(kind=kind, name=name, address=begin + quote(name, safe="") if has_page else "")
