"""Subscriptions, deliveries and attempts as JSON, for the API and the command line. Pure.

No view holds a secret. An answer that may show one adds `secret_view`.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from receiver.events.model.event import EventDraft, EventFacts, EventType
from receiver.webhooks.model.delivery import Attempt, Backlog, Delivery
from receiver.webhooks.model.endpoint_health import BreakerState, EndpointState, breaker_state
from receiver.webhooks.model.replay import ReplayCount
from receiver.webhooks.model.subscription import Subscription
from submitter.standard_webhooks import public_key
from submitter.timestamps import rfc3339


def subscription_breaker(endpoint: EndpointState | None, now_ms: int) -> BreakerState:
    """The breaker of an endpoint; None before its first delivery."""
    return BreakerState.CLOSED if endpoint is None else breaker_state(endpoint, now_ms)


def subscription_view(subscription: Subscription, endpoint: EndpointState | None, *, now_ms: int) -> dict[str, Any]:
    """JSON values only; times are RFC 3339. What has ended, such as the overlap of a rotation, is null."""
    key, wanted = subscription.signing_key, subscription.filter
    has_previous = subscription.previous_secret is not None
    return {
        "id": subscription.id,
        "url": subscription.url,
        "description": subscription.description,
        "state": subscription.state.value,
        "types": sorted(wanted.types),
        "providers": sorted(wanted.providers),
        "models": sorted(wanted.models),
        "labels": dict(wanted.labels),
        "asymmetric": key is not None,
        "public_key": None if key is None else public_key(key),
        "cloudevents": subscription.cloudevents,
        "handshake": subscription.handshake,
        "rate_per_s": subscription.rate_per_s,
        "granted_per_s": subscription.granted_per_s,
        "max_in_flight": subscription.max_in_flight,
        "created_at": rfc3339(subscription.created_ms),
        "changed_at": rfc3339(subscription.changed_ms),
        "disabled": _disabled_view(subscription),
        "previous_secret_until": rfc3339(_later(subscription.previous_until_ms, now_ms)) if has_previous else None,
        "breaker": breaker_view(endpoint, now_ms),
    }


def backlog_view(backlog: Backlog) -> dict[str, Any]:
    failed = backlog.failed
    shown = None if failed is None else {"id": failed.id, "status": failed.last_status, "error": failed.last_error}
    return {"pending": backlog.pending, "dead": backlog.dead, "last_failed": shown}


def breaker_view(endpoint: EndpointState | None, now_ms: int) -> dict[str, Any]:
    """The endpoint's health, and how it is slowed down for it."""
    return {
        "state": subscription_breaker(endpoint, now_ms).value,
        "failures": 0 if endpoint is None else endpoint.failures,
        "failing_since": None if endpoint is None else rfc3339(endpoint.failing_since_ms),
        "paused_until": None if endpoint is None else rfc3339(_later(endpoint.paused_until_ms, now_ms)),
        "slow_per_s": None if endpoint is None else endpoint.throttled_rate_per_s,
    }


def secret_view(subscription: Subscription) -> dict[str, str]:
    """Only for answers to callers that created the subscription or rotated its secret."""
    return {"secret": subscription.secret}


def probe_view(attempt: Attempt) -> dict[str, Any]:
    """The outcome of a test."""
    return {
        "delivered": attempt.is_success,
        "status": attempt.status,
        "latency_ms": attempt.latency_ms,
        "error": attempt.error,
        "response": attempt.response,
    }


def replay_view(subscription: str, count: ReplayCount, *, dry_run: bool) -> dict[str, Any]:
    """`oldest_seq` is set when the range begins before the oldest stored event."""
    return {
        "subscription": subscription,
        "matched": count.matched,
        "made_due": count.requeued,
        "oldest_seq": count.oldest_seq,
        "dry_run": dry_run,
    }


def _disabled_view(subscription: Subscription) -> dict[str, Any] | None:
    if subscription.disabled_ms is None:
        return None
    return {"at": rfc3339(subscription.disabled_ms), "reason": subscription.disabled_reason}


def _later(at_ms: int | None, now_ms: int) -> int | None:
    """None for a time that has passed."""
    return at_ms if at_ms is not None and at_ms > now_ms else None


def disabled_view(subscription: Subscription) -> dict[str, Any]:
    """The body of `subscription.disabled`. The URL is shown without its query, because that may hold a secret."""
    parts = urlsplit(subscription.url)
    return {
        "id": subscription.id,
        "url": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        "reason": subscription.disabled_reason,
        "disabled_at": rfc3339(subscription.disabled_ms),
    }


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_seq": delivery.event_seq,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type.value,
        "task": delivery.task_id,
        "subscription": delivery.subscription,
        "endpoint": delivery.endpoint,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "due_at": rfc3339(delivery.due_ms),
        "created_at": rfc3339(delivery.created_ms),
        "finished_at": rfc3339(delivery.finished_ms),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": rfc3339(attempt.at_ms),
        "latency_ms": attempt.latency_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response": attempt.response,
    }


def disabled_draft(event_id: str, subscription: Subscription) -> EventDraft:
    """The event `subscription.disabled`, which is about no task."""
    return EventDraft(
        id=event_id,
        facts=EventFacts(type=EventType.SUBSCRIPTION_DISABLED),
        subject=None,
        data={"supersedes": None, "task": None, "subscription": disabled_view(subscription)},
    )
