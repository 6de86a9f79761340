"""Resuming over HTTP: subscriptions, and hosts that tasks name in `notify`."""

import json

import pytest

from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import TaskState
from tests.support.builders import T0, a_report, notified
from tests.support.delivery_fixtures import finish, lease
from tests.support.service import Served, is_problem
from tests.support.subscriptions_over_http import create_subscription, finish_tasks

HOST = "https://notify.example"


async def _dead_letters(service: Served, *numbers: int) -> None:
    """A dead letter for each number at the host."""
    store = service.services.store
    for number in numbers:
        task = notified(
            f"tsk_{number}",
            f"{HOST}/hook?{number}",
            state=TaskState.RUNNING,
            provider_task_id=f"p{number}",
            next_poll_ms=None,
        )
        await store.submissions.open_task(task, T0)
        await store.ledger.record([a_report(provider_task_id=f"p{number}")], T0)
    await finish(store, await lease(store, now_ms=service.services.clock()), DeliveryState.DEAD)


async def test_a_host_with_dead_letters_is_listed_and_they_are_sent_again(service: Served) -> None:
    await _dead_letters(service, 1, 2)
    listed = (await service.get("/v1/endpoints?which=failing", key="read")).json()
    (found,) = listed["endpoints"]
    assert (found["endpoint"], found["dead"], found["pending"], listed["next_cursor"]) == (HOST, 2, 0, None)
    assert found["breaker"]["failures"] == 2
    dead = (await service.get("/v1/deliveries", params={"endpoint": HOST, "state": "dead"})).json()["deliveries"]
    assert len(dead) == 2
    document = {"endpoint": f"{HOST}/any/path?x", "dead_letters": True}
    resumed = await service.post("/v1/endpoints/resume", document, key="operate")
    assert resumed.status_code == 200
    assert resumed.json() == {
        **{name: value for name, value in found.items() if name != "breaker"},
        "breaker": {**found["breaker"], "failures": 0, "failing_since": None},
        "pending": 2,
        "dead": 0,
        "was_failing": True,
        "made_due": 0,
        "redelivered": 2,
        "has_more": False,
    }
    assert (await service.get("/v1/endpoints?which=failing")).json()["endpoints"] == []
    assert len((await service.get("/v1/endpoints")).json()["endpoints"]) == 1


async def test_hosts_are_paged(service: Served) -> None:
    await _dead_letters(service, 1)
    page = (await service.get("/v1/endpoints?limit=1")).json()
    assert (len(page["endpoints"]), page["next_cursor"]) == (1, None)
    assert (await service.get("/v1/endpoints", params={"cursor": HOST})).json()["endpoints"] == []


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"endpoint": "https://nobody.example"}, 404),
        ({"endpoint": "nobody.example"}, 422),
        ({"endpoint": "https://["}, 422),
        ({"endpoint": 5}, 422),
        ({}, 422),
        ({"endpoint": HOST, "dead_letters": "yes"}, 422),
        ({"endpoint": HOST, "other": 1}, 422),
    ],
)
async def test_a_host_that_is_none_or_unknown_changes_nothing(
    service: Served, document: dict[str, object], status: int
) -> None:
    await _dead_letters(service, 1)
    before = (await service.get("/v1/endpoints")).json()
    is_problem(await service.post("/v1/endpoints/resume", document, key="operate"), status)
    is_problem(await service.post("/v1/endpoints/resume", {"endpoint": HOST}, key="read"), 403)
    assert (await service.get("/v1/endpoints")).json() == before


@pytest.mark.parametrize(
    "wanted",
    [
        {"endpoint": "x"},
        {"endpoint": HOST, "state": "delivered"},
        {"endpoint": HOST, "subscription": "sub_1"},
        {"endpoint": "https://["},
    ],
)
async def test_deliveries_of_a_host_go_with_no_other_condition(service: Served, wanted: dict[str, str]) -> None:
    problem = is_problem(await service.get("/v1/deliveries", params=wanted), 400)
    assert [error["field"] for error in problem["errors"]] == ["endpoint"]


async def test_a_subscription_is_resumed_and_says_what_was_done(service: Served) -> None:
    made = await create_subscription(service)
    await finish_tasks(service, 1)
    await service.services.subscriptions.change(made["id"], {"enabled": False}, actor="ann")
    place = f"/v1/subscriptions/{made['id']}/resume"
    is_problem(await service.post(place, key="read"), 403)
    resumed = (await service.post(place, key="operate")).json()
    assert (resumed["state"], resumed["was_disabled"], resumed["was_failing"]) == ("active", True, False)
    assert "secret" not in resumed
    again = (await service.post(place, key="operate")).json()
    assert (again["was_disabled"], again["was_failing"], again["made_due"], again["has_more"]) == (
        False,
        False,
        0,
        False,
    )
    is_problem(await service.post("/v1/subscriptions/sub_none/resume", key="operate"), 404)
    assert json.dumps(again).count(made["id"]) == 1
