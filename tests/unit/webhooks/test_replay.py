"""What a replay may be asked for."""

from typing import Any

import pytest

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.webhooks.model.replay import ReplayRange, ReplayWhich, validate_replay


@pytest.mark.parametrize(
    "bounds",
    [
        {"first_seq": 0},
        {"last_seq": 0},
        {"since_ms": 0},
        {"until_ms": 1},
        {"first_seq": 5, "last_seq": 5},
        {"since_ms": 5, "until_ms": 6},
        {"which": ReplayWhich.DEAD},
        {"filter": EventFilter(types=frozenset({EventType.FAILED}))},
        {"filter": EventFilter(providers=frozenset({"hiapi"}))},
        {"filter": EventFilter(labels={"film": "1"})},
    ],
)
def test_any_bound_will_do(bounds: dict[str, Any]) -> None:
    assert list(validate_replay(ReplayRange(**bounds), ["hiapi"])) == []


@pytest.mark.parametrize(
    ("bounds", "fields"),
    [
        ({}, ["first_seq"]),
        ({"which": ReplayWhich.MISSING}, ["first_seq"]),
        ({"first_seq": 5, "last_seq": 4}, ["last_seq"]),
        ({"since_ms": 5, "until_ms": 5}, ["until"]),
        ({"filter": EventFilter(providers=frozenset({"nobody"}))}, ["providers"]),
        ({"filter": EventFilter(models=frozenset({"m", ""}))}, ["models"]),
        ({"filter": EventFilter(models=frozenset(map(str, range(51))))}, ["models"]),
        ({"filter": EventFilter(labels={"": "1"})}, ["labels"]),
        ({"filter": EventFilter(labels={"film": "x" * 5_000})}, ["labels.film"]),
        ({"filter": EventFilter(labels=dict.fromkeys(map(str, range(5_000)), ""))}, ["labels"]),
        ({"first_seq": 2, "last_seq": 1, "since_ms": 2, "until_ms": 1}, ["last_seq", "until"]),
    ],
)
def test_each_broken_rule_is_named(bounds: dict[str, Any], fields: list[str]) -> None:
    assert [each.field for each in validate_replay(ReplayRange(**bounds), ["hiapi"])] == fields


def test_a_replay_that_nothing_bounds_is_told_how_everything_is_replayed() -> None:
    (violation,) = validate_replay(ReplayRange(), [])
    assert "`first_seq: 1` replays everything" in violation.accepted
