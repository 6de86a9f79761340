"""The API as callers use it, over a socket; where a provider is needed it is the simulator."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from submitter.model import TaskState
from submitter.simulator import Simulator
from tests.support.builders import T0, a_report, notified
from tests.support.service import ORDER, VIDEO, Served, is_problem, served, served_with_simulator

PATIENCE_S = 20.0  # well below the wait that is asked for
MEMBERS = (
    "id provider task_id model state raw_state progress labels created_at submitted_at final_at deadline_at outputs "
    "error supersedes callback_expected polls"
)


@pytest.fixture(name="simulated")
async def _simulated(tmp_path: Path) -> AsyncIterator[tuple[Served, Simulator]]:
    async with served_with_simulator(tmp_path) as both:
        yield both


async def _finish(service: Served, *task_ids: str) -> None:
    """Record that tasks have ended."""
    await service.services.store.ledger.record([a_report(provider_task_id=each) for each in task_ids], T0 + 1000)
    service.services.commit_notifier.notify()


# Submit.


async def test_a_submit_is_answered_202_with_the_task_and_its_place(simulated: tuple[Served, Simulator]) -> None:
    service, sim = simulated
    reply = await service.post("/v1/tasks", {**ORDER, "labels": {"film": "1"}}, key="submit")
    task = reply.json()
    assert (reply.status_code, reply.headers["location"]) == (202, f"/v1/tasks/{task['id']}")
    assert (task["state"], task["labels"], task["callback_expected"]) == ("submitted", {"film": "1"}, True)
    assert [record.task_id for record in sim.records().tasks] == [task["task_id"]]


async def test_the_callback_of_a_submitted_task_brings_its_end(simulated: tuple[Served, Simulator]) -> None:
    service, sim = simulated
    task = (await service.post("/v1/tasks", ORDER)).json()
    sim.finish(task["task_id"])
    ended = (await asyncio.wait_for(service.get(f"/v1/tasks/{task['id']}?wait=45"), PATIENCE_S)).json()
    assert (ended["state"], ended["outputs"][0]["type"]) == ("succeeded", "video")


async def test_the_same_key_gives_the_same_task_and_pays_once(simulated: tuple[Served, Simulator]) -> None:
    service, sim = simulated
    key = {"Idempotency-Key": "order-1"}
    replies = [await service.post("/v1/tasks", ORDER, headers=key) for _ in range(3)]
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert [reply.headers.get("idempotency-replayed") for reply in replies] == [None, "true", "true"]
    assert len(sim.records().tasks) == 1


async def test_the_same_key_with_another_body_is_answered_422(simulated: tuple[Served, Simulator]) -> None:
    service, _ = simulated
    first = await service.post("/v1/tasks", ORDER, headers={"Idempotency-Key": "order-1"})
    other = {"provider": "hiapi", "video": {**VIDEO, "prompt": "a cow"}}
    problem = is_problem(await service.post("/v1/tasks", other, headers={"Idempotency-Key": "order-1"}), 422)
    assert problem["task"] == first.json()["id"]


async def test_a_made_webhook_secret_is_shown_to_whoever_has_the_key_of_the_request(
    simulated: tuple[Served, Simulator],
) -> None:
    service, _ = simulated
    order = {**ORDER, "notify": {"url": "http://127.0.0.1:9/hook"}}
    first, again = [await service.post("/v1/tasks", order, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json()["notify"]["secret"].startswith("whsec_")
    assert again.json()["notify"] == first.json()["notify"]
    assert "whsec_" not in (await service.get(f"/v1/tasks/{first.json()['id']}/timeline")).text


async def test_a_given_webhook_secret_is_never_shown(simulated: tuple[Served, Simulator]) -> None:
    service, _ = simulated
    secret = "whsec_" + base64.b64encode(b"s" * 32).decode()
    reply = await service.post("/v1/tasks", {**ORDER, "notify": {"url": "http://127.0.0.1:9/hook", "secret": secret}})
    assert reply.status_code == 202
    assert "whsec_" not in reply.text


async def test_a_violation_is_answered_422_with_field_rule_and_what_is_accepted(service: Served) -> None:
    order = {"provider": "hiapi", "video": {**VIDEO, "duration": 99, "ratio": "2:1"}}
    problem = is_problem(await service.post("/v1/tasks", order), 422)
    assert [error["field"] for error in problem["errors"]] == ["video.ratio", "video.duration"]
    assert all(error["rule"] and error["accepted"] for error in problem["errors"])
    assert (await service.get("/v1/tasks")).json()["tasks"] == []


async def test_an_unknown_provider_is_answered_422_with_the_known_ones(service: Served) -> None:
    problem = is_problem(await service.post("/v1/tasks", {**ORDER, "provider": "nobody"}), 422)
    assert problem["errors"] == [
        {"field": "provider", "rule": "is not configured", "accepted": "hiapi, signed, dashscope"}
    ]


@pytest.mark.parametrize(
    ("faults", "status", "kind", "retry"),
    [
        (["submit_503"] * 3, 503, "provider-unavailable", True),
        (["submit_429"] * 3, 503, "provider-throttled", True),
    ],
)
async def test_a_refused_submit_is_a_problem_and_its_task_stays_readable(
    simulated: tuple[Served, Simulator], faults: list[str], status: int, kind: str, *, retry: bool
) -> None:
    service, sim = simulated
    sim.plan("hiapi", [[fault] for fault in faults])
    reply = await service.post("/v1/tasks", {**ORDER, "queue_for_s": 0})
    problem = is_problem(reply, status)
    assert (problem["type"].rpartition(":")[2], "retry-after" in reply.headers) == (kind, retry)
    assert problem["provider"]["name"] == "hiapi"
    assert (await service.get(problem["instance"])).json()["state"] == "refused"


async def test_a_denied_key_of_ours_is_answered_503_and_shown_as_an_alarm(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, keys={"hiapi": "another-key"}) as (service, _):
        reply = await service.post("/v1/tasks", ORDER)
        assert is_problem(reply, 503)["title"] == "The provider denied our key"
        accounts = (await service.get("/readyz", key="read")).json()["accounts"]
    paused = [(each["provider"], each["paused_until"], bool(each["submits_paused_until"])) for each in accounts]
    assert paused == [("hiapi", None, True)]
    assert "retry-after" not in reply.headers
    assert "hiapi refuses a submit" in accounts[0]["submits_alarm"]
    assert accounts[0]["alarm"] is None


async def test_an_empty_account_is_answered_402_with_the_providers_words(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, quota={"hiapi": 0}) as (service, _):
        problem = is_problem(await service.post("/v1/tasks", ORDER), 402)
    assert set(problem["provider"]) == {"name", "code", "message"}


async def test_a_provider_that_cannot_be_reached_is_answered_503(service: Served) -> None:
    reply = await service.post("/v1/tasks", {**ORDER, "queue_for_s": 0})
    assert is_problem(reply, 503)["type"].endswith("provider-unavailable")
    assert reply.headers["retry-after"]


async def test_a_lost_reply_is_answered_202_uncertain_and_settled_by_an_operator(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path) as (service, sim):
        sim.plan("dashscope", [["reply_lost"]])
        order = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}}
        task = (await service.post("/v1/tasks", order)).json()
        assert task["state"] == "uncertain"
        found = sim.records().tasks[0].task_id
        reply = await service.post(f"/v1/tasks/{task['id']}/settle", {"task_id": found}, key="operate")
    assert (reply.status_code, reply.json()["state"], reply.json()["task_id"]) == (200, "submitted", found)


# Look.


async def test_a_task_has_the_members_that_are_promised(service: Served) -> None:
    await service.has()
    task = (await service.get("/v1/tasks/tsk_1", key="read")).json()
    own = {"queue", "request", "notify_url", "idempotency_key", "next_poll_at", "overdue_at"}
    assert set(task) == {*MEMBERS.split(), *own}
    assert task["queue"] is None
    assert task["created_at"] == "2026-09-21T14:13:20.000Z"


async def test_a_task_that_is_not_there_is_answered_404(service: Served) -> None:
    for path in ("/v1/tasks/tsk_none", "/v1/tasks/tsk_none/timeline", "/v1/tasks/%F0%9F%90%8E?wait=5"):
        is_problem(await service.get(path), 404)


async def test_tasks_are_paged_newest_first(service: Served) -> None:
    for number in range(5):
        await service.has(f"tsk_{number}", f"p{number}")
    first = (await service.get("/v1/tasks?limit=3")).json()
    second = (await service.get("/v1/tasks", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [task["id"][-1] for task in first["tasks"] + second["tasks"]] == ["4", "3", "2", "1", "0"]
    assert second["next_cursor"] is None


async def test_a_timeline_shows_what_happened_in_order(service: Served) -> None:
    await service.has()
    await service.calls_back()
    story = (await service.get("/v1/tasks/tsk_1/timeline")).json()
    assert [note["kind"] for note in story["timeline"]] == ["observation", "observation", "event"]


# Wait.


async def test_a_wait_ends_when_the_task_does(service: Served) -> None:
    await service.has()
    waiting = asyncio.create_task(service.get("/v1/tasks/tsk_1?wait=45"))
    await asyncio.sleep(0.1)
    await service.calls_back()
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).json()["state"] == "succeeded"


async def test_a_wait_that_is_over_shows_the_task_as_it_is(service: Served) -> None:
    await service.has()
    reply = await service.get("/v1/tasks/tsk_1", headers={"Prefer": "respond-async, wait=1; x=y"})
    assert (reply.json()["state"], reply.headers["preference-applied"]) == ("running", "wait=1")


async def test_a_wait_for_what_has_ended_is_answered_at_once(service: Served) -> None:
    await service.has()
    await _finish(service, "p1")
    reply = await asyncio.wait_for(service.get("/v1/tasks/tsk_1", headers={"Prefer": "wait=45"}), PATIENCE_S)
    assert (reply.json()["state"], reply.headers["preference-applied"]) == ("succeeded", "wait=45")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait", 45),
        ("respond-async, wait", 45),
        ("wait=", 45),
        ("wait;x=y", 45),
        ("WAIT = 7", 7),
        ('wait="7"; x', 7),
        ("wait=7, wait=8", 7),
        ("wait=60", 45),
        ("wait=999999999", 45),
        ("wait=0", 0),
    ],
)
async def test_a_preferred_wait_is_no_longer_than_proxies_allow(service: Served, prefer: str, applied: int) -> None:
    await service.has()
    await _finish(service, "p1")
    reply = await service.get("/v1/tasks/tsk_1", headers={"Prefer": prefer})
    assert (reply.status_code, reply.headers["preference-applied"]) == (200, f"wait={applied}")


@pytest.mark.parametrize("prefer", ["waiting=5", "await", "no-wait=5", "respond-async"])
async def test_other_preferences_are_no_wait(service: Served, prefer: str) -> None:
    await service.has()
    assert "preference-applied" not in (await service.get("/v1/tasks/tsk_1", headers={"Prefer": prefer})).headers


@pytest.mark.parametrize("query", ["wait", "wait="])
async def test_a_wait_without_a_number_is_the_longest_where_that_is_short(tmp_path: Path, query: str) -> None:
    async with served(tmp_path, WHENFINAL_WAIT_MAX_S="1") as service:
        await service.has()
        began_s = asyncio.get_running_loop().time()
        assert (await service.get(f"/v1/tasks/tsk_1?{query}")).json()["state"] == "running"
        assert asyncio.get_running_loop().time() - began_s >= 0.9


async def test_a_longer_wait_is_taken_where_it_was_asked_for(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_WAIT_MAX_S="90") as service:
        await service.has()
        await _finish(service, "p1")
        assert (await service.get("/v1/tasks/tsk_1?wait=90")).json()["state"] == "succeeded"
        for prefer, applied in (("wait=90", 90), ("wait", 45)):
            reply = await service.get("/v1/tasks/tsk_1", headers={"Prefer": prefer})
            assert reply.headers["preference-applied"] == f"wait={applied}"


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=abc", "wait=1e9"])
async def test_a_preferred_wait_that_is_no_number_is_answered_400(service: Served, prefer: str) -> None:
    await service.has()
    is_problem(await service.get("/v1/tasks/tsk_1", headers={"Prefer": prefer}), 400)


# Deliveries.


async def test_a_delivery_is_listed_and_made_due_again(service: Served) -> None:
    await service.services.store.submissions.open_task(
        notified("tsk_1", state=TaskState.RUNNING, provider_task_id="p1", next_poll_ms=None), T0
    )
    await _finish(service, "p1")
    delivery = (await service.get("/v1/deliveries?state=pending")).json()["deliveries"][0]
    assert (delivery["task"], delivery["event_type"], delivery["attempts"]) == ("tsk_1", "task.succeeded", 0)
    reply = await service.post(f"/v1/deliveries/{delivery['id']}/redeliver", key="operate")
    assert (reply.status_code, reply.json()["id"]) == (202, delivery["id"])
    assert (await service.get("/v1/deliveries?state=dead")).json()["deliveries"] == []


async def test_a_delivery_that_is_not_there_is_answered_404(service: Served) -> None:
    is_problem(await service.post("/v1/deliveries/dlv_none/redeliver"), 404)


# Manual.


async def test_a_task_is_reconciled_manually_without_a_body(simulated: tuple[Served, Simulator]) -> None:
    service, sim = simulated
    sim.plan("hiapi", [["callback_lost"]])
    task = (await service.post("/v1/tasks", ORDER)).json()
    sim.finish(task["task_id"])
    report = (await service.post(f"/v1/tasks/{task['id']}/reconcile", key="operate")).json()
    assert (report["asked"], report["changed"], report["tasks"][0]["after"]) == (1, 1, "succeeded")


@pytest.mark.parametrize(
    ("order", "asked"), [({"dry_run": True}, 0), ({"dry_run": True, "ask": True, "provider": "hiapi"}, 1)]
)
async def test_a_dry_run_changes_nothing(
    simulated: tuple[Served, Simulator], order: dict[str, Any], asked: int
) -> None:
    service, sim = simulated
    sim.plan("hiapi", [["callback_lost"]])
    task = (await service.post("/v1/tasks", ORDER)).json()
    sim.finish(task["task_id"])
    report = (await service.post("/v1/reconcile", order)).json()
    assert (report["asked"], [line["task"] for line in report["tasks"]]) == (asked, [task["id"]])
    assert (await service.get(f"/v1/tasks/{task['id']}")).json()["state"] == "submitted"


async def test_reconciling_an_unknown_provider_is_answered_422(service: Served) -> None:
    assert is_problem(await service.post("/v1/reconcile", {"provider": "nobody"}), 422)["errors"]


async def test_an_uncertain_task_is_settled_as_refused_once(service: Served) -> None:
    await service.has(provider_task_id=None)
    assert (await service.post("/v1/tasks/tsk_1/settle", {"refused": True})).json()["state"] == "refused"
    is_problem(await service.post("/v1/tasks/tsk_1/settle", {"refused": True}), 409)


@pytest.mark.parametrize("order", [{}, {"task_id": "p1", "refused": True}, {"refused": False}, {"task_id": ""}])
async def test_settling_wants_exactly_one_way(service: Served, order: dict[str, Any]) -> None:
    await service.has(provider_task_id=None)
    is_problem(await service.post("/v1/tasks/tsk_1/settle", order), 422)


@pytest.mark.parametrize("length", [262, 1_000])
async def test_a_task_with_a_long_id_is_settled_and_reconciled_by_it(service: Served, length: int) -> None:
    await service.has(provider_task_id=None)
    settled = await service.post("/v1/tasks/tsk_1/settle", {"task_id": "x" * length, "force": True})
    assert settled.json()["task_id"] == "x" * length
    report = await service.post("/v1/reconcile", {"task_id": "x" * length, "dry_run": True})
    assert [line["task"] for line in report.json()["tasks"]] == ["tsk_1"]


async def test_an_id_longer_than_a_thousand_characters_is_refused(service: Served) -> None:
    await service.has(provider_task_id=None)
    is_problem(await service.post("/v1/tasks/tsk_1/settle", {"task_id": "x" * 1_001}), 422)
    is_problem(await service.post("/v1/reconcile", {"task_id": "x" * 1_001}), 422)


async def test_what_an_operator_does_is_in_the_timeline_with_the_name_of_the_key(service: Served) -> None:
    await service.has(provider_task_id=None)
    await service.post("/v1/tasks/tsk_1/settle", {"task_id": "p9", "force": True}, key="operate")
    story = (await service.get("/v1/tasks/tsk_1/timeline")).json()["timeline"]
    assert [note["summary"] for note in story if note["kind"] == "audit"] == ["key operate: settle"]


# Health.


async def test_a_live_process_says_so_without_a_key(service: Served) -> None:
    assert (await service.http.get("/healthz")).json() == {"status": "alive"}


async def test_a_ready_process_shows_its_accounts(service: Served) -> None:
    assert (await service.get("/readyz", key="read")).json() == {"status": "ready", "note": None, "accounts": []}


async def test_what_a_ready_process_knows_about_accounts_is_for_readers_only(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, keys={"hiapi": "another-key"}) as (service, _):
        await service.post("/v1/tasks", ORDER)
        told = await service.get("/readyz", key="read")
        untold = [
            await service.http.get("/readyz"),
            await service.get("/readyz", key="submit"),
            await service.http.get("/readyz", headers={"Authorization": "Bearer no-key-of-ours-0000000001"}),
            await service.http.get("/readyz", headers={"Authorization": "Basic eDp5"}),
        ]
    assert "hiapi" in told.text
    assert [reply.text for reply in untold] == ['{"status":"ready"}'] * len(untold)
