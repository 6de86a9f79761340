"""Rich tables of subscriptions, made as those of `tables`."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from receiver.cli.display.listing import Listing, cell, format_labels, format_moment, sheet, state_cell, table
from receiver.events.model.query import EventFilter
from receiver.runtime.durations import format_duration, format_when
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


def subscriptions_table(found: Sequence[SubscriptionStatus], now_ms: int) -> Listing:
    rows = [
        (
            each.subscription.id,
            state_cell(each.subscription.state),
            breaker_cell(each.endpoint, now_ms),
            format_problem(each, now_ms),
            each.subscription.url,
            format_filter(each.subscription.filter),
        )
        for each in found
    ]
    return table("subscription", "state", "breaker", "problem", "endpoint", "filter", rows=rows)


def breaker_cell(endpoint: EndpointState | None, now_ms: int) -> Text:
    state = subscription_breaker(endpoint, now_ms)
    return Text(state.value.replace("_", " "), style=_BREAKER_STYLES[state])


def format_problem(status: SubscriptionStatus, now_ms: int) -> str:
    """Why nothing, or little, is sent; empty when nothing is wrong."""
    own = status.subscription
    if own.disabled_ms is not None:
        return f"disabled {format_when(own.disabled_ms, now_ms)}: {own.disabled_reason or 'no reason'}"
    return ", ".join(endpoint_problems(status.endpoint, now_ms)) if status.endpoint else ""


def endpoint_problems(endpoint: EndpointState, now_ms: int) -> Iterator[str]:
    if endpoint.failures and endpoint.failing_since_ms is not None:
        yield f"failures in a row: {endpoint.failures}, the first {format_when(endpoint.failing_since_ms, now_ms)}"
    if endpoint.throttled_rate_per_s is not None:
        yield f"slowed to {endpoint.throttled_rate_per_s:g}/s"
    if endpoint.paused_until_ms is not None and endpoint.paused_until_ms > now_ms:
        yield f"paused for {format_duration(endpoint.paused_until_ms - now_ms)}"


def _types(wanted: EventFilter) -> str:
    return ", ".join(sorted(wanted.types)) or "every event about a task"


def format_filter(wanted: EventFilter) -> str:
    parts = [
        _types(wanted),
        _any_of("provider", wanted.providers),
        _any_of("model", wanted.models),
        f"with {format_labels(wanted.labels)}" if wanted.labels else "",
    ]
    return "; ".join(part for part in parts if part)


def _any_of(name: str, values: frozenset[str]) -> str:
    return f"{name} {' or '.join(sorted(values))}" if values else ""


def subscription_sheet(status: SubscriptionStatus, now_ms: int, backlog: Backlog | None = None) -> Table:
    """All of one subscription except its secrets."""
    own = _own_lines(status.subscription, now_ms)
    return sheet([*own, *_endpoint_lines(status.endpoint, now_ms), *_backlog_lines(backlog or Backlog())])


def _own_lines(own: Subscription, now_ms: int) -> list[tuple[str, object]]:
    wanted, key = own.filter, own.signing_key
    overlaps = own.previous_secret is not None and (own.previous_until_ms or 0) > now_ms
    return [
        ("subscription", own.id),
        ("state", state_cell(own.state)),
        ("disabled", format_moment(own.disabled_ms, now_ms)),
        ("reason", own.disabled_reason),
        ("sends to", own.url),
        ("description", own.description),
        ("types", _types(wanted)),
        ("providers", ", ".join(sorted(wanted.providers))),
        ("models", ", ".join(sorted(wanted.models))),
        ("labels", format_labels(wanted.labels)),
        ("signatures", "v1 (HMAC)" if key is None else "v1 (HMAC) and v1a (ed25519)"),
        ("public key", None if key is None else public_key(key)),
        ("old secret ends", format_moment(own.previous_until_ms, now_ms) if overlaps else None),
        ("CloudEvents", "attributes in headers" if own.cloudevents else None),
        ("handshake", "done" if own.handshake else None),
        ("limit", _rate(own.rate_per_s)),
        ("granted", None if own.granted_per_s is None else f"{_rate(own.granted_per_s)}, by the handshake"),
        ("at once", None if own.max_in_flight is None else f"{own.max_in_flight} at most"),
        ("created", format_moment(own.created_ms, now_ms)),
        ("changed", format_moment(own.changed_ms, now_ms)),
    ]


def _rate(per_s: float | None) -> str | None:
    return None if per_s is None else f"{per_s:g} a second"


def _endpoint_lines(endpoint: EndpointState | None, now_ms: int) -> list[tuple[str, object]]:
    breaker: tuple[str, object] = ("breaker", breaker_cell(endpoint, now_ms))
    if endpoint is None:
        return [breaker]
    paused = endpoint.paused_until_ms is not None and endpoint.paused_until_ms > now_ms
    return [
        breaker,
        ("failures in a row", endpoint.failures or None),
        ("failing since", format_moment(endpoint.failing_since_ms, now_ms)),
        ("paused until", format_moment(endpoint.paused_until_ms, now_ms) if paused else None),
        ("slowed to", _rate(endpoint.throttled_rate_per_s)),
        ("next due", format_moment(endpoint.next_due_ms, now_ms)),
    ]


def _backlog_lines(backlog: Backlog) -> list[tuple[str, object]]:
    failed = backlog.failed
    answer = None if failed is None else failed.last_error or f"answered {failed.last_status}"
    return [
        ("pending", backlog.pending or None),
        ("dead letters", backlog.dead or None),
        ("last failed", None if failed is None else f"{failed.id}: {answer}"),
    ]


def probe_line(attempt: Attempt) -> Text:
    answer = attempt.error or f"answered {attempt.status}"
    text = f"delivered: {answer} in {attempt.latency_ms} ms"
    return cell(text if attempt.is_success else f"not {text}")


def replay_line(count: ReplayCount, *, dry_run: bool) -> Text:
    requeued = "that would be made due" if dry_run else "made due"
    parts = [f"events that match: {count.matched}", f"deliveries {requeued}: {count.requeued}"]
    if count.oldest_seq is not None:
        parts.append(f"the oldest stored event is {count.oldest_seq}")
    if count.requeued and not dry_run:
        parts.append("a running worker sends them")
    return cell("; ".join(parts))
