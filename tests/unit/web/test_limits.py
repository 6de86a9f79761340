"""What the limits of a key leave of filters, submits and subscriptions."""

import pytest

from receiver.config.api_keys import NO_LIMITS, Limits, limits_of
from receiver.events.model.event import EventFacts
from receiver.events.model.query import EventFilter, matches
from receiver.tasks.model.request import TaskRequest
from receiver.web.limits import NOTHING, both, is_within, kept_changes, kept_filter, kept_subscription, kept_task
from receiver.web.problems import Kind, Problem
from receiver.webhooks.model.request import SubscriptionRequest

HIAPI = Limits(providers=frozenset({"hiapi"}))
FILMS = Limits(label=("team", "films"))
EACH = Limits(providers=frozenset({"hiapi", "dashscope"}), label=("team", "films"))


def of(**conditions: object) -> EventFilter:
    sets = {name: frozenset(value) for name, value in conditions.items() if isinstance(value, set)}
    return EventFilter(**sets, labels=conditions.get("labels", {}))  # type: ignore[arg-type]  # sets of text


@pytest.mark.parametrize(
    ("limits", "provider", "labels", "is_let_through"),
    [
        (NO_LIMITS, "any", {}, True),
        (HIAPI, "hiapi", {}, True),
        (HIAPI, "dashscope", {}, False),
        (FILMS, "any", {"team": "films", "shot": "1"}, True),
        (FILMS, "any", {"team": "ads"}, False),
        (FILMS, "any", {}, False),
        (EACH, "dashscope", {"team": "films"}, True),
        (EACH, "hiapi", {}, False),
        (EACH, "modellix", {"team": "films"}, False),
    ],
)
def test_a_task_is_within_where_both_limits_let_it_through(
    limits: Limits, provider: str, labels: dict[str, str], is_let_through: bool
) -> None:
    assert limits.let_through(provider, labels) is is_let_through
    facts = EventFacts(type="task.succeeded", provider=provider, labels=labels)
    assert matches(kept_filter(EventFilter(), limits), facts) is is_let_through


@pytest.mark.parametrize(
    ("wanted", "limits", "kept"),
    [
        (of(), NO_LIMITS, of()),
        (of(types={"task.failed"}), HIAPI, of(types={"task.failed"}, providers={"hiapi"})),
        (of(providers={"hiapi", "dashscope"}), HIAPI, of(providers={"hiapi"})),
        (of(providers={"dashscope"}), HIAPI, NOTHING),
        (of(), FILMS, of(labels={"team": "films"})),
        (of(labels={"shot": "1"}), FILMS, of(labels={"shot": "1", "team": "films"})),
        (of(labels={"team": "ads"}), FILMS, NOTHING),
        (of(providers={"modellix"}, labels={"team": "films"}), EACH, NOTHING),
    ],
)
def test_a_filter_keeps_what_is_within(wanted: EventFilter, limits: Limits, kept: EventFilter) -> None:
    assert kept_filter(wanted, limits) == kept
    assert kept_filter(kept, limits) == kept


def test_nothing_lets_no_event_through() -> None:
    for kind in ("task.succeeded", "subscription.disabled", "provider.paused", "of.a.newer.version"):
        assert not matches(NOTHING, EventFacts(type=kind, provider="hiapi"))


def test_two_filters_let_through_what_each_does() -> None:
    one = of(types={"task.failed", "task.expired"}, models={"a", "b"}, labels={"x": "1"})
    other = of(types={"task.failed"}, models={"b", "c"}, labels={"y": "2"})
    assert both(one, other) == both(other, one) == of(types={"task.failed"}, models={"b"}, labels={"x": "1", "y": "2"})
    assert both(one, of(types={"task.succeeded"})) == NOTHING
    assert both(one, of(labels={"x": "2"})) == NOTHING
    assert both(NOTHING, of(types={"task.failed"})) == NOTHING == both(NOTHING, of())


@pytest.mark.parametrize(
    ("wanted", "is_in"),
    [
        (of(), False),
        (of(providers={"hiapi"}), False),
        (of(labels={"team": "films"}), False),
        (of(providers={"hiapi"}, labels={"team": "films"}), True),
        (of(providers={"hiapi", "modellix"}, labels={"team": "films"}), False),
        (of(providers={"hiapi"}, labels={"team": "films", "shot": "1"}, types={"task.failed"}), True),
        (of(providers={"hiapi"}, labels={"team": "ads"}), False),
    ],
)
def test_a_subscription_is_within_where_all_that_it_receives_is(wanted: EventFilter, is_in: bool) -> None:
    assert is_within(wanted, EACH) is is_in
    assert is_within(wanted, NO_LIMITS)


def test_a_submit_gets_the_label_and_is_refused_outside() -> None:
    request = TaskRequest(provider="hiapi", labels={"shot": "1"})
    assert kept_task(request, EACH).labels == {"shot": "1", "team": "films"}
    assert kept_task(request, NO_LIMITS) == request
    for outside in (TaskRequest(provider="modellix"), TaskRequest(provider="hiapi", labels={"team": "ads"})):
        with pytest.raises(Problem) as raised:
            kept_task(outside, EACH)
        assert raised.value.kind is Kind.OUTSIDE_LIMITS


def test_a_subscription_gets_the_conditions_and_is_refused_outside() -> None:
    made = kept_subscription(SubscriptionRequest(url="https://a.example"), EACH)
    assert (tuple(made.providers), made.labels) == (("dashscope", "hiapi"), {"team": "films"})
    narrower = SubscriptionRequest(url="https://a.example", providers=("hiapi",), labels={"team": "films", "shot": "1"})
    assert kept_subscription(narrower, EACH) == narrower
    for conditions in ({"providers": ("hiapi", "modellix")}, {"labels": {"team": "ads"}}):
        with pytest.raises(Problem):
            kept_subscription(SubscriptionRequest(url="https://a.example", **conditions), EACH)


def test_a_change_that_empties_a_condition_gets_that_of_the_limits() -> None:
    emptied = kept_changes({"providers": None, "labels": {}, "description": "x"}, EACH)
    assert emptied == {"providers": ("dashscope", "hiapi"), "labels": {"team": "films"}, "description": "x"}
    assert kept_changes({"enabled": True}, EACH) == {"enabled": True}
    assert kept_changes({"providers": None, "labels": None}, NO_LIMITS) == {"providers": (), "labels": {}}
    with pytest.raises(Problem):
        kept_changes({"providers": ["modellix"]}, EACH)


@pytest.mark.parametrize("limits", [NO_LIMITS, HIAPI, FILMS, EACH])
def test_limits_are_what_was_stored(limits: Limits) -> None:
    assert limits_of(limits.json_values()) == limits
