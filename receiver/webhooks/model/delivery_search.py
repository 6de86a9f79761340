"""What a person looks for among deliveries. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from receiver.config.api_keys import NO_LIMITS, Limits, limits_of
from receiver.store.engine import NEVER_MS
from receiver.store.ids import id_floor
from receiver.webhooks.model.delivery import Delivery, DeliveryState
from submitter.model import TaskId

#: How far an id and `created_ms` of a delivery may be apart: it is made after its event, which gives the time.
_LATE_MS = 86_400_000


class Answer(StrEnum):
    """What the last attempt was answered, by the first digit of its status."""

    GOOD = "2xx"
    MOVED = "3xx"
    REFUSED = "4xx"
    BROKEN = "5xx"
    #: It was not answered.
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySearch:
    """Conditions joined by "and"; what is empty does not filter."""

    #: One of these.
    states: frozenset[DeliveryState] = frozenset()
    #: It has failed, and is attempted again.
    is_failing: bool = False
    subscription: str | None = None
    #: An address of `notify`: scheme and host.
    host: str | None = None
    #: To an address of `notify`, whichever.
    is_notify: bool = False
    event_type: str | None = None
    #: One of these.
    answers: frozenset[Answer] = frozenset()
    task: TaskId | None = None
    #: One of these.
    ids: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    #: Those of the key of whoever looks.
    limits: Limits = NO_LIMITS
    #: With limits: the subscriptions that the key created, beside which only the tasks' own `notify` counts.
    owners: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDeliveries:
    """A page of a search, the newest first."""

    deliveries: tuple[Delivery, ...]
    #: Where the next page begins; None on the last one.
    next_cursor: str | None
    #: The page has room and is not the last one: so many deliveries were looked at that it ends here.
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDriver:
    """A statement that gives ids from an index, and its parameters beside cursor, floor and limit."""

    statement: str
    params: Mapping[str, Any]


#: By state, where an index has those of one host of `notify`.
_OPEN_OF_HOST: Mapping[DeliveryState, str] = {
    DeliveryState.DEAD: "delivery_ids_dead_of_notify",
    DeliveryState.PENDING: "delivery_ids_pending_of_notify",
}


def delivery_drivers_of(wanted: DeliverySearch) -> Iterator[DeliveryDriver]:
    """The statements whose ids together are all that can fit, by the condition that fits fewest."""
    states = frozenset({DeliveryState.PENDING}) if wanted.is_failing else wanted.states
    if wanted.ids:
        yield DeliveryDriver(statement="delivery_ids_among", params={"ids": sorted(wanted.ids)})
    elif wanted.task is not None:
        yield DeliveryDriver(statement="delivery_ids_of_task", params={"task": wanted.task})
    elif wanted.subscription is not None:
        yield _driver_of_subscription(wanted.subscription, states, is_failing=wanted.is_failing)
    else:
        host = wanted.host if DeliveryState.DELIVERED not in states else None
        of = {} if host is None else {"endpoint_id": host}
        for state in sorted(states):
            statement = "delivery_ids_in_state" if host is None else _OPEN_OF_HOST[state]
            yield DeliveryDriver(statement=statement, params=of or {"state": state.value})
        if not states:
            yield DeliveryDriver(statement="delivery_ids", params={})


def _driver_of_subscription(subscription: str, states: frozenset[DeliveryState], *, is_failing: bool) -> DeliveryDriver:
    statement = "delivery_ids_of_subscription"
    if is_failing:
        statement = "delivery_ids_failing"
    elif states == {DeliveryState.DEAD}:
        statement = "delivery_ids_dead"
    return DeliveryDriver(statement=statement, params={"subscription": subscription})


def delivery_floor_of(wanted: DeliverySearch) -> str:
    """Below every id that can fit."""
    return "" if wanted.since_ms is None else id_floor("dlv", wanted.since_ms)


def delivery_ceiling_of(wanted: DeliverySearch) -> str | None:
    """Above every id that can fit; None without an end."""
    return None if wanted.until_ms is None else id_floor("dlv", wanted.until_ms + _LATE_MS)


def delivery_conditions_of(wanted: DeliverySearch) -> dict[str, Any]:
    """The parameters of `fitting_deliveries`, ids and limit left out."""
    return {
        "since_ms": 0 if wanted.since_ms is None else wanted.since_ms,
        "until_ms": NEVER_MS if wanted.until_ms is None else wanted.until_ms,
        "subscription": wanted.subscription,
        "endpoint_id": wanted.host,
        "only_notify": int(wanted.is_notify or wanted.host is not None),
        "only_failing": int(wanted.is_failing),
        "event_type": wanted.event_type,
        "answers": sorted(each.value for each in wanted.answers or Answer),
        "any_answer": int(not wanted.answers),
        "task": wanted.task,
        "states": sorted(each.value for each in wanted.states or DeliveryState),
        "any_owner": int(not wanted.limits.are_set),
        "owners": ["", *sorted(wanted.owners)],
        "any_task": int(not wanted.limits.are_set),
        **wanted.limits.conditions(),
    }


def delivery_search_values(wanted: DeliverySearch) -> dict[str, Any]:
    """The search as JSON values, for a run that works on what it finds.

    A process of the version before can go on with the run where it knows all conditions of the search.
    """
    return {
        **({"ids": list(wanted.ids)} if wanted.ids else {}),
        "states": sorted(each.value for each in wanted.states),
        "is_failing": wanted.is_failing,
        "subscription": wanted.subscription,
        "host": wanted.host,
        "is_notify": wanted.is_notify,
        "event_type": wanted.event_type,
        "answers": sorted(each.value for each in wanted.answers),
        "task": wanted.task,
        "since_ms": wanted.since_ms,
        "until_ms": wanted.until_ms,
        **({"limits": wanted.limits.json_values(), "owners": sorted(wanted.owners)} if wanted.limits.are_set else {}),
    }


def delivery_search_of(values: Mapping[str, Any]) -> DeliverySearch:
    """The search of these JSON values."""
    return DeliverySearch(
        **{
            **values,
            "states": frozenset(map(DeliveryState, values["states"])),
            "answers": frozenset(map(Answer, values["answers"])),
            "ids": tuple(values.get("ids", ())),
            "limits": limits_of(values["limits"]) if "limits" in values else NO_LIMITS,
            "owners": frozenset(values.get("owners", ())),
        }
    )
