"""Providers over HTTP: listed with their pauses, and resumed."""

import json
from pathlib import Path
from typing import Any

from receiver.tasks.model.task import TaskFilter
from submitter.model import TaskState
from submitter.providers import hiapi
from tests.support.builders import T0
from tests.support.service import Served, is_problem, served
from tests.support.tables import rows_of

FAR_MS = 2**52


async def _pause(service: Served, name: str = "hiapi") -> None:
    await service.services.store.accounts.pause(name, until_ms=FAR_MS, reason="denied", alarm="bad key", now_ms=T0)


async def test_every_configured_provider_is_listed_with_its_pause(service: Served) -> None:
    await service.has("tsk_1", "p1", next_poll_ms=FAR_MS)
    await _pause(service)
    found = (await service.get("/v1/providers", key="read")).json()["providers"]
    assert [each["name"] for each in found] == ["hiapi", "signed", "dashscope"]
    paused, free, _ = found
    assert (paused["alarm"], paused["paused_reason"], bool(paused["paused_until"])) == ("bad key", "denied", True)
    assert (paused["host"], paused["adapter"], paused["unfinished"]) == ("127.0.0.1:9", "hiapi", 1)
    assert (free["alarm"], free["paused_until"], free["unfinished"], free["adapter"]) == (None, None, 0, "hiapi")
    assert free["tokens"] == free["burst"]
    assert "sim-hiapi-key" not in json.dumps(found)


async def test_a_provider_shows_what_was_learned_of_it(service: Served) -> None:
    shown = (await service.get("/v1/providers/hiapi", key="read")).json()
    assert (shown["name"], shown["unfinished"], shown["callback_miss_rate"]) == ("hiapi", 0, 0.0196)
    (whole,) = shown["durations"]
    assert (whole["model"], whole["count"], whole["prior_share"], round(whole["p50_s"])) == (None, 0, 1.0, 130)
    assert is_problem(await service.get("/v1/providers/nobody", key="read"), 404)


async def test_a_provider_shows_the_price_of_a_poll_and_the_polls_that_wait(service: Served) -> None:
    """Its rate budget is spent, and its tasks have been due for minutes."""
    free = (await service.get("/v1/providers/hiapi", key="read")).json()
    assert (free["polls_waiting"], free["polls_waiting_since"], free["poll_price_s"]) == (0, None, 5.0)
    now_ms = service.services.clock()
    for number in range(12):
        sent_ms = now_ms - 200_000
        await service.has(f"tsk_{number}", f"p{number}", sent_ms=sent_ms, next_poll_ms=now_ms - 180_000 + number)
    budget = hiapi.CAPABILITIES.budget
    await service.services.store.accounts.consume("hiapi", budget=budget, count=2 * budget.burst, now_ms=now_ms)
    late = (await service.get("/v1/providers/hiapi", key="read")).json()
    assert late["polls_waiting"] == 12
    assert late["polls_waiting_since"] is not None
    assert late["poll_price_s"] > 20


async def test_a_resume_ends_pause_and_alarm_and_makes_put_off_tasks_due(service: Served) -> None:
    await service.has("tsk_1", "p1", next_poll_ms=FAR_MS)
    await _pause(service)
    first = await service.post("/v1/providers/hiapi/resume", key="operate")
    assert first.status_code == 200
    resumed = first.json()
    assert (resumed["name"], resumed["ended"], resumed["made_due"]) == ("hiapi", True, 1)
    assert (resumed["alarm"], resumed["paused_until"], resumed["paused_reason"]) == (None, None, None)
    (task,) = (await service.services.store.tasks.tasks(TaskFilter())).items
    assert (task.next_poll_ms or FAR_MS) < FAR_MS
    again = (await service.post("/v1/providers/hiapi/resume", key="operate")).json()
    assert (again["ended"], again["made_due"]) == (False, 0)


async def test_a_resume_is_in_the_audit_once_and_a_second_changes_nothing(service: Served) -> None:
    await _pause(service)
    for _ in range(2):
        await service.post("/v1/providers/hiapi/resume", key="operate")
    (row,) = rows_of(service.services.settings.database.url, "SELECT actor, action, detail FROM audit")
    assert row[:2] == ("key operate", "provider resumed")
    assert json.loads(row[2]) == {"provider": "hiapi", "tasks_made_due": 0}


async def test_a_provider_that_is_not_configured_is_404_even_if_it_once_was(service: Served) -> None:
    await _pause(service, "tokenbay")
    for name in ("tokenbay", "nobody", "..%2Fhiapi", "hiapi%20", "HIAPI"):
        is_problem(await service.post(f"/v1/providers/{name}/resume", key="operate"), 404)
    is_problem(await service.post("/v1/providers/hiapi/resume", key="read"), 403)
    is_problem(await service.get("/v1/providers", key="submit"), 403)
    (account,) = await service.services.store.accounts.all()
    assert (account.provider, account.alarm) == ("tokenbay", "bad key")


def _event(task_id: str) -> dict[str, Any]:
    data = {"task_id": task_id, "task_status": "SUCCEEDED"}
    return {"source": "acs.dashscope", "type": "dashscope:System:AsyncTaskFinish", "data": data}


async def test_the_callbacks_of_an_account_come_to_the_address_that_is_shown(service: Served) -> None:
    await service.has("tsk_1", "p1", provider="dashscope", next_poll_ms=FAR_MS)
    shown = (await service.get("/v1/providers/dashscope/callback-address", key="operate")).json()
    assert shown["provider"] == "dashscope"
    assert shown["address"].startswith(f"{service.services.settings.public_url}/callbacks/dashscope/")
    assert any("acs.dashscope" in step for step in shown["steps"])
    again = (await service.get("/v1/providers/dashscope/callback-address", key="operate")).json()
    assert again == shown
    assert (await service.http.post(shown["address"], json=_event("p1"))).status_code == 204
    (task,) = (await service.services.store.tasks.tasks(TaskFilter())).items
    assert (task.state, (task.next_poll_ms or FAR_MS) < FAR_MS) == (TaskState.RUNNING, True)
    other = shown["address"].replace("/callbacks/dashscope/", "/callbacks/hiapi/")
    is_problem(await service.http.post(other, json=_event("p1")), 401)


async def test_a_provider_whose_submits_name_the_address_has_none_of_the_account(service: Served) -> None:
    problem = is_problem(await service.get("/v1/providers/hiapi/callback-address"), 409)
    assert problem["detail"] == "An account at HiAPI has no callback address of its own: each submit names one."
    is_problem(await service.get("/v1/providers/nobody/callback-address"), 404)
    is_problem(await service.get("/v1/providers/dashscope/callback-address", key="read"), 403)


async def test_without_a_public_url_there_is_no_address_and_with_no_callbacks_neither(tmp_path: Path) -> None:
    async with served(
        tmp_path,
        WHENFINAL_PUBLIC_URL="",
        WHENFINAL_PROVIDERS="dashscope,modellix,signed=hiapi",
        MODELLIX_API_KEY="x" * 20,
    ) as service:
        problem = is_problem(await service.get("/v1/providers/dashscope/callback-address"), 409)
        assert "WHENFINAL_PUBLIC_URL is not set" in problem["detail"]
        silent = is_problem(await service.get("/v1/providers/modellix/callback-address"), 409)
        assert silent["detail"].endswith("it does not call back.")
