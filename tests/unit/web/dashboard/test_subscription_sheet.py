"""The health of a subscription in words."""

from dataclasses import replace

import pytest

from receiver.web.dashboard.model.subscription_sheet import (
    breaker_of,
    error_words,
    limits_of,
    overlap_of,
    rate_words,
    secret_words,
    success_words,
)
from receiver.webhooks.model.delivery import Delivery, DeliveryState, Figures
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.subscription import Subscription
from tests.support.builders import SECRET, T0

HOUR_MS = 3_600_000
OWN = Subscription(id="sub_1", url="https://hooks.example", secret=SECRET, created_ms=T0, changed_ms=T0)
DEAD = Delivery(
    id="dlv_1",
    event_seq=1,
    event_id="evt_1",
    event_type="task.failed",
    task_id=None,
    endpoint="https://hooks.example",
    state=DeliveryState.DEAD,
    attempts=8,
    due_ms=None,
    created_ms=T0,
    finished_ms=T0,
    last_status=None,
    last_error=None,
)


def test_a_healthy_endpoint_has_no_reasons() -> None:
    found = breaker_of(EndpointState(id="sub_1"), T0)
    assert (found.word, found.kind, found.until_ms, found.reasons) == ("closed", "good", None, ())


def test_an_open_breaker_says_until_when_and_why() -> None:
    failing = EndpointState(id="sub_1", failures=7, failing_since_ms=T0 - HOUR_MS, paused_until_ms=T0 + 60_000)
    found = breaker_of(failing, T0)
    assert (found.word, found.until_ms) == ("open", T0 + 60_000)
    assert "7 failures in a row" in found.reasons[0]
    assert "1 h ago" in found.reasons[0]
    later = breaker_of(failing, T0 + 60_000)
    assert (later.word, later.until_ms) == ("half open", None)
    assert "probes" in later.reasons[1]


def test_a_throttled_endpoint_is_slowed_and_may_be_paused_while_its_breaker_is_closed() -> None:
    slow = EndpointState(id="sub_1", throttled_rate_per_s=0.25, paused_until_ms=T0 + 4_000)
    found = breaker_of(slow, T0)
    assert (found.word, found.until_ms) == ("closed", T0 + 4_000)
    assert found.reasons == ("slowed to 1 in 4 s because it answered 429 or 503",)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (None, None, "no answer"),
        (None, "ConnectFailed: refused", "ConnectFailed: refused"),
        (500, "answered 500", "answered 500 (Internal Server Error)"),
        (500, None, "answered 500 (Internal Server Error)"),
        (799, "answered 799", "answered 799"),
        (302, "answered 302, a redirect to nowhere, which is not followed", None),
    ],
)
def test_the_last_error_is_said_in_words(status: int | None, error: str | None, words: str | None) -> None:
    assert error_words(replace(DEAD, last_status=status, last_error=error)) == (words or error)


def test_a_share_is_all_only_if_all_were_delivered() -> None:
    assert success_words(Figures()) == ("none", "in 24 h")
    assert success_words(Figures(made=199, delivered=198)) == ("99%", "198 of 199")
    assert success_words(Figures(made=200, delivered=200)) == ("100%", "200 of the newest 200")
    assert success_words(Figures(made=3, delivered=0)) == ("0%", "0 of 3")


def test_limits_and_rates_are_said_in_words() -> None:
    assert (rate_words(4.0), rate_words(0.05)) == ("4 a second", "1 in 20 s")
    assert limits_of(OWN) == "none of its own"
    limited = replace(OWN, rate_per_s=2.5, granted_per_s=1.0, max_in_flight=3)
    assert limits_of(limited) == "2.5 a second; 1 a second, as its endpoint granted; 3 at once"


def test_the_age_of_a_secret_is_what_is_known_of_it() -> None:
    assert "(1 h ago), when the subscription was made" in secret_words(OWN, T0, T0 + HOUR_MS)
    changed = replace(OWN, changed_ms=T0 + HOUR_MS)
    assert secret_words(changed, T0 + HOUR_MS, T0 + 2 * HOUR_MS).endswith("(1 h ago)")
    assert secret_words(changed, None, T0 + 2 * HOUR_MS).endswith("(1 h ago) or longer")


def test_an_overlap_that_is_over_is_none() -> None:
    rotated = replace(OWN, previous_secret=SECRET, previous_until_ms=T0 + HOUR_MS)
    assert overlap_of(rotated, T0) == T0 + HOUR_MS
    assert overlap_of(rotated, T0 + HOUR_MS) is None
    assert overlap_of(OWN, T0) is None
