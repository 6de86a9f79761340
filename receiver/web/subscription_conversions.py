"""Between what crosses the API about subscriptions and what the service works with."""

from typing import Any

from receiver.moments import parse_rfc3339_ms
from receiver.subscription import EventFilter, ReplayRange
from receiver.subscription_orders import SubscriptionOrder
from receiver.web.subscription_shapes import ReplayBody, SubscriptionChangeBody, SubscriptionOrderBody


def subscription_order_of(body: SubscriptionOrderBody) -> SubscriptionOrder:
    return SubscriptionOrder(**{name: getattr(body, name) for name in SubscriptionOrderBody.model_fields})


def changes_of(body: SubscriptionChangeBody) -> dict[str, Any]:
    """Only what was given; None puts a field back to what it is when nobody asks for anything."""
    return {name: getattr(body, name) for name in body.model_fields_set}


def range_of(body: ReplayBody) -> ReplayRange:
    return ReplayRange(
        first_seq=body.first_seq,
        last_seq=body.last_seq,
        since_ms=None if body.since is None else parse_rfc3339_ms(body.since),
        until_ms=None if body.until is None else parse_rfc3339_ms(body.until),
        filter=EventFilter(
            types=frozenset(body.types),
            providers=frozenset(body.providers),
            models=frozenset(body.models),
            labels=body.labels,
        ),
        which=body.which,
    )
