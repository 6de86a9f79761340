"""The filter of the audit: from the address to a search; and what a line is about. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from receiver.store.audit import AuditRow, AuditSearch
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.list_filter import ListFilter, Pairs, first_of, time_of

AUDIT = ListFilter(
    path=f"{ROOT}/audit",
    names=("actor", "action", "task", "since", "until"),
    views=(("All", ()), ("Today", (("since", "today"),)), ("By the service itself", (("actor", "service"),))),
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


def read_search(filters: Pairs, now_ms: int) -> AuditSearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    AUDIT.check(filters, now_ms, lambda _name, _value: None)
    values = AUDIT.values(filters)
    return AuditSearch(
        actor=first_of(values["actor"]),
        action=first_of(values["action"]),
        task_id=first_of(values["task"]),
        since_ms=time_of(values["since"], now_ms),
        until_ms=time_of(values["until"], now_ms),
    )


def narrowed(filters: Pairs, name: str, value: str) -> str:
    """The audit with this value of one filter in place of another one."""
    return AUDIT.address(AUDIT.given_in([*((each, old) for each, old in filters if each != name), (name, value)]))


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
