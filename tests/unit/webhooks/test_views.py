"""A subscription as outsiders see it, as JSON and in tables."""

import json
from typing import Any

import pytest
from rich.console import Console, RenderableType

from receiver.cli.display.subscription_tables import probe_line, replay_line, subscription_sheet, subscriptions_table
from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.endpoint_status import ResumedEndpoint
from receiver.webhooks.model.replay import ReplayCount
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from receiver.webhooks.model.views import probe_result, replay_result, subscription_view
from submitter import api_webhooks
from submitter.standard_webhooks import new_signing_key
from tests.support.builders import SECRET, T0

NAME = "sub_01m7yrqm47904bn5a9g1vxy29m"
OLD_SECRET = "whsec_" + "b" * 40
KEY = new_signing_key(bytes(range(32)))


def _subscription(**changes: Any) -> Subscription:
    values: dict[str, Any] = {
        "id": NAME,
        "url": "https://hooks.example/videos",
        "secret": SECRET,
        "created_ms": T0,
        "changed_ms": T0,
    }
    return Subscription(**(values | changes))


def _failing(failures: int = 5, paused_until_ms: int | None = T0 + 30_000) -> EndpointState:
    return EndpointState(id=NAME, failures=failures, failing_since_ms=T0 - 60_000, paused_until_ms=paused_until_ms)


def _full() -> Subscription:
    return _subscription(
        description="films",
        state=SubscriptionState.DISABLED,
        filter=EventFilter(
            types=frozenset({EventType.FAILED, EventType.EXPIRED}),
            providers=frozenset({"hiapi"}),
            models=frozenset({"m"}),
            labels={"film": "1"},
        ),
        previous_secret=OLD_SECRET,
        previous_until_ms=T0 + 1000,
        signing_key=KEY,
        previous_signing_key=new_signing_key(bytes(32)),
        cloudevents=True,
        handshake=True,
        rate_per_s=5.0,
        granted_per_s=2.0,
        max_in_flight=3,
        disabled_ms=T0,
        disabled_reason="answered 410 Gone",
    )


def _view(subscription: Subscription, endpoint: EndpointState | None) -> api_webhooks.Subscription:
    return subscription_view(subscription, endpoint, now_ms=T0)


def _drawn(part: RenderableType, width: int) -> str:
    out = Console(width=width, force_terminal=False)
    with out.capture() as captured:
        out.print(part)
    return captured.get()


@pytest.mark.parametrize("subscription", [_subscription(), _full()], ids=["plain", "full"])
@pytest.mark.parametrize("endpoint", [None, EndpointState(id=NAME), _failing()], ids=["new", "well", "failing"])
def test_a_view_is_read_back_from_its_json_as_it_was(
    subscription: Subscription, endpoint: EndpointState | None
) -> None:
    view = subscription_view(subscription, endpoint, now_ms=T0)
    values = json.loads(json.dumps(view.json_values()))
    assert api_webhooks.Subscription.model_validate(values) == view
    with_secret = api_webhooks.SubscriptionWithSecret(**dict(view), secret=subscription.secret)
    assert with_secret.json_values() == values | {"secret": subscription.secret}
    assert subscription.secret not in repr(with_secret)


def test_no_view_and_no_table_holds_a_secret() -> None:
    view = _view(_full(), _failing())
    shown = json.dumps(view.json_values())
    shown += _drawn(subscription_sheet(view, T0), 300)
    shown += _drawn(subscriptions_table([view], T0), 300)
    assert all(secret not in shown for secret in (SECRET, OLD_SECRET, KEY, "whsec_", "whsk_"))
    assert "whpk_" in shown


@pytest.mark.parametrize(
    ("endpoint", "state"),
    [
        (None, "closed"),
        (_failing(4), "closed"),
        (_failing(5), "open"),
        (_failing(9, paused_until_ms=T0), "half_open"),
        (_failing(9, paused_until_ms=None), "half_open"),
        (_failing(0, paused_until_ms=T0 + 1), "closed"),
    ],
)
def test_the_breaker_shows_whether_anything_is_sent(endpoint: EndpointState | None, state: str) -> None:
    assert subscription_view(_subscription(), endpoint, now_ms=T0).breaker.state == state


def test_what_is_over_is_null() -> None:
    view = subscription_view(_full(), _failing(paused_until_ms=T0 + 1), now_ms=T0 + 1000)
    assert (view.previous_secret_until, view.breaker.paused_until) == (None, None)
    assert view.breaker.failing_since == "2026-09-21T14:12:20.000Z"


@pytest.mark.parametrize(
    ("status", "error", "delivered"),
    [
        (200, None, True),
        (204, None, True),
        (301, "redirects are not followed", False),
        (500, None, False),
        (None, "no answer", False),
    ],
)
def test_only_an_answer_2xx_is_a_delivery(status: int | None, error: str | None, *, delivered: bool) -> None:
    attempt = Attempt(at_ms=T0, latency_ms=12, status=status, error=error, response="x")
    result = probe_result(attempt, ResumedEndpoint(was_failing=True, made_due=3))
    assert (result.delivered, result.status, result.response) == (delivered, status, "x")
    assert (result.was_failing, result.made_due) == (True, 3)
    assert probe_line(result).startswith("delivered" if delivered else "not delivered")


@pytest.mark.parametrize(
    ("dry_run", "said"),
    [(True, "events that match: 3; deliveries that would be made due: 2"), (False, "a running worker sends them")],
)
def test_a_replay_is_counted_in_words_and_numbers(*, dry_run: bool, said: str) -> None:
    count = ReplayCount(matched=3, requeued=2, oldest_seq=7)
    result = replay_result(NAME, count, dry_run=dry_run)
    assert result.json_values() == {
        "subscription": NAME,
        "matched": 3,
        "made_due": 2,
        "oldest_seq": 7,
        "dry_run": dry_run,
    }
    line = replay_line(result).plain
    assert said in line
    assert "the oldest stored event is 7" in line
    assert ("worker" in line) != dry_run


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_listing_fits_and_names_state_breaker_and_problem(width: int) -> None:
    seen = [_view(_full(), _failing()), _view(_subscription(), _failing()), _view(_subscription(), None)]
    drawn = _drawn(subscriptions_table(seen, T0), width)
    words = " ".join(drawn.split())
    assert max(len(line.rstrip()) for line in drawn.splitlines()) <= width
    assert drawn.count(NAME) == 3
    assert {"disabled", "active", "open", "closed"} <= set(words.split())


def test_on_a_hundred_columns_the_reason_stands_in_full_and_the_address_is_there() -> None:
    seen = [_view(_full(), _failing())]
    drawn = _drawn(subscriptions_table(seen, T0), 100)
    assert "no room" not in drawn
    assert all(word in drawn for word in ("410", "Gone", "endpoint", "filter"))


def test_a_sheet_says_why_it_is_disabled_and_how_its_endpoint_behaves() -> None:
    drawn = " ".join(_drawn(subscription_sheet(_view(_full(), _failing()), T0), 200).split())
    assert all(
        words in drawn
        for words in ("answered 410 Gone", "breaker open", "failures in a row 5", "v1a", "2 a second", "film=1")
    )
