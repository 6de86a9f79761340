"""Queued tasks over the real API: where they stand, how they end, and who is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.background import working
from submitter.client.client import Client
from submitter.model import TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from tests.support.service import KEYS, ORDER, Served, is_problem, served
from tests.support.stream_listener import open_stream
from tests.support.subscriptions_over_http import create_subscription, deliveries_of

STUCK = {"provider": "hiapi", "video": {"model": "happyhorse-1.1/text-to-video", "prompt": "a horse #simulate:stuck"}}


@asynccontextmanager
async def _full(folder: Path, **settings: str) -> AsyncIterator[tuple[Served, Simulator]]:
    """An account with room for one task, which is taken for ever; nothing is sent without `working`."""
    async with (
        running(SimulatorConfig(speed=600.0, webhook_secrets={"hiapi": None})) as sim,
        served(folder, sim, HIAPI_MAX_IN_FLIGHT="1", **settings) as service,
    ):
        assert (await service.post("/v1/tasks", STUCK)).json()["state"] == "submitted"
        yield service, sim


async def _queued(service: Served, **changes: Any) -> dict[str, Any]:
    reply = await service.post("/v1/tasks", {**ORDER, **changes})
    assert reply.status_code == 202, reply.text
    task: dict[str, Any] = reply.json()
    assert task["state"] == "queued"
    return task


async def _ends_the_first(service: Served, sim: Simulator) -> None:
    sim.finish(sim.records().of("hiapi")[0].task_id)


async def test_a_queued_task_shows_where_it_stands(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, _):
        first = await _queued(service)
        second = await _queued(service, priority=2, queue_for_s=60)
        places = [(await service.get(f"/v1/tasks/{task['id']}")).json()["queue"] for task in (first, second)]
        assert [(place["position"], place["depth"], place["priority"]) for place in places] == [(2, 2, 0), (1, 2, 2)]
        assert places[0]["oldest_at"] == first["created_at"]
        assert (places[1]["held_until_at"], first["deadline_at"]) == (None, None)
        listed = (await service.get("/v1/tasks?state=queued")).json()["tasks"]
        assert [task["id"] for task in listed] == [second["id"], first["id"]]


async def test_the_queue_is_listed_in_the_order_of_sending_with_its_length(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, _):
        first = await _queued(service, labels={"film": "1"})
        second = await _queued(service, priority=2)
        answer = (await service.get("/v1/queue", key="read")).json()
        assert [task["id"] for task in answer["tasks"]] == [second["id"], first["id"]]
        assert [task["queue"]["position"] for task in answer["tasks"]] == [1, 2]
        assert answer["tasks"][1]["waits_since"] == first["created_at"]
        (length,) = answer["queues"]
        assert (length["provider"], length["depth"], length["oldest_at"]) == ("hiapi", 2, first["created_at"])
        assert (length["held_until"], answer["has_more"]) == (None, False)
        short = (await service.get("/v1/queue?limit=1&provider=hiapi")).json()
        assert ([task["id"] for task in short["tasks"]], short["has_more"]) == ([second["id"]], True)
        film = (await service.get("/v1/queue?label=film%3D1")).json()
        assert [(task["id"], task["queue"]["position"]) for task in film["tasks"]] == [(first["id"], 2)]
        elsewhere = (await service.get("/v1/queue?provider=dashscope")).json()
        assert (elsewhere["tasks"], elsewhere["queues"]) == ([], [])
        is_problem(await service.get("/v1/queue", key="submit"), 403)
        for query in ("limit=0", "limit=1001", "label=x", "state=queued"):
            is_problem(await service.get(f"/v1/queue?{query}"), 400)


@pytest.mark.parametrize("limits", [{"providers": ["dashscope"]}, {"label": "film=2"}])
async def test_a_key_with_limits_sees_no_queue_outside_of_them(tmp_path: Path, limits: dict[str, Any]) -> None:
    async with _full(tmp_path) as (service, _):
        await _queued(service, labels={"film": "1"})
        made = (await service.post("/v1/keys", {"name": "one", "scopes": ["read"], **limits})).json()
        own = {"Authorization": f"Bearer {made['key']}"}
        answer = (await service.http.get("/v1/queue", headers=own)).json()
        assert (answer["tasks"], answer["queues"]) == ([], [])


async def test_one_task_has_its_key_its_webhook_and_its_next_poll_and_a_list_has_not(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, _):
        body = {**ORDER, "notify": {"url": "https://hooks.example.com/v"}}
        task = (await service.post("/v1/tasks", body, headers={"Idempotency-Key": "shot-7"})).json()
        shown = (await service.get(f"/v1/tasks/{task['id']}", key="read")).json()
        assert (shown["notify_url"], shown["idempotency_key"]) == ("https://hooks.example.com/v", "shot-7")
        assert (shown["next_poll_at"], shown["overdue_at"]) == (None, None)
        (stuck,) = (await service.get("/v1/tasks?state=submitted")).json()["tasks"]
        assert (await service.get(f"/v1/tasks/{stuck['id']}")).json()["next_poll_at"] is not None
        assert "idempotency_key" not in stuck
        assert "secret" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"priority": 10}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": None}, "priority"),
        ({"queue_for_s": -1}, "queue_for_s"),
        ({"queue_for_s": 604_801}, "queue_for_s"),
        ({"queue_for_s": "60"}, "queue_for_s"),
    ],
)
async def test_a_bad_priority_or_wait_is_answered_422_and_makes_no_task(
    service: Served, changes: dict[str, Any], field: str
) -> None:
    problem = is_problem(await service.post("/v1/tasks", {**ORDER, **changes}), 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await service.get("/v1/tasks")).json()["tasks"] == []


async def test_without_room_a_request_that_does_not_wait_is_answered_503_each_time(tmp_path: Path) -> None:
    order, key = {**ORDER, "queue_for_s": 0}, {"Idempotency-Key": "k"}
    async with _full(tmp_path) as (service, sim):
        replies = [await service.post("/v1/tasks", order, headers=key) for _ in range(3)]
        problems = [is_problem(reply, 503) for reply in replies]
        assert [problem["type"].rpartition(":")[2] for problem in problems] == ["no-room"] * 3
        assert len({problem["task"] for problem in problems}) == 1
        assert [reply.headers["retry-after"] for reply in replies] == ["60"] * 3
        assert problems[0]["detail"] == (
            "The account hiapi has no room: as many tasks are in flight as the account may have, and the request does"
            " not wait in the queue. Nothing was sent. With `queue_for_s` over 0 it waits in the queue instead;"
            " the same Idempotency-Key tries again."
        )
        assert "provider" not in problems[0]
        assert len(sim.records().tasks) == 1
        await _ends_the_first(service, sim)
        task = await service.get(f"/v1/tasks/{(await service.get('/v1/tasks')).json()['tasks'][-1]['id']}")
        await service.post(f"/v1/tasks/{task.json()['id']}/reconcile", {})
        sent = await service.post("/v1/tasks", order, headers=key)
        assert (sent.status_code, sent.json()["state"]) == (202, "submitted")
        assert sent.json()["id"] == problems[0]["task"]


async def test_the_answer_without_room_speaks_of_a_key_only_where_one_was_given(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, sim):
        problem = is_problem(await service.post("/v1/tasks", {**ORDER, "queue_for_s": 0}), 503)
        assert problem["detail"].endswith("With `queue_for_s` over 0 it waits in the queue instead.")
        sim.plan("dashscope", [["submit_429"]] * 9)
        order = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}}
        refused = is_problem(await service.post("/v1/tasks", {**order, "queue_for_s": 0}), 503)
        assert (refused["type"].rpartition(":")[2], "Idempotency-Key" in refused["detail"]) == (
            "provider-throttled",
            False,
        )


async def test_a_queued_task_is_sent_when_the_one_before_it_has_ended(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, sim), working(service.services):
        task = await _queued(service)
        await _ends_the_first(service, sim)
        ended = (await service.get(f"/v1/tasks/{task['id']}?wait=40")).json()
        assert (ended["state"], ended["queue"]) == ("succeeded", None)
        assert len(sim.records().tasks) == 2


async def test_a_refusal_after_a_202_is_told_to_everyone_who_waits(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, sim):
        everything = await create_subscription(service)
        hook = {"url": "http://127.0.0.1:9/own"}
        async with open_stream(service.http) as stream:
            task = await _queued(service, notify=hook, queue_for_s=1)
            waiting = asyncio.create_task(service.get(f"/v1/tasks/{task['id']}?wait=40"))
            async with working(service.services), Client(service.url, KEYS["all"][1]) as client:
                told = await client.wait(task["id"], timeout_s=40)
                event = await stream.data()
                seen = (await waiting).json()
                (pulled,) = (await service.get("/v1/events")).json()["events"]
        assert (told.state, told.is_ended, seen["state"]) == (TaskState.REFUSED, True, "refused")
        assert event["type"] == pulled["type"] == "task.refused"
        assert pulled["task"]["error"]["code"] == "queue_time_over"
        rows = (await service.get("/v1/deliveries")).json()["deliveries"]
        assert {row["endpoint"] for row in rows} == {hook["url"], everything["url"]}
        assert {row["event_type"] for row in rows} == {"task.refused"}
        assert len(sim.records().tasks) == 1


async def test_a_lost_reply_is_told_at_once_to_those_who_name_the_type_only(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, sim):
        named = await create_subscription(service, types=["task.uncertain", "task.refused"])
        every = await create_subscription(service)
        sim.plan("dashscope", [["reply_lost"]])
        order = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}}
        async with open_stream(service.http, "type=task.uncertain") as stream:
            sent = await service.post("/v1/tasks", {**order, "notify": {"url": "http://127.0.0.1:9/own"}})
            task = sent.json()
            event = await stream.data()
        assert (task["state"], event["type"], event["task"]["id"]) == ("uncertain", "task.uncertain", task["id"])
        assert [row["event_type"] for row in await deliveries_of(service, named["id"])] == ["task.uncertain"]
        assert await deliveries_of(service, every["id"]) == []
        rows = (await service.get("/v1/deliveries")).json()["deliveries"]
        assert [row["subscription"] for row in rows] == [named["id"]]  # and nothing for its own notify
        assert (await service.get(f"/v1/tasks/{task['id']}?wait=1")).json()["state"] == "uncertain"
        settled = await service.post(f"/v1/tasks/{task['id']}/settle", {"refused": True})
        assert settled.json()["state"] == "refused"
        types = [each["type"] for each in (await service.get("/v1/events")).json()["events"]]
        assert types == ["task.uncertain", "task.refused"]
        assert [row["event_type"] for row in await deliveries_of(service, every["id"])] == ["task.refused"]


async def test_the_answer_of_a_key_is_that_keys_own(tmp_path: Path) -> None:
    async with _full(tmp_path) as (service, _):
        headers = {"Idempotency-Key": "k"}
        mine = (await service.post("/v1/tasks", ORDER, key="all", headers=headers)).json()
        again = (await service.post("/v1/tasks", ORDER, key="all", headers=headers)).json()
        theirs = (await service.post("/v1/tasks", ORDER, key="submit", headers=headers)).json()
        assert (again["id"] == mine["id"], theirs["id"] == mine["id"]) == (True, False)
        assert json.dumps(again) == json.dumps(mine)
