"""Acts on all that a filter finds: a preview changes nothing, a run does it once, and what came later is left alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.runtime.operator_runs.model import OperatorRun
from receiver.store.ids import id_maker
from receiver.webhooks.model.delivery import DeliveryState
from submitter import api_runs
from submitter.model import TaskId, TaskState
from submitter.timestamps import rfc3339
from tests.support.builders import SECRET, a_report
from tests.support.delivery_fixtures import finish, lease
from tests.support.service import Served, is_problem, served, served_with_simulator

WAIT_S = 60.0

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}


@pytest.fixture(name="service")
async def _service(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    async with served(tmp_path, WHENFINAL_DATABASE_URL=database_url) as service:
        yield service


async def _has(service: Served, number: int, state: TaskState = TaskState.RUNNING, **changes: Any) -> TaskId:
    now_ms = service.services.clock() - 60_000
    name = TaskId(id_maker(number.to_bytes)("tsk", now_ms))
    is_known = state not in {TaskState.UNCERTAIN, TaskState.QUEUED}
    values = {"state": state, "created_ms": now_ms, "queued_ms": now_ms, **changes}
    await service.has(name, f"p{number}" if is_known else None, **values)
    return name


async def _run(service: Served, path: str, body: dict[str, Any], **headers: str) -> api_runs.Run:
    """The run of an act, when it has ended."""
    reply = await service.post(path, body, key="operate", headers=headers)
    assert reply.status_code == 202, reply.text
    made = api_runs.Run.model_validate(reply.json())
    assert reply.headers["location"] == f"/v1/runs/{made.id}"
    async with asyncio.timeout(WAIT_S):
        while True:
            shown = await service.get(f"/v1/runs/{made.id}?wait=20", key="operate")
            run = api_runs.Run.model_validate(shown.json())
            if run.is_ended:
                return run


async def _until(service: Served, at_ms: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while service.services.clock() < at_ms:
            await asyncio.sleep(0.001)


def _preview(reply: httpx.Response) -> api_runs.RunPreview:
    assert reply.status_code == 200, reply.text
    return api_runs.RunPreview.model_validate(reply.json())


async def _states(service: Served, *names: str) -> list[str]:
    return [(await service.get(f"/v1/tasks/{name}")).json()["state"] for name in names]


async def test_a_preview_counts_and_changes_nothing(service: Served) -> None:
    names = [await _has(service, number, TaskState.UNCERTAIN) for number in range(3)]
    await _has(service, 3)
    for path, extra in (("cancel", {}), ("settle", {"refused": True}), ("look", {}), ("reconcile", {})):
        preview = _preview(await service.post(f"/v1/tasks/{path}", {"dry_run": True, **extra}))
        assert (preview.count, preview.has_more) == ({"cancel": 1, "reconcile": 4}.get(path, 3), False), path
        assert len(preview.sample) == preview.count
    assert _preview(await service.post("/v1/tasks/reconcile", {"dry_run": True})).at_most is None
    assert _preview(await service.post("/v1/tasks/settle", {"dry_run": True, "refused": True})).at_most == 500
    assert _preview(await service.post("/v1/tasks/look", {"dry_run": True})).at_most == 20
    assert await _states(service, *names) == ["uncertain"] * 3
    assert (await service.get("/v1/runs")).json()["runs"] == []


async def test_uncertain_tasks_are_settled_as_refused_and_others_are_left(service: Served) -> None:
    first, second = [
        await _has(service, number, TaskState.UNCERTAIN, labels={"film": str(number)}) for number in (0, 1)
    ]
    running = await _has(service, 2, labels={"film": "0"})
    run = await _run(service, "/v1/tasks/settle", {"refused": True, "label": ["film=0"]})
    assert (run.kind, run.state, run.expected, run.done, run.actor) == ("refuse-tasks", "finished", 1, 1, "key operate")
    assert await _states(service, first, second, running) == ["refused", "uncertain", "running"]


async def test_a_start_with_the_end_and_the_ids_of_its_preview_takes_no_other(service: Served) -> None:
    first = await _has(service, 0, TaskState.UNCERTAIN)
    preview = _preview(await service.post("/v1/tasks/settle", {"refused": True, "all": True, "dry_run": True}))
    assert preview.ids == (first,)
    doubtful = await _has(service, 1, TaskState.UNCERTAIN)  # created before, and in this state since
    later = await _has(service, 2, TaskState.UNCERTAIN, created_ms=service.services.clock() + 2)
    await _until(service, service.services.clock() + 3)
    body = {"refused": True, "until": preview.until}
    again = _preview(await service.post("/v1/tasks/settle", {**body, "dry_run": True}))
    assert (again.until, set(again.ids)) == (preview.until, {first, doubtful})
    run = await _run(service, "/v1/tasks/settle", {**body, "ids": preview.ids})
    assert (run.expected, run.done) == (1, 1)
    assert await _states(service, first, doubtful, later) == ["refused", "uncertain", "uncertain"]


async def test_the_preview_of_what_can_be_done_again_names_its_end_only(service: Served) -> None:
    await _has(service, 0)
    until = "2026-01-01T00:00:00.000Z"
    for path in ("tasks/reconcile", "tasks/redeliver", "deliveries/redeliver"):
        preview = _preview(await service.post(f"/v1/{path}", {"until": until, "dry_run": True}))
        assert (preview.until, preview.ids) == (until, ())
        before = rfc3339(service.services.clock())
        now = _preview(await service.post(f"/v1/{path}", {"all": True, "dry_run": True}))
        assert str(before) <= now.until <= str(rfc3339(service.services.clock()))


async def test_queued_tasks_are_canceled_by_their_ids(service: Served) -> None:
    names = [await _has(service, number, TaskState.QUEUED) for number in range(3)]
    run = await _run(service, "/v1/tasks/cancel", {"ids": [names[0], names[2], "tsk_none"]})
    assert (run.expected, run.done, run.failed) == (3, 2, 1)
    taken = "taken out of the queue; its provider never got it"
    assert {note.item: note.words for note in run.notes} == {
        names[0]: taken,
        names[2]: taken,
        "tsk_none": "there is nothing of that id",
    }
    assert await _states(service, *names) == ["canceled", "queued", "canceled"]


async def test_what_cannot_be_canceled_is_told_with_its_reason(service: Served) -> None:
    await _has(service, 0)
    run = await _run(service, "/v1/tasks/cancel", {"all": True})
    assert (run.done, run.failed) == (0, 1)
    assert "documents no way to cancel" in run.notes[0].words


async def test_an_act_that_finds_nothing_ends_at_once(service: Served) -> None:
    run = await _run(service, "/v1/tasks/reconcile", {"provider": "dashscope"})
    assert (run.state, run.expected, run.done, run.failed) == ("finished", 0, 0, 0)


_ACTS_ON_TASKS = ("tasks/cancel", "tasks/reconcile", "tasks/look", "tasks/settle", "tasks/redeliver")


@pytest.mark.parametrize("path", [*_ACTS_ON_TASKS, "deliveries/redeliver"])
async def test_ids_that_are_not_there_are_named_by_the_preview_and_fail_in_the_run(service: Served, path: str) -> None:
    ids = ["dlv_none", "dlv_nil"] if path.startswith("deliveries") else ["tsk_none", "tsk_nil"]
    body = {"ids": [*ids, ids[0]], **({"refused": True} if path.endswith("settle") else {})}
    preview = _preview(await service.post(f"/v1/{path}", {**body, "dry_run": True}))
    assert (preview.count, preview.missing) == (0, tuple(ids))
    run = await _run(service, f"/v1/{path}", body)
    assert (run.state, run.expected, run.done, run.failed) == ("finished", 2, 0, 2)
    assert [note.item for note in run.notes] == ids


@pytest.mark.parametrize("path", _ACTS_ON_TASKS)
async def test_a_mistyped_provider_is_refused_and_starts_nothing(service: Served, path: str) -> None:
    body = {"provider": "nope", **({"refused": True} if path.endswith("settle") else {})}
    for wanted in (body, {**body, "dry_run": True}):
        (error,) = is_problem(await service.post(f"/v1/{path}", wanted), 422)["errors"]
        assert (error["field"], error["accepted"]) == ("provider", "dashscope, hiapi, signed")
    assert (await service.get("/v1/runs")).json()["runs"] == []


async def test_a_provider_that_is_in_the_ledger_alone_may_be_named(service: Served) -> None:
    name = await _has(service, 0, TaskState.QUEUED, provider="gone")
    assert _preview(await service.post("/v1/tasks/cancel", {"provider": "gone", "dry_run": True})).count == 1
    run = await _run(service, "/v1/tasks/cancel", {"provider": "gone"})
    assert (run.done, await _states(service, name)) == (1, ["canceled"])


async def test_dead_letters_are_sent_again_and_delivered_ones_only_where_that_is_asked_for(service: Served) -> None:
    now_ms, store = service.services.clock(), service.services.store
    name = await _has(service, 0, notify_url="http://127.0.0.1:9/hook", notify_secret=SECRET)
    await store.ledger.record([a_report(TaskState.SUCCEEDED, "p0")], now_ms)
    assert _preview(await service.post("/v1/deliveries/redeliver", {"dry_run": True})).count == 0
    body = {"state": ["pending"], "task": name}
    assert _preview(await service.post("/v1/deliveries/redeliver", {**body, "dry_run": True})).count == 1
    run = await _run(service, "/v1/deliveries/redeliver", body)
    assert (run.kind, run.expected, run.done) == ("redeliver-deliveries", 1, 1)
    delivery = (await service.get("/v1/deliveries")).json()["deliveries"][0]["id"]
    named = await service.post("/v1/deliveries/redeliver", {"ids": [delivery], "dry_run": True})
    assert [each.id for each in _preview(named).sample] == [delivery]


async def test_dead_letters_of_the_tasks_of_a_filter_are_sent_again(service: Served) -> None:
    now_ms, store = service.services.clock(), service.services.store
    names = [
        await _has(service, number, notify_url="http://127.0.0.1:9/hook", notify_secret=SECRET, labels={"film": film})
        for number, film in enumerate("ab")
    ]
    await store.ledger.record([a_report(TaskState.SUCCEEDED, f"p{number}") for number in (0, 1)], now_ms)
    await finish(store, await lease(store, now_ms=now_ms + 1), DeliveryState.DEAD)
    body = {"label": ["film=a"]}
    preview = _preview(await service.post("/v1/tasks/redeliver", {**body, "dry_run": True}))
    assert (preview.count, preview.has_more) == (1, False)
    run = await _run(service, "/v1/tasks/redeliver", body)
    assert (run.kind, run.expected, run.done) == ("redeliver-tasks", 1, 1)
    dead = (await service.get("/v1/deliveries?state=dead")).json()["deliveries"]
    assert [each["task"] for each in dead] == [names[1]]


async def test_the_same_key_starts_one_run_and_another_body_under_it_is_refused(service: Served) -> None:
    await _has(service, 0, TaskState.UNCERTAIN)
    body = {"refused": True, "state": ["uncertain"]}
    first = await _run(service, "/v1/tasks/settle", body, **{"Idempotency-Key": "night-1"})
    await _has(service, 1, TaskState.UNCERTAIN)
    again = await service.post("/v1/tasks/settle", body, key="operate", headers={"Idempotency-Key": "night-1"})
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first.id, "true")
    for path, other in (("settle", {**body, "provider": "hiapi"}), ("cancel", {"state": ["running"]})):
        reply = await service.post(f"/v1/tasks/{path}", other, key="operate", headers={"Idempotency-Key": "night-1"})
        assert is_problem(reply, 422)["type"] == "urn:whenfinal:problem:idempotency-key-reused"
    somebody = await service.post("/v1/tasks/settle", body, headers={"Idempotency-Key": "night-1"})
    assert somebody.json()["id"] != first.id
    assert len((await service.get("/v1/runs")).json()["runs"]) == 2


async def test_runs_are_listed_the_newest_first_and_stopped_once(service: Served) -> None:
    runs = [await _run(service, "/v1/tasks/reconcile", {"provider": "hiapi"}) for _ in range(3)]
    first = (await service.get("/v1/runs?limit=2")).json()
    second = (await service.get("/v1/runs", params={"cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in first["runs"] + second["runs"]] == [each.id for each in runs[::-1]]
    stopped = await service.post(f"/v1/runs/{runs[0].id}/stop", key="operate")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "finished")


async def test_a_run_that_is_stopped_stays_stopped(service: Served) -> None:
    name = await _has(service, 0, TaskState.UNCERTAIN)
    store, now_ms = service.services.store, service.services.clock()
    draft = OperatorRun(
        id=store.runs.new_run_id(now_ms),
        nonce="n" * 22,
        kind="of a newer version",
        actor="key x",
        condition={"tasks": [name]},
        created_ms=now_ms,
    )
    await store.runs.start(draft, now_ms=now_ms)
    assert (await service.get(f"/v1/runs/{draft.id}?wait=1")).json()["state"] == "running"
    stopped = [(await service.post(f"/v1/runs/{draft.id}/stop")).json() for _ in range(2)]
    assert [(each["state"], each["done"]) for each in stopped] == [("stopped", 0)] * 2
    assert stopped[0]["ended_at"] is not None


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("tasks/cancel", {}, "all"),
    ("tasks/cancel", {"older_than_s": 0}, "all"),
    ("tasks/cancel", {"all": True, "provider": "hiapi"}, "all"),
    ("tasks/cancel", {"state": ["succeeded"]}, "state"),
    ("tasks/cancel", {"state": ["done"]}, "state.0"),
    ("tasks/cancel", {"state": "running"}, "state"),
    ("tasks/cancel", {"ids": ["tsk_1"] * 501}, "ids"),
    ("deliveries/redeliver", {"ids": ["dlv_1"] * 101}, "ids"),
    ("tasks/cancel", {"ids": ["p1"]}, "ids.0"),
    ("tasks/cancel", {"overdue": "true"}, "overdue"),
    ("tasks/cancel", {"all": True, "refused": True}, "refused"),
    ("tasks/cancel", {"all": True, "limit": 5}, "limit"),
    ("tasks/cancel", {"since": "yesterday"}, "since"),
    ("tasks/cancel", {"ended_by": ["list"]}, "ended_by.0"),
    ("tasks/reconcile", {"state": ["failed", "queued"]}, "state"),
    ("tasks/reconcile", {"label": ["film"]}, "label.0"),
    ("tasks/settle", {"all": True}, "refused"),
    ("tasks/settle", {"all": True, "refused": False}, "refused"),
    ("tasks/settle", {"refused": True, "look": "run_1", "provider": "hiapi"}, "refused"),
    ("tasks/settle", {"look": "tsk_1"}, "look"),
    ("tasks/settle", {"refused": True, "state": ["running"]}, "state"),
    ("tasks/look", {"state": ["running"]}, "state"),
    ("tasks/redeliver", {}, "all"),
    ("tasks/redeliver", {"state": ["dead"]}, "state.0"),
    ("deliveries/redeliver", {}, "all"),
    ("deliveries/redeliver", {"endpoint": "garbage"}, "endpoint"),
    ("deliveries/redeliver", {"ids": ["evt_1"]}, "ids.0"),
    ("deliveries/redeliver", {"failing": True, "state": ["dead"]}, "failing"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD)
async def test_a_body_that_breaks_a_rule_starts_nothing(
    tmp_path: Path, path: str, body: dict[str, Any], field: str
) -> None:
    async with served(tmp_path) as service:
        problem = is_problem(await service.post(f"/v1/{path}", body), 422)
        assert [error["field"] for error in problem["errors"]] == [field], problem
        assert (await service.get("/v1/runs")).json()["runs"] == []


async def test_a_key_that_is_none_and_runs_that_are_not_there_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        for key in ("", "x" * 256, "a b"):
            reply = await service.post("/v1/tasks/cancel", {"all": True}, headers={"Idempotency-Key": key})
            assert is_problem(reply, 400)["errors"][0]["field"] == "Idempotency-Key"
        is_problem(await service.get("/v1/runs/run_none"), 404)
        is_problem(await service.post("/v1/runs/run_none/stop"), 404)
        is_problem(await service.post("/v1/tasks/settle", {"look": "run_none"}), 404)
        made = (await service.post("/v1/tasks/reconcile", {"all": True})).json()["id"]
        is_problem(await service.post("/v1/tasks/settle", {"look": made}), 404)
        for path in (
            "tasks/cancel",
            "tasks/settle",
            "tasks/look",
            "tasks/reconcile",
            "tasks/redeliver",
            "deliveries/redeliver",
        ):
            is_problem(await service.post(f"/v1/{path}", {"dry_run": True}, key="read"), 403)
        is_problem(await service.get("/v1/runs", key="read"), 403)


async def test_lost_submits_are_looked_for_and_settled_with_what_was_found(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, speed=1.0) as (service, sim):
        sim.plan("dashscope", [["reply_lost"]])
        lost = (await service.post("/v1/tasks", AT_DASHSCOPE)).json()["id"]
        (record,) = sim.records().tasks
        one = (await service.post(f"/v1/tasks/{lost}/look")).json()
        assert (one["clear"], one["listed"], one["problem"]) == (record.task_id, 1, None)
        assert [each["task_id"] for each in one["candidates"]] == [record.task_id]
        look = await _run(service, "/v1/tasks/look", {"provider": "dashscope"})
        assert look.notes[0].look is not None
        assert (look.notes[0].look.clear, look.notes[0].look.provider) == (record.task_id, "dashscope")
        preview = _preview(await service.post("/v1/tasks/settle", {"look": look.id, "dry_run": True}))
        assert [(each.id, each.note) for each in preview.sample] == [(lost, f"as {record.task_id}")]
        none = await service.post("/v1/tasks/settle", {"look": look.id, "ids": ["tsk_other"], "dry_run": True})
        assert _preview(none).count == 0
        run = await _run(service, "/v1/tasks/settle", {"look": look.id})
        assert (run.kind, run.done) == ("settle-candidates", 1)
        task = (await service.get(f"/v1/tasks/{lost}")).json()
        assert (task["state"], task["task_id"]) == ("submitted", record.task_id)
        is_problem(await service.post(f"/v1/tasks/{lost}/look"), 409)


async def test_an_old_look_settles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served_with_simulator(tmp_path, speed=1.0) as (service, sim):
        sim.plan("dashscope", [["reply_lost"]])
        await service.post("/v1/tasks", AT_DASHSCOPE)
        look = await _run(service, "/v1/tasks/look", {"all": True})
        monkeypatch.setattr("receiver.web.api.acts.LOOK_OLD_MS", -1)
        problem = is_problem(await service.post("/v1/tasks/settle", {"look": look.id}), 409)
        assert "look again" in problem["detail"]
