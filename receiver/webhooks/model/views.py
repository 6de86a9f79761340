"""How subscriptions look to outsiders: the one shape that the API and the command line share.

Pure. No secret has a place here; whoever may show one adds it with `secret_view`.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from receiver.events.model.event import EventDraft, EventFacts, EventType
from receiver.webhooks.model.delivery import Attempt, Delivery, Owed
from receiver.webhooks.model.endpoint_health import BreakerState, Lane, breaker_state
from receiver.webhooks.model.replay import ReplayCount
from receiver.webhooks.model.subscription import Subscription
from submitter.standard_webhooks import public_key
from submitter.timestamps import rfc3339


def subscription_breaker(lane: Lane | None, now_ms: int) -> BreakerState:
    """None is the lane of an endpoint that was never owed anything."""
    return BreakerState.CLOSED if lane is None else breaker_state(lane, now_ms)


def subscription_view(subscription: Subscription, lane: Lane | None, *, now_ms: int) -> dict[str, Any]:
    """JSON values only; times RFC 3339. What is over, as the overlap of a rotation, is null."""
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
        "breaker": breaker_view(lane, now_ms),
    }


def owed_view(owed: Owed) -> dict[str, Any]:
    failed = owed.failed
    said = None if failed is None else {"id": failed.id, "status": failed.last_status, "error": failed.last_error}
    return {"pending": owed.pending, "dead": owed.dead, "last_failed": said}


def breaker_view(lane: Lane | None, now_ms: int) -> dict[str, Any]:
    """How the endpoint behaves, and how it is spared for it."""
    return {
        "state": subscription_breaker(lane, now_ms).value,
        "failures": 0 if lane is None else lane.failures,
        "failing_since": None if lane is None else rfc3339(lane.failing_since_ms),
        "paused_until": None if lane is None else rfc3339(_later(lane.paused_until_ms, now_ms)),
        "slow_per_s": None if lane is None else lane.slow_per_s,
    }


def secret_view(subscription: Subscription) -> dict[str, str]:
    """For the answers that may show it: to who made the subscription, or gave it a new secret."""
    return {"secret": subscription.secret}


def probe_view(attempt: Attempt) -> dict[str, Any]:
    """What became of a test. Only an answer 2xx is a delivery."""
    return {
        "delivered": is_delivered(attempt),
        "status": attempt.status,
        "latency_ms": attempt.latency_ms,
        "error": attempt.error,
        "response": attempt.response,
    }


def is_delivered(attempt: Attempt) -> bool:
    return attempt.error is None and attempt.status is not None and 200 <= attempt.status < 300


def replay_view(subscription: str, count: ReplayCount, *, dry_run: bool) -> dict[str, Any]:
    """`oldest_seq` is set when the range begins before what is kept."""
    return {
        "subscription": subscription,
        "matched": count.matched,
        "made_due": count.made_due,
        "oldest_seq": count.oldest_seq,
        "dry_run": dry_run,
    }


def _disabled_view(subscription: Subscription) -> dict[str, Any] | None:
    if subscription.disabled_ms is None:
        return None
    return {"at": rfc3339(subscription.disabled_ms), "reason": subscription.disabled_reason}


def _later(at_ms: int | None, now_ms: int) -> int | None:
    """None for what is over."""
    return at_ms if at_ms is not None and at_ms > now_ms else None


def disabled_view(subscription: Subscription) -> dict[str, Any]:
    """What `subscription.disabled` tells. The address without query, which may hold what only its owner may know."""
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
    """The event that a subscription was disabled; it is about no task."""
    return EventDraft(
        id=event_id,
        facts=EventFacts(type=EventType.SUBSCRIPTION_DISABLED),
        subject=None,
        data={"supersedes": None, "task": None, "subscription": disabled_view(subscription)},
    )
