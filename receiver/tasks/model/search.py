"""What a person looks for among tasks. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from receiver.config.api_keys import NO_LIMITS, Limits, limits_of
from receiver.store.engine import NEVER_MS
from receiver.store.ids import id_floor
from receiver.tasks.model.task import Task
from submitter.model import Source, TaskState

LABELS_MOST = 2  # at once

#: How far an id and `created_ms` of a task may be apart: clocks of several processes differ.
_SKEW_MS = 3_600_000

_PREFIX = "tsk_"


class EndedBy(StrEnum):
    """Who told the end of a task."""

    CALLBACK = "callback"
    POLL = "poll"
    OPERATOR = "operator"
    #: It was refused when it was submitted, or expired by the clock.
    SERVICE = "service"


_SOURCES: Mapping[EndedBy, tuple[Source, ...]] = {
    EndedBy.CALLBACK: (Source.CALLBACK,),
    EndedBy.POLL: (Source.POLL,),
    EndedBy.OPERATOR: (Source.OPERATOR,),
    EndedBy.SERVICE: (Source.SUBMIT, Source.CLOCK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSearch:
    """Conditions joined by "and"; what is empty does not filter."""

    #: One of these.
    states: frozenset[TaskState] = frozenset()
    #: Unfinished, and its deadline has passed.
    is_overdue: bool = False
    #: The provider told of two different ends, and the timeline still says so.
    is_contradicted: bool = False
    provider: str | None = None
    model: str | None = None
    #: Names and values, at most LABELS_MOST.
    labels: tuple[tuple[str, str], ...] = ()
    #: Our id or its beginning, the provider's id, or an idempotency key.
    text: str | None = None
    #: One of these, by our id.
    ids: tuple[str, ...] = ()
    provider_task_id: str | None = None
    idempotency_key: str | None = None
    #: Its timeline still says that one of these told its end.
    ended_by: frozenset[EndedBy] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    #: Those of the key of whoever looks.
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTasks:
    """A page of a search, the newest first. The tasks are without their requests and idempotency keys."""

    tasks: tuple[Task, ...]
    #: Where the next page begins; None on the last one.
    next_cursor: str | None
    #: The page has room and is not the last one: so many tasks were looked at that it ends here.
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNumber:
    """How many there are, up to a cap."""

    number: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A statement that gives ids from an index, and its parameters beside cursor, floor and limit."""

    statement: str
    params: Mapping[str, Any]


def drivers_of(wanted: TaskSearch) -> Iterator[Driver]:
    """The statements whose ids together are all that can fit, by the condition that fits fewest."""
    if wanted.ids:
        yield Driver(statement="task_ids_among", params={"ids": sorted(wanted.ids)})
    elif wanted.provider_task_id is not None:
        yield Driver(statement="task_ids_by_provider_task_id", params={"text": wanted.provider_task_id})
    elif wanted.idempotency_key is not None:
        yield Driver(statement="task_ids_by_request_key", params={"text": wanted.idempotency_key})
    else:
        yield from _drivers_of_many(wanted)


def _drivers_of_many(wanted: TaskSearch) -> Iterator[Driver]:
    if wanted.text is not None and wanted.text.startswith(_PREFIX):
        yield Driver(statement="task_ids_by_start", params={"start": wanted.text, "end": f"{wanted.text}~"})
    elif wanted.text is not None:
        yield Driver(statement="task_ids_by_key", params={"text": wanted.text})
    elif wanted.is_contradicted:
        yield Driver(statement="task_ids_contradicted", params={})
    elif wanted.is_overdue:
        yield Driver(statement="task_ids_overdue", params={})
    elif wanted.labels or wanted.limits.label:
        name, value = wanted.limits.label or wanted.labels[0]
        yield Driver(statement="task_ids_with_label", params={"name": name, "value": value})
    elif wanted.states:
        for state in sorted(wanted.states):
            yield Driver(statement="task_ids_in_state", params={"state": state.value})
    else:
        yield Driver(statement="task_ids", params={})


def floor_of(wanted: TaskSearch) -> str:
    """Below every id that can fit."""
    return "" if wanted.since_ms is None else id_floor("tsk", wanted.since_ms - _SKEW_MS)


def ceiling_of(wanted: TaskSearch) -> str | None:
    """Above every id that can fit; None without an end."""
    return None if wanted.until_ms is None else id_floor("tsk", wanted.until_ms + _SKEW_MS)


def conditions_of(wanted: TaskSearch) -> dict[str, Any]:
    """The parameters of `fitting_tasks`, ids and limit left out."""
    first, second = (*wanted.labels, (None, None), (None, None))[:LABELS_MOST]
    return {
        "since_ms": 0 if wanted.since_ms is None else wanted.since_ms,
        "until_ms": NEVER_MS if wanted.until_ms is None else wanted.until_ms,
        "provider": wanted.provider,
        "model": wanted.model,
        "provider_task_id": wanted.provider_task_id,
        "request_key": wanted.idempotency_key,
        "sources": sorted(source.value for each in wanted.ended_by or EndedBy for source in _SOURCES[each]),
        "any_end": int(not wanted.ended_by),
        "only_overdue": int(wanted.is_overdue),
        "only_contradicted": int(wanted.is_contradicted),
        "name": first[0],
        "value": first[1],
        "second_name": second[0],
        "second_value": second[1],
        "states": sorted(each.value for each in wanted.states or TaskState),
        **wanted.limits.conditions(),
    }


def search_values(wanted: TaskSearch) -> dict[str, Any]:
    """The search as JSON values, for a run that works on what it finds.

    A process of the version before can go on with the run where it knows all conditions of the search.
    """
    newer = {
        "ids": list(wanted.ids),
        "provider_task_id": wanted.provider_task_id,
        "idempotency_key": wanted.idempotency_key,
        "ended_by": sorted(each.value for each in wanted.ended_by),
    }
    return {
        **{name: value for name, value in newer.items() if value},
        "states": sorted(each.value for each in wanted.states),
        "is_overdue": wanted.is_overdue,
        "is_contradicted": wanted.is_contradicted,
        "provider": wanted.provider,
        "model": wanted.model,
        "labels": [list(each) for each in wanted.labels],
        "text": wanted.text,
        "since_ms": wanted.since_ms,
        "until_ms": wanted.until_ms,
        **({"limits": wanted.limits.json_values()} if wanted.limits.are_set else {}),
    }


def search_of(values: Mapping[str, Any]) -> TaskSearch:
    """The search of these JSON values."""
    return TaskSearch(
        **{
            **values,
            "states": frozenset(map(TaskState, values["states"])),
            "labels": tuple((name, value) for name, value in values["labels"]),
            "ids": tuple(values.get("ids", ())),
            "ended_by": frozenset(map(EndedBy, values.get("ended_by", ()))),
            "limits": limits_of(values["limits"]) if "limits" in values else NO_LIMITS,
        }
    )
