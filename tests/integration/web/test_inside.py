"""The application inside a command: a request that is left comes to its end, and an answer that breaks off is one."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.cli.inside import URL, InsideTransport, inside
from receiver.config.settings import Settings
from submitter import Client
from submitter.client import conversation
from submitter.model import Output, TaskState
from tests.support.builders import T0, a_report, a_task
from tests.support.raw_server import Peer, reply, serving
from tests.support.service import served

FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 300


async def test_a_request_that_is_cancelled_comes_to_its_end_before_the_ledger_is_closed(tmp_path: Path) -> None:
    may_answer = asyncio.Event()

    async def answer(peer: Peer, _: int) -> None:
        await may_answer.wait()
        await peer.say(reply(b"{}", b"Content-Type: application/json"))

    async def cancels(settings: Settings) -> None:
        async with (
            inside(settings, creating=True, polling=False) as transport,
            Client(URL, "inside", transport=transport) as client,
        ):
            running = a_task("tsk_1", provider="dashscope", state=TaskState.RUNNING, provider_task_id="p1")
            await transport.state["services"].store.submissions.open_task(running, T0)
            await client.tasks.cancel("tsk_1")

    ledger = tmp_path / "ledger.db"
    async with serving(answer) as server:
        given = {
            "WHENFINAL_DATABASE_URL": f"sqlite:///{ledger}",
            "WHENFINAL_PROVIDERS": "dashscope",
            "WHENFINAL_ALLOW_PRIVATE": "127.0.0.0/8",
            "DASHSCOPE_API_KEY": "k",
            "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{server.port}",
        }
        command = asyncio.create_task(cancels(Settings.from_mapping(given)))
        async with asyncio.timeout(60):
            await server.until_requests(1)
            for _ in range(2):
                command.cancel()
                await asyncio.wait([command], timeout=0.3)
            assert not command.done()
            may_answer.set()
            with pytest.raises(asyncio.CancelledError):
                await command
    with closing(sqlite3.connect(ledger)) as stored:
        assert stored.execute("SELECT task FROM audit").fetchall() == [("tsk_1",)]


async def test_a_film_that_breaks_off_is_gone_on_with_and_the_log_has_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "RETRY_PAUSES_S", (0.01, 0.01, 0.01))

    async def answer(peer: Peer, number: int) -> None:
        if number == 1:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % len(FILM)
            await peer.say(head + FILM[:70_000])
            peer.writer.close()
            return
        at = int(server.requests[-1].lower().partition(b"range: bytes=")[2].partition(b"-")[0])
        place = b"Content-Range: bytes %d-%d/%d" % (at, len(FILM) - 1, len(FILM))
        await peer.say(reply(FILM[at:], place, b"Content-Type: video/mp4", status=b"206 Partial Content"))

    async with serving(answer) as server, served(tmp_path) as service:
        await service.has()
        output = Output(url=server.url)
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, outputs=(output,))], 1)
        transport = InsideTransport(app=service.app, state={"services": service.services, "runs": None})
        with capture_logs() as lines:
            async with Client(URL, "inside", transport=transport) as client:
                path = await client.results.download("tsk_1", tmp_path / "film.mp4")
        assert path.read_bytes() == FILM
        assert len(server.requests) == 2
    assert [line for line in lines if line["log_level"] in {"warning", "error"}] == []
    assert [line["route"] for line in lines if line["event"] == "answer_ended_early"] != []
