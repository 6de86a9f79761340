"""Rows of subscriptions, endpoints, deliveries and attempts. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from receiver.events.model.query import EventFilter
from receiver.store.codec import EMPTY_FOR_NONE, Conversion, Row, RowCodec, to_json
from receiver.webhooks.model.delivery import Attempt, Delivery, DueDelivery
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.subscription import Subscriber, Subscription, keys_at
from submitter.model import TaskId


def filter_json(wanted: EventFilter) -> str:
    """JSON with sorted words, so that equal filters give equal texts."""
    return to_json(
        {
            "types": sorted(wanted.types),
            "providers": sorted(wanted.providers),
            "models": sorted(wanted.models),
            "labels": dict(sorted(wanted.labels.items())),
        }
    )


def filter_of(text: str) -> EventFilter:
    values: Mapping[str, Any] = json.loads(text)
    return EventFilter(
        types=frozenset(values["types"]),
        providers=frozenset(values["providers"]),
        models=frozenset(values["models"]),
        labels=values["labels"],
    )


SUBSCRIPTION_ROWS = RowCodec(Subscription, converted={"filter": Conversion(filter_json, filter_of)})

subscription_row, subscription_of = SUBSCRIPTION_ROWS.to_row, SUBSCRIPTION_ROWS.from_row

subscriber_of = RowCodec(Subscriber, converted={"filter": Conversion(filter_json, filter_of)}).from_row

#: The limits are columns of the subscription.
ENDPOINT_ROWS = RowCodec(EndpointState, excluded=["limit_per_s", "max_in_flight"])

endpoint_row = ENDPOINT_ROWS.to_row

DELIVERY_ROWS = RowCodec(Delivery, renamed={"task_id": "task"}, converted={"task_id": EMPTY_FOR_NONE})

delivery_of = DELIVERY_ROWS.from_row

#: What is not stored decides only about the next attempt.
ATTEMPT_ROWS = RowCodec(Attempt, excluded=["retry_after_s", "is_permanent"])

attempt_row, attempt_of = ATTEMPT_ROWS.to_row, ATTEMPT_ROWS.from_row


def endpoint_of(row: Row, subscription: Subscription) -> EndpointState:
    """The endpoint with the limits of its subscription."""
    limit_per_s = _lower(subscription.rate_per_s, subscription.granted_per_s)
    return ENDPOINT_ROWS.from_row(row, limit_per_s=limit_per_s, max_in_flight=subscription.max_in_flight)


def limited_endpoint_of(row: Row) -> EndpointState:
    """The endpoint of a row that also holds the limits of its subscription, NULL where it has none."""
    limit_per_s = _lower(row["rate_per_s"], row["granted_per_s"])
    return ENDPOINT_ROWS.from_row(row, limit_per_s=limit_per_s, max_in_flight=row["max_in_flight"])


def _lower(*rates: float | None) -> float | None:
    return min((rate for rate in rates if rate is not None), default=None)


def due_delivery_of(row: Row, owner: str, now_ms: int, *, is_ahead: bool) -> DueDelivery:
    is_subscribed = row["subscription"] is not None
    until_ms = row["previous_until_ms"]
    secrets = keys_at(row["secret"], row["previous_secret"], until_ms, now_ms)
    signing_keys = keys_at(row["signing_key"], row["previous_signing_key"], until_ms, now_ms)
    return DueDelivery(
        id=row["id"],
        owner=owner,
        endpoint_id=row["endpoint_id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        event_at_ms=row["at_ms"],
        task_id=TaskId(row["task"]) if row["task"] else None,
        provider=row["provider"],
        url=row["url"] if is_subscribed else row["endpoint"],
        secrets=secrets if is_subscribed else (row["notify_secret"],),
        signing_keys=signing_keys,
        cloudevents=bool(row["cloudevents"]),
        handshake=bool(row["handshake"]),
        body=row["body"],
        attempts=row["attempts"],
        is_ahead=is_ahead,
    )
