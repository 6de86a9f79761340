"""An act is shown before it is done, is done once in the background, and leaves a page that can be opened."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.runtime.operator_runs.acts import ACTS, settle
from receiver.runtime.operator_runs.model import OperatorRun, RunState
from receiver.store.audit import AuditSearch
from receiver.tasks.model.settle import OperatorId
from receiver.tasks.model.task import Task
from receiver.web.dashboard.acts import tasks as acts_on_tasks
from receiver.web.dashboard.pages.acts import FINAL_OLD_MS, OLD_MS
from submitter.model import ProviderTaskId, TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.builders import T0
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import task_id
from tests.support.service import ORDER, Served, served_with_simulator

Scene = tuple[Served, Simulator]
S = TaskState
ONE, TWO, THREE, QUEUED, RUNNING, ENDED = (task_id(number, T0) for number in range(6))


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


def fields_of(page: str) -> dict[str, Any]:
    """The hidden fields of the form that does it; lists where a name is there several times."""
    form = page[page.index('<form method="post" action="/ops/acts/') :]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form):
        found.setdefault(name, []).append(unescape(value))
    return found


async def ended(service: Served, answer: httpx.Response) -> OperatorRun:
    """The run that the answer leads to, at its end."""
    assert answer.status_code == 303, answer.text
    name = answer.headers["location"].removeprefix("/ops/runs/")
    while True:
        run = await service.services.store.runs.run(name)
        assert run is not None
        if not run.is_open:
            return run
        await asyncio.sleep(0.01)


async def _do(service: Served, browser: httpx.AsyncClient, kind: str, **fields: Any) -> OperatorRun:
    page = is_page(await browser.get(f"/ops/acts/{kind}", params=fields))
    return await ended(service, await browser.post(f"/ops/acts/{kind}", data=fields_of(page)))


async def test_a_bulk_reconcile_shows_its_number_and_polls_each_task(scene: Scene) -> None:
    service, _ = scene
    names = [(await service.post("/v1/tasks", ORDER)).json()["id"] for _ in range(3)]
    await service.has(ENDED, "p9", state=TaskState.SUCCEEDED)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/reconcile-tasks?provider=hiapi"))
        assert "Reconcile 3 tasks" in page
        assert all(name in page for name in names)
        assert ENDED not in page
        run = await ended(service, await browser.post("/ops/acts/reconcile-tasks", data=fields_of(page)))
        assert (run.state, run.done, run.failed, run.expected) == (RunState.FINISHED, 3, 0, 3)
        shown = is_page(await browser.get(f"/ops/runs/{run.id}"))
        assert all(name in shown for name in names)
        assert run.id in is_page(await browser.get("/ops/runs"))
    tasks = [await service.services.store.tasks.task(TaskId(name)) for name in names]
    assert all(task is not None and task.polls == 1 for task in tasks)


async def test_two_presses_of_one_form_give_one_run(scene: Scene) -> None:
    service, _ = scene
    await service.post("/v1/tasks", ORDER)
    async with visiting(service) as browser:
        fields = fields_of(is_page(await browser.get("/ops/acts/reconcile-tasks")))
        answers = await asyncio.gather(*(browser.post("/ops/acts/reconcile-tasks", data=fields) for _ in range(3)))
        assert len({answer.headers["location"] for answer in answers}) == 1
        await ended(service, answers[0])
    assert len((await service.services.store.runs.runs()).items) == 1


async def test_what_came_after_the_preview_is_left_alone(scene: Scene) -> None:
    service, _ = scene
    before = (await service.post("/v1/tasks", ORDER)).json()["id"]
    async with visiting(service) as browser:
        fields = fields_of(is_page(await browser.get("/ops/acts/reconcile-tasks")))
        await asyncio.sleep(0.002)
        after = (await service.post("/v1/tasks", ORDER)).json()["id"]
        run = await ended(service, await browser.post("/ops/acts/reconcile-tasks", data=fields))
    assert [note.item for note in run.notes] == [before]
    assert after != before


async def test_a_form_that_is_forged_or_old_does_nothing(scene: Scene) -> None:
    service, _ = scene
    await service.post("/v1/tasks", ORDER)
    now_ms = service.services.clock()
    good = {"nonce": "n" * 22, "at": str(now_ms)}
    async with visiting(service) as browser:
        for wrong, status in (
            ({"nonce": "short"}, 400),
            ({"at": str(now_ms - OLD_MS - 1000)}, 409),
            ({"at": str(now_ms + 60_000)}, 409),
            ({"at": "soon"}, 409),
            ({"state": "odd"}, 422),
        ):
            is_page(await browser.post("/ops/acts/reconcile-tasks", data={**good, **wrong}), status)
        is_page(await browser.post("/ops/acts/nothing", data=good), 404)
        is_page(await browser.get("/ops/acts/nothing"), 404)
        foreign = {"Sec-Fetch-Site": "cross-site"}
        is_page(await browser.post("/ops/acts/reconcile-tasks", data=good, headers=foreign), 403)
    assert (await service.services.store.runs.runs()).items == ()


async def test_a_filter_that_finds_nothing_offers_no_act(scene: Scene) -> None:
    service, _ = scene
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/cancel-tasks?state=succeeded"))
        assert "can be canceled" in page
        assert '<form method="post" action="/ops/acts/' not in page
        refused = {"nonce": "n" * 22, "at": str(service.services.clock())}
        is_page(await browser.post("/ops/acts/cancel-tasks", data=refused), 409)


async def test_a_cancel_takes_a_queued_task_out_and_says_why_another_one_runs_on(scene: Scene) -> None:
    service, _ = scene
    await service.has(QUEUED, None, state=TaskState.QUEUED)
    await service.has(RUNNING, "p1")
    async with visiting(service) as browser:
        run = await _do(service, browser, "cancel-tasks")
    assert (run.done, run.failed) == (1, 1)
    said = {note.item: note.words for note in run.notes}
    assert "taken out of the queue" in said[QUEUED]
    assert "documents no way to cancel" in said[RUNNING]
    queued = await service.services.store.tasks.task(QUEUED)
    assert queued is not None
    assert queued.state is TaskState.CANCELED


async def test_a_settle_with_an_id_asks_the_provider_first(scene: Scene) -> None:
    service, _ = scene
    made = (await service.post("/v1/tasks", ORDER)).json()
    await service.has("tsk_lost", None, provider="dashscope")
    await service.has("tsk_lost_2", None)
    async with visiting(service) as browser:
        fields = {"task": "tsk_lost_2", "way": "adopt", "value": "unknown-id"}
        assert "does not know unknown-id" in is_page(await browser.get("/ops/acts/settle-task", params=fields))
        taken = {**fields, "value": made["task_id"]}
        assert "belongs to another task" in is_page(await browser.get("/ops/acts/settle-task", params=taken))
        doubtful = {"task": "tsk_lost", "way": "refused"}
        run = await _do(service, browser, "settle-task", **doubtful)
        assert (run.done, run.failed) == (1, 0)
        again = is_page(await browser.get("/ops/acts/settle-task", params=doubtful))
        assert "It can not be settled" in again
    lost = await service.services.store.tasks.task(TaskId("tsk_lost"))
    assert lost is not None
    assert lost.state is TaskState.REFUSED


async def test_a_settle_with_an_id_that_the_provider_knows_shows_what_it_says_and_takes_it(scene: Scene) -> None:
    service, _ = scene
    made = (
        await service.post("/v1/tasks", {**ORDER, "provider": "signed"})
    ).json()  # another account, the same platform
    await service.has("tsk_lost", None, created_ms=service.services.clock(), sent_ms=service.services.clock())
    async with visiting(service) as browser:
        fields = {"task": "tsk_lost", "way": "adopt", "value": made["task_id"]}
        page = is_page(await browser.get("/ops/acts/settle-task", params=fields))
        assert "the provider says" in page
        run = await ended(service, await browser.post("/ops/acts/settle-task", data=fields_of(page)))
    assert (run.done, run.failed) == (1, 0)
    task = await service.services.store.tasks.task(TaskId("tsk_lost"))
    assert task is not None
    assert (task.state, task.provider_task_id) == (TaskState.SUBMITTED, made["task_id"])


@pytest.mark.parametrize(
    ("way", "value", "state"),
    [
        ("succeeded", "https://cdn.example/v.mp4", "succeeded"),
        ("failed", "a picture", "failed"),
        ("canceled", "", "canceled"),
    ],
)
async def test_an_end_that_a_person_saw_is_recorded(scene: Scene, way: str, value: str, state: str) -> None:
    service, _ = scene
    await service.has("tsk_1", "p1")
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/settle-task", params={"task": "tsk_1", "way": way, "value": value}))
        assert "can not be taken back" in page
        run = await ended(service, await browser.post("/ops/acts/settle-task", data=fields_of(page)))
    task = await service.services.store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (run.done, task.state.value) == (1, state)
    audit = (await service.services.store.audit.page(AuditSearch(action="settle-task"))).rows
    assert "cdn.example" not in json.dumps([dict(each.detail) for each in audit])  # an address may be a secret


async def test_a_settle_that_makes_no_sense_is_named_in_words(scene: Scene) -> None:
    service, _ = scene
    await service.has("tsk_1", "p1")
    async with visiting(service) as browser:
        for fields, status in (
            ({"task": "tsk_none", "way": "refused"}, 404),
            ({"task": "tsk_1", "way": "odd"}, 422),
            ({"task": "tsk_1", "way": "succeeded", "value": "javascript:alert(1)"}, 422),
            ({"task": "tsk_1", "way": "failed"}, 422),
            ({"task": "tsk_1", "way": "adopt", "value": "\t"}, 422),
        ):
            is_page(await browser.get("/ops/acts/settle-task", params=fields), status)


@pytest.mark.parametrize("way", ["refused", "adopt", "canceled"])
async def test_a_stale_settle_form_does_not_overrule_another_operator(scene: Scene, way: str) -> None:
    service, _ = scene
    await service.has("tsk_lost", None)
    await service.has("tsk_far", None, provider="closed-account")
    name = "tsk_far" if way == "adopt" else "tsk_lost"
    async with visiting(service) as browser:
        fields = {"task": name, "way": way, "value": "theirs"}
        page = is_page(await browser.get("/ops/acts/settle-task", params=fields))
        given = OperatorId(provider_task_id=ProviderTaskId("ours"), instead_of=None)
        submissions, now_ms = service.services.store.submissions, service.services.clock()
        assert isinstance(await submissions.settle_adopt(TaskId(name), given, actor="ben", now_ms=now_ms), Task)
        late = is_page(await browser.post("/ops/acts/settle-task", data=fields_of(page)), 409)
        assert "it was settled as ours meanwhile: look at it again. Nothing was done." in late
        unseen = {each: value for each, value in fields_of(page).items() if each != "seen"}
        is_page(await browser.post("/ops/acts/settle-task", data=unseen), 400)
        if way == "refused":
            condition = {"task": name, "way": way, "value": "", "seen": ""}
            for work in (ACTS["settle-task"].work, settle.refuse):
                (result,) = await work(service.services, [name], condition, "ann")
                assert (result.is_done, result.words) == (False, "it was settled as ours meanwhile")
        # Who sees the other one's id may still correct it.
        if way != "adopt":
            assert (await _do(service, browser, "settle-task", **fields)).done == 1
    task = await service.services.store.tasks.task(TaskId(name))
    assert task is not None
    assert task.provider_task_id == {"refused": None}.get(way, "ours")


async def test_uncertain_tasks_of_a_filter_are_settled_as_never_created(scene: Scene) -> None:
    service, _ = scene
    await service.has(ONE, None)
    await service.has(TWO, None)
    await service.has(THREE, "p1")
    async with visiting(service) as browser:
        run = await _do(service, browser, "refuse-tasks")
    assert (run.done, run.failed) == (2, 0)
    states = await service.services.store.tasks.states([ONE, TWO, THREE])
    assert {name: state.value for name, state in states.items()} == {ONE: "refused", TWO: "refused", THREE: "running"}


@pytest.mark.parametrize(("kind", "state"), [("refuse-tasks", S.UNCERTAIN), ("cancel-tasks", S.QUEUED)])
async def test_a_final_act_touches_only_what_was_previewed_and_still_fits(
    scene: Scene, kind: str, state: TaskState
) -> None:
    service, _ = scene
    names = (ONE, TWO, THREE)
    for name in (ONE, TWO):
        await service.has(name, None, state=state)
    async with visiting(service) as browser:
        fields = fields_of(is_page(await browser.get(f"/ops/acts/{kind}?state={state.value}")))
        await service.has(THREE, None, state=state)  # created before the preview, and of this state only now
        run = await ended(service, await browser.post(f"/ops/acts/{kind}", data=fields))
        assert (run.done, run.failed, run.expected) == (2, 0, 2)
        states = await service.services.store.tasks.states(names)
        assert states[THREE] is state
        # One that stopped fitting between the press and its turn is left alone as well.
        await service.has(RUNNING, "p1")
        late = await ACTS[kind].work(service.services, [RUNNING, THREE], run.condition, "ann")
        assert {each.item: each.is_done for each in late} == {THREE: True, RUNNING: False}
        assert "left alone" in next(each.words for each in late if each.item == RUNNING)
        assert "Nothing was done" in is_page(
            await browser.post(f"/ops/acts/{kind}", data={**fields, "nonce": "n" * 22}), 409
        )


async def test_a_final_act_of_more_tasks_than_its_form_names_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = scene
    monkeypatch.setattr(acts_on_tasks, "FINAL_MOST", 2)
    for name in (ONE, TWO, THREE):
        await service.has(name, None)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/refuse-tasks"))
        assert "The filter finds 3 tasks. This is done with the newest 2" in page
        run = await ended(service, await browser.post("/ops/acts/refuse-tasks", data=fields_of(page)))
    assert (run.done, run.expected) == (2, 2)
    assert (await service.services.store.tasks.states([ONE]))[ONE] is S.UNCERTAIN


async def test_a_run_of_many_previewed_tasks_works_them_in_pages(scene: Scene) -> None:
    service, _ = scene
    for number in range(45):
        await service.has(task_id(number, T0), None)
    async with visiting(service) as browser:
        run = await _do(service, browser, "refuse-tasks")
    assert (run.state, run.done, run.failed, run.expected) == (RunState.FINISHED, 45, 0, 45)


async def test_the_form_of_a_final_act_is_old_sooner(scene: Scene) -> None:
    service, _ = scene
    await service.has(ONE, None)
    at = str(service.services.clock() - FINAL_OLD_MS - 1_000)
    async with visiting(service) as browser:
        for kind, status in (("refuse-tasks", 409), ("reconcile-tasks", 303)):
            fields = fields_of(is_page(await browser.get(f"/ops/acts/{kind}")))
            answer = await browser.post(f"/ops/acts/{kind}", data={**fields, "at": at})
            assert answer.status_code == status
    assert (await service.services.store.tasks.states([ONE]))[ONE] is S.UNCERTAIN


async def test_dead_letters_of_a_filter_and_one_delivery_are_made_due_again(scene: Scene) -> None:
    service, _ = scene
    await _with_a_dead_letter(service)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/redeliver-tasks?state=succeeded"))
        assert "Redeliver 1 dead letter" in page
        run = await ended(service, await browser.post("/ops/acts/redeliver-tasks", data=fields_of(page)))
        assert (run.done, run.failed) == (1, 0)
        (delivery,) = (await service.services.store.deliveries.deliveries()).items
        assert (delivery.state.value, delivery.attempts) == ("pending", 0)
        assert "no dead letters" in is_page(await browser.get("/ops/acts/redeliver-tasks"))
        one = is_page(await browser.get(f"/ops/acts/redeliver-delivery?delivery={delivery.id}"))
        assert "It is pending already" in one
        run = await ended(service, await browser.post("/ops/acts/redeliver-delivery", data=fields_of(one)))
        assert run.done == 1
        is_page(await browser.get("/ops/acts/redeliver-delivery?delivery=dlv_none"), 404)


async def _with_a_dead_letter(service: Served) -> None:
    changes = {"notify_url": "https://hooks.example/a", "notify_secret": "whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhl"}
    await service.has(ONE, "p1", acknowledged=True, **changes)
    await service.calls_back(service.callback_path(ONE))
    await service.services.store.deliveries.deliveries()
    dead = "UPDATE deliveries SET state = 'dead', due_ms = NULL, attempts = 8, last_status = 500"
    await asyncio.to_thread(_run_sql, service, dead)


def _run_sql(service: Served, statement: str) -> None:

    with sqlite3.connect(service.services.settings.database.url.removeprefix("sqlite:///")) as file:
        file.execute(statement)


async def test_a_run_can_be_stopped_and_one_that_is_gone_is_said_so(scene: Scene) -> None:
    service, _ = scene
    async with visiting(service) as browser:
        store, now_ms = service.services.store, service.services.clock()
        draft = OperatorRun(
            id=store.runs.new_run_id(now_ms),
            nonce="n",
            kind="reconcile-tasks",
            actor="key x",
            condition={},
            created_ms=now_ms,
        )
        await store.runs.start(draft, now_ms=now_ms)
        await store.runs.lease("another process", now_ms=now_ms, lease_ms=60_000, kinds=ACTS)
        assert "Stop after this page" in is_page(await browser.get(f"/ops/runs/{draft.id}"))
        assert (await browser.post(f"/ops/runs/{draft.id}/stop")).status_code == 303
        assert "stopped" in is_page(await browser.get(f"/ops/runs/{draft.id}"))
        is_page(await browser.get("/ops/runs/run_none"), 404)
