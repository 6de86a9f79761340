"""How many deliveries an endpoint is sent, given how it answers. Pure.

Four things limit an endpoint: its circuit breaker (failures in a row), its throttled rate (answers 429 and 503), its
own rate limit (a token bucket) and its number of requests in flight. All of them belong to the endpoint, so one that
fails delays no other.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.retry import JITTER, RETRY_AFTER_CAP_S, THROTTLED
from submitter.providers.schedule import refilled_until

FAILURES_TO_OPEN = 5  # in a row

OPEN_S, OPEN_MAX_S = 30.0, 300.0  # the first pause of an open breaker; each failed probe doubles it up to the second

#: Each 429 or 503 halves the rate, starting from this one. Each success adds `RECOVERY_PER_S`, which at the full rate
#: is a quarter of it every second. From `RECOVERED_PER_S` on there is no throttling any more.
THROTTLE_START_PER_S = 8.0

THROTTLE_MIN_PER_S = 1 / 60

LOWEST_LIMIT_PAUSE_S = 1000.0  # between two deliveries at the lowest rate that a subscription may have

RECOVERY_PER_S = 0.25  # but a success never more than doubles the rate

RECOVERED_PER_S = 64.0

#: An endpoint gets at most one in this many of the free slots, so that others get some while several endpoints hang.
SHARE = 4

MOST_PER_SLOT = 32  # deliveries that one slot posts one after the other

QUICK_MS = 100  # an endpoint that answers within this time is leased ahead

AHEAD_MS = 1000  # how long what is leased ahead may wait for its post


class BreakerState(StrEnum):
    """`open`: nothing is sent for a while. `half_open`: one delivery at a time probes whether it answers again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """One endpoint's queue, health and limits."""

    #: The subscription's id; for URLs in tasks' own `notify`, their scheme and host.
    id: str
    #: When a delivery can be leased next; None while nothing is pending.
    next_due_ms: int | None = None
    last_leased_ms: int = 0
    #: Nothing is leased before.
    paused_until_ms: int | None = None
    #: Failures in a row since the last success.
    failures: int = 0
    #: When the first of them ended.
    failing_since_ms: int | None = None
    #: The rate that answers 429 and 503 have reduced it to; None while it is not throttled.
    throttled_rate_per_s: float | None = None
    tokens: float = 0.0
    refilled_ms: int = 0
    #: The subscription's own limits; None without one.
    limit_per_s: float | None = None
    max_in_flight: int | None = None


def breaker_state(endpoint: EndpointState, now_ms: int) -> BreakerState:
    if endpoint.failures < FAILURES_TO_OPEN:
        return BreakerState.CLOSED
    return BreakerState.OPEN if _is_paused(endpoint, now_ms) else BreakerState.HALF_OPEN


def is_troubled(endpoint: EndpointState, now_ms: int) -> bool:
    """Whether its last attempts failed, or it is slowed or paused."""
    return endpoint.failures > 0 or endpoint.throttled_rate_per_s is not None or _is_paused(endpoint, now_ms)


def available_slots(endpoint: EndpointState, *, busy: int, now_ms: int, cap: int) -> int:
    """How many deliveries may be leased now. `busy` are leased already; `cap` counts without `max_in_flight`."""
    if _is_paused(endpoint, now_ms):
        return 0
    is_probing = breaker_state(endpoint, now_ms) is BreakerState.HALF_OPEN
    most = 1 if is_probing else endpoint.max_in_flight or cap
    free = max(0, most - busy)
    rate = _rate(endpoint)
    return free if rate is None else min(free, int(_tokens(endpoint, rate, now_ms)))


def share_slots(wanted: Sequence[tuple[str, int]], limit: int) -> dict[str, int]:
    """Deal `limit` slots to endpoints in their order, one to each per round; `wanted` holds (endpoint, most)."""
    fair = max(1, limit // SHARE)
    left = {endpoint_id: min(most, fair) for endpoint_id, most in wanted if most > 0}
    dealt = dict.fromkeys(left, 0)
    while left and limit > 0:
        for endpoint_id in list(left)[:limit]:
            dealt[endpoint_id] += 1
            left[endpoint_id] -= 1
            limit -= 1
        left = {endpoint_id: most for endpoint_id, most in left.items() if most > 0}
    return {endpoint_id: count for endpoint_id, count in dealt.items() if count > 0}


def per_slot(endpoint: EndpointState, share: int) -> int:
    """How many deliveries are leased for each slot, where its share of all is `share`.

    More than one only if the endpoint has no failures and no limits of its own.
    """
    is_limited = endpoint.failures > 0 or endpoint.max_in_flight is not None or _rate(endpoint) is not None
    return 1 if is_limited else max(1, min(MOST_PER_SLOT, share))


def after_lease(endpoint: EndpointState, count: int, now_ms: int) -> EndpointState:
    """The endpoint after `count` leases. Without a whole token left it is paused until it has one again."""
    rate = _rate(endpoint)
    if rate is None:
        return replace(endpoint, last_leased_ms=now_ms)
    tokens = max(0.0, _tokens(endpoint, rate, now_ms) - count)
    leased = replace(
        endpoint,
        last_leased_ms=now_ms,
        tokens=tokens,
        refilled_ms=refilled_until(endpoint.refilled_ms, now_ms),
    )
    if tokens >= 1 or endpoint.failures >= FAILURES_TO_OPEN:  # a probe in flight blocks the endpoint anyway
        return leased
    return replace(leased, paused_until_ms=now_ms + round((1 - tokens) / rate * 1000) + 1)


def after_attempts(endpoint: EndpointState, attempts: Iterable[Attempt], now_ms: int) -> EndpointState:
    """The endpoint after these attempts, taken in the order in which they ended."""
    for attempt in sorted(attempts, key=lambda each: each.ended_ms):
        endpoint = _after_success(endpoint) if attempt.is_success else _after_failure(endpoint, attempt, now_ms)
    return endpoint


def longest_pause_ms(*, is_throttled: bool) -> int:
    """No pause of an endpoint is longer: its breaker's, its rate's, or what an endpoint that throttles asks for."""
    longest_s = max(OPEN_MAX_S * (1 + JITTER), 1 / THROTTLE_MIN_PER_S, LOWEST_LIMIT_PAUSE_S)
    return round((max(longest_s, RETRY_AFTER_CAP_S) if is_throttled else longest_s) * 1000)


def should_disable(endpoint: EndpointState, now_ms: int, give_up_ms: int) -> bool:
    """Whether it has only failed for `give_up_ms`."""
    return endpoint.failing_since_ms is not None and now_ms - endpoint.failing_since_ms >= give_up_ms


def _after_success(endpoint: EndpointState) -> EndpointState:
    """End a breaker's pause, but not one that the endpoint asked for or that its rate requires."""
    if endpoint.failing_since_ms is None and endpoint.failures == 0 and endpoint.throttled_rate_per_s is None:
        return endpoint
    is_open = endpoint.failures >= FAILURES_TO_OPEN
    return replace(
        endpoint,
        failures=0,
        failing_since_ms=None,
        paused_until_ms=None if is_open else endpoint.paused_until_ms,
        throttled_rate_per_s=_recovered(endpoint.throttled_rate_per_s),
    )


def _after_failure(endpoint: EndpointState, attempt: Attempt, now_ms: int) -> EndpointState:
    if endpoint.failing_since_ms is None:
        endpoint = replace(endpoint, failing_since_ms=attempt.ended_ms)
    if attempt.status in THROTTLED:
        return _throttled(endpoint, attempt, now_ms)
    return _failed(endpoint, now_ms)


def _failed(endpoint: EndpointState, now_ms: int) -> EndpointState:
    if breaker_state(endpoint, now_ms) is BreakerState.OPEN:
        return endpoint  # it was in flight when the breaker opened, so it says nothing new
    failures = endpoint.failures + 1
    if failures < FAILURES_TO_OPEN:
        return replace(endpoint, failures=failures)
    pause_s = min(OPEN_MAX_S, OPEN_S * 2 ** min(failures - FAILURES_TO_OPEN, 16))
    pause_s *= 1 + JITTER * _spread(endpoint.id, failures)
    return _paused(replace(endpoint, failures=failures), now_ms, pause_s)


def _throttled(endpoint: EndpointState, attempt: Attempt, now_ms: int) -> EndpointState:
    """The endpoint answered 429 or 503: wait as long as it asks, and halve its rate."""
    retry_after_s = min(attempt.retry_after_s or 0.0, RETRY_AFTER_CAP_S)
    if endpoint.throttled_rate_per_s is not None and attempt.at_ms < endpoint.refilled_ms:
        # Sent before the tokens of the halved rate were last counted, so it says nothing about the new rate.
        return _paused(endpoint, now_ms, retry_after_s)
    rate = max(THROTTLE_MIN_PER_S, min(_rate(endpoint) or THROTTLE_START_PER_S, THROTTLE_START_PER_S) / 2)
    slowed = replace(endpoint, throttled_rate_per_s=rate, tokens=0.0, refilled_ms=now_ms)
    return _paused(slowed, now_ms, max(retry_after_s, 1 / rate))


def _paused(endpoint: EndpointState, now_ms: int, pause_s: float) -> EndpointState:
    """A pause never ends earlier than the one before."""
    until_ms = max(endpoint.paused_until_ms or 0, now_ms + round(pause_s * 1000))
    return replace(endpoint, paused_until_ms=until_ms)


def _recovered(rate_per_s: float | None) -> float | None:
    """The throttled rate after a success; None once it is as good as unlimited."""
    if rate_per_s is None:
        return None
    faster = rate_per_s + min(rate_per_s, RECOVERY_PER_S)
    return None if faster >= RECOVERED_PER_S else faster


def _rate(endpoint: EndpointState) -> float | None:
    """The lower of both limits."""
    limits = [limit for limit in (endpoint.throttled_rate_per_s, endpoint.limit_per_s) if limit is not None]
    return min(limits) if limits else None


def _tokens(endpoint: EndpointState, rate: float, now_ms: int) -> float:
    """The bucket holds what one second gives, and at least one token. A clock that was set back takes none away."""
    passed_s = max(0, now_ms - endpoint.refilled_ms) / 1000
    return min(max(1.0, rate), endpoint.tokens + passed_s * rate)


def _is_paused(endpoint: EndpointState, now_ms: int) -> bool:
    return endpoint.paused_until_ms is not None and endpoint.paused_until_ms > now_ms


def _spread(endpoint_id: str, failures: int) -> float:
    """A number in [0, 1) that differs by endpoint and failure, so that endpoints do not come back at the same time."""
    return zlib.crc32(f"{endpoint_id}/{failures}".encode()) / 2**32
