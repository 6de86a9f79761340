"""Replays over HTTP, on the real application."""

from typing import Any

from submitter.model import TaskState
from tests.support.service import Served, is_problem
from tests.support.subscriptions_over_http import (
    PATH,
    create_subscription,
    deliveries_of,
    finish_tasks,
    patch_subscription,
    replay_subscription,
)


async def test_a_replay_sends_events_that_had_no_delivery(service: Served) -> None:
    await finish_tasks(service, 1, 2, 3)
    name = (await create_subscription(service))["id"]
    answer = await replay_subscription(service, name, first_seq=2)
    assert (answer.status_code, answer.json()) == (
        202,
        {"subscription": name, "matched": 2, "made_due": 2, "oldest_seq": None, "dry_run": False},
    )
    assert [each["event_seq"] for each in await deliveries_of(service, name)] == [3, 2]


async def test_a_dry_run_of_a_replay_counts_and_makes_nothing_due(service: Served) -> None:
    await finish_tasks(service, 1, 2)
    name = (await create_subscription(service))["id"]
    counted = (await replay_subscription(service, name, first_seq=1, dry_run=True)).json()
    assert (counted["made_due"], counted["dry_run"]) == (2, True)
    assert await deliveries_of(service, name) == []


BOUNDS: tuple[tuple[dict[str, Any], int], ...] = (
    ({"first_seq": 1}, 3),
    ({"last_seq": 2}, 2),
    ({"types": ["task.failed"]}, 1),
    ({"providers": ["dashscope"]}, 0),
    ({"providers": ["hiapi"]}, 3),
    ({"models": ["nothing"]}, 0),
    ({"labels": {"film": "1"}}, 0),
    ({"since": "2026-09-21T14:13:21Z"}, 3),
    ({"since": "2026-09-21T16:13:22+02:00"}, 0),
    ({"until": "2026-09-21T14:13:21Z"}, 0),
    ({"which": "dead"}, 0),
    ({"which": "missing", "first_seq": 1}, 3),
    ({"first_seq": 9}, 0),
)


async def test_a_replay_is_bounded_by_number_time_filter_and_kind(service: Served) -> None:
    await finish_tasks(service, 1, 2)
    await finish_tasks(service, 3, state=TaskState.FAILED)
    for order, number in BOUNDS:
        name = (await create_subscription(service))["id"]
        assert (await replay_subscription(service, name, **order)).json()["made_due"] == number, order


BAD_REPLAYS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, "first_seq", "`first_seq: 1` replays everything"),
    ({"dry_run": True}, "first_seq", "`first_seq: 1` replays everything"),
    ({"first_seq": -1}, "first_seq", "0 or more"),
    ({"first_seq": 10**30}, "first_seq", "or less"),
    ({"first_seq": 3, "last_seq": 2}, "last_seq", "3 or more"),
    ({"since": "yesterday"}, "since", "2026-09-21T14:13:20Z"),
    ({"since": 5}, "since", "text"),
    ({"since": "2026-09-21T14:13:20Z", "until": "2026-09-21T14:13:20Z"}, "until", "a later time"),
    ({"types": ["task.done"]}, "types.0", "task.succeeded"),
    ({"providers": ["nobody"]}, "providers", "hiapi"),
    ({"which": "some"}, "which", "dead"),
)


async def test_a_replay_that_breaks_a_rule_makes_nothing_due(service: Served) -> None:
    await finish_tasks(service, 1)
    name = (await create_subscription(service))["id"]
    for order, field, words in BAD_REPLAYS:
        problem = is_problem(await replay_subscription(service, name, **order), 422)
        assert [error["field"] for error in problem["errors"]] == [field]
        assert words in problem["errors"][0]["accepted"]
    assert await deliveries_of(service, name) == []


async def test_a_replay_to_a_disabled_subscription_is_answered_409(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    await patch_subscription(service, name, {"enabled": False})
    problem = is_problem(await replay_subscription(service, name, first_seq=1), 409)
    assert "enable it first" in problem["detail"]
    assert problem["instance"] == f"{PATH}/{name}"
