"""Settling by the API: what is asked first, what is refused, and the ends that an operator saw."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from submitter.model import TaskState
from submitter.simulator import Simulator
from tests.support.service import Served, is_problem, served_with_simulator

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}}
FILE = "https://cdn.example/v.mp4"
PATH = "/v1/tasks/tsk_1/settle"
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def _lost(scene: Scene) -> tuple[str, str]:
    """Where an uncertain task is settled, and the provider's id of it."""
    service, sim = scene
    before = {record.task_id for record in sim.records().tasks}
    sim.plan("dashscope", [["reply_lost"]])
    task = (await service.post("/v1/tasks", AT_DASHSCOPE)).json()
    (made,) = [record.task_id for record in sim.records().tasks if record.task_id not in before]
    return f"/v1/tasks/{task['id']}/settle", made


async def _timeline(service: Served, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.get(path.replace("settle", "timeline"))).json()["timeline"]
    return found


async def test_an_id_that_the_provider_knows_is_taken_with_what_it_told(scene: Scene) -> None:
    path, made = await _lost(scene)
    reply = await scene[0].post(path, {"task_id": made}, key="operate")
    assert (reply.status_code, reply.json()["state"], reply.json()["task_id"]) == (200, "submitted", made)
    (audit,) = [entry for entry in await _timeline(scene[0], path) if entry["kind"] == "audit"]
    assert audit["summary"] == "key operate: settle"
    assert audit["detail"]["found"].startswith("dashscope says submitted (PENDING)")


async def test_an_unknown_id_and_another_tasks_are_refused_with_the_reason(scene: Scene) -> None:
    service, _ = scene
    known = (await service.post("/v1/tasks", AT_DASHSCOPE)).json()
    path, _ = await _lost(scene)
    assert is_problem(await service.post(path, {"task_id": "x"}), 409)["detail"] == "dashscope does not know x"
    taken = is_problem(await service.post(path, {"task_id": known["task_id"], "force": True}), 409)
    assert taken["detail"] == f"{known['task_id']} belongs to another task of dashscope: {known['id']}"
    assert (await service.get(path.removesuffix("/settle"))).json()["state"] == "uncertain"


async def test_force_takes_an_id_unchecked_and_a_wrong_one_is_corrected(scene: Scene) -> None:
    service, sim = scene
    path, made = await _lost(scene)
    assert (await service.post(path, {"task_id": "wrong", "force": True})).json()["task_id"] == "wrong"
    assert (await service.post(path, {"task_id": made})).json()["task_id"] == made
    sim.finish(made)
    await service.post(path.replace("settle", "reconcile"))
    again = is_problem(await service.post(path, {"refused": True}), 409)
    assert again["detail"].endswith(f"this one is succeeded under {made}, and a recorded end stays")
    events = await service.services.store.events.events(0)
    assert [event.type for event in events] == ["task.uncertain", "task.succeeded"]


async def test_what_speaks_against_an_id_needs_force(scene: Scene) -> None:
    service, sim = scene
    order = {"provider": "hiapi", "video": {"model": "happyhorse-1.1/text-to-video", "prompt": "x"}}
    await service.post("/v1/tasks", order)
    (record,) = sim.records().tasks
    await service.has(provider="signed", provider_task_id=None, model="another")
    problem = is_problem(await service.post(PATH, {"task_id": record.task_id}), 409)
    assert "its model is happyhorse-1.1/text-to-video, and this task's is another; `force` settles" in problem["detail"]
    assert (await service.post(PATH, {"task_id": record.task_id, "force": True})).status_code == 200


async def test_a_provider_that_does_not_answer_is_a_503_and_changes_nothing(service: Served) -> None:
    await service.has(provider_task_id=None)
    reply = await service.post(PATH, {"task_id": "p9"})
    problem = is_problem(reply, 503)
    assert problem["type"].endswith("provider-unavailable")
    assert problem["detail"].endswith("nothing was changed. Try again, or `force` settles without this check.")
    assert reply.headers["retry-after"] == "60"
    assert (await service.get("/v1/tasks/tsk_1")).json()["state"] == "uncertain"


async def test_a_provider_that_denies_our_key_is_named(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, keys={"hiapi": "another-key-than-ours"}) as (service, _):
        await service.has(provider_task_id=None)
        reply = await service.post(PATH, {"task_id": "p9"})
        assert is_problem(reply, 503)["type"].endswith("provider-denied")
        assert "retry-after" not in reply.headers


async def test_a_provider_that_is_not_configured_is_not_asked(service: Served) -> None:
    await service.has(provider_task_id=None, provider="gone")
    problem = is_problem(await service.post(PATH, {"task_id": "p9"}), 409)
    assert "not among the configured providers" in problem["detail"]
    assert (await service.post(PATH, {"task_id": "p9", "force": True})).status_code == 200


@pytest.mark.parametrize(
    ("body", "state", "error", "outputs"),
    [
        ({"succeeded": [FILE]}, "succeeded", None, [FILE]),
        ({"failed": " no face "}, "failed", {"code": "settled_failed", "message": "no face"}, []),
        (
            {"canceled": True},
            "canceled",
            {"code": "settled_canceled", "message": "settled by key operate: it was canceled"},
            [],
        ),
    ],
)
@pytest.mark.parametrize("provider_task_id", [None, "p1"])
async def test_an_operator_ends_a_task_once(
    service: Served, body: dict[str, Any], state: str, error: Any, outputs: list[str], provider_task_id: str | None
) -> None:
    await service.has(provider_task_id=provider_task_id, raw_state="done")
    ended = (await service.post(PATH, body, key="operate")).json()
    assert (ended["state"], ended["error"], [each["url"] for each in ended["outputs"]]) == (state, error, outputs)
    problem = is_problem(await service.post(PATH, body), 409)
    assert problem["detail"] == f"only an unfinished task can be ended; this one is {state}, and a recorded end stays"
    await service.calls_back()
    events = (await service.get("/v1/events")).json()["events"]
    assert [(event["type"], event["task"]["state"]) for event in events] == [(f"task.{state}", state)]
    late = [entry["detail"]["verdict"] for entry in await _timeline(service, PATH) if entry["kind"] == "observation"]
    assert late[-1] == ("duplicate" if state == "succeeded" else "contradiction")


async def test_a_wait_ends_with_the_task_that_an_operator_ended(service: Served) -> None:
    await service.has()
    await service.post(PATH, {"canceled": True})
    assert (await service.get("/v1/tasks/tsk_1?wait=20")).json()["state"] == "canceled"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "task_id"),
        ({"task_id": "p1", "refused": True}, "task_id"),
        ({"succeeded": [FILE], "canceled": True}, "task_id"),
        ({"failed": "x", "canceled": True}, "task_id"),
        ({"force": True}, "task_id"),
        ({"refused": True, "force": True}, "force"),
        ({"refused": False}, "refused"),
        ({"canceled": False}, "canceled"),
        ({"task_id": ""}, "task_id"),
        ({"task_id": ".."}, "task_id"),
        ({"task_id": "a\nb"}, "task_id"),
        ({"task_id": "x" * 1001}, "task_id"),
        ({"succeeded": []}, "succeeded"),
        ({"succeeded": FILE}, "succeeded"),
        ({"succeeded": ["v.mp4"]}, "succeeded"),
        ({"succeeded": [FILE, "ftp://a.example/v"]}, "succeeded"),
        ({"succeeded": [FILE] * 101}, "succeeded"),
        ({"succeeded": [7]}, "succeeded.0"),
        ({"failed": ""}, "failed"),
        ({"failed": "  "}, "failed"),
        ({"failed": "x" * 2001}, "failed"),
        ({"failed": 7}, "failed"),
        ({"succeeded": [FILE], "more": 1}, "more"),
    ],
)
async def test_bad_input_names_its_field_and_changes_nothing(service: Served, body: dict[str, Any], field: str) -> None:
    await service.has(provider_task_id=None)
    problem = is_problem(await service.post(PATH, body), 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await service.get("/v1/tasks/tsk_1")).json()["state"] == "uncertain"


@pytest.mark.parametrize("key", ["read", "submit"])
async def test_settling_needs_the_scope_of_operators(service: Served, key: str) -> None:
    await service.has()
    is_problem(await service.post(PATH, {"canceled": True}, key=key), 403)
    assert (await service.get("/v1/tasks/tsk_1")).json()["state"] == TaskState.RUNNING


async def test_a_task_that_is_not_there_cannot_be_ended(service: Served) -> None:
    is_problem(await service.post("/v1/tasks/tsk_none/settle", {"canceled": True}), 404)


async def test_settling_as_refused_wakes_those_who_wait_at_once(scene: Scene) -> None:
    path, _ = await _lost(scene)
    woken: list[int] = []
    scene[0].services.commit_notifier.subscribe(lambda: woken.append(1))
    assert (await scene[0].post(path, {"refused": True})).json()["state"] == "refused"
    assert woken == [1]
    is_problem(await scene[0].post(path, {"refused": True}), 409)
    assert woken == [1]
    events = await scene[0].services.store.events.events(0)
    assert [event.type for event in events] == ["task.uncertain", "task.refused"]


async def test_an_id_is_checked_at_the_provider_before_anything_is_settled(scene: Scene) -> None:
    service, _ = scene
    path, made = await _lost(scene)
    check = path.replace("settle", "identify")
    seen = (await service.post(check, {"task_id": made}, key="operate")).json()
    assert (seen["asked_for"], seen["state"], seen["doubts"]) == (made, "submitted", [])
    assert seen["says"].startswith("dashscope says submitted (PENDING)")
    assert seen["task"]["state"] == "uncertain"
    assert is_problem(await service.post(check, {"task_id": "x"}), 409)["detail"] == "dashscope does not know x"
    assert is_problem(await service.post(check, {"task_id": ".."}), 422)["errors"][0]["field"] == "task_id"
    is_problem(await service.post(check, {}), 422)
    is_problem(await service.post(check, {"task_id": made}, key="read"), 403)
    is_problem(await service.post("/v1/tasks/tsk_nobody/identify", {"task_id": made}), 404)
    assert [entry["kind"] for entry in await _timeline(service, path)].count("audit") == 0
    assert (await service.get(path.removesuffix("/settle"))).json()["state"] == "uncertain"


async def test_what_speaks_against_an_id_is_told_when_it_is_checked(scene: Scene) -> None:
    service, sim = scene
    order = {"provider": "hiapi", "video": {"model": "happyhorse-1.1/text-to-video", "prompt": "x"}}
    await service.post("/v1/tasks", order)
    (record,) = sim.records().tasks
    await service.has(provider="signed", provider_task_id=None, model="another")
    seen = (await service.post("/v1/tasks/tsk_1/identify", {"task_id": record.task_id})).json()
    assert seen["doubts"] == ["its model is happyhorse-1.1/text-to-video, and this task's is another"]
