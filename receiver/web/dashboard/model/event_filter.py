"""The filter of the list of events: from the address to what the log reads. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.tasks.model.search import LABELS_MOST
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.list_filter import ListFilter, Pairs, wrong_label
from submitter.errors import Violation
from submitter.model import TaskId

#: Also a type that only a newer version knows.
_TYPE = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,60}")

_TASK = re.compile(r"[A-Za-z0-9_]{1,64}")


def _of_types(*types: EventType) -> Pairs:
    return tuple(("type", each.value) for each in types)


EVENTS = ListFilter(
    path=f"{ROOT}/events",
    names=("type", "provider", "model", "label", "task"),
    views=(
        ("All", ()),
        ("Bad ends", _of_types(EventType.FAILED, EventType.EXPIRED, EventType.REFUSED)),
        ("Late or uncertain", _of_types(EventType.OVERDUE, EventType.UNCERTAIN)),
        (
            "For operators",
            _of_types(
                EventType.SUBSCRIPTION_DISABLED,
                EventType.PROVIDER_PAUSED,
                EventType.PROVIDER_DENIED,
                EventType.CALLBACKS_MISSED,
            ),
        ),
    ),
    most={"type": 20, "provider": 10, "model": 10, "label": LABELS_MOST},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """What the list shows."""

    filter: EventFilter
    #: Only events about this task; the filter then lets every event through.
    task: TaskId | None


def read_search(filters: Pairs) -> EventSearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    EVENTS.check(filters, 0, _wrong_value, also=_conflicts(filters))
    values = EVENTS.values(filters)
    return EventSearch(
        filter=EventFilter(
            types=frozenset(values["type"]),
            providers=frozenset(values["provider"]),
            models=frozenset(values["model"]),
            labels=dict(each.split("=", 1) for each in values["label"]),
        ),
        task=TaskId(values["task"][0]) if values["task"] else None,
    )


def _conflicts(filters: Pairs) -> Iterator[Violation]:
    names = [value.partition("=")[0] for name, value in filters if name == "label"]
    if len(set(names)) < len(names):
        yield Violation(field="label", rule="names a label twice", accepted="one value for each name")
    given = {name for name, _ in filters}
    if "task" in given and len(given) > 1:
        yield Violation(field="task", rule="is given with other filters", accepted="it alone: a task has few events")


def _wrong_value(name: str, value: str) -> tuple[str, str] | None:
    if name == "type" and not _TYPE.fullmatch(value):
        return "is no type of an event", f"one as {', '.join(EventType)}"
    if name == "task" and not _TASK.fullmatch(value):
        return "is no id of a task", "an id that begins with tsk_"
    return wrong_label(value) if name == "label" else None
