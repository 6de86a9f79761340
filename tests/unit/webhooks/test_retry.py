"""When a delivery is tried again and when it is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.webhooks.model.delivery import Attempt, DeliveryState
from receiver.webhooks.model.retry import after_attempt, read_retry_after
from tests.support.builders import T0

BACKOFF_S = (5.0, 30.0, 120.0)
HALF_DAY_S = 43_200.0


def _after(
    status: int | None, before: int = 0, *, retry_after_s: float | None = None, random: float = 0.0
) -> tuple[DeliveryState, int | None]:
    attempt = Attempt(at_ms=T0, latency_ms=100, status=status, error=None, retry_after_s=retry_after_s)
    return after_attempt(before, attempt, backoff_s=BACKOFF_S, random=lambda: random)


def _pending(delay_s: float) -> tuple[DeliveryState, int]:
    return DeliveryState.PENDING, T0 + 100 + round(delay_s * 1000)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
@pytest.mark.parametrize("before", [0, 3, 99])
def test_any_2xx_is_delivered_however_late(status: int, before: int) -> None:
    assert _after(status, before) == (DeliveryState.DELIVERED, None)


@pytest.mark.parametrize("status", [None, 301, 400, 401, 404, 408, 429, 500, 503])
def test_every_other_outcome_waits_its_step_and_is_a_dead_letter_after_the_last(status: int | None) -> None:
    assert [_after(status, before) for before in range(3)] == [_pending(5), _pending(30), _pending(120)]
    assert _after(status, 3) == (DeliveryState.DEAD, None)


def test_an_endpoint_that_is_gone_is_a_dead_letter_at_once() -> None:
    assert _after(410, retry_after_s=5) == (DeliveryState.DEAD, None)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_up_to_its_cap(status: int) -> None:
    assert _after(status, retry_after_s=60) == _pending(60)
    assert _after(status, retry_after_s=10**9) == _pending(HALF_DAY_S)


def test_retry_after_never_shortens_a_step() -> None:
    assert _after(503, 2, retry_after_s=0) == _pending(120)


def test_retry_after_does_not_count_with_other_statuses() -> None:
    assert _after(500, retry_after_s=3_600) == _pending(5)


@given(st.floats(0, 1, exclude_max=True), st.sampled_from([None, 60.0]))
def test_jitter_only_adds_and_at_most_a_fifth(random: float, retry_after_s: float | None) -> None:
    _, due_ms = _after(503, retry_after_s=retry_after_s, random=random)
    _, earliest_ms = _after(503, retry_after_s=retry_after_s)
    assert due_ms is not None
    assert earliest_ms is not None
    assert 0 <= due_ms - earliest_ms <= (earliest_ms - T0 - 100) * 0.2


def test_without_steps_the_first_failure_is_the_last() -> None:
    attempt = Attempt(at_ms=T0, latency_ms=1, status=500, error=None)
    assert after_attempt(0, attempt, backoff_s=(), random=lambda: 0) == (DeliveryState.DEAD, None)


def test_an_attempt_that_would_always_fail_is_a_dead_letter_at_once() -> None:
    attempt = Attempt(at_ms=T0, latency_ms=1, status=None, error="the webhook can not be signed", is_permanent=True)
    assert after_attempt(0, attempt, backoff_s=BACKOFF_S, random=lambda: 0) == (DeliveryState.DEAD, None)


NOW_MS = 1_445_412_480_000  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30.0),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999999999", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(text: str | None, expected_s: float | None) -> None:
    assert read_retry_after(text, now_ms=NOW_MS) == expected_s


def test_a_wait_without_end_is_a_long_wait() -> None:
    assert (read_retry_after("9" * 5_000, now_ms=NOW_MS) or 0) > HALF_DAY_S


@given(st.text())
def test_reading_any_text_does_not_raise(text: str) -> None:
    seconds = read_retry_after(text, now_ms=NOW_MS)
    assert seconds is None or seconds >= 0
