"""Explain, cancel and files of one task; counts, models and checks of the service."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.store.ids import id_maker
from submitter import api_service, api_tasks
from submitter.model import Output, TaskId, TaskState
from tests.support import file_server
from tests.support.builders import a_report
from tests.support.service import Served, is_problem, served, served_with_simulator

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}

WAIT_S = 60.0


@pytest.fixture(name="both")
async def _both(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    """On each engine."""
    async with served(tmp_path, WHENFINAL_DATABASE_URL=database_url) as service:
        yield service


async def _succeeds(service: Served, *urls: str, name: str = "tsk_1", **output: Any) -> None:
    await service.has(name)
    outputs = tuple(Output(url=url, **output) for url in urls)
    await service.services.store.ledger.record([a_report(outputs=outputs)], service.services.clock())


async def test_a_task_is_explained_with_what_happened_and_what_comes_next(both: Served) -> None:
    await both.has("tsk_1", None)
    told = api_tasks.Explanation.model_validate((await both.get("/v1/tasks/tsk_1/explain", key="read")).json())
    assert (told.task.id, told.task.state) == ("tsk_1", TaskState.UNCERTAIN)
    assert any("whenfinal tasks settle tsk_1" in line for line in told.cure)
    assert told.next
    await both.has("tsk_2", "p2")
    report = a_report(TaskState.FAILED, "p2", raw=b"the raw message")
    await both.services.store.ledger.record([report], both.services.clock())
    ended = (await both.get("/v1/tasks/tsk_2/explain")).json()
    assert {entry["kind"] for entry in ended["timeline"]} == {"observation", "event"}
    assert "the raw message" not in str(ended)
    is_problem(await both.get("/v1/tasks/tsk_none/explain"), 404)


async def test_a_queued_task_is_canceled_at_once(both: Served) -> None:
    now_ms = both.services.clock()
    await both.has("tsk_1", None, state=TaskState.QUEUED, queued_ms=now_ms)
    canceled = (await both.post("/v1/tasks/tsk_1/cancel", key="operate")).json()
    assert (canceled["was_queued"], canceled["task"]["state"]) == (True, "canceled")
    problem = is_problem(await both.post("/v1/tasks/tsk_1/cancel", key="operate"), 409)
    assert problem["detail"] == "It is not canceled: it has ended already: canceled."
    assert (await both.get("/v1/events?type=task.canceled")).json()["events"]


async def test_what_cannot_be_canceled_or_looked_for_says_why(both: Served) -> None:
    await both.has("tsk_1", "p1")
    await both.has("tsk_2", "p2", provider="gone")
    for name, path, words in (
        ("tsk_1", "cancel", "documents no way to cancel"),
        ("tsk_2", "cancel", "not among the configured providers"),
        ("tsk_1", "look", "Only an uncertain task"),
    ):
        problem = is_problem(await both.post(f"/v1/tasks/{name}/{path}"), 409)
        assert words in problem["detail"]
        assert problem["instance"] == f"/v1/tasks/{name}"
    for path in ("cancel", "look"):
        is_problem(await both.post(f"/v1/tasks/tsk_none/{path}"), 404)
        is_problem(await both.post(f"/v1/tasks/tsk_1/{path}", key="read"), 403)


async def test_a_provider_cancels_a_task_that_it_has(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, speed=1.0) as (service, _):
        name = (await service.post("/v1/tasks", AT_DASHSCOPE)).json()["id"]
        canceled = (await service.post(f"/v1/tasks/{name}/cancel")).json()
        assert (canceled["was_queued"], canceled["task"]["id"]) == (False, name)


async def test_a_provider_that_does_not_answer_to_a_cancel_is_told_apart(service: Served) -> None:
    await service.has("tsk_1", "p1", provider="dashscope")
    reply = await service.post("/v1/tasks/tsk_1/cancel")
    assert is_problem(reply, 503)["type"] == "urn:whenfinal:problem:provider-unavailable"
    assert int(reply.headers["retry-after"]) > 0


# Files.


def _film(head: bytes) -> bytes:
    film = file_server.MP4 * 100
    if b"range: bytes=4-7" in head.lower():
        part = {"Content_Range": f"bytes 4-7/{len(film)}"}
        return file_server.reply(film[4:8], kind="video/mp4", status="206 Partial Content", **part)
    return file_server.reply(film, kind="video/mp4")


async def test_a_file_comes_through_the_service_whole_and_in_parts(service: Served) -> None:
    async with file_server.answering(_film) as (url, heads):
        await _succeeds(service, f"{url}/a.mp4", f"{url}/b.mp4")
        whole = await service.get("/v1/tasks/tsk_1/files/1", key="read")
        assert (whole.status_code, whole.content) == (200, file_server.MP4 * 100)
        assert whole.headers["content-type"] == "video/mp4"
        assert whole.headers["content-disposition"] == 'attachment; filename="tsk_1-video-2.mp4"'
        assert whole.headers["x-content-type-options"] == "nosniff"
        part = await service.get("/v1/tasks/tsk_1/files/0", headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, file_server.MP4[4:8])
        assert part.headers["content-range"] == f"bytes 4-7/{len(file_server.MP4) * 100}"
        head = await service.http.head("/v1/tasks/tsk_1/files/0", headers=service.key("read"))
        assert (head.status_code, head.content) == (200, b"")
        assert not any(b"authorization" in each.lower() for each in heads)


async def test_files_that_are_not_there_are_answered_in_words(service: Served) -> None:
    await service.has("tsk_2", "p2")
    await _succeeds(service, "https://cdn.example/v.mp4")
    for path, status, words in (
        ("tsk_2/files/0", 409, "this one is running"),
        ("tsk_1/files/1", 404, "The task has 1 files"),
        ("tsk_1/files/-1", 404, "The task has 1 files"),
        ("tsk_1/files/0x1", 404, "The task has 1 files"),
        ("tsk_none/files/0", 404, "no task"),
    ):
        assert words in is_problem(await service.get(f"/v1/tasks/{path}"), status)["detail"]
    is_problem(await service.get("/v1/tasks/tsk_1/files/0", key="submit"), 403)


async def test_an_address_that_may_not_be_reached_is_not_reached(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_ALLOW_PRIVATE="") as service:
        await _succeeds(service, "http://127.0.0.1:10/v.mp4")
        problem = is_problem(await service.get("/v1/tasks/tsk_1/files/0"), 502)
        assert "may not be reached" in problem["detail"]


async def test_a_page_in_place_of_a_film_is_not_handed_on(service: Served) -> None:
    page = file_server.reply(b"<html>gone</html>", kind="text/html")
    async with file_server.answering(lambda _: page) as (url, _):
        await _succeeds(service, f"{url}/a.mp4")
        assert "text/html" in is_problem(await service.get("/v1/tasks/tsk_1/files/0"), 502)["detail"]


async def test_a_file_that_needs_a_key_nobody_has_is_refused(service: Served) -> None:
    await service.has("tsk_1", "p1", provider="gone")
    output = Output(url="https://cdn.example/v.mp4", needs_key=True)
    report = a_report(outputs=(output,), provider="gone")
    await service.services.store.ledger.record([report], service.services.clock())
    assert "needs the key of gone" in is_problem(await service.get("/v1/tasks/tsk_1/files/0"), 409)["detail"]


async def test_no_more_files_than_a_few_are_handed_on_at_once(service: Served) -> None:
    await _succeeds(service, "https://cdn.example/v.mp4")
    service.app.state.media_slots.taken = 4
    reply = await service.get("/v1/tasks/tsk_1/files/0")
    is_problem(reply, 503)
    assert int(reply.headers["retry-after"]) > 0


# The service.


async def test_what_is_open_is_counted_by_provider_and_state(both: Served) -> None:
    now_ms = both.services.clock()
    ids = [TaskId(id_maker(number.to_bytes)("tsk", now_ms)) for number in range(4)]
    await both.has(ids[0], None, created_ms=now_ms - 60_000)
    await both.has(ids[1], "p1", deadline_ms=1)
    await both.has(ids[2], None, state=TaskState.QUEUED, queued_ms=now_ms)
    await both.has(ids[3], "p3", provider="elsewhere")
    await both.services.store.ledger.mark_overdue(now_ms, limit=5)
    await both.services.snapshots.take()
    counts = api_service.Counts.model_validate((await both.get("/v1/counts", key="read")).json())
    by_name = {each.provider: each for each in counts.providers}
    assert list(by_name) == ["hiapi", "signed", "dashscope", "other"]
    hiapi = by_name["hiapi"]
    assert {state: number for state, number in hiapi.tasks.items() if number} == {
        "uncertain": 1,
        "running": 1,
        "queued": 1,
    }
    assert (counts.uncertain.number, counts.overdue.number, counts.queued.number) == (1, 1, 1)
    assert (counts.uncertain.since_at is None, counts.contradicted.since_at) == (False, None)
    assert by_name["other"].tasks["running"] == 1
    assert (counts.deliveries.dead.number, counts.subscriptions) == (0, {"active": 0, "disabled": 0})
    is_problem(await both.get("/v1/counts", key="submit"), 403)


async def test_the_models_of_each_provider_have_their_limits(service: Served) -> None:
    everything = api_service.ModelsAnswer.model_validate((await service.get("/v1/models", key="read")).json())
    assert {each.provider for each in everything.models} == {"hiapi", "signed", "dashscope"}
    of_one = (await service.get("/v1/models?provider=hiapi")).json()
    assert of_one == (await service.get("/v1/providers/hiapi/models")).json()
    found = {each["model"]: each for each in of_one["models"]}
    pictures = found["happyhorse-1.1/reference-to-video"]
    assert (pictures["kinds"], pictures["reference_images"]) == (["reference-to-video"], {"least": 1, "most": 9})
    assert (pictures["durations"], pictures["seed"]) == ({"least": 3, "most": 15}, None)
    assert found["happyhorse-1-0"]["seed"] == {"least": 0, "most": 2147483647}
    assert is_problem(await service.get("/v1/models?provider=nobody"), 400)["errors"][0]["field"] == "provider"
    is_problem(await service.get("/v1/providers/nobody/models"), 404)


async def test_who_did_what_is_listed_by_each_filter(both: Served) -> None:
    ids = [TaskId(id_maker(number.to_bytes)("tsk", both.services.clock())) for number in range(2)]
    for name in ids:
        await both.has(name, None)
        await both.post(f"/v1/tasks/{name}/settle", {"refused": True}, key="operate")
    await both.post("/v1/providers/hiapi/resume")
    page = api_service.AuditPage.model_validate((await both.get("/v1/audit?action=settle&limit=1")).json())
    rest = (await both.get("/v1/audit", params={"action": "settle", "cursor": page.next_cursor})).json()
    shown = [page.lines[0].task, *(each["task"] for each in rest["lines"])]
    assert (shown, rest["next_cursor"]) == (ids[::-1], None)
    assert (page.lines[0].actor, page.lines[0].detail) == ("key operate", {"refused": True})
    for query, count in ((f"task={ids[0]}", 1), ("actor=key%20operate", 2), ("actor=nobody", 0)):
        assert len((await both.get(f"/v1/audit?{query}")).json()["lines"]) == count, query
    later = "since=2999-01-01T00:00:00Z"
    assert (await both.get(f"/v1/audit?{later}")).json() == {"lines": [], "next_cursor": None}
    is_problem(await both.get(f"/v1/audit?{later}&until=2001-01-01T00:00:00Z"), 400)
    is_problem(await both.get("/v1/audit", key="read"), 403)


async def test_the_service_is_checked_with_counts_and_cures(both: Served) -> None:
    await both.has("tsk_1", None)
    await both.services.store.accounts.pause("hiapi", until_ms=2**52, reason="denied", alarm="bad key", now_ms=1)
    answer = api_service.ChecksAnswer.model_validate((await both.get("/v1/checks", key="operate")).json())
    found = {each.name: each for each in answer.checks}
    assert answer.ok
    assert {"database", "uncertain", "overdue", "contradicted", "queue", "dead letters", "pauses", "backup"} <= set(
        found
    )
    assert {"clock", "API keys", "secret keys", "public URL"} <= set(found)
    assert (found["uncertain"].level, found["uncertain"].count) == ("warn", 1)
    assert (found["API keys"].level, found["API keys"].count) == ("ok", 4)
    assert "hiapi: polls are paused" in found["pauses"].what
    assert all((each.level == "ok") == (each.cure == "") for each in answer.checks)
    is_problem(await both.get("/v1/checks", key="read"), 403)


async def test_checks_send_nothing_unless_that_is_asked_for(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path) as (service, sim):
        quiet = (await service.get("/v1/checks")).json()["checks"]
        assert not any("accepts the key" in each["what"] for each in quiet)
        loud = (await service.get("/v1/checks?network=true")).json()["checks"]
        accepted = {each["name"] for each in loud if "accepts the key" in each["what"]}
        assert accepted == {"hiapi", "signed", "dashscope"}
        assert any(each["what"].endswith("/healthz answers") for each in loud)
        assert sim.records().tasks == ()


async def test_a_ledger_that_cannot_be_used_is_a_failed_check(service: Served) -> None:
    async with asyncio.timeout(WAIT_S):
        assert (await service.get("/v1/checks")).json()["ok"]
        await service.services.store.engine.close()
        answer = (await service.get("/v1/checks")).json()
    failed = [each for each in answer["checks"] if each["level"] == "fail"]
    assert (answer["ok"], [each["name"] for each in failed]) == (False, ["database"])
