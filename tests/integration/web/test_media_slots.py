"""The few slots for files: none is held by a client that has left or takes nothing, and no key has all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from receiver.tasks import media as opening
from receiver.web import media
from submitter.model import Output, TaskState
from tests.support.builders import a_report
from tests.support.raw_server import Peer, RawServer, hanging, replying, serving
from tests.support.raw_server import reply as whole
from tests.support.service import KEYS, Served, is_problem, served

FILE = "/v1/tasks/tsk_1/files/0"

FILM = b"0" * 65_536

GENEROUS_S = 60


async def _endless(peer: Peer, _: int) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 400000000\r\n\r\n")
    while not peer.gone.is_set():
        await peer.say(FILM)


@asynccontextmanager
async def _succeeding(folder: Path, server: RawServer) -> AsyncIterator[Served]:
    async with served(folder) as service:
        await service.has("tsk_1")
        report = a_report(TaskState.SUCCEEDED, outputs=(Output(url=server.url),))
        await service.services.store.ledger.record([report], service.services.clock())
        yield service


async def _opened(service: Served, key: str) -> asyncio.StreamWriter:
    """A client that asks for the file and reads nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]), limit=1)
    head = f"GET {FILE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS[key][1]}\r\n\r\n"
    writer.write(head.encode())
    return writer


async def _until_taken(service: Served, count: int) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while service.app.state.media_slots.taken != count:
            await asyncio.sleep(0.02)


async def test_one_key_has_at_most_half_of_the_slots(tmp_path: Path) -> None:
    async with serving(_endless) as server, _succeeding(tmp_path, server) as service:
        clients = [await _opened(service, "read") for _ in range(media.OF_ONE_KEY)]
        await _until_taken(service, media.OF_ONE_KEY)
        refused = await service.get(FILE, key="read")
        assert f"{media.OF_ONE_KEY} files are being handed on to key read" in is_problem(refused, 503)["detail"]
        async with service.http.stream("GET", FILE, headers=service.key("all")) as taken:
            assert taken.status_code == 200
        for client in clients:
            client.transport.abort()
        await _until_taken(service, 0)
        async with service.http.stream("GET", FILE, headers=service.key("read")) as taken:
            assert taken.status_code == 200


async def test_a_client_that_takes_nothing_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(_endless) as server, _succeeding(tmp_path, server) as service:
        monkeypatch.setattr(media, "READ_WITHIN_S", 0.2)
        client = await _opened(service, "read")
        await server.until_requests(1)
        await _until_taken(service, 0)
        client.transport.abort()


async def test_a_large_file_may_take_longer_than_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "AT_LEAST_S", 0.2)

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % (4 * len(FILM)))
        for _ in range(4):
            await peer.say(FILM)
            await asyncio.sleep(0.1)

    async with serving(answer) as server, _succeeding(tmp_path, server) as service:
        assert (await service.get(FILE, key="read")).content == 4 * FILM


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_file_over_the_limit_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_length: bool
) -> None:
    monkeypatch.setattr(opening, "MAX_BYTES", len(FILM) - 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(FILM) + FILM
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(FILM) + FILM + b"\r\n0\r\n\r\n"
    async with serving(replying(whole if has_length else chunked)) as server, _succeeding(tmp_path, server) as service:
        if has_length:
            refused = is_problem(await service.get(FILE, key="read"), 502)
            assert refused["detail"] == "The file has 65,536 bytes, and at most 65,535 are handed on."
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await service.get(FILE, key="read")
        await _until_taken(service, 0)


async def test_a_file_that_comes_in_drops_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "AT_LEAST_S", 0.2)

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 400000000\r\n\r\n")
        while not peer.gone.is_set():
            await peer.say(b"0" * 64)
            await asyncio.sleep(0.01)

    async with serving(answer) as server, _succeeding(tmp_path, server) as service:
        async with service.http.stream("GET", FILE, headers=service.key("read")) as cut:
            with pytest.raises(httpx.RemoteProtocolError):
                await cut.aread()
        await _until_taken(service, 0)


async def test_a_client_that_leaves_before_the_first_byte_gives_its_slot_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "IDLE_S", 3600.0)
    async with serving(hanging) as server, _succeeding(tmp_path, server) as service:
        client = await _opened(service, "read")
        await server.until_requests(1)
        client.transport.abort()
        await _until_taken(service, 0)


async def test_a_slot_is_free_again_after_a_whole_file_and_after_none(tmp_path: Path) -> None:
    film = replying(whole(FILM, b"Content-Type: video/mp4"))
    async with serving(film) as server, _succeeding(tmp_path, server) as service:
        for _ in range(2 * opening.AT_ONCE):
            assert (await service.get(FILE, key="read")).content == FILM
            is_problem(await service.get("/v1/tasks/tsk_1/files/1", key="read"), 404)
        await _until_taken(service, 0)
