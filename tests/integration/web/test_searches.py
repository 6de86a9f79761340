"""Lists by their filters, and tasks by anything that names them, on both engines."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from receiver.store.ids import id_maker
from submitter.model import TaskId, TaskState
from tests.support.builders import T0, a_report, notified
from tests.support.service import Served, is_problem, served
from tests.support.subscriptions_over_http import create_subscription

HOST = "https://hooks.example"


@pytest.fixture(name="service")
async def _service(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    async with served(tmp_path, WHENFINAL_DATABASE_URL=database_url) as service:
        yield service


def _ids(service: Served) -> list[TaskId]:
    """The first is the oldest."""
    now_ms = service.services.clock() - 60_000
    return [TaskId(id_maker(number.to_bytes)("tsk", now_ms)) for number in range(4)]


async def _has_tasks(service: Served) -> list[TaskId]:
    now_ms, ids = service.services.clock(), _ids(service)
    await service.has(ids[1], "p1", labels={"film": "a=b", "shot": "9"}, created_ms=now_ms - 10_000)
    await service.has(ids[2], None, idempotency_key="order/2", created_ms=now_ms)
    await service.has(ids[3], "p3", provider="dashscope", model="wan", created_ms=now_ms, deadline_ms=1)
    return ids


async def _found(service: Served, ids: list[TaskId], path: str) -> list[int]:
    reply = await service.get(path)
    assert reply.status_code == 200, reply.text
    return [ids.index(task["id"]) for task in reply.json()["tasks"]]


async def test_tasks_are_listed_by_each_filter(service: Served) -> None:
    ids = await _has_tasks(service)
    now_ms = service.services.clock()
    await service.services.store.ledger.record([a_report(TaskState.FAILED, "p1")], now_ms)
    await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], now_ms + 1)
    await service.services.store.ledger.mark_overdue(now_ms, limit=10)
    cases: Mapping[str, list[int]] = {
        "": [3, 2, 1],
        "state=uncertain": [2],
        "state=uncertain&state=failed": [2, 1],
        "provider=dashscope": [3],
        "model=wan": [3],
        "model=other": [],
        "label=film=a=b": [1],
        "label=film%3Da%3Db&label=shot=9": [1],
        "label=film%3Da%3Db&state=uncertain": [],
        "key=order/2": [2],
        "key=p3": [],
        "task_id=p3": [3],
        "task_id=p3&provider=hiapi": [],
        "older_than_s=300000000": [],
        "older_than_s=5": [1],
        "since=2999-01-01T00:00:00Z": [],
        "since=2001-01-01T00:00:00Z&until=2999-01-01T00:00:00%2B02:00": [3, 2, 1],
        "until=2001-01-01T00:00:00Z": [],
        "overdue=true": [3],
        "overdue=false&contradicted=true": [1],
        "ended_by=poll": [1],
        "ended_by=callback&ended_by=operator&ended_by=service": [],
        "ended_by=poll&state=failed&contradicted=true": [1],
    }
    assert {query: await _found(service, ids, f"/v1/tasks?{query}") for query in cases} == cases


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("tasks?since=2026-09-21T14:00:00Z&until=2026-09-21T13:00:00Z", "until"),
        ("tasks?overdue=true&state=failed&state=canceled", "overdue"),
        ("tasks?ended_by=poll&state=running", "ended_by"),
        ("tasks?ended_by=poll&overdue=true", "ended_by"),
        ("tasks?label=film=1&label=film=2", "label"),
        ("tasks?label=a=1&label=b=2&label=c=3", "label"),
        ("deliveries?since=2026-09-21T14:00:00Z&until=2026-09-21T13:00:00Z", "until"),
        ("deliveries?failing=true&state=dead", "failing"),
        ("deliveries?endpoint=https://a.example&state=delivered", "endpoint"),
        ("deliveries?endpoint=https://a.example&subscription=sub_1", "endpoint"),
    ],
)
async def test_filters_that_nothing_can_fit_both_are_refused(service: Served, path: str, field: str) -> None:
    problem = is_problem(await service.get(f"/v1/{path}"), 400)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/queue"])
async def test_a_mistyped_provider_is_refused_in_the_words_of_what_the_key_may_see(service: Served, path: str) -> None:
    await service.has("tsk_gone", "g1", provider="gone", labels={"team": "ads"}, state=TaskState.QUEUED, queued_ms=T0)
    assert (await service.get(f"{path}?provider=gone")).json()["tasks"]
    by_limits: Mapping[str, tuple[dict[str, Any], str, int]] = {
        "all": ({}, "dashscope, hiapi, signed", 200),
        "hiapi": ({"providers": ["hiapi"]}, "hiapi", 400),
        "films": ({"label": "team=films"}, "dashscope, hiapi, signed", 400),
        "ads": ({"label": "team=ads"}, "dashscope, hiapi, signed", 200),
    }
    for name, (limits, accepted, status) in by_limits.items():
        made = await service.post("/v1/keys", {"name": f"{name}-limited", "scopes": ["read"], **limits})
        bearer = {"Authorization": f"Bearer {made.json()['key']}"}
        (error,) = is_problem(await service.http.get(f"{path}?provider=nope", headers=bearer), 400)["errors"]
        assert (error["field"], error["accepted"]) == ("provider", accepted), name
        assert (await service.http.get(f"{path}?provider=gone", headers=bearer)).status_code == status, name


async def test_deliveries_are_listed_by_each_filter(service: Served) -> None:
    made = await create_subscription(service)
    store, now_ms, ids = service.services.store, service.services.clock(), _ids(service)
    running: dict[str, Any] = {"state": TaskState.RUNNING, "next_poll_ms": None, "created_ms": now_ms}
    for number in (0, 1):
        task = notified(ids[number], f"{HOST}/{number}", provider_task_id=f"p{number}", **running)
        await store.submissions.open_task(task, now_ms)
    await store.ledger.record([a_report(TaskState.SUCCEEDED, "p0"), a_report(TaskState.FAILED, "p1")], now_ms)
    cases: Mapping[str, int] = {
        "": 4,
        f"task={ids[0]}": 2,
        "type=task.failed": 2,
        f"type=task.failed&subscription={made['id']}": 1,
        f"endpoint={HOST}/any": 2,
        f"endpoint={HOST}&type=task.succeeded": 1,
        "state=pending&state=dead": 4,
        "state=dead": 0,
        "failing=true": 0,
        "error=none": 0,
        "error=5xx&error=4xx": 0,
        "since=2999-01-01T00:00:00Z": 0,
        "until=2999-01-01T00:00:00Z": 4,
    }
    found = {query: len((await service.get(f"/v1/deliveries?{query}")).json()["deliveries"]) for query in cases}
    assert found == cases


async def test_a_task_is_found_by_anything_that_names_it(service: Served) -> None:
    ids = await _has_tasks(service)
    await create_subscription(service)
    await service.services.store.ledger.record([a_report(TaskState.FAILED, "p1")], service.services.clock())
    event = (await service.get("/v1/events")).json()["events"][0]["event_id"]
    delivery = (await service.get("/v1/deliveries")).json()["deliveries"][0]["id"]
    cases: Mapping[str, tuple[list[int], str]] = {
        ids[2]: ([2], "task"),
        ids[2][:12]: ([3, 2, 1], "task"),
        event: ([1], "event"),
        delivery: ([1], "delivery"),
        "film=a=b": ([1], "label"),
        "p3": ([3], "id_or_key"),
        "dashscope/p3": ([3], "id_or_key"),
        "hiapi/p3": ([], "id_or_key"),
        "order/2": ([2], "id_or_key"),
        "evt_none": ([], "id_or_key"),
        "dlv_none": ([], "id_or_key"),
        "tsk_none": ([], "id_or_key"),
        "no=such": ([], "id_or_key"),
    }
    for text, (expected, read_as) in cases.items():
        reply = await service.get("/v1/find", params={"text": text})
        assert [ids.index(task["id"]) for task in reply.json()["tasks"]] == expected, text
        assert reply.json()["read_as"] == read_as, text


async def test_a_key_that_looks_like_an_id_of_ours_is_found_all_the_same(service: Served) -> None:
    ids = _ids(service)
    await service.has(ids[0], None, idempotency_key="tsk_of_theirs")
    await service.has(ids[1], "tsk_p1", provider="dashscope")
    await service.has(ids[2], None, idempotency_key="film=1")
    for text, number in (("tsk_of_theirs", 0), ("tsk_p1", 1), ("film=1", 2)):
        reply = await service.get("/v1/find", params={"text": text})
        assert [ids.index(task["id"]) for task in reply.json()["tasks"]] == [number]


async def test_pages_of_what_is_found_follow_each_other(service: Served) -> None:
    ids = _ids(service)
    for number, name in enumerate(ids):
        await service.has(name, f"p{number}", labels={"film": "1"})
    first = (await service.get("/v1/find?text=film=1&limit=3")).json()
    second = (await service.get("/v1/find", params={"text": "film=1", "cursor": first["next_cursor"]})).json()
    assert [task["id"] for task in first["tasks"] + second["tasks"]] == ids[::-1]
    assert second["next_cursor"] is None


async def test_a_search_needs_the_scope_read_and_a_text(service: Served) -> None:
    is_problem(await service.get("/v1/find?text=x", key="submit"), 403)
    problem = is_problem(await service.get("/v1/find"), 400)
    assert [error["field"] for error in problem["errors"]] == ["text"]
    assert "a label as name=value" in problem["errors"][0]["accepted"]
