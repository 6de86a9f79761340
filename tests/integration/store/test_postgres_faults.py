"""The real application over a Postgres that restarts, cuts, refuses and stops: never a false 2xx, and all goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from receiver.runtime.background import working
from receiver.store import postgres
from receiver.store.engine import Tx
from receiver.webhooks.model.subscription import Subscription
from tests.support import raw_server
from tests.support.builders import SECRET, T0
from tests.support.postgres import Databases, NoServer, Server, name_of, no_server, own_server
from tests.support.service import Served, a_callback_body, is_problem, served

TIMEOUT_S = 60.0
TASKS = 40


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that these tests may stop and misconfigure."""
    try:
        with own_server() as found:
            yield found
    except NoServer as error:
        pytest.skip(no_server(error))


@pytest.fixture
async def service(server: Server, tmp_path: Path) -> AsyncIterator[Served]:
    async with _served(server, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def _served(server: Server, folder: Path, **changes: str) -> AsyncIterator[Served]:
    url = Databases(url=server.url).make()
    async with served(folder, None, WHENFINAL_DATABASE_URL=url, **changes) as opened:
        yield opened
    Databases(url=server.url).drop(url)


async def _until_taken(service: Served, number: int) -> list[int]:
    """The statuses of one task's callback, sent as a provider does: until it is taken."""
    statuses: list[int] = []
    async with asyncio.timeout(TIMEOUT_S):
        while not statuses or statuses[-1] not in {200, 204}:
            reply = await service.calls_back(
                service.callback_path(f"tsk_{number}"), json=a_callback_body(provider_task_id=f"p{number}")
            )
            if reply.status_code == 503:
                assert int(reply.headers["retry-after"]) > 0
                await asyncio.sleep(0.05)
            statuses.append(reply.status_code)
    return statuses


async def _flood(service: Served) -> list[list[int]]:
    return await asyncio.gather(*(_until_taken(service, number) for number in range(TASKS)))


async def _has_tasks(service: Served) -> None:
    for number in range(TASKS):
        await service.has(f"tsk_{number}", f"p{number}")


async def _assert_one_event_each(service: Served) -> None:
    events = await service.services.store.events.events(0, limit=1000)
    assert [event.seq for event in events] == list(range(1, TASKS + 1))
    assert {event.task_id for event in events} == {f"tsk_{number}" for number in range(TASKS)}


async def _subscribed(service: Served, url: str) -> None:
    subscription = Subscription(id="sub_1", url=url, secret=SECRET, created_ms=T0, changed_ms=T0)
    assert await service.services.store.subscriptions.add(subscription, actor="ann", now_ms=T0)


async def test_a_restart_amid_callbacks_loses_nothing_and_doubles_nothing_and_deliveries_go_on(
    service: Served, server: Server
) -> None:
    await _has_tasks(service)
    async with raw_server.serving(raw_server.replying(raw_server.reply())) as endpoint:
        await _subscribed(service, endpoint.url)
        async with working(service.services):
            flood = asyncio.create_task(_flood(service))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(server.stop)
            is_problem(await service.calls_back(), 503)
            assert (await service.get("/readyz")).status_code == 503
            assert (await service.get("/healthz")).status_code == 200
            await asyncio.to_thread(server.start)
            statuses = {status for each in await flood for status in each}
            async with asyncio.timeout(TIMEOUT_S):
                await endpoint.until_requests(TASKS)
    assert statuses <= {200, 204, 503}
    await _assert_one_event_each(service)


async def test_connections_cut_over_and_over_amid_callbacks_lose_nothing(service: Served, server: Server) -> None:
    await _has_tasks(service)
    flood = asyncio.create_task(_flood(service))
    for _ in range(20):
        await asyncio.to_thread(_cut_all, server)
        await asyncio.sleep(0.02)
    assert {status for each in await flood for status in each} <= {200, 204, 503}
    await _assert_one_event_each(service)


async def test_an_idle_connection_that_was_cut_is_not_used_again(service: Served, server: Server) -> None:
    await service.has()
    await asyncio.to_thread(_cut_all, server)
    assert (await service.calls_back()).status_code == 204


def _cut_all(server: Server) -> None:
    server.run("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname LIKE 'whenfinal%'")


async def test_a_moment_in_which_it_may_only_be_read_is_answered_503_and_passes(
    service: Served, server: Server
) -> None:
    await service.has()
    await asyncio.to_thread(server.run, "ALTER SYSTEM SET default_transaction_read_only = on")
    await asyncio.to_thread(server.run, "SELECT pg_reload_conf()")
    try:
        problem = await _until(service, {503})
        assert "read-only" not in problem.text  # what ails the database is for the operator
        assert (await service.get("/v1/tasks/tsk_1")).status_code == 200
    finally:
        await asyncio.to_thread(server.run, "SET default_transaction_read_only = off; ALTER SYSTEM RESET ALL")
        await asyncio.to_thread(server.run, "SELECT pg_reload_conf()")
    await _until(service, {204, 200})  # it may have been taken before the server refused to write


async def _until(service: Served, statuses: set[int]) -> httpx.Response:
    """A reload reaches each session of the server a little later."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            reply = await service.calls_back()
            if reply.status_code in statuses:
                return reply
            assert reply.status_code in {200, 204, 503}
            await asyncio.sleep(0.02)


async def test_an_exhausted_pool_is_answered_503_and_then_takes_the_callback(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _served(server, tmp_path, WHENFINAL_DATABASE_POOL="2") as service:
        await service.has()
        full, leave = asyncio.Semaphore(0), asyncio.Event()

        async def stay(tx: Tx) -> None:
            await tx.fetch_one("last_seq")
            full.release()
            await leave.wait()

        holders = [asyncio.create_task(service.services.store.engine.write(stay)) for _ in range(2)]
        for _ in holders:
            await full.acquire()
        with monkeypatch.context() as hurried:
            hurried.setattr(postgres, "WAIT_S", 0.2)
            is_problem(await service.calls_back(), 503)
        leave.set()
        await asyncio.gather(*holders)
        assert (await service.calls_back()).status_code == 204


async def test_a_server_that_stops_without_a_word_is_answered_503_and_wakes_up_again(
    service: Served, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.has()
    monkeypatch.setattr(postgres, "CALL_TIMEOUT_S", 0.5)
    stopped = await asyncio.to_thread(_stop_all, server, name_of(service.services.settings.database.url))
    try:
        is_problem(await service.calls_back(), 503)
        is_problem(await service.get("/v1/tasks/tsk_1"), 503)
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    assert (await _until_taken_once(service)) in {200, 204}
    assert [event.seq for event in await service.services.store.events.events(0)] == [1]


async def _until_taken_once(service: Served) -> int:
    async with asyncio.timeout(TIMEOUT_S):
        while (reply := await service.calls_back()).status_code == 503:
            await asyncio.sleep(0.05)
    return reply.status_code


def _stop_all(server: Server, database: str) -> list[int]:
    """Every process that serves the database, and the one that would make another."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        found: list[Any] = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", [database]
        ).fetchall()
    pids = [server.pid, *(pid for (pid,) in found)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids
