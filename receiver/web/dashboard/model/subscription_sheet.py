"""Subscriptions and hosts of `notify` as their pages show them: health in words, filters, the age of a secret. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from receiver.runtime.durations import format_duration
from receiver.web.dashboard.model.times import age, clock
from receiver.webhooks.model.delivery import COUNTED_MOST, RECENT_MOST, Delivery, Figures
from receiver.webhooks.model.endpoint_health import BreakerState, EndpointState, breaker_state, is_troubled
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus

_WORDS = {
    BreakerState.CLOSED: ("closed", "good"),
    BreakerState.OPEN: ("open", "bad"),
    BreakerState.HALF_OPEN: ("half open", "warn"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What limits an endpoint now."""

    word: str
    kind: str
    #: Nothing is sent before; None where it is not paused.
    until_ms: int | None
    #: Why it is open, paused or slowed, a sentence each.
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """One subscription."""

    own: Subscription
    figures: Figures
    breaker: Breaker
    is_disabled: bool
    #: It is disabled, or its endpoint fails, is paused or slowed: there is something to resume.
    is_troubled: bool
    filters: tuple[str, ...]
    #: What the newest failed delivery was answered; empty where none has failed.
    last_error: str


def subscription_row(status: SubscriptionStatus, figures: Figures, now_ms: int) -> SubscriptionRow:
    own, endpoint = status.subscription, status.endpoint or EndpointState(id=status.subscription.id)
    is_disabled = own.state is SubscriptionState.DISABLED
    return SubscriptionRow(
        own=own,
        figures=figures,
        breaker=breaker_of(endpoint, now_ms),
        is_disabled=is_disabled,
        is_troubled=is_disabled or is_troubled(endpoint, now_ms),
        filters=tuple(_filters(own)),
        last_error="" if figures.failed is None else error_words(figures.failed),
    )


def breaker_of(endpoint: EndpointState, now_ms: int) -> Breaker:
    state = breaker_state(endpoint, now_ms)
    word, kind = _WORDS[state]
    paused = endpoint.paused_until_ms is not None and endpoint.paused_until_ms > now_ms
    return Breaker(
        word=word,
        kind=kind,
        until_ms=endpoint.paused_until_ms if paused else None,
        reasons=tuple(_reasons(endpoint, state, now_ms)),
    )


def _reasons(endpoint: EndpointState, state: BreakerState, now_ms: int) -> Iterator[str]:
    if endpoint.failures:
        since = endpoint.failing_since_ms
        began = "" if since is None else f" since {clock(since, now_ms)} ({age(since, now_ms)})"
        yield f"{endpoint.failures} failure{'' if endpoint.failures == 1 else 's'} in a row{began}"
    if state is BreakerState.HALF_OPEN:
        yield "one delivery at a time probes whether it answers again"
    if endpoint.throttled_rate_per_s is not None:
        yield f"slowed to {rate_words(endpoint.throttled_rate_per_s)} because it answered 429 or 503"


def rate_words(per_s: float) -> str:
    """`4 a second`, or `1 in 20 s` for less than one."""
    if per_s >= 1:
        return f"{per_s:g} a second"
    every_s = 1 / per_s
    return f"1 in {every_s:.3g} s" if every_s < 100 else f"1 in {format_duration(round(every_s * 1000))}"


def error_words(delivery: Delivery) -> str:
    """What the last attempt of a delivery came to."""
    status = delivery.last_status
    if status is None:
        return delivery.last_error or "no answer"
    said = delivery.last_error or f"answered {status}"
    phrase = next((each.phrase for each in HTTPStatus if each.value == status), "")
    return f"{said} ({phrase})" if phrase and said == f"answered {status}" else said


def _filters(own: Subscription) -> Iterator[str]:
    wanted = own.filter
    yield ", ".join(sorted(wanted.types)) or "every event about a task"
    if wanted.providers:
        yield f"provider {' or '.join(sorted(wanted.providers))}"
    if wanted.models:
        yield f"model {' or '.join(sorted(wanted.models))}"
    for name, value in wanted.labels.items():
        yield f"label {name}={value}"


def limits_of(own: Subscription) -> str:
    """Its own limits in words."""
    words = []
    if own.rate_per_s is not None:
        words.append(rate_words(own.rate_per_s))
    if own.granted_per_s is not None:
        words.append(f"{rate_words(own.granted_per_s)}, as its endpoint granted")
    if own.max_in_flight is not None:
        words.append(f"{own.max_in_flight} at once")
    return "; ".join(words) or "none of its own"


def success_words(figures: Figures) -> tuple[str, str]:
    """The share of the newest deliveries that were delivered, never rounded up to all, and what it was counted over."""
    if not figures.made:
        return "none", "in 24 h"
    share = "100%" if figures.delivered == figures.made else f"{100 * figures.delivered // figures.made}%"
    newest = "the newest " if figures.made >= RECENT_MOST else ""
    return share, f"{figures.delivered:,} of {newest}{figures.made:,}"


def is_counted_up(number: int) -> bool:
    """Whether a count ended at its limit, so that there may be more."""
    return number >= COUNTED_MOST


def secret_words(own: Subscription, since_ms: int | None, now_ms: int) -> str:
    """How old the secret is. `since_ms` None: it is not known when it was rotated, so the last change bounds it."""
    if since_ms is not None:
        made = ", when the subscription was made" if since_ms == own.created_ms else ""
        return f"in use since {clock(since_ms, now_ms)} ({age(since_ms, now_ms)}){made}"
    return f"in use since {clock(own.changed_ms, now_ms)} ({age(own.changed_ms, now_ms)}) or longer"


def overlap_of(own: Subscription, now_ms: int) -> int | None:
    """Until when the secret before the current one signs as well; None where it does not."""
    until_ms = own.previous_until_ms
    return until_ms if own.previous_secret is not None and until_ms is not None and until_ms > now_ms else None
