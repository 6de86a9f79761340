"""Pages of the simulated platforms' task lists answer for many due tasks, over real sockets; odd pages end none."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from receiver.config.sections import ReconcileSettings
from receiver.reconcile.reconciler import Reconciler
from receiver.tasks.model.task import Task, TaskFilter
from submitter.errors import ExchangeTimeout
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import TaskId, TaskState
from submitter.providers import dashscope, hiapi
from submitter.providers.registry import ADAPTERS
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.config import NO_LIMITS
from tests.support.builders import a_task
from tests.support.reconciling_service import MODELS, ReconcilingService, open_reconciling_service

LISTING = ("hiapi", "dashscope")
SUBMIT_PATHS = {"hiapi": "/v1/tasks", "dashscope": "/services/aigc/video-generation/video-synthesis"}
WORDS = {"hiapi": ("handling", "success"), "dashscope": ("RUNNING", "SUCCEEDED")}
TOKENS = 4  # left in the rate budget, with more tasks due
TASKS = 15
ENDED = ("t2", "t7", "t11")

_PAGE = re.compile(r"page(?:_no)?=(\d+)")

Alter = Callable[[HttpReply], HttpReply]


def _as_it_is(reply: HttpReply) -> HttpReply:
    return reply


class _Altering(Transport):
    """Sends over real sockets; what comes back for a page of a list may be altered."""

    def __init__(self, inner: Transport, alter: Alter) -> None:
        self._sender = inner
        self.alter = alter
        self.pages = 0
        #: The numbers of the pages.
        self.asked: list[int] = []
        #: Whether each page is the first one again.
        self.is_stuck = False

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        if "?" not in call.url:
            return await self._sender.send(call, timeout_s=timeout_s)
        self.pages += 1
        self.asked.append(int(_PAGE.findall(call.url)[0]))
        url = _PAGE.sub("page=1" if "page=" in call.url else "page_no=1", call.url) if self.is_stuck else call.url
        return self.alter(await self._sender.send(replace(call, url=url), timeout_s=timeout_s))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Setup:
    platform: str
    simulator: Simulator
    service: ReconcilingService
    transport: _Altering
    reconciler: Reconciler
    #: The provider's ids by our names.
    names: dict[str, str]

    async def submit_elsewhere(self, count: int) -> list[str]:
        """Tasks that run until they are ended, submitted without the service."""
        headers = {"authorization": f"Bearer {self.simulator.key(self.platform)}", "x-dashscope-async": "enable"}
        body = {"model": MODELS[self.platform], "input": {"prompt": "a horse #simulate:stuck"}}
        url = self.simulator.base_url(self.platform) + SUBMIT_PATHS[self.platform]
        found = []
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(count):
                said = (await client.post(url, json=body, headers=headers)).json()
                found.append(said["data"]["taskId"] if "data" in said else said["output"]["task_id"])
        return found

    async def make_due(self) -> None:
        """All tasks, with few tokens left."""
        now_ms = time.time_ns() // 1_000_000
        await self.service.store.ledger.make_due([TaskId(name) for name in self.names], now_ms)
        budget = ADAPTERS[self.platform].CAPABILITIES.budget
        account = await self.service.store.accounts.consume(self.platform, budget=budget, count=0, now_ms=now_ms)
        spent = round(account.tokens) - TOKENS
        await self.service.store.accounts.consume(self.platform, budget=budget, count=spent, now_ms=now_ms)

    async def reconcile_until_all_are_polled(self) -> None:
        before = {task.id: task.polls for task in await self.tasks()}
        while any(
            task.polls == before[task.id] or (task.next_poll_ms or 2**62) < time.time() * 1000
            for task in await self.tasks()
            if task.final_ms is None
        ):
            await self.reconciler.reconcile_once(limit=100)
            await asyncio.sleep(0.02)

    async def tasks(self) -> list[Task]:
        found: list[Task] = []
        page = await self.service.store.tasks.tasks(TaskFilter(limit=200))
        found += page.items
        while page.next_cursor is not None:
            page = await self.service.store.tasks.tasks(TaskFilter(limit=200, cursor=page.next_cursor))
            found += page.items
        return found

    async def ended(self) -> set[str]:
        return {task.id for task in await self.tasks() if task.state is TaskState.SUCCEEDED}

    def queries_of(self, *names: str) -> int:
        """Single status queries of these tasks, or of all."""
        wanted = [self.names[name] for name in names or self.names]
        return sum(task.status_queries for task in self.simulator.records().tasks if task.task_id in wanted)


@asynccontextmanager
async def _opened(
    folder: Path, platform: str, alter: Alter = _as_it_is, *, count: int = TASKS
) -> AsyncIterator[_Setup]:
    """With so many running tasks, some of which have ended by now."""
    async with (
        running(SimulatorConfig(limits=NO_LIMITS)) as simulator,
        open_reconciling_service(folder, simulator, speed=1.0) as service,
    ):
        old = service.reconciler
        transport = _Altering(old.poller.transport, alter)
        reconciler = Reconciler(
            poller=replace(old.poller, transport=transport),
            polls=old.polls,
            settings=ReconcileSettings(),
            owner="worker-2",
            clock=old.clock,
        )
        setup = _Setup(
            platform=platform,
            simulator=simulator,
            service=service,
            transport=transport,
            reconciler=reconciler,
            names={},
        )
        now_ms = time.time_ns() // 1_000_000
        for number, provider_task_id in enumerate(await setup.submit_elsewhere(count)):
            setup.names[f"t{number}"] = provider_task_id
            task = a_task(
                f"t{number}",
                provider=platform,
                provider_task_id=provider_task_id,
                state=TaskState.RUNNING,
                created_ms=now_ms,
                sent_ms=now_ms,
                submitted_ms=now_ms,
            )
            await service.store.submissions.open_task(task, now_ms)
        for name in ENDED:
            simulator.finish(setup.names[name])
        await setup.make_due()
        yield setup


@pytest.mark.parametrize("platform", LISTING)
async def test_a_page_answers_for_tasks_that_run_and_a_poll_of_its_own_for_those_that_have_ended(
    tmp_path: Path, platform: str
) -> None:
    async with _opened(tmp_path, platform) as setup:
        await setup.submit_elsewhere(3)  # foreign tasks on the same page
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)
        assert all(task.outputs for task in await setup.tasks() if task.state is TaskState.SUCCEEDED)
        assert setup.transport.pages >= 1
        assert len(await setup.tasks()) == TASKS
        assert setup.queries_of() < TASKS
        assert setup.queries_of(*ENDED) == len(ENDED)


@pytest.mark.parametrize("platform", LISTING)
async def test_a_list_that_calls_ended_tasks_running_delays_them_by_one_poll(tmp_path: Path, platform: str) -> None:
    runs, ended = WORDS[platform]

    def lie(reply: HttpReply) -> HttpReply:
        return replace(reply, body=reply.body.replace(ended.encode(), runs.encode()))

    async with _opened(tmp_path, platform, lie) as setup:
        await setup.reconcile_until_all_are_polled()
        await setup.make_due()
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)


@pytest.mark.parametrize("platform", LISTING)
async def test_a_list_that_calls_running_tasks_ended_ends_none(tmp_path: Path, platform: str) -> None:
    runs, ended = WORDS[platform]

    def lie(reply: HttpReply) -> HttpReply:
        return replace(reply, body=reply.body.replace(runs.encode(), ended.encode()))

    async with _opened(tmp_path, platform, lie) as setup:
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)


def _empty(reply: HttpReply) -> HttpReply:
    page = json.loads(reply.body)
    rows = page["data"]["tasks"] if "tasks" in page.get("data", {}) else page["data"]
    rows.clear()
    return replace(reply, body=json.dumps(page).encode())


def _twice(reply: HttpReply) -> HttpReply:
    """Each task a second time, with another state."""
    page = json.loads(reply.body)
    rows = page["data"]["tasks"] if "tasks" in page["data"] else page["data"]
    rows += [row | {"status": "success" if "taskId" in row else "FAILED"} for row in rows]
    return replace(reply, body=json.dumps(page).encode())


def _slow(reply: HttpReply) -> HttpReply:
    raise ExchangeTimeout("no reply within 15 s")


_ODD: dict[str, Alter] = {
    "empty": _empty,
    "twice": _twice,
    "slow": _slow,
    "html": lambda reply: replace(reply, body=b"<html>welcome</html>"),
    "cut": lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]),
    "500": lambda _: HttpReply(status=500),
    "403": lambda _: HttpReply(status=403, body=b'{"code":"AccessDenied","message":"no lists for this key"}'),
    "401": lambda _: HttpReply(status=401, body=b'{"code":401,"message":"bad key"}'),
}


@pytest.mark.parametrize("platform", LISTING)
@pytest.mark.parametrize("alter", _ODD.values(), ids=_ODD)
async def test_after_a_page_of_no_use_each_task_gets_its_own_poll(tmp_path: Path, platform: str, alter: Alter) -> None:
    async with _opened(tmp_path, platform, alter) as setup:
        await setup.reconciler.reconcile_once(limit=100)
        assert 1 <= setup.transport.pages <= 2
        await setup.make_due()
        budget = replace(ADAPTERS[platform].CAPABILITIES.budget, burst=100)
        await setup.service.store.accounts.consume(
            platform, budget=budget, count=-2 * TASKS, now_ms=time.time_ns() // 1_000_000
        )
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)
        assert {task.missing_since_ms for task in await setup.tasks()} == {None}
        (account,) = [each for each in await setup.service.store.accounts.all() if each.provider == platform]
        assert (account.paused_until_ms, account.alarm) == (None, None)


async def test_a_throttled_page_pauses_its_provider(tmp_path: Path) -> None:
    def throttle(_: HttpReply) -> HttpReply:
        return HttpReply(status=429, headers=(("retry-after", "20"),), body=b'{"code":429,"message":"slow down"}')

    async with _opened(tmp_path, "hiapi", throttle) as setup:
        await setup.reconciler.reconcile_once(limit=100)
        (account,) = await setup.service.store.accounts.all()
        assert (account.paused_reason, setup.queries_of()) == ("throttled", 0)


async def test_further_pages_answer_for_the_tasks_that_the_first_one_does_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiapi, "LIST_PAGE", 10)
    async with _opened(tmp_path, "hiapi", count=25) as setup:
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)
        assert {1, 2, 3} <= set(setup.transport.asked)
        assert setup.transport.pages <= 5
        assert setup.queries_of() < 12


async def test_foreign_tasks_in_a_span_push_ours_onto_further_pages(tmp_path: Path) -> None:
    async with _opened(tmp_path, "dashscope") as setup:
        await setup.submit_elsewhere(12)
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)
        assert max(setup.transport.asked) > 1
        assert setup.queries_of() < TASKS


def _counted(**numbers: int) -> Alter:
    """Pages with other counts, whatever is on them."""

    def alter(reply: HttpReply) -> HttpReply:
        page = json.loads(reply.body)
        (page["data"] if "tasks" in page["data"] else page).update(numbers)
        return replace(reply, body=json.dumps(page).encode())

    return alter


def _hanging_after_the_first() -> Alter:
    seen: list[HttpReply] = []

    def alter(reply: HttpReply) -> HttpReply:
        seen.append(reply)
        return reply if len(seen) == 1 else _slow(reply)

    return alter


_LYING: dict[str, tuple[Alter, bool]] = {
    "there is always more": (_counted(total=10**9, total_page=10**8), False),
    "there is no more": (_counted(total=1, total_page=1), False),
    "less than nothing": (_counted(total=-5, total_page=-5), False),
    "the first page again and again": (_counted(total=10**9, total_page=10**8), True),
    "the second page hangs": (_hanging_after_the_first(), False),
}


@pytest.mark.parametrize("lie", _LYING)
@pytest.mark.parametrize("platform", LISTING)
async def test_pages_that_repeat_hang_or_lie_about_their_count_cost_a_few_requests(
    tmp_path: Path, platform: str, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After them each task gets its own poll, and none waits for the list."""
    adapter = {"hiapi": hiapi, "dashscope": dashscope}[platform]
    monkeypatch.setattr(adapter, "LIST_PAGE", 10)
    alter, is_stuck = _LYING[lie]
    async with _opened(tmp_path, platform, alter, count=25) as setup:
        setup.transport.is_stuck = is_stuck
        await setup.submit_elsewhere(5)
        for _ in range(4):
            await setup.reconciler.reconcile_once(limit=300)
            await setup.make_due()
        assert setup.transport.pages <= 6
        budget = replace(adapter.CAPABILITIES.budget, burst=1_000)
        monkeypatch.setattr(adapter, "CAPABILITIES", replace(adapter.CAPABILITIES, budget=budget))
        await setup.service.store.accounts.consume(
            platform, budget=budget, count=-500, now_ms=time.time_ns() // 1_000_000
        )
        await setup.reconcile_until_all_are_polled()
        assert await setup.ended() == set(ENDED)
        assert {task.missing_since_ms for task in await setup.tasks()} == {None}
