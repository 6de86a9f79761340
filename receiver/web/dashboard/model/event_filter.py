"""The filter of the list of events: from the address to what the log reads, and back. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.tasks.model.search import LABELS_MOST
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.task_filter import LONGEST_VALUE, Chip, SavedView
from submitter.errors import InvalidRequest, Violation
from submitter.model import TaskId

PATH = f"{ROOT}/events"

NAMES = ("type", "provider", "model", "label", "task")

#: Also a type that only a newer version knows.
_TYPE = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,60}")

_TASK = re.compile(r"[A-Za-z0-9_]{1,64}")

_MOST = {"type": 20, "label": LABELS_MOST, "task": 1}

_MOST_OF_OTHERS = 10

Pairs = Sequence[tuple[str, str]]

_VIEWS: tuple[tuple[str, Pairs], ...] = (
    ("All", ()),
    (
        "Bad ends",
        tuple(("type", each.value) for each in (EventType.FAILED, EventType.EXPIRED, EventType.REFUSED)),
    ),
    ("Late or uncertain", tuple(("type", each.value) for each in (EventType.OVERDUE, EventType.UNCERTAIN))),
    (
        "For operators",
        tuple(
            ("type", each.value)
            for each in (
                EventType.SUBSCRIPTION_DISABLED,
                EventType.PROVIDER_PAUSED,
                EventType.PROVIDER_DENIED,
                EventType.CALLBACKS_MISSED,
            )
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """What the list shows."""

    filter: EventFilter
    #: Only events about this task; the filter then lets every event through.
    task: TaskId | None


def filters_of(query: Pairs) -> Pairs:
    """The filters among the fields of an address, in the order of NAMES. Blank ones are left out."""
    given = [(name, value.strip()) for name, value in query if name in NAMES and value.strip()]
    return sorted(dict.fromkeys(given), key=lambda pair: NAMES.index(pair[0]))


def read_search(filters: Pairs) -> EventSearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    violations = list(_violations(filters))
    if violations:
        raise InvalidRequest(violations)
    values = {name: [value for each, value in filters if each == name] for name in NAMES}
    return EventSearch(
        filter=EventFilter(
            types=frozenset(values["type"]),
            providers=frozenset(values["provider"]),
            models=frozenset(values["model"]),
            labels=dict(each.split("=", 1) for each in values["label"]),
        ),
        task=TaskId(values["task"][0]) if values["task"] else None,
    )


def _violations(filters: Pairs) -> Iterator[Violation]:
    for name, value in filters:
        if (wrong := _wrong_value(name, value)) is not None:
            yield Violation(field=name, rule=wrong[0], accepted=wrong[1])
    for name in NAMES:
        most = _MOST.get(name, _MOST_OF_OTHERS)
        if sum(each == name for each, _ in filters) > most:
            yield Violation(field=name, rule="is given too often", accepted=f"{most} of it")
    names = [value.partition("=")[0] for name, value in filters if name == "label"]
    if len(set(names)) < len(names):
        yield Violation(field="label", rule="names a label twice", accepted="one value for each name")
    given = {name for name, _ in filters}
    if "task" in given and len(given) > 1:
        yield Violation(field="task", rule="is given with other filters", accepted="it alone: a task has few events")


def _wrong_value(name: str, value: str) -> tuple[str, str] | None:
    """The rule that a value breaks and what would pass; None for a good one."""
    if len(value) > LONGEST_VALUE:
        return "is too long", f"at most {LONGEST_VALUE} characters"
    if name == "type" and not _TYPE.fullmatch(value):
        return "is no type of an event", f"one as {', '.join(EventType)}"
    if name == "label" and not re.fullmatch("[^=]+=.+", value):
        return "has no name and value", "name=value"
    if name == "task" and not _TASK.fullmatch(value):
        return "is no id of a task", "an id that begins with tsk_"
    return None


def address(filters: Pairs, **more: str) -> str:
    """The list with these filters, and further fields of the address."""
    query = urlencode([*filters, *more.items()])
    return f"{PATH}?{query}" if query else PATH


def chips(filters: Pairs) -> list[Chip]:
    return [
        Chip(name=name, value=value, without=address([each for each in filters if each != (name, value)]))
        for name, value in filters
    ]


def saved_views(filters: Pairs) -> list[SavedView]:
    return [
        SavedView(name=name, address=address(wanted), is_here=list(filters) == list(wanted)) for name, wanted in _VIEWS
    ]
