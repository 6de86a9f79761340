"""Rows of subscriptions, endpoints, deliveries and attempts, to values and back. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.store.codec import Row, to_json
from receiver.webhooks.model.delivery import Attempt, Delivery, DeliveryState
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.subscription import Subscription, SubscriptionState

_PLAIN = (
    "id",
    "url",
    "description",
    "secret",
    "previous_secret",
    "signing_key",
    "previous_signing_key",
    "previous_until_ms",
    "rate_per_s",
    "granted_per_s",
    "max_in_flight",
    "created_ms",
    "changed_ms",
    "disabled_ms",
    "disabled_reason",
)

_ENDPOINT = (
    "id",
    "next_due_ms",
    "last_leased_ms",
    "paused_until_ms",
    "failures",
    "failing_since_ms",
    "throttled_rate_per_s",
    "tokens",
    "refilled_ms",
)


def filter_json(wanted: EventFilter) -> str:
    """JSON with sorted words, so that equal filters give equal texts."""
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


def subscription_row(subscription: Subscription) -> dict[str, Any]:
    """Every column of `subscriptions`."""
    return {
        **{name: getattr(subscription, name) for name in _PLAIN},
        "state": subscription.state.value,
        "filter": filter_json(subscription.filter),
        "cloudevents": int(subscription.cloudevents),
        "handshake": int(subscription.handshake),
    }


def subscription_of(row: Row) -> Subscription:
    return Subscription(
        **{name: row[name] for name in _PLAIN},
        state=SubscriptionState(row["state"]),
        filter=filter_of(row["filter"]),
        cloudevents=bool(row["cloudevents"]),
        handshake=bool(row["handshake"]),
    )


def endpoint_row(endpoint: EndpointState) -> dict[str, Any]:
    """Every column of `endpoints`."""
    return {name: getattr(endpoint, name) for name in _ENDPOINT}


def endpoint_of(row: Row, subscription: Subscription | None = None) -> EndpointState:
    """The endpoint with the limits of its subscription, if it has one."""
    if subscription is None:
        return _endpoint(row, rates=(), max_in_flight=None)
    rates = (subscription.rate_per_s, subscription.granted_per_s)
    return _endpoint(row, rates=rates, max_in_flight=subscription.max_in_flight)


def limited_endpoint_of(row: Row) -> EndpointState:
    """The endpoint of a row that also holds the limits of its subscription, NULL where it has none."""
    return _endpoint(row, rates=(row["rate_per_s"], row["granted_per_s"]), max_in_flight=row["max_in_flight"])


def _endpoint(row: Row, *, rates: Iterable[float | None], max_in_flight: int | None) -> EndpointState:
    limit_per_s = min((rate for rate in rates if rate is not None), default=None)
    return EndpointState(
        **{name: row[name] for name in _ENDPOINT}, limit_per_s=limit_per_s, max_in_flight=max_in_flight
    )


def delivery_of(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        event_seq=row["event_seq"],
        event_id=row["event_id"],
        event_type=EventType(row["event_type"]),
        task=row["task"] or None,
        subscription=row["subscription"],
        endpoint=row["endpoint"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        due_ms=row["due_ms"],
        created_ms=row["created_ms"],
        finished_ms=row["finished_ms"],
        last_status=row["last_status"],
        last_error=row["last_error"],
    )


def attempt_of(row: Row) -> Attempt:
    return Attempt(
        at_ms=row["at_ms"],
        latency_ms=row["latency_ms"],
        status=row["status"],
        error=row["error"],
        response=row["response"],
    )
