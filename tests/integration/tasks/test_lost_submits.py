"""What the list of a provider shows for submits whose answer was lost: page by page, within the rate budget."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from receiver.tasks.lost_submits import PAGES_IN_ALL, PAGES_MOST, LostSubmits, NoList
from receiver.tasks.model.candidates import Search
from receiver.tasks.model.task import Task
from submitter.errors import ConnectFailed
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.builders import a_task
from tests.support.service import ORDER, Served, served, served_with_simulator
from tests.support.submission_setup import FakeClock, reply

AT_DASHSCOPE = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}
MODEL = "happyhorse-1.1-t2v"
Scene = tuple[Served, Simulator]


class ListTransport(Transport):
    """Answers each query by a function of its page number."""

    def __init__(self, page: Callable[[int], HttpReply]) -> None:
        self.page = page
        self.queries: list[dict[str, str]] = []

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        query = {name: values[0] for name, values in parse_qs(urlsplit(call.url).query).items()}
        if not query:
            return reply({"output": {"task_id": call.url.rpartition("/")[2], "task_status": "RUNNING"}})
        self.queries.append(query)
        return self.page(int(query.get("page_no", query.get("page", "0"))))


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def _submitted(service: Served, order: dict[str, Any]) -> Task:
    made = (await service.post("/v1/tasks", order)).json()["id"]
    task = await service.services.store.tasks.task(TaskId(made))
    assert task is not None
    return task


async def _search(service: Served, *lost: Task, **more: Any) -> list[Search]:
    found = await service.services.lost_submits.search(lost, service.services.providers[lost[0].provider], **more)
    assert not isinstance(found, NoList)
    return found


def _ids(search: Search) -> list[str]:
    return [each.listed.provider_task_id for each in search.found]


async def test_a_lost_submit_is_seen_in_the_list_and_what_the_ledger_knows_is_not(scene: Scene) -> None:
    service, sim = scene
    known = await _submitted(service, AT_DASHSCOPE)
    sim.plan("dashscope", [["reply_lost"]])
    lost = await _submitted(service, AT_DASHSCOPE)
    (search,) = await _search(service, lost)
    (record,) = [task for task in sim.records().tasks if task.task_id != known.provider_task_id]
    assert (lost.state, known.state, search.listing.listed) == (TaskState.UNCERTAIN, TaskState.SUBMITTED, 2)
    assert search.clear is not None
    assert (search.clear.listed.provider_task_id, search.clear.same_model) == (record.task_id, True)


async def test_a_submit_that_later_ones_hide_is_found_on_a_later_page(scene: Scene) -> None:
    service, sim = scene
    sim.plan("dashscope", [["reply_lost"]])
    lost = await _submitted(service, AT_DASHSCOPE)
    for _ in range(25):
        await _submitted(service, AT_DASHSCOPE)
    pages: list[str] = []
    (search,) = await _search(service, lost, on_page=pages.append)
    assert search.clear is not None
    assert (search.listing.listed, pages) == (26, ["dashscope"] * 3)


async def test_the_prompts_of_finished_tasks_tell_two_lost_submits_apart(scene: Scene) -> None:
    service, sim = scene
    sim.plan("dashscope", [["reply_lost"]] * 2)
    orders = [{**AT_DASHSCOPE, "video": {"model": MODEL, "prompt": prompt}} for prompt in ("a horse", "a fox")]
    lost = [await _submitted(service, order) for order in orders]
    made = [record.task_id for record in sim.records().tasks]
    assert [search.clear for search in await _search(service, *lost)] == [None, None]
    for each in made:
        sim.finish(each)
    found = [search.clear for search in await _search(service, *lost)]
    assert [each and each.listed.provider_task_id for each in found] == made


async def test_hiapis_list_has_no_filter_and_only_tasks_of_that_time_are_candidates(scene: Scene) -> None:
    service, sim = scene
    body = {"model": "happyhorse-1.1/text-to-video", "input": {"prompt": "x"}}
    key = {"Authorization": f"Bearer {sim.key('hiapi')}"}
    async with httpx.AsyncClient(trust_env=False, headers=key) as outside:
        made = (await outside.post(f"{sim.base_url('hiapi')}/v1/tasks", json=body)).json()["data"]["taskId"]
    await _submitted(service, ORDER)
    now_ms = service.services.clock()
    near, later = await _search(
        service,
        a_task(state=TaskState.UNCERTAIN, created_ms=now_ms, model=body["model"]),
        a_task("tsk_2", state=TaskState.UNCERTAIN, created_ms=now_ms + 3_600_000),
    )
    assert (_ids(near), near.clear is not None) == ([made], True)
    assert (_ids(later), later.listing.listed) == ([], 2)


async def test_a_provider_without_a_list_gets_no_request(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_PROVIDERS="modellix", MODELLIX_API_KEY="k-of-modellix") as service:
        lost = a_task(provider="modellix", state=TaskState.UNCERTAIN)
        configured = service.services.providers["modellix"]
        assert await service.services.lost_submits.search([lost], configured) == NoList()


async def test_a_denied_list_is_no_empty_list(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, keys={"hiapi": "another-key-than-ours"}) as (service, _):
        (search,) = await _search(service, a_task(state=TaskState.UNCERTAIN, created_ms=service.services.clock()))
        assert (search.found, search.listing.listed) == ((), 0)
        assert search.listing.problem.startswith("cannot be listed: the provider denies our key")


async def test_a_provider_that_does_not_answer_is_no_empty_list(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        (search,) = await _search(service, a_task(state=TaskState.UNCERTAIN, created_ms=service.services.clock()))
        assert search.listing.problem.startswith("cannot be listed: ConnectFailed")


# Pages by script.


def _row(number: int, at_ms: int, model: str = MODEL) -> dict[str, Any]:
    return {"task_id": f"p{number}", "status": "PENDING", "model_name": model, "gmt_create": at_ms}


def _dashscope_page(rows: list[dict[str, Any]], page: int, pages: int) -> HttpReply:
    return reply({"request_id": "r", "total": 999, "total_page": pages, "page_no": page, "page_size": 10, "data": rows})


def _hiapi_page(at_s: list[int], page: int, total: int = 100_000) -> HttpReply:
    tasks = [{"taskId": f"p{page}-{n}", "status": "queued", "model": MODEL, "created": at} for n, at in enumerate(at_s)]
    return reply({"code": 200, "data": {"page": page, "size": 100, "total": total, "tasks": tasks}})


async def _scripted(
    service: Served, page: Callable[[int], HttpReply], *lost: Task
) -> tuple[list[Search], ListTransport, FakeClock]:
    transport, clock = ListTransport(page), FakeClock(now_ms=service.services.clock())
    submits: LostSubmits = replace(
        service.services.lost_submits, transport=transport, clock=clock, sleep=clock.sleep, speed=1.0
    )
    found = await submits.search(lost, service.services.providers[lost[0].provider])
    assert not isinstance(found, NoList)
    return found, transport, clock


def _lost(service: Served, provider: str = "dashscope", ago_ms: int = 60_000, name: str = "tsk_1") -> Task:
    created_ms = service.services.clock() - ago_ms
    return a_task(name, provider=provider, state=TaskState.UNCERTAIN, model=MODEL, created_ms=created_ms)


async def test_an_endless_list_is_read_for_some_pages_and_nothing_is_clear(service: Served) -> None:
    lost = _lost(service)

    def page(number: int) -> HttpReply:
        return _dashscope_page([_row(number, lost.created_ms, MODEL if number == 1 else "other")], number, 10_000)

    (search,), transport, _ = await _scripted(service, page, lost)
    assert [int(query["page_no"]) for query in transport.queries] == list(range(1, PAGES_MOST + 1))
    assert (len(search.fitting), search.clear) == (1, None)
    assert search.why_not_clear == f"its list is longer than {PAGES_MOST} pages"


async def test_a_list_that_repeats_itself_ends(service: Served) -> None:
    lost = _lost(service)
    (search,), transport, _ = await _scripted(
        service, lambda number: _dashscope_page([_row(1, lost.created_ms)], number, 10_000), lost
    )
    assert (len(transport.queries), search.listing.listed, search.clear is not None) == (2, 1, True)


async def test_a_page_that_fails_leaves_the_rest_unread_and_says_so(service: Served) -> None:
    lost = _lost(service)

    def page(number: int) -> HttpReply:
        if number == 3:
            return reply({"code": "Throttling", "message": "slow"}, 429)
        return _dashscope_page([_row(number, lost.created_ms)], number, 9)

    (search,), _, _ = await _scripted(service, page, lost)
    assert (sorted(_ids(search)), search.clear) == (["p1", "p2"], None)
    assert search.listing.problem.startswith("cannot be listed: the provider gets too many requests")


async def test_a_reply_without_its_list_is_no_empty_list(service: Served) -> None:
    (search,), _, _ = await _scripted(service, lambda _: reply({"request_id": "r", "output": {}}), _lost(service))
    assert search.listing.problem.endswith("the reply holds no list of tasks")


async def test_an_unfiltered_list_is_read_until_it_is_older_than_the_submit(service: Served) -> None:
    lost = _lost(service, "hiapi")
    newest_s = lost.created_ms // 1000

    def page(number: int) -> HttpReply:
        return _hiapi_page([newest_s - 200 * (number - 1)], number)

    (search,), transport, _ = await _scripted(service, page, lost)
    assert [query["page"] for query in transport.queries] == ["1", "2", "3"]
    assert (_ids(search), search.listing.problem) == (["p1-0", "p2-0"], "")


async def test_the_pages_wait_for_the_rate_budget(service: Served) -> None:
    lost = _lost(service, "hiapi")
    at_s = lost.created_ms // 1000
    (search,), transport, clock = await _scripted(service, lambda number: _hiapi_page([at_s], number), lost)
    assert (len(transport.queries), search.clear) == (PAGES_MOST, None)
    # A burst of 10, and 50 a minute after that.
    assert len(clock.slept_s) == PAGES_MOST - 10
    assert 10.0 < sum(clock.slept_s) < 15.0


async def test_dashscope_is_asked_about_the_times_of_the_submits_and_no_others(service: Served) -> None:
    hour = 3_600_000
    lost = [_lost(service, ago_ms=ago * hour, name=f"tsk_{ago}") for ago in (1, 5, 6, 40)]
    searches, transport, _ = await _scripted(service, lambda number: _dashscope_page([], number, 0), *lost)
    assert len(transport.queries) == 3
    assert [search.listing.problem for search in searches[:3]] == ["", "", ""]
    assert searches[3].why_not_clear == "cannot be listed: the list of the provider does not reach back to it"


@pytest.mark.parametrize(("ago_ms", "is_read"), [(86_400_000 - 60_000, True), (86_400_000 + 60_000, False)])
async def test_a_submit_at_the_end_of_the_lists_reach_is_clear_only_if_its_time_is_within(
    service: Served, ago_ms: int, *, is_read: bool
) -> None:
    lost = _lost(service, ago_ms=ago_ms)
    row = _row(1, lost.created_ms + 120_000)
    (search,), _, _ = await _scripted(service, lambda number: _dashscope_page([row], number, 1), lost)
    assert (_ids(search), search.clear is not None) == (["p1"], is_read)
    assert ("does not reach back" in search.why_not_clear) is not is_read


async def test_submits_of_one_time_share_the_pages(service: Served) -> None:
    lost = [_lost(service, ago_ms=60_000 + number, name=f"tsk_{number}") for number in range(50)]
    searches, transport, _ = await _scripted(service, lambda number: _dashscope_page([], number, 0), *lost)
    assert (len(transport.queries), len(searches)) == (1, 50)
    assert [search.task.id for search in searches] == [task.id for task in lost]


async def test_however_many_submits_are_lost_the_pages_are_bounded(service: Served) -> None:
    lost = [_lost(service, ago_ms=number * 2_000_000, name=f"tsk_{number}") for number in range(1, 40)]
    numbers = iter(range(1_000_000))

    def page(number: int) -> HttpReply:
        return _dashscope_page([_row(next(numbers), service.services.clock())], number, 10_000)

    searches, transport, _ = await _scripted(service, page, *lost)
    assert len(transport.queries) == PAGES_IN_ALL
    assert any(search.why_not_clear.endswith("search again for the rest") for search in searches)


async def test_an_open_submit_of_the_ledger_is_a_rival_also_when_it_is_not_searched_for(service: Served) -> None:
    lost = _lost(service)
    await service.has("tsk_2", None, provider="dashscope", state=TaskState.SUBMITTING, model=MODEL)
    other = replace(lost, id=TaskId("tsk_3"), state=TaskState.SUBMITTING)
    await service.services.store.submissions.open_task(other, lost.created_ms)
    (search,), _, _ = await _scripted(
        service, lambda number: _dashscope_page([_row(1, lost.created_ms)], number, 1), lost
    )
    assert search.why_not_clear == "it fits tsk_3 as well"


async def test_all_uncertain_tasks_are_found_however_many(service: Served) -> None:
    for number in range(3):
        await service.has(f"tsk_{number}", None, provider=("hiapi", "dashscope", "gone")[number])
    await service.has("tsk_9", "p9")
    found = await service.services.lost_submits.all_uncertain()
    assert sorted(task.id for task in found) == ["tsk_0", "tsk_1", "tsk_2"]


async def test_a_transport_that_fails_on_the_way_is_told(service: Served) -> None:
    def page(_: int) -> HttpReply:
        raise ConnectFailed("no route")

    (search,), _, _ = await _scripted(service, page, _lost(service))
    assert search.listing.problem == "cannot be listed: ConnectFailed: no route"
