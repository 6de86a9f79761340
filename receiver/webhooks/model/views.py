"""Subscriptions as outsiders see them: the bodies of the API, and the event that one was disabled. Pure.

No secret is in any of them.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from receiver.events.model.event import EventDraft, EventType
from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.endpoint_health import BreakerState, EndpointState, breaker_state
from receiver.webhooks.model.endpoint_status import EndpointStatus, ResumedEndpoint, ResumedSubscription
from receiver.webhooks.model.replay import ReplayCount
from receiver.webhooks.model.subscription import Subscription
from submitter import api, api_operations, api_webhooks
from submitter.standard_webhooks import public_key


def subscription_view(
    subscription: Subscription, endpoint: EndpointState | None, *, now_ms: int
) -> api_webhooks.Subscription:
    """Return the subscription and the health of its endpoint. What is over, such as an old secret, is null."""
    key, wanted = subscription.signing_key, subscription.filter
    has_previous = subscription.previous_secret is not None
    return api_webhooks.Subscription.model_validate(
        {
            "id": subscription.id,
            "url": subscription.url,
            "description": subscription.description,
            "state": subscription.state,
            "types": tuple(sorted(wanted.types)),
            "providers": tuple(sorted(wanted.providers)),
            "models": tuple(sorted(wanted.models)),
            "labels": wanted.labels,
            "asymmetric": key is not None,
            "public_key": None if key is None else public_key(key),
            "cloudevents": subscription.cloudevents,
            "handshake": subscription.handshake,
            "rate_per_s": subscription.rate_per_s,
            "granted_per_s": subscription.granted_per_s,
            "max_in_flight": subscription.max_in_flight,
            "created_at": subscription.created_ms,
            "changed_at": subscription.changed_ms,
            "disabled": _disabling(subscription),
            "previous_secret_until": _future(subscription.previous_until_ms, now_ms) if has_previous else None,
            "breaker": breaker_view(endpoint or EndpointState(id=subscription.id), now_ms),
        }
    )


def subscription_breaker(endpoint: EndpointState | None, now_ms: int) -> BreakerState:
    """Return the state of the circuit breaker; None is an endpoint that never had a delivery."""
    return BreakerState.CLOSED if endpoint is None else breaker_state(endpoint, now_ms)


def breaker_view(endpoint: EndpointState, now_ms: int) -> dict[str, Any]:
    return {
        "state": breaker_state(endpoint, now_ms),
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since_ms,
        "paused_until": _future(endpoint.paused_until_ms, now_ms),
        "slow_per_s": endpoint.throttled_rate_per_s,
    }


def _disabling(subscription: Subscription) -> dict[str, Any] | None:
    if subscription.disabled_ms is None:
        return None
    return {"at": subscription.disabled_ms, "reason": subscription.disabled_reason}


def _future(at_ms: int | None, now_ms: int) -> int | None:
    """None for a time that has passed."""
    return at_ms if at_ms is not None and at_ms > now_ms else None


def notify_endpoint_view(status: EndpointStatus, *, now_ms: int) -> api_operations.NotifyEndpoint:
    return api_operations.NotifyEndpoint.model_validate(
        {
            "endpoint": status.endpoint.id,
            "breaker": breaker_view(status.endpoint, now_ms),
            "pending": status.pending,
            "dead": status.dead,
        }
    )


def resumed_endpoint_view(
    status: EndpointStatus, resumed: ResumedEndpoint, *, now_ms: int
) -> api_operations.ResumedEndpoint:
    return api_operations.ResumedEndpoint(
        **dict(notify_endpoint_view(status, now_ms=now_ms)),
        was_failing=resumed.was_failing,
        made_due=resumed.made_due,
        redelivered=resumed.redelivered,
        has_more=resumed.has_more,
    )


def resumed_subscription_view(
    view: api_webhooks.Subscription, resumed: ResumedSubscription
) -> api_webhooks.ResumedSubscription:
    return api_webhooks.ResumedSubscription(
        **dict(view),
        was_disabled=resumed.was_disabled,
        was_failing=resumed.endpoint.was_failing,
        made_due=resumed.endpoint.made_due,
        has_more=resumed.endpoint.has_more,
    )


def probe_result(attempt: Attempt, resumed: ResumedEndpoint) -> api_webhooks.ProbeResult:
    return api_webhooks.ProbeResult(
        delivered=attempt.is_success,
        status=attempt.status,
        latency_ms=attempt.latency_ms,
        error=attempt.error,
        response=attempt.response,
        was_failing=resumed.was_failing,
        made_due=resumed.made_due,
    )


def replay_result(subscription_id: str, count: ReplayCount, *, dry_run: bool) -> api_webhooks.ReplayResult:
    return api_webhooks.ReplayResult(
        subscription=subscription_id,
        matched=count.matched,
        made_due=count.requeued,
        oldest_seq=count.oldest_seq,
        dry_run=dry_run,
    )


def disabled_draft(event_id: str, subscription: Subscription) -> EventDraft:
    """Return the event, without its number, that a subscription was disabled; it is about no task."""
    parts = urlsplit(subscription.url)
    about = {
        "id": subscription.id,
        "url": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),  # a query may hold a token of the owner
        "reason": subscription.disabled_reason,
        "disabled_at": subscription.disabled_ms,
    }
    return EventDraft(
        id=event_id,
        type=EventType.SUBSCRIPTION_DISABLED,
        subject=None,
        data={"supersedes": None, "task": None, "subscription": api.DisabledSubscription.model_validate(about)},
    )
