"""The lines of the log about one task can be joined: the id of a request leads to the task, and so on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from submitter.simulator import Simulator
from tests.support.service import ORDER, VIDEO, Served, is_problem, served_with_simulator

PATIENCE_S = 20.0


@pytest.fixture(name="simulated")
async def _simulated(tmp_path: Path) -> AsyncIterator[tuple[Served, Simulator]]:
    async with served_with_simulator(tmp_path) as both:
        yield both


async def test_the_id_of_the_request_that_submitted_a_task_leads_to_its_end(
    simulated: tuple[Served, Simulator],
) -> None:
    service, sim = simulated
    with capture_logs() as lines:
        reply = await service.post("/v1/tasks", ORDER, headers={"X-Request-Id": "theirs-1"})
        sim.finish(reply.json()["task_id"])
        await asyncio.wait_for(service.get(f"/v1/tasks/{reply.json()['id']}?wait=45"), PATIENCE_S)
    (submit,) = [line for line in lines if line["event"] == "request" and line["request_id"] == "theirs-1"]
    assert (submit["task"], submit["provider"]) == (reply.json()["id"], "hiapi")
    (ended,) = [line for line in lines if line["event"] == "task_ended"]
    assert (ended["task"], ended["provider"]) == (submit["task"], "hiapi")


async def test_every_request_about_a_task_names_it_and_no_other_does(simulated: tuple[Served, Simulator]) -> None:
    service, _ = simulated
    key = {"Idempotency-Key": "order-1"}
    task = (await service.post("/v1/tasks", ORDER, headers=key)).json()["id"]
    with capture_logs() as lines:
        await service.get(f"/v1/tasks/{task}")
        await service.get(f"/v1/tasks/{task}/timeline")
        await service.post(f"/v1/tasks/{task}/reconcile", {})
        other = {"provider": "hiapi", "video": {**VIDEO, "prompt": "a cow"}}
        is_problem(await service.post("/v1/tasks", other, headers=key), 422)
        is_problem(await service.get("/v1/tasks/tsk_of_nobody"), 404)
        await service.get("/v1/tasks")
    told = [line.get("task") for line in lines if line["event"] == "request" and line["route"].startswith("/v1/")]
    assert told == [task] * 4 + [None] * 2
