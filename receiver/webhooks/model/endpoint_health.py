"""How much an endpoint is sent, by how it has been answering: breaker, slow-down, token bucket and giving up. Pure."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from receiver.webhooks.model.retry import ASKS_TO_WAIT, JITTER, RETRY_AFTER_CAP_S
from submitter.providers.schedule import refilled_until

FAILURES_TO_OPEN = 5  # in a row

OPEN_S, OPEN_MOST_S = 30.0, 300.0  # the first pause of an open breaker, and what doubling it ends at

#: 429 and 503 halve a lane's rate, beginning with this one. Each good answer adds a little, which at the full rate is a
#: quarter of it every second, until nobody would notice.
SLOW_FROM_PER_S = 8.0

SLOW_LEAST_PER_S = 1 / 60

EASE_PER_S = 0.25  # and never more than doubles it

EASED_PER_S = 64.0

#: No lane takes more than one in this many of the places that are free: several that hang leave some for the others.
SHARE = 4


class BreakerState(StrEnum):
    """`open`: nothing is sent for a while. `half_open`: one delivery at a time tries whether it answers again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """What came of one attempt. `status` None: no answer. `retry_after_s` counts only with 429 and 503."""

    began_ms: int
    ended_ms: int
    status: int | None
    retry_after_s: float | None = None

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What is owed to one endpoint, and how the endpoint has been behaving.

    `id` is a subscription's id, or for tasks' own `notify` the host of their addresses. `next_due_ms` None: nothing is
    owed. `paused_until_ms`: nothing is leased before. `failures` in a row since the last good answer;
    `failing_since_ms` is the first one's time. `slow_per_s` is what 429 and 503 have slowed it to. `limit_per_s` and
    `max_in_flight` are its subscription's.
    """

    id: str
    next_due_ms: int | None = None
    last_leased_ms: int = 0
    paused_until_ms: int | None = None
    failures: int = 0
    failing_since_ms: int | None = None
    slow_per_s: float | None = None
    tokens: float = 0.0
    refilled_ms: int = 0
    limit_per_s: float | None = None
    max_in_flight: int | None = None


def breaker_state(lane: EndpointState, now_ms: int) -> BreakerState:
    if lane.failures < FAILURES_TO_OPEN:
        return BreakerState.CLOSED
    return BreakerState.OPEN if _is_paused(lane, now_ms) else BreakerState.HALF_OPEN


def places(lane: EndpointState, *, busy: int, now_ms: int, cap: int) -> int:
    """How many deliveries of the lane may be leased now. `busy` are leased already; `cap` where it has no own one."""
    if _is_paused(lane, now_ms):
        return 0
    is_probing = breaker_state(lane, now_ms) is BreakerState.HALF_OPEN
    most = 1 if is_probing else lane.max_in_flight or cap
    free = max(0, most - busy)
    rate = _rate(lane)
    return free if rate is None else min(free, int(_tokens(lane, rate, now_ms)))


def share_slots(wanted: Sequence[tuple[str, int]], limit: int) -> dict[str, int]:
    """Deal `limit` places to lanes in their order, one each a round; `wanted` names each lane's most."""
    fair = max(1, limit // SHARE)
    left = {lane: min(most, fair) for lane, most in wanted if most > 0}
    dealt = dict.fromkeys(left, 0)
    while left and limit > 0:
        for lane in list(left)[:limit]:
            dealt[lane] += 1
            left[lane] -= 1
            limit -= 1
        left = {lane: most for lane, most in left.items() if most > 0}
    return {lane: count for lane, count in dealt.items() if count > 0}


def served(lane: EndpointState, count: int, now_ms: int) -> EndpointState:
    """After `count` leases. One whose tokens are spent rests until there is a whole one."""
    rate = _rate(lane)
    if rate is None:
        return replace(lane, last_leased_ms=now_ms)
    tokens = max(0.0, _tokens(lane, rate, now_ms) - count)
    debited = replace(lane, last_leased_ms=now_ms, tokens=tokens, refilled_ms=refilled_until(lane.refilled_ms, now_ms))
    if tokens >= 1 or lane.failures >= FAILURES_TO_OPEN:  # a probe that is under way bars the lane by itself
        return debited
    return replace(debited, paused_until_ms=now_ms + round((1 - tokens) / rate * 1000) + 1)


def after_attempts(lane: EndpointState, news: Iterable[AttemptOutcome], now_ms: int) -> EndpointState:
    """The lane after what was heard of it since it was last looked at, in the order of the answers."""
    for each in sorted(news, key=lambda each: each.ended_ms):
        lane = _after_good(lane) if each.is_good else _after_bad(lane, each, now_ms)
    return lane


def should_disable(lane: EndpointState, now_ms: int, give_up_ms: int) -> bool:
    """Whether it has done nothing but fail for too long."""
    return lane.failing_since_ms is not None and now_ms - lane.failing_since_ms >= give_up_ms


def _after_good(lane: EndpointState) -> EndpointState:
    """Ends a breaker's pause, but not the one that the endpoint asked for or that its rate makes."""
    paused_until_ms = None if lane.failures >= FAILURES_TO_OPEN else lane.paused_until_ms
    return replace(
        lane, failures=0, failing_since_ms=None, paused_until_ms=paused_until_ms, slow_per_s=_eased(lane.slow_per_s)
    )


def _after_bad(lane: EndpointState, news: AttemptOutcome, now_ms: int) -> EndpointState:
    since_ms = lane.failing_since_ms if lane.failing_since_ms is not None else news.ended_ms
    lane = replace(lane, failing_since_ms=since_ms)
    return _slowed(lane, news, now_ms) if news.status in ASKS_TO_WAIT else _failed(lane, now_ms)


def _failed(lane: EndpointState, now_ms: int) -> EndpointState:
    """What was under way when the breaker opened says nothing new."""
    if breaker_state(lane, now_ms) is BreakerState.OPEN:
        return lane
    failures = lane.failures + 1
    if failures < FAILURES_TO_OPEN:
        return replace(lane, failures=failures)
    pause_s = min(OPEN_MOST_S, OPEN_S * 2 ** min(failures - FAILURES_TO_OPEN, 16))
    pause_s *= 1 + JITTER * _spread(lane.id, failures)
    return replace(lane, failures=failures, paused_until_ms=_later(lane, now_ms + round(pause_s * 1000)))


def _slowed(lane: EndpointState, news: AttemptOutcome, now_ms: int) -> EndpointState:
    """What was sent before the lane was last slowed is no news about its rate; how long to wait always is."""
    is_new = lane.slow_per_s is None or news.began_ms >= lane.refilled_ms
    rate = _rate(lane) or SLOW_FROM_PER_S
    slow_per_s = max(SLOW_LEAST_PER_S, min(rate, SLOW_FROM_PER_S) / 2) if is_new else lane.slow_per_s or rate
    asked_s = min(news.retry_after_s or 0.0, RETRY_AFTER_CAP_S)
    pause_ms = round(max(asked_s, 1 / slow_per_s if is_new else 0.0) * 1000)
    slowed = replace(lane, slow_per_s=slow_per_s, paused_until_ms=_later(lane, now_ms + pause_ms))
    return replace(slowed, tokens=0.0, refilled_ms=now_ms) if is_new else slowed


def _eased(slow_per_s: float | None) -> float | None:
    if slow_per_s is None:
        return None
    eased = slow_per_s + min(slow_per_s, EASE_PER_S)
    return None if eased >= EASED_PER_S else eased


def _rate(lane: EndpointState) -> float | None:
    limits = [limit for limit in (lane.slow_per_s, lane.limit_per_s) if limit is not None]
    return min(limits) if limits else None


def _tokens(lane: EndpointState, rate: float, now_ms: int) -> float:
    """A second's worth at most, and never less than one. A clock set back takes nothing away."""
    passed_s = max(0, now_ms - lane.refilled_ms) / 1000
    return min(max(1.0, rate), lane.tokens + passed_s * rate)


def _is_paused(lane: EndpointState, now_ms: int) -> bool:
    return lane.paused_until_ms is not None and lane.paused_until_ms > now_ms


def _later(lane: EndpointState, until_ms: int) -> int:
    return max(lane.paused_until_ms or 0, until_ms)


def _spread(lane: str, failures: int) -> float:
    """In [0, 1), another for each lane and try, so that many lanes never come back in step."""
    return zlib.crc32(f"{lane}/{failures}".encode()) / 2**32
