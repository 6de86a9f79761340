"""Downloads through the service, by the client: from simulated providers, and from servers that answer oddly."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from submitter.api import TaskDetail
from submitter.client.client import Client
from submitter.errors import ClientError, FileChanged, ReceiverRefused
from submitter.model import ENDED, Output, TaskState
from submitter.simulator import SimulatorConfig, running
from submitter.simulator.media import video_of
from tests.support.builders import a_report
from tests.support.file_server import MP4
from tests.support.raw_server import Answering, RawServer, reply, replying, serving
from tests.support.service import KEYS, ORDER, Served, served

AT_TOKENBAY = {"provider": "tokenbay", "video": {"model": "happyhorse-1.0-t2v", "prompt": "a horse at dawn"}}
WHOLE = MP4 + b"0123456789"
SIZE = len(WHOLE)


@pytest.mark.parametrize("order", [AT_TOKENBAY, ORDER], ids=["tokenbay", "hiapi"])
@pytest.mark.parametrize("begun", [None, 100], ids=["from its start", "from its part"])
async def test_the_file_of_a_finished_task_is_fetched_whole(
    tmp_path: Path, order: dict[str, Any], begun: int | None
) -> None:
    async with running(SimulatorConfig(speed=600.0, webhook_secrets={"hiapi": None})) as sim:
        settings = {"WHENFINAL_PROVIDERS": "hiapi,tokenbay", "TOKENBAY_API_KEY": sim.key("tokenbay")}
        async with (
            served(tmp_path, sim, **settings, TOKENBAY_BASE_URL=sim.base_url("tokenbay")) as service,
            Client(service.url, KEYS["all"][1]) as client,
        ):
            task = await _finished(client, order)
            whole = video_of(task.provider_task_id or "", 5)
            place = tmp_path / "film.mp4"
            if begun is not None:
                (tmp_path / "film.mp4.part").write_bytes(whole[:begun])
            steps: list[tuple[int, int | None]] = []
            await client.results.download(task.id, place, on_bytes=lambda *step: steps.append(step))
            assert place.read_bytes() == whole
            assert steps[-1] == (len(whole), len(whole))
            assert begun is None or steps[0][0] >= begun
            named = await client.results.download(task.id, tmp_path)
            assert named == tmp_path / f"{task.id}-video.mp4"
            assert sim.records().keys_leaked == 0
            assert not list(tmp_path.glob("*.part"))


async def _finished(client: Client, order: dict[str, Any]) -> TaskDetail:
    submitted = await client.submit(**order)
    task = await client.task(submitted.id)
    while task.state not in ENDED:
        await client.tasks.reconcile(task.id)
        task = await client.task(task.id)
        await asyncio.sleep(0.02)
    return task


@dataclass(eq=False)
class _Setup:
    """A finished task whose file is on a server of bytes, the service before it, and the place of a download."""

    server: RawServer
    client: Client
    place: Path

    @property
    def part(self) -> Path:
        return self.place.with_name("film.mp4.part")

    async def fetch(self) -> bytes:
        await self.client.results.download("tsk_1", self.place)
        return self.place.read_bytes()


@asynccontextmanager
async def _setup(folder: Path, answer: Answering) -> AsyncIterator[_Setup]:
    async with (
        serving(answer) as server,
        served(folder) as service,
        Client(service.url, KEYS["read"][1]) as client,
    ):
        await _has_file(service, server.url)
        yield _Setup(server=server, client=client, place=folder / "film.mp4")


async def _has_file(service: Served, url: str) -> None:
    await service.has()
    await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, outputs=(Output(url=url),))], 1)


def _part(start: int) -> bytes:
    place = b"Content-Range: bytes %d-%d/%d" % (start, SIZE - 1, SIZE)
    return reply(WHOLE[start:], place, b"Content-Type: video/mp4", status=b"206 Partial Content")


async def test_a_file_that_breaks_off_is_gone_on_with(tmp_path: Path) -> None:
    async def answer(peer: Any, number: int) -> None:
        if number == 1:
            await peer.say(
                b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 70000\r\n\r\n" + b"1" * 66_000
            )
            peer.writer.close()
        else:
            at = int(setup.server.requests[-1].lower().partition(b"range: bytes=")[2].partition(b"-")[0])
            place = b"Content-Range: bytes %d-69999/70000" % at
            body = b"1" * (70_000 - at)
            await peer.say(reply(body, place, b"Content-Type: video/mp4", status=b"206 Partial Content"))

    async with _setup(tmp_path, answer) as setup:
        assert await setup.fetch() == b"1" * 70_000
        assert not setup.part.exists()
        assert len(setup.server.requests) == 2


async def test_a_server_without_ranges_sends_all_and_nothing_is_doubled(tmp_path: Path) -> None:
    async with _setup(tmp_path, replying(reply(WHOLE))) as setup:
        setup.part.write_bytes(b"a longer part than the whole file is, by as many bytes as it takes for that")
        assert await setup.fetch() == WHOLE


async def test_a_part_that_is_whole_already_is_only_put_in_place(tmp_path: Path) -> None:
    async with _setup(tmp_path, replying(_part(1))) as setup:
        setup.part.write_bytes(WHOLE)
        assert await setup.fetch() == WHOLE
        assert b"range: bytes=1-\r\n" in setup.server.requests[0].lower()


ODD: dict[str, bytes] = {
    "a link that has ended": reply(b"", status=b"404 Not Found"),
    "JSON": reply(b'{"error":{}}', b"Content-Type: application/json"),
    "a page": reply(b"<html>", b"Content-Type: text/html; charset=utf-8"),
    "a page that is called a film": reply(b"<!DOCTYPE html>", b"Content-Type: video/mp4"),
    "JSON that is called a film": reply(b' {"code": 500}', b"Content-Type: video/mp4"),
    "an empty file": reply(b"", b"Content-Type: video/mp4"),
    "packed as nobody asked for": reply(b"\x0b\x02\x80", b"Content-Type: video/mp4", b"Content-Encoding: br"),
    "damaged": reply(gzip.compress(WHOLE * 99)[:-9], b"Content-Encoding: gzip"),
    "another part": reply(
        b"789",
        b"Content-Type: video/mp4",
        b"Content-Range: bytes %d-%d/%d" % (SIZE - 3, SIZE - 1, SIZE),
        status=b"206 Partial Content",
    ),
    "a part of no place": reply(b"789", b"Content-Type: video/mp4", status=b"206 Partial Content"),
}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
async def test_what_is_not_the_file_never_takes_its_place(
    tmp_path: Path, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("submitter.client.conversation.RETRY_PAUSES_S", (0.01, 0.01))
    async with _setup(tmp_path, replying(raw)) as setup:
        setup.part.write_bytes(WHOLE[:5])
        with pytest.raises(ClientError):
            await setup.fetch()
        assert not setup.place.exists()
        assert setup.part.read_bytes().startswith(WHOLE[:5])


@pytest.mark.parametrize("cut", [b"Content-Length: 199", b"Transfer-Encoding: chunked"])
async def test_a_file_that_is_cut_is_no_file(tmp_path: Path, cut: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submitter.client.conversation.RETRY_PAUSES_S", (0.01, 0.01))

    async def answer(peer: Any, _: int) -> None:
        size = b"" if b"Length" in cut else b"%x\r\n" % SIZE
        await peer.say(b"HTTP/1.1 200 OK\r\n" + cut + b"\r\n\r\n" + size + WHOLE)
        peer.writer.close()

    async with _setup(tmp_path, answer) as setup:
        with pytest.raises(ClientError):
            await setup.fetch()
        assert not setup.place.exists()


async def test_a_part_of_something_longer_is_left_alone(tmp_path: Path) -> None:
    gone = reply(b"", b"Content-Range: bytes */%d" % SIZE, status=b"416 Range Not Satisfiable")
    async with _setup(tmp_path, replying(gone)) as setup:
        setup.part.write_bytes(WHOLE + b"x")
        with pytest.raises(FileChanged):
            await setup.fetch()
        assert setup.part.read_bytes() == WHOLE + b"x"


async def test_a_task_without_that_file_leaves_nothing_behind(tmp_path: Path) -> None:
    async with _setup(tmp_path, replying(reply(WHOLE))) as setup:
        with pytest.raises(ReceiverRefused):
            await setup.client.results.download("tsk_1", setup.place, number=1)
        with pytest.raises(ReceiverRefused):
            await setup.client.results.download("tsk_2", setup.place)
        assert not setup.place.exists()
        assert not setup.part.exists()
        assert setup.server.requests == []
