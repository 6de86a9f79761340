"""Rich tables of subscriptions. Pure, as `receiver.tables` is."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from receiver.cli.display.durations import say_duration, say_when
from receiver.cli.display.tables import cell, say_labels, say_moment, sheet, state_cell, table
from receiver.events.model.query import EventFilter
from receiver.webhooks.model.delivery import Attempt, Backlog
from receiver.webhooks.model.endpoint_health import BreakerState, EndpointState
from receiver.webhooks.model.replay import ReplayCount
from receiver.webhooks.model.subscription import Subscription, SubscriptionStatus
from receiver.webhooks.model.views import subscription_breaker
from submitter.standard_webhooks import public_key

_BREAKER_STYLES: Mapping[BreakerState, str] = {
    BreakerState.CLOSED: "green",
    BreakerState.OPEN: "bold red",
    BreakerState.HALF_OPEN: "yellow",
}


def subscriptions_table(found: Sequence[SubscriptionStatus], now_ms: int) -> Table:
    rows = [
        (
            cell(each.subscription.id),
            state_cell(each.subscription.state),
            breaker_cell(each.endpoint, now_ms),
            cell(say_trouble(each.subscription, each.endpoint, now_ms)),
            cell(each.subscription.url),
            cell(say_filter(each.subscription.filter)),
        )
        for each in found
    ]
    return table("subscription", "state", "breaker", "trouble", "endpoint", "filter", rows=rows)


def breaker_cell(endpoint: EndpointState | None, now_ms: int) -> Text:
    state = subscription_breaker(endpoint, now_ms)
    return Text(state.value.replace("_", " "), style=_BREAKER_STYLES[state])


def say_trouble(subscription: Subscription, endpoint: EndpointState | None, now_ms: int) -> str:
    """Why nothing, or little, is sent; nothing when all is well."""
    if subscription.disabled_ms is not None:
        return f"disabled {say_when(subscription.disabled_ms, now_ms)}: {subscription.disabled_reason or 'no reason'}"
    return ", ".join(_endpoint_problems(endpoint, now_ms)) if endpoint else ""


def _endpoint_problems(endpoint: EndpointState, now_ms: int) -> Iterator[str]:
    if endpoint.failures and endpoint.failing_since_ms is not None:
        yield f"failures in a row: {endpoint.failures}, the first {say_when(endpoint.failing_since_ms, now_ms)}"
    if endpoint.throttled_rate_per_s is not None:
        yield f"slowed to {endpoint.throttled_rate_per_s:g}/s"
    if endpoint.paused_until_ms is not None and endpoint.paused_until_ms > now_ms:
        yield f"paused for {say_duration(endpoint.paused_until_ms - now_ms)}"


def say_filter(wanted: EventFilter) -> str:
    parts = [
        ", ".join(sorted(wanted.types)) or "all of tasks",
        _said("provider", wanted.providers),
        _said("model", wanted.models),
        f"with {say_labels(wanted.labels)}" if wanted.labels else "",
    ]
    return "; ".join(part for part in parts if part)


def _said(name: str, words: frozenset[str]) -> str:
    return f"{name} {' or '.join(sorted(words))}" if words else ""


def subscription_sheet(
    subscription: Subscription, endpoint: EndpointState | None, now_ms: int, backlog: Backlog | None = None
) -> Table:
    """All of one subscription but its secrets."""
    return sheet(
        [*_own_lines(subscription, now_ms), *_endpoint_lines(endpoint, now_ms), *_backlog_lines(backlog or Backlog())]
    )


def _own_lines(own: Subscription, now_ms: int) -> list[tuple[str, object]]:
    wanted, key = own.filter, own.signing_key
    overlaps = own.previous_secret is not None and (own.previous_until_ms or 0) > now_ms
    return [
        ("subscription", own.id),
        ("state", state_cell(own.state)),
        ("disabled", say_moment(own.disabled_ms, now_ms)),
        ("reason", own.disabled_reason),
        ("sends to", own.url),
        ("description", own.description),
        ("types", ", ".join(sorted(wanted.types)) or "every event about a task"),
        ("providers", ", ".join(sorted(wanted.providers))),
        ("models", ", ".join(sorted(wanted.models))),
        ("labels", say_labels(wanted.labels)),
        ("signatures", "v1 (HMAC)" if key is None else "v1 (HMAC) and v1a (ed25519)"),
        ("public key", None if key is None else public_key(key)),
        ("old secret ends", say_moment(own.previous_until_ms, now_ms) if overlaps else None),
        ("CloudEvents", "attributes in headers" if own.cloudevents else None),
        ("handshake", "done" if own.handshake else None),
        ("limit", None if own.rate_per_s is None else f"{own.rate_per_s:g} a second"),
        ("granted", None if own.granted_per_s is None else f"{own.granted_per_s:g} a second, by the handshake"),
        ("at once", None if own.max_in_flight is None else f"{own.max_in_flight} at most"),
        ("created", say_moment(own.created_ms, now_ms)),
        ("changed", say_moment(own.changed_ms, now_ms)),
    ]


def _endpoint_lines(endpoint: EndpointState | None, now_ms: int) -> list[tuple[str, object]]:
    breaker: tuple[str, object] = ("breaker", breaker_cell(endpoint, now_ms))
    if endpoint is None:
        return [breaker]
    paused = endpoint.paused_until_ms is not None and endpoint.paused_until_ms > now_ms
    return [
        breaker,
        ("failures in a row", endpoint.failures or None),
        ("failing since", say_moment(endpoint.failing_since_ms, now_ms)),
        ("paused until", say_moment(endpoint.paused_until_ms, now_ms) if paused else None),
        ("slowed to", None if endpoint.throttled_rate_per_s is None else f"{endpoint.throttled_rate_per_s:g} a second"),
        ("next due", say_moment(endpoint.next_due_ms, now_ms)),
    ]


def _backlog_lines(backlog: Backlog) -> list[tuple[str, object]]:
    failed = backlog.failed
    said = None if failed is None else failed.last_error or f"answered {failed.last_status}"
    return [
        ("pending", backlog.pending or None),
        ("dead letters", backlog.dead or None),
        ("last failed", None if failed is None else f"{failed.id}: {said}"),
    ]


def probe_line(attempt: Attempt) -> Text:
    said = attempt.error or f"answered {attempt.status}"
    words = f"delivered: {said} in {attempt.latency_ms} ms"
    return cell(words if attempt.is_success else f"not {words}")


def replay_line(count: ReplayCount, *, dry_run: bool) -> Text:
    made_due = "that would be made due" if dry_run else "made due"
    parts = [f"events that match: {count.matched}", f"deliveries {made_due}: {count.requeued}"]
    if count.oldest_seq is not None:
        parts.append(f"what is kept begins with event {count.oldest_seq}")
    if count.requeued and not dry_run:
        parts.append("a running worker sends them")
    return cell("; ".join(parts))
