"""The stream of one task's page: notices and nothing else, bounded, and over with its session or its service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from receiver.web.dashboard import live, session
from submitter.model import TaskState
from tests.support.builders import a_report
from tests.support.dashboard import is_page, visiting
from tests.support.service import Served
from tests.support.stream_listener import StreamListener

PATH = "/ops/tasks/tsk_1/live"


@asynccontextmanager
async def _listening(browser: httpx.AsyncClient) -> AsyncIterator[StreamListener]:
    async with browser.stream("GET", PATH) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        listener = StreamListener(reply)
        assert await listener.block() == {"retry": "5000", "event": "changed", "data": "1"}
        yield listener


async def test_what_happens_to_the_task_is_noticed_twice_and_what_happens_to_others_is_not(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "AGAIN_S", 0.05)
    await service.has()
    await service.has("tsk_2", "p2")
    async with visiting(service, "read") as browser, _listening(browser) as listener:
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p2")], 1)
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], 1)
        for _ in range(2):  # what an event causes, such as deliveries, comes after it
            assert await listener.block() == {"event": "changed", "data": "1"}


async def test_an_idle_stream_sends_a_comment(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    await service.has()
    slow = service.services.settings.streams.model_copy(update={"keepalive_s": 0.05})
    monkeypatch.setattr(service.services.settings, "__dict__", {**vars(service.services.settings), "streams": slow})
    async with visiting(service, "read") as browser, _listening(browser) as listener:
        assert await listener.block() == {"": "keep-alive"}


async def test_it_ends_with_the_session(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "AGAIN_S", 0.05)
    await service.has()
    async with visiting(service, "read") as browser, _listening(browser) as listener:
        monkeypatch.setattr(session, "SESSION_S", -1)
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], 1)
        assert await listener.block() == {"event": "changed", "data": "1"}
        assert await listener.block() == {"event": "ended", "data": "1"}
        assert await listener.block() is None


async def test_it_ends_when_the_service_stops_and_after_its_time(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.has()
    async with visiting(service, "read") as browser:
        with monkeypatch.context() as short:
            short.setattr(live, "LONGEST_S", 0.05)
            async with _listening(browser) as listener:
                assert await listener.block() is None
        async with _listening(browser) as listener:
            service.services.feed.close()
            assert await listener.block() is None


async def test_one_session_has_a_few_streams_and_another_one_has_its_own(service: Served) -> None:
    await service.has()
    async with visiting(service, "read") as first, visiting(service, "read") as second:
        opened = [await _open(first) for _ in range(live.PER_SESSION)]
        refused = await first.get(PATH)
        assert (refused.status_code, refused.content) == (204, b"")
        other = await _open(second)
        for each in (*opened, other):
            await each.aclose()
        while service.services.feed.taken:
            await asyncio.sleep(0.005)
        await (await _open(first)).aclose()


async def test_the_process_has_a_bound_too(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "AT_ONCE", 1)
    await service.has()
    async with visiting(service, "read") as first, visiting(service, "read") as second:
        opened = await _open(first)
        assert (await second.get(PATH)).status_code == 204
        await opened.aclose()


async def test_nobody_else_gets_one_and_a_task_that_is_gone_has_none(service: Served) -> None:
    await service.has()
    async with visiting(service, None) as stranger, visiting(service, "read") as browser:
        assert (await stranger.get(PATH)).headers["location"].startswith("/ops/sign-in")
        is_page(await browser.get("/ops/tasks/tsk_none/live"), 404)
        assert (await browser.head(PATH)).status_code == 204


async def _open(browser: httpx.AsyncClient) -> httpx.Response:
    reply = await browser.send(browser.build_request("GET", PATH), stream=True)
    assert reply.status_code == 200
    return reply
