"""Tables and sheets of subscriptions, and of what was done to them."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from receiver.cli.display.listing import Listing, Styled, cell, format_labels, sheet, state_cell, table
from receiver.cli.display.times import clock_and_age, moment, read_ms, when
from receiver.runtime.durations import format_duration
from submitter.api_webhooks import (
    Backlog,
    Breaker,
    ProbeResult,
    ReplayResult,
    ResumedSubscription,
    Subscription,
    SubscriptionWithBacklog,
)

_BREAKER_STYLES: Mapping[str, str] = {"closed": "green", "open": "bold red", "half_open": "yellow"}


def subscriptions_table(found: Sequence[Subscription], now_ms: int) -> Listing:
    rows = [
        (
            each.id,
            state_cell(each.state),
            breaker_cell(each.breaker),
            format_problem(each, now_ms),
            each.url,
            format_filter(each),
            each.description,
            clock_and_age(each.created_at, now_ms),
        )
        for each in found
    ]
    names = ("subscription", "state", "breaker", "problem", "endpoint", "filter", "description", "created")
    return table(*names, rows=rows)


def breaker_cell(breaker: Breaker) -> Styled:
    return Styled(breaker.state.replace("_", " "), _BREAKER_STYLES[breaker.state])


def format_problem(own: Subscription, now_ms: int) -> str:
    """Why nothing, or little, is sent; empty when nothing is wrong."""
    if own.disabled is not None:
        return f"disabled {when(own.disabled.at, now_ms)}: {own.disabled.reason or 'no reason'}"
    return ", ".join(breaker_problems(own.breaker, now_ms))


def breaker_problems(breaker: Breaker, now_ms: int) -> Iterator[str]:
    if breaker.failures and breaker.failing_since is not None:
        yield f"failures in a row: {breaker.failures}, the first {when(breaker.failing_since, now_ms)}"
    if breaker.slow_per_s is not None:
        yield f"slowed to {breaker.slow_per_s:g}/s"
    if breaker.paused_until is not None:
        yield f"paused for {format_duration(read_ms(breaker.paused_until) - now_ms)}"


def _types(own: Subscription) -> str:
    return ", ".join(own.types) or "every event about a task"


def format_filter(own: Subscription) -> str:
    parts = [
        _types(own),
        _any_of("provider", own.providers),
        _any_of("model", own.models),
        f"with {format_labels(own.labels)}" if own.labels else "",
    ]
    return "; ".join(part for part in parts if part)


def _any_of(name: str, values: Sequence[str]) -> str:
    return f"{name} {' or '.join(values)}" if values else ""


def subscription_sheet(own: Subscription, now_ms: int) -> Table:
    """All of one subscription except its secrets."""
    backlog = _backlog_lines(own.deliveries) if isinstance(own, SubscriptionWithBacklog) else []
    return sheet([*_own_lines(own, now_ms), *_breaker_lines(own.breaker, now_ms), *backlog])


def _own_lines(own: Subscription, now_ms: int) -> list[tuple[str, object]]:
    return [
        ("subscription", own.id),
        ("state", state_cell(own.state)),
        ("disabled", None if own.disabled is None else moment(own.disabled.at, now_ms)),
        ("reason", None if own.disabled is None else own.disabled.reason),
        ("sends to", own.url),
        ("description", own.description),
        ("types", _types(own)),
        ("providers", ", ".join(own.providers)),
        ("models", ", ".join(own.models)),
        ("labels", format_labels(own.labels)),
        ("signatures", "v1 (HMAC) and v1a (ed25519)" if own.asymmetric else "v1 (HMAC)"),
        ("public key", own.public_key),
        ("old secret ends", moment(own.previous_secret_until, now_ms)),
        ("CloudEvents", "attributes in headers" if own.cloudevents else None),
        ("handshake", "done" if own.handshake else None),
        ("limit", _rate(own.rate_per_s)),
        ("granted", None if own.granted_per_s is None else f"{_rate(own.granted_per_s)}, by the handshake"),
        ("at once", None if own.max_in_flight is None else f"{own.max_in_flight} at most"),
        ("created", moment(own.created_at, now_ms)),
        ("changed", moment(own.changed_at, now_ms)),
    ]


def _rate(per_s: float | None) -> str | None:
    return None if per_s is None else f"{per_s:g} a second"


def _breaker_lines(breaker: Breaker, now_ms: int) -> list[tuple[str, object]]:
    return [
        ("breaker", breaker_cell(breaker)),
        ("failures in a row", breaker.failures or None),
        ("failing since", moment(breaker.failing_since, now_ms)),
        ("paused until", moment(breaker.paused_until, now_ms)),
        ("slowed to", _rate(breaker.slow_per_s)),
    ]


def _backlog_lines(backlog: Backlog) -> list[tuple[str, object]]:
    failed = backlog.last_failed
    answer = None if failed is None else failed.error or f"answered {failed.status}"
    return [
        ("pending", backlog.pending or None),
        ("dead letters", backlog.dead or None),
        ("last failed", None if failed is None else f"{failed.id}: {answer}"),
    ]


def probe_line(result: ProbeResult) -> str:
    answer = result.error or f"answered {result.status}"
    text = f"delivered: {answer} in {result.latency_ms} ms"
    return cell(text if result.delivered else f"not {text}").plain


def resumed_lines(*, was_failing: bool, made_due: int, redelivered: int = 0, has_more: bool = False) -> list[str]:
    """What a resume of an endpoint did, a line each; none where it did nothing."""
    lines = ["its breaker is closed; its failures and its pause are over"] if was_failing else []
    if made_due:
        lines.append(f"pending deliveries that are due now: {made_due}")
    if redelivered:
        lines.append(f"dead letters that are due again: {redelivered}")
    if has_more:
        lines.append("there are more; run the command again")
    return lines


def resumed_subscription_lines(resumed: ResumedSubscription) -> list[str]:
    lines = [f"{resumed.id} is enabled"] if resumed.was_disabled else []
    lines += resumed_lines(was_failing=resumed.was_failing, made_due=resumed.made_due, has_more=resumed.has_more)
    return lines or [f"{resumed.id} has no trouble; nothing was changed"]


def replay_line(result: ReplayResult) -> Text:
    requeued = "that would be made due" if result.dry_run else "made due"
    parts = [f"events that match: {result.matched}", f"deliveries {requeued}: {result.made_due}"]
    if result.oldest_seq is not None:
        parts.append(f"the oldest stored event is {result.oldest_seq}")
    if result.made_due and not result.dry_run:
        parts.append("a running worker sends them")
    return cell("; ".join(parts))
