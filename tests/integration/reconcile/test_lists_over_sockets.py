"""Pages of the simulated platforms' task lists answer for many due tasks, over real sockets; odd pages end none."""

import asyncio
import json
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

Alter = Callable[[HttpReply], HttpReply]


def _as_it_is(reply: HttpReply) -> HttpReply:
    return reply


class _Altering(Transport):
    """Sends over real sockets; what comes back for a page of a list may be altered."""

    def __init__(self, inner: Transport, alter: Alter) -> None:
        self._sender = inner
        self.alter = alter
        self.pages = 0

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        reply = await self._sender.send(call, timeout_s=timeout_s)
        if "?" not in call.url:
            return reply
        self.pages += 1
        return self.alter(reply)


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
        return list((await self.service.store.tasks.tasks(TaskFilter(limit=200))).items)

    async def ended(self) -> set[str]:
        return {task.id for task in await self.tasks() if task.state is TaskState.SUCCEEDED}

    def queries_of(self, *names: str) -> int:
        """Single status queries of these tasks, or of all."""
        wanted = [self.names[name] for name in names or self.names]
        return sum(task.status_queries for task in self.simulator.records().tasks if task.task_id in wanted)


@asynccontextmanager
async def _opened(folder: Path, platform: str, alter: Alter = _as_it_is) -> AsyncIterator[_Setup]:
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
        for number, provider_task_id in enumerate(await setup.submit_elsewhere(TASKS)):
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
