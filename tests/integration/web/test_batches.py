"""Up to 100 submits in one request: each is checked and answered on its own, and each is paid once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from submitter import api_tasks
from submitter.simulator import Simulator
from tests.support.service import ORDER, VIDEO, Served, is_problem, served, served_with_simulator

BATCH = "/v1/tasks/batch"
WAIT_S = 60.0

Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


def _order(number: int, **changes: Any) -> dict[str, Any]:
    return {"provider": "hiapi", "video": {**VIDEO, "prompt": f"a horse {number}"}, **changes}


def _answer(reply: httpx.Response) -> tuple[api_tasks.BatchOutcome, ...]:
    assert reply.status_code == 200, reply.text
    return api_tasks.BatchAnswer.model_validate(reply.json()).outcomes


async def _until_submitted(service: Served, number: int) -> None:
    """Some wait in the queue, because the account has room for fewer."""
    async with asyncio.timeout(WAIT_S):
        while len((await service.get("/v1/tasks?state=submitted&state=queued&limit=200")).json()["tasks"]) < number:
            await asyncio.sleep(0.05)


async def test_each_task_of_a_batch_comes_to_its_own_outcome(scene: Scene) -> None:
    service, sim = scene
    tasks = [
        _order(0, idempotency_key="shot-0"),
        _order(1, video={**VIDEO, "duration": 99, "seed": 1}),
        {"provider": "hiapi", "video": {**VIDEO, "color": "red"}, "deadline_s": "5"},
        _order(3, provider="nobody"),
        "not an object",
        _order(5, notify={"url": "http://127.0.0.1:9/hook"}),
    ]
    outcomes = _answer(await service.post(BATCH, {"tasks": tasks}))
    assert [each.index for each in outcomes] == list(range(6))
    assert [each.status for each in outcomes] == [202, 422, 422, 422, 422, 202]
    named = [[error.field for error in each.problem.errors] if each.problem else [] for each in outcomes]
    assert named == [
        [],
        ["tasks[1].video.duration", "tasks[1].video.seed"],
        ["tasks[2].video.color", "tasks[2].deadline_s"],
        ["tasks[3].provider"],
        ["tasks[4]"],
        [],
    ]
    assert [each.task is not None and each.task.state.value for each in outcomes] == [
        "submitted", False, False, False, False, "submitted",
    ]  # fmt: skip
    assert outcomes[0].task is not None
    assert outcomes[0].task.notify is None
    assert outcomes[5].task is not None
    assert outcomes[5].task.notify is not None
    assert len(sim.records().tasks) == 2


async def test_a_batch_that_is_sent_again_is_paid_once(scene: Scene) -> None:
    service, sim = scene
    batch = {"tasks": [_order(number, idempotency_key=f"shot-{number}") for number in range(8)]}
    first = _answer(await service.post(BATCH, batch))
    again = _answer(await service.post(BATCH, batch))
    assert [each.status for each in first] == [202] * 8
    assert [(each.replayed, each.task and each.task.id) for each in again] == [
        (True, each.task and each.task.id) for each in first
    ]
    assert len(sim.records().tasks) == 8
    one = await service.post("/v1/tasks", _order(3), headers={"Idempotency-Key": "shot-3"})
    assert one.headers["idempotency-replayed"] == "true"
    other = _answer(await service.post(BATCH, {"tasks": [_order(99, idempotency_key="shot-3")]}))
    assert other[0].problem is not None
    assert (other[0].status, other[0].problem.type) == (422, "urn:whenfinal:problem:idempotency-key-reused")


async def test_a_refusal_stands_beside_a_success(scene: Scene) -> None:
    service, sim = scene
    sim.plan("hiapi", [["submit_503"]] * 20)
    at_dashscope = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}}
    outcomes = _answer(await service.post(BATCH, {"tasks": [_order(0, queue_for_s=0), at_dashscope]}))
    assert [each.status for each in outcomes] == [503, 202]
    problem = outcomes[0].problem
    assert problem is not None
    assert problem.provider is not None
    assert (await service.get(f"/v1/tasks/{problem.task}")).json()["state"] == "refused"


async def test_a_batch_whose_client_goes_away_is_submitted_all_the_same(scene: Scene) -> None:
    service, sim = scene
    batch = json.dumps({"tasks": [_order(number, idempotency_key=f"k{number}") for number in range(30)]})
    head = (
        f"POST {BATCH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: {service.key('all')['Authorization']}\r\ncontent-length: {len(batch)}\r\n\r\n"
    )
    url = httpx.URL(service.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write((head + batch).encode())
    await writer.drain()
    async with asyncio.timeout(WAIT_S):
        while not sim.records().tasks:
            await asyncio.sleep(0.01)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    await _until_submitted(service, 30)
    paid = len(sim.records().tasks)
    again = _answer(await service.post(BATCH, json.loads(batch)))
    assert all(each.replayed for each in again)
    assert len(sim.records().tasks) == paid


async def test_submits_of_a_batch_run_side_by_side_within_a_bound(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = scene
    in_flight, most = 0, 0
    submit = type(service.services.submission).submit

    async def counted(own: Any, request: Any) -> Any:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            return await submit(own, request)
        finally:
            in_flight -= 1

    monkeypatch.setattr(type(service.services.submission), "submit", counted)
    _answer(await service.post(BATCH, {"tasks": [_order(number) for number in range(12)]}))
    assert most == 4


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, "body"),
        (b'{"tasks":[{"provider":"hiapi","provider":"x"}]}', 400, "provider"),
        (b"{}", 422, "tasks"),
        (b'{"tasks":[]}', 422, "tasks"),
        (b'{"tasks":{}}', 422, "tasks"),
        (b'{"tasks":[],"all":true}', 422, "tasks"),
        (json.dumps({"tasks": [ORDER] * 101}).encode(), 422, "tasks"),
        (json.dumps({"tasks": [{**ORDER, "idempotency_key": "a"}] * 2}).encode(), 422, "tasks[1].idempotency_key"),
    ],
)
async def test_a_batch_that_cannot_be_taken_submits_nothing(scene: Scene, body: bytes, status: int, field: str) -> None:
    service, sim = scene
    reply = await service.post(BATCH, headers={"content-type": "application/json"}, content=body)
    assert is_problem(reply, status)["errors"][0]["field"] == field
    assert not sim.records().tasks
    assert (await service.get("/v1/tasks")).json()["tasks"] == []


@pytest.mark.parametrize("key", ["k" * 256, "a b", ""])
async def test_a_key_that_is_none_is_named_as_the_member_of_its_task(service: Served, key: str) -> None:
    outcomes = _answer(
        await service.post(BATCH, {"tasks": [ORDER, {**ORDER, "idempotency_key": key}], "dry_run": True})
    )
    assert outcomes[0].problem is None
    assert outcomes[1].problem is not None
    assert [error.field for error in outcomes[1].problem.errors] == ["tasks[1].idempotency_key"]


async def test_a_key_for_the_whole_batch_is_refused(service: Served) -> None:
    reply = await service.post(BATCH, {"tasks": [ORDER]}, headers={"Idempotency-Key": "a"})
    assert is_problem(reply, 400)["errors"][0]["field"] == "Idempotency-Key"


async def test_a_batch_larger_than_a_body_may_be_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_API_MAX_BYTES="65536") as service:
        tasks = [{"provider": "hiapi", "video": {**VIDEO, "prompt": "x" * 4_000}}] * 50
        is_problem(await service.post(BATCH, {"tasks": tasks}), 413)


async def test_a_batch_needs_the_scope_submit(service: Served) -> None:
    is_problem(await service.post(BATCH, {"tasks": [ORDER]}, key="read"), 403)


async def test_a_submit_waits_for_the_end_where_that_is_preferred(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path) as (service, sim):
        waiting = asyncio.create_task(service.post("/v1/tasks", ORDER, headers={"Prefer": "wait=40"}))
        async with asyncio.timeout(WAIT_S):
            while not sim.records().tasks:
                await asyncio.sleep(0.01)
            made = sim.records().tasks[0].task_id
            while not (await service.get(f"/v1/tasks?task_id={made}")).json()["tasks"]:
                await asyncio.sleep(0.01)
        sim.finish(made)
        reply = await waiting
        assert (reply.status_code, reply.json()["state"]) == (200, "succeeded")
        assert reply.headers["preference-applied"] == "wait=40"
        assert reply.headers["location"] == f"/v1/tasks/{reply.json()['id']}"


async def test_a_submit_that_does_not_end_in_time_is_answered_202(scene: Scene) -> None:
    service, _ = scene
    reply = await service.post("/v1/tasks", ORDER, headers={"Prefer": "respond-async, wait=1"})
    assert (reply.status_code, reply.json()["state"]) == (202, "submitted")
    assert reply.headers["preference-applied"] == "wait=1"
    plain = await service.post("/v1/tasks", ORDER)
    assert (plain.status_code, "preference-applied" in plain.headers) == (202, False)


async def test_a_submit_is_answered_at_once_where_too_many_wait_already(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, speed=1.0) as (service, _):
        service.services.feed._max_streams = 0
        reply = await service.post("/v1/tasks", ORDER, headers={"Prefer": "wait=40"})
        assert (reply.status_code, "preference-applied" in reply.headers) == (202, False)


async def test_a_preference_that_is_no_number_submits_nothing(scene: Scene) -> None:
    service, sim = scene
    reply = await service.post("/v1/tasks", ORDER, headers={"Prefer": "wait=soon"})
    assert is_problem(reply, 400)["errors"][0]["field"] == "Prefer: wait"
    assert not sim.records().tasks


async def test_a_dry_run_only_checks_the_tasks(scene: Scene) -> None:
    service, sim = scene
    tasks = [_order(0, idempotency_key="shot-0"), _order(1, video={**VIDEO, "duration": 99})]
    outcomes = _answer(await service.post(BATCH, {"tasks": tasks, "dry_run": True}))
    assert [(each.status, each.task) for each in outcomes] == [(200, None), (422, None)]
    assert outcomes[0].problem is None
    assert (sim.records().tasks, (await service.get("/v1/tasks")).json()["tasks"]) == ((), [])
    assert [each.status for each in _answer(await service.post(BATCH, {"tasks": tasks}))] == [202, 422]
