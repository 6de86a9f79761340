"""Doubtful submits: each beside what its provider lists, which is asked on a press alone, and no id for two tasks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.operator_runs import looks as kept_looks
from receiver.runtime.operator_runs.acts import ACTS
from receiver.tasks.lost_submits import LostSubmits, NoList
from submitter.model import TaskId, TaskState
from submitter.simulator import Simulator
from tests.integration.web.dashboard.test_acts import ended, fields_of
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP, task_id
from tests.support.service import Served, served_with_simulator

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def loses(service: Served, sim: Simulator, order: dict[str, Any] = AT_DASHSCOPE) -> TaskId:
    """A submit that the provider has taken and whose reply is lost."""
    sim.plan(order["provider"], [["reply_lost"]])
    return TaskId((await service.post("/v1/tasks", order)).json()["id"])


async def looks(service: Served, browser: Any, query: str = "") -> Any:
    """Press the button that looks; return the run and the page that it leads to."""
    page = is_page(await browser.get(f"/ops/acts/look-candidates{query}"))
    answer = await browser.post("/ops/acts/look-candidates", data=fields_of(page))
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("/ops/doubtful")
    (run, *_) = (await service.services.store.runs.runs()).items
    answer.headers["location"] = f"/ops/runs/{run.id}"
    return await ended(service, answer)


async def test_an_empty_list_says_so_and_a_wrong_filter_is_named(scene: Scene) -> None:
    service, _ = scene
    async with visiting(service) as browser:
        assert "No submit is in doubt." in is_page(await browser.get("/ops/doubtful"))
        is_page(await browser.get("/ops/doubtful?since=soon"), 422)
        is_page(await browser.get("/ops/doubtful?before=%22"), 400)
        assert "is uncertain" in is_page(await browser.get("/ops/acts/look-candidates"))
        assert "exactly one candidate" in is_page(await browser.get("/ops/acts/settle-candidates"))


async def test_a_page_its_refresh_and_a_preview_ask_no_provider(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    service, sim = scene
    name = await loses(service, sim)
    asked: list[str] = []

    async def search(*_: object, **__: object) -> NoList:
        asked.append("a provider")
        return NoList()

    monkeypatch.setattr(LostSubmits, "search", search)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/doubtful"))
        assert name in page
        assert "Nobody has looked" in page
        assert "paid twice" in page
        await browser.get(f"/ops/doubtful/rows?ids={name}", headers={"HX-Request": "true"})
        await browser.get("/ops/acts/look-candidates")
        assert asked == []
        await looks(service, browser)
    assert asked == ["a provider"]


async def test_a_look_shows_the_candidates_with_its_time_and_the_only_one_is_accepted_in_bulk(scene: Scene) -> None:
    service, sim = scene
    name = await loses(service, sim)
    (record,) = sim.records().tasks
    async with visiting(service) as browser:
        run = await looks(service, browser)
        assert (run.done, run.failed) == (1, 0)
        page = is_page(await browser.get("/ops/doubtful"))
        assert ">exactly one fits<" in page
        assert record.task_id in page
        assert "looked" in page
        preview = is_page(await browser.get("/ops/acts/settle-candidates"))
        assert "Accept the candidate of 1 task" in preview
        assert f"as {record.task_id}" in preview
        second = fields_of(is_page(await browser.get("/ops/acts/settle-candidates")))
        run = await ended(service, await browser.post("/ops/acts/settle-candidates", data=fields_of(preview)))
        assert (run.done, run.failed) == (1, 0)
        # The second of two operators is told, and changes nothing.
        assert "Nothing was done" in is_page(await browser.post("/ops/acts/settle-candidates", data=second), 409)
        task = await service.services.store.tasks.task(name)
        assert task is not None
        assert (task.state, task.provider_task_id) == (TaskState.SUBMITTED, record.task_id)
        late = await ACTS["settle-candidates"].work(service.services, [name], run.condition, "ben")
        assert [each.is_done for each in late] == [False]


async def test_one_candidate_is_never_given_to_two_tasks(scene: Scene) -> None:
    service, sim = scene
    lost = await loses(service, sim)
    (record,) = sim.records().tasks
    now_ms = service.services.clock()
    twin = {"provider": "dashscope", "request": {**AT_DASHSCOPE}, "created_ms": now_ms, "sent_ms": now_ms}
    await service.has("tsk_twin", None, model="happyhorse-1.1-t2v", **twin)
    async with visiting(service) as browser:
        await looks(service, browser)
        page = is_page(await browser.get("/ops/doubtful"))
        assert "as well" in page
        assert ">exactly one fits<" not in page
        assert "exactly one candidate" in is_page(await browser.get("/ops/acts/settle-candidates"))
        condition = {"accepted": {each: {"id": record.task_id, "found": ""} for each in (lost, "tsk_twin")}}
        results = await ACTS["settle-candidates"].work(service.services, [lost, "tsk_twin"], condition, "ann")
        assert [(each.item, each.is_done) for each in results] == [(lost, True), ("tsk_twin", False)]
        assert "belongs to another task" in results[1].words


async def test_a_provider_that_can_not_be_asked_is_said_beside_its_tasks_and_the_others_are_shown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, sim = scene
    read = LostSubmits._page

    async def page_of(self: LostSubmits, reader: Any, span: Any, number: int) -> Any:
        if reader.configured.account.name == "hiapi":
            return "cannot be listed: the provider denies our key: <b>no such key</b>"
        return await read(self, reader, span, number)

    monkeypatch.setattr(LostSubmits, "_page", page_of)
    clear = await loses(service, sim)
    now_ms = service.services.clock()
    gone, denied = task_id(1, now_ms), task_id(2, now_ms)
    await service.has(gone, None, provider="closed-account")
    await service.has(denied, None, provider="hiapi", created_ms=now_ms, sent_ms=now_ms)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/look-candidates"))
        assert "not asked" in page
        run = await looks(service, browser)
        said = {note.item: note.words for note in run.notes}
        assert "exactly one fits" in said[clear]
        assert "closed-account is not configured" in said[gone]
        assert "denies our key" in said[denied]
        page = is_page(await browser.get("/ops/doubtful"))
        assert "closed-account is not configured" in page
        assert "the provider denies our key: &lt;b&gt;" in page
        assert ">exactly one fits<" in page


async def test_an_old_look_is_no_ground_to_accept_anything(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    service, sim = scene
    await loses(service, sim)
    async with visiting(service) as browser:
        await looks(service, browser)
        monkeypatch.setattr(kept_looks, "LOOK_OLD_MS", -1)
        assert "look first" in is_page(await browser.get("/ops/acts/settle-candidates"))
        assert "look again" in is_page(await browser.get("/ops/doubtful"))


async def test_a_look_is_too_old_to_accept_anything_when_the_button_is_pressed_not_when_it_was_shown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, sim = scene
    name = await loses(service, sim)
    async with visiting(service) as browser:
        run = await looks(service, browser)
        fields = fields_of(is_page(await browser.get("/ops/acts/settle-candidates")))
        monkeypatch.setattr(kept_looks, "LOOK_OLD_MS", int(fields["at"][0]) - run.ended_ms)
        await asyncio.sleep(0.002)
        assert "look first" in is_page(await browser.post("/ops/acts/settle-candidates", data=fields), 409)
    assert (await service.services.store.tasks.states([name]))[name] is TaskState.UNCERTAIN


async def test_what_a_newer_look_found_since_the_preview_counts(scene: Scene) -> None:
    service, sim = scene
    first = await loses(service, sim)
    async with visiting(service) as browser:
        await looks(service, browser)
        stale = fields_of(is_page(await browser.get("/ops/acts/settle-candidates")))
        # Another one of the same words: since then each of the two tasks has two candidates.
        second = await loses(service, sim)
        await looks(service, browser)
        late = is_page(await browser.post("/ops/acts/settle-candidates", data=stale), 409)
        assert "Nothing was done" in late
    states = await service.services.store.tasks.states([first, second])
    assert set(states.values()) == {TaskState.UNCERTAIN}


async def test_a_form_whose_result_is_not_what_it_showed_is_refused(scene: Scene) -> None:
    service, sim = scene
    other = {"provider": "dashscope", "video": {"model": "happyhorse-1.0-t2v", "prompt": "a horse at dawn"}}
    await loses(service, sim)
    async with visiting(service) as browser:
        await looks(service, browser)
        before = fields_of(is_page(await browser.get("/ops/acts/settle-candidates")))
        await loses(service, sim, other)
        await looks(service, browser)
        now = fields_of(is_page(await browser.get("/ops/acts/settle-candidates")))
        forgeries: tuple[dict[str, Any], ...] = (
            {**now, "accepted": before["accepted"]},
            {each: now[each] for each in ("nonce", "at")},
        )
        for forged in forgeries:
            late = is_page(await browser.post("/ops/acts/settle-candidates", data=forged), 409)
            assert "not what the preview showed: look at it again. Nothing was done." in late
        run = await ended(service, await browser.post("/ops/acts/settle-candidates", data=now))
    assert (run.done, run.failed) == (2, 0)


async def test_who_only_looks_sees_no_buttons_and_words_of_others_are_text(scene: Scene) -> None:
    service, _ = scene
    await service.has("tsk_1", None, model=MARKUP, request={"raw": {"body": {"prompt": MARKUP}}})
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/doubtful"))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "\x1b" not in page
        assert "Never created" not in page
        for kind in ("look-candidates", "settle-candidates"):
            is_page(await browser.get(f"/ops/acts/{kind}"), 403)
            is_page(await browser.post(f"/ops/acts/{kind}", data={}), 403)
