"""Rows of subscriptions, lanes, deliveries and attempts. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.store.codec import EMPTY_FOR_NONE, Conversion, Row, RowCodec, to_json
from receiver.webhooks.model.delivery import Attempt, Delivery
from receiver.webhooks.model.endpoint_health import Lane
from receiver.webhooks.model.subscription import Subscription


def filter_json(wanted: EventFilter) -> str:
    """Sorted, so that equal filters are equal texts."""
    words = {name: sorted(getattr(wanted, name)) for name in ("types", "providers", "models")}
    return to_json({**words, "labels": dict(sorted(wanted.labels.items()))})


def filter_of(text: str) -> EventFilter:
    values: Mapping[str, Any] = json.loads(text)
    return EventFilter(
        types=frozenset(EventType(word) for word in values["types"]),
        providers=frozenset(values["providers"]),
        models=frozenset(values["models"]),
        labels=values["labels"],
    )


SUBSCRIPTION_ROWS = RowCodec(Subscription, converted={"filter": Conversion(filter_json, filter_of)})

subscription_row, subscription_of = SUBSCRIPTION_ROWS.to_row, SUBSCRIPTION_ROWS.from_row

#: The limits are columns of the subscription.
LANE_ROWS = RowCodec(Lane, excluded=["limit_per_s", "max_in_flight"])

lane_row = LANE_ROWS.to_row

DELIVERY_ROWS = RowCodec(Delivery, renamed={"task_id": "task"}, converted={"task_id": EMPTY_FOR_NONE})

delivery_of = DELIVERY_ROWS.from_row

ATTEMPT_ROWS = RowCodec(Attempt)

attempt_row, attempt_of = ATTEMPT_ROWS.to_row, ATTEMPT_ROWS.from_row


def lane_of(row: Row, subscription: Subscription | None = None) -> Lane:
    """With the limits of its subscription, if it has one."""
    if subscription is None:
        return _lane(row, rates=(), max_in_flight=None)
    rates = (subscription.rate_per_s, subscription.granted_per_s)
    return _lane(row, rates=rates, max_in_flight=subscription.max_in_flight)


def limited_lane_of(row: Row) -> Lane:
    """From a row that holds the limits of its subscription as well, NULL where it has none."""
    return _lane(row, rates=(row["rate_per_s"], row["granted_per_s"]), max_in_flight=row["max_in_flight"])


def _lane(row: Row, *, rates: Iterable[float | None], max_in_flight: int | None) -> Lane:
    limit_per_s = min((rate for rate in rates if rate is not None), default=None)
    return LANE_ROWS.from_row(row, limit_per_s=limit_per_s, max_in_flight=max_in_flight)
