"""How many deliveries an endpoint is sent, given how it answers."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.webhooks.model import endpoint_health
from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.endpoint_health import BreakerState, EndpointState
from receiver.webhooks.model.retry import JITTER, RETRY_AFTER_CAP_S
from tests.support.builders import T0

MINUTE_MS, DAY_MS = 60_000, 86_400_000


def an_endpoint(**changes: Any) -> EndpointState:
    return EndpointState(**({"id": "sub_1"} | changes))


def _attempt(started_ms: int, ended_ms: int, status: int | None) -> Attempt:
    return Attempt(at_ms=started_ms, latency_ms=ended_ms - started_ms, status=status, error=None)


def after(
    endpoint: EndpointState, *statuses: int | None, at_ms: int = T0, retry_after_s: float | None = None
) -> EndpointState:
    """The endpoint after attempts that each started and ended at `at_ms`, recorded one by one."""
    for status in statuses:
        attempt = replace(_attempt(at_ms, at_ms, status), retry_after_s=retry_after_s)
        endpoint = endpoint_health.after_attempts(endpoint, [attempt], at_ms)
    return endpoint


def free(endpoint: EndpointState, now_ms: int = T0, busy: int = 0, cap: int = 8) -> int:
    return endpoint_health.available_slots(endpoint, busy=busy, now_ms=now_ms, cap=cap)


def test_an_endpoint_has_its_cap_less_what_is_in_flight() -> None:
    assert [free(an_endpoint(), busy=busy) for busy in (0, 5, 8, 9)] == [8, 3, 0, 0]
    assert free(an_endpoint(max_in_flight=2), busy=1) == 1


def test_five_failures_in_a_row_open_the_breaker_for_half_a_minute() -> None:
    four = after(an_endpoint(), 500, None, 404, 302)
    assert (endpoint_health.breaker_state(four, T0), free(four)) == (BreakerState.CLOSED, 8)
    five = after(four, 500)
    assert (endpoint_health.breaker_state(five, T0), free(five)) == (BreakerState.OPEN, 0)
    assert 30_000 <= (five.paused_until_ms or 0) - T0 <= 30_000 * (1 + JITTER)


def test_after_the_pause_one_delivery_at_a_time_probes_the_endpoint() -> None:
    opened = after(an_endpoint(), *[500] * 5)
    later_ms = opened.paused_until_ms or 0
    assert endpoint_health.breaker_state(opened, later_ms) is BreakerState.HALF_OPEN
    assert [free(opened, later_ms, busy) for busy in (0, 1)] == [1, 0]


def test_each_failed_probe_doubles_the_pause_up_to_five_minutes() -> None:
    endpoint, now_ms, pauses = after(an_endpoint(), *[500] * 5), T0, []
    for _ in range(6):
        pauses.append(((endpoint.paused_until_ms or 0) - now_ms) / 1000)
        now_ms = endpoint.paused_until_ms or 0
        endpoint = after(endpoint, 500, at_ms=now_ms)
    for pause_s, least_s in zip(pauses, (30, 60, 120, 240, 300, 300), strict=True):
        assert least_s <= pause_s <= least_s * (1 + JITTER)


def test_attempts_that_were_in_flight_when_the_breaker_opened_do_not_count() -> None:
    together = [_attempt(T0, T0 + n, None) for n in range(8)]
    endpoint = endpoint_health.after_attempts(an_endpoint(), together, T0 + 8)
    assert (endpoint.failures, endpoint.failing_since_ms) == (5, T0)
    assert endpoint == endpoint_health.after_attempts(an_endpoint(), together[:5], T0 + 8)


def test_one_success_closes_the_breaker() -> None:
    endpoint = after(an_endpoint(), *[500] * 9, 204)
    assert (endpoint.failures, endpoint.failing_since_ms, endpoint.paused_until_ms) == (0, None, None)


def test_endpoints_that_fail_together_are_not_probed_together() -> None:
    pauses = {after(an_endpoint(id=f"sub_{n}"), *[500] * 5).paused_until_ms for n in range(20)}
    assert len(pauses) > 15


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_asks_to_wait_is_throttled_and_opens_no_breaker(status: int) -> None:
    endpoint = after(an_endpoint(), status)
    assert (endpoint.throttled_rate_per_s, endpoint.failures, endpoint.failing_since_ms) == (4.0, 0, T0)
    assert (endpoint.paused_until_ms, free(endpoint, T0 + 249), free(endpoint, T0 + 250)) == (T0 + 250, 0, 1)


def test_each_further_request_to_wait_halves_the_rate_down_to_one_a_minute() -> None:
    endpoint, now_ms, rates = an_endpoint(), T0, []
    for _ in range(12):
        endpoint = after(endpoint, 429, at_ms=now_ms)
        rates.append(endpoint.throttled_rate_per_s or 0)
        now_ms = endpoint.paused_until_ms or 0
        endpoint = endpoint_health.after_lease(endpoint, 1, now_ms)
    assert rates[:4] == [4.0, 2.0, 1.0, 0.5]
    assert rates[-1] == pytest.approx(1 / 60)
    assert free(endpoint, now_ms + 59_000) == 0
    assert free(endpoint, now_ms + 60_001) == 1


def test_a_subscription_with_a_limit_is_throttled_to_half_of_it() -> None:
    assert after(an_endpoint(limit_per_s=1.0), 429).throttled_rate_per_s == 0.5


def test_answers_to_attempts_from_before_the_throttling_throttle_no_further() -> None:
    together = [_attempt(T0 - 10, T0, 429) for _ in range(8)]
    assert endpoint_health.after_attempts(an_endpoint(), together, T0).throttled_rate_per_s == 4.0


def test_retry_after_pauses_the_endpoint_as_long_as_asked_and_no_longer_than_the_cap() -> None:
    assert after(an_endpoint(), 503, retry_after_s=90.0).paused_until_ms == T0 + 90_000
    assert after(an_endpoint(), 429, retry_after_s=1e9).paused_until_ms == T0 + RETRY_AFTER_CAP_S * 1000
    assert after(an_endpoint(), 500, retry_after_s=90.0).paused_until_ms is None


def test_a_success_does_not_end_the_pause_that_another_answer_asked_for() -> None:
    asked = after(an_endpoint(), 429, retry_after_s=90.0)
    assert after(asked, 200).paused_until_ms == T0 + 90_000


def test_successes_raise_the_rate_by_about_a_quarter_a_second_until_it_is_unlimited() -> None:
    endpoint, seconds = after(an_endpoint(), 429), 0
    while endpoint.throttled_rate_per_s is not None:
        before = endpoint.throttled_rate_per_s
        endpoint = after(endpoint, *[200] * round(before))
        assert endpoint.throttled_rate_per_s is None or 1.2 < endpoint.throttled_rate_per_s / before < 1.3
        seconds += 1
    assert 10 <= seconds <= 14
    assert free(endpoint, T0 + MINUTE_MS) == 8


def test_a_success_at_most_doubles_the_slowest_rate() -> None:
    assert after(an_endpoint(throttled_rate_per_s=1 / 60), 200).throttled_rate_per_s == pytest.approx(1 / 30)


def test_attempts_recorded_one_by_one_or_together_have_the_same_effect() -> None:
    endpoint = after(an_endpoint(), 429)
    together = [_attempt(T0, T0, 200) for _ in range(8)]
    assert endpoint_health.after_attempts(endpoint, together, T0) == after(endpoint, *[200] * 8)


def test_a_limit_is_a_bucket_of_a_second_and_an_empty_one_pauses_until_it_holds_a_token() -> None:
    endpoint = an_endpoint(limit_per_s=4.0)
    assert free(endpoint) == 4
    spent = endpoint_health.after_lease(endpoint, 4, T0)
    assert (spent.last_leased_ms, spent.paused_until_ms) == (T0, T0 + 251)
    assert [free(spent, T0 + ms) for ms in (0, 250, 251, 500, 10_000)] == [0, 0, 1, 2, 4]


def test_less_than_one_a_second_still_lets_one_through() -> None:
    spent = endpoint_health.after_lease(an_endpoint(limit_per_s=0.1), 1, T0)
    assert [free(spent, T0 + ms) for ms in (5_000, 10_001, 3_600_000)] == [0, 1, 1]


def test_the_lower_of_limit_and_throttled_rate_counts() -> None:
    assert free(an_endpoint(limit_per_s=3.0, throttled_rate_per_s=50.0)) == 3
    assert free(an_endpoint(limit_per_s=50.0, throttled_rate_per_s=2.0)) == 2


@given(
    rate=st.floats(0.01, 100),
    steps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 8)), min_size=1, max_size=60),
)
def test_no_endpoint_is_ever_sent_more_than_its_rate(rate: float, steps: list[tuple[int, int]]) -> None:
    endpoint, now_ms, sent = an_endpoint(limit_per_s=rate), T0, 0
    for wait_ms, wanted in steps:
        now_ms += wait_ms
        count = min(wanted, free(endpoint, now_ms))
        if count:
            endpoint = endpoint_health.after_lease(endpoint, count, now_ms)
            sent += count
    assert sent <= max(1.0, rate) + rate * (now_ms - T0) / 1000 + 1e-6


def test_slots_are_shared_in_rounds_and_none_gets_more_than_a_quarter() -> None:
    assert endpoint_health.share_slots([("a", 8), ("b", 8), ("c", 1)], 12) == {"a": 3, "b": 3, "c": 1}
    assert endpoint_health.share_slots([("a", 8), ("b", 0), ("c", 8)], 2) == {"a": 1, "c": 1}
    assert endpoint_health.share_slots([("a", 8)], 1) == {"a": 1}
    assert endpoint_health.share_slots([], 5) == {}


def test_a_slot_takes_its_share_of_an_endpoint_that_has_no_failures_and_no_limits() -> None:
    assert [endpoint_health.per_slot(an_endpoint(), share) for share in (0, 1, 5, 1000)] == [1, 1, 5, 32]
    limits: list[dict[str, Any]] = [{"failures": 1}, {"limit_per_s": 9.0}, {"throttled_rate_per_s": 9.0}]
    for each in [*limits, {"max_in_flight": 8}]:
        assert endpoint_health.per_slot(an_endpoint(**each), 5) == 1


@given(wanted=st.lists(st.integers(0, 9), max_size=30), limit=st.integers(1, 80))
def test_sharing_never_gives_more_than_there_is_or_than_was_wanted(wanted: list[int], limit: int) -> None:
    most = [(f"l{n}", count) for n, count in enumerate(wanted)]
    shared = endpoint_health.share_slots(most, limit)
    assert sum(shared.values()) <= limit
    assert all(0 < shared[name] <= dict(most)[name] for name in shared)
    for (one, asked), (other, _) in itertools.permutations(most, 2):
        if shared.get(one, 0) < min(asked, max(1, limit // endpoint_health.SHARE)):
            assert shared.get(other, 0) <= shared.get(one, 0) + 1


@pytest.mark.parametrize("statuses", [(500,), (429,), (None, 503)])
def test_an_endpoint_should_be_disabled_after_five_days_of_nothing_but_failures(
    statuses: tuple[int | None, ...],
) -> None:
    endpoint = after(an_endpoint(), *statuses)
    endpoint = after(endpoint, 500, at_ms=T0 + 4 * DAY_MS)
    assert not endpoint_health.should_disable(endpoint, T0 + 5 * DAY_MS - 1, 5 * DAY_MS)
    assert endpoint_health.should_disable(endpoint, T0 + 5 * DAY_MS, 5 * DAY_MS)
    assert not endpoint_health.should_disable(after(endpoint, 200), T0 + 9 * DAY_MS, 5 * DAY_MS)


def test_a_node_whose_clock_is_behind_does_not_fill_a_bucket_again() -> None:
    empty = an_endpoint(limit_per_s=4.0, tokens=0.0, refilled_ms=T0)
    assert free(endpoint_health.after_lease(empty, 0, T0 - 2_000), T0) == 0
    assert free(endpoint_health.after_lease(empty, 0, T0 - 2_000), T0 + 500) == 2
