"""Files of finished tasks: from simulated TokenBay and HiAPI, and from servers that answer oddly."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.download import DownloadFailed, PlannedFile, download, plan
from receiver.tasks.file_requests import FileNotReached, FileRequests, _target
from receiver.tasks.model.task import Task
from submitter.errors import AddressForbidden, ExchangeBroken, ExchangeTimeout
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall
from submitter.http.transport import FileReply, TransportLimits, open_transport
from submitter.model import ENDED, Output
from submitter.providers.registry import SERVES_FILES
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.media import video_of
from tests.support.builders import a_task
from tests.support.raw_server import Answering, RawServer, hanging, reply, replying, serving
from tests.support.reconcile_setup import an_account
from tests.support.service import ORDER, Served, served

AT_TOKENBAY = {"provider": "tokenbay", "video": {"model": "happyhorse-1.0-t2v", "prompt": "a horse at dawn"}}
WHOLE = b"0123456789"


@asynccontextmanager
async def _platforms(folder: Path) -> AsyncIterator[tuple[Served, Simulator]]:
    async with running(SimulatorConfig(speed=600.0, hiapi_webhook_secret=None)) as sim:
        settings = {"WHENFINAL_PROVIDERS": "hiapi,tokenbay", "TOKENBAY_API_KEY": sim.key("tokenbay")}
        async with served(folder, sim, **settings, TOKENBAY_BASE_URL=sim.base_url("tokenbay")) as service:
            yield service, sim


async def _finished(service: Served, order: dict[str, Any]) -> Task:
    name = (await service.post("/v1/tasks", order)).json()["id"]
    while True:
        chosen = ReconcileFilter(task=name)
        await service.services.manual_reconcile.run(
            ManualRequest(condition=chosen, mode=ReconcileMode.APPLY, actor="test")
        )
        task = await service.services.store.tasks.task(name)
        assert task is not None
        if task.state in ENDED:
            return task
        await asyncio.sleep(0.02)


def _requests(service: Served, task: Task) -> FileRequests:
    account = service.services.providers[task.provider].account
    return FileRequests(
        account=account,
        files=SERVES_FILES.get(account.adapter),
        own=service.services.transport,
        guarded=service.services.webhook_transport,
    )


def _silent(_kept: int, _size: int | None) -> None:
    pass


@pytest.mark.parametrize("order", [AT_TOKENBAY, ORDER], ids=["tokenbay", "hiapi"])
async def test_the_file_of_a_finished_task_is_fetched_whole(tmp_path: Path, order: dict[str, Any]) -> None:
    async with _platforms(tmp_path) as (service, sim):
        task = await _finished(service, order)
        (planned,) = plan(task, tmp_path / "films")
        size = await download(_requests(service, task), planned, _silent)
        assert planned.path == tmp_path / "films" / f"{task.id}-video.mp4"
        assert planned.path.read_bytes() == video_of(task.provider_task_id or "", 5)
        assert (size, planned.part.exists()) == (planned.path.stat().st_size, False)
        assert sim.records().keys_leaked == 0


@pytest.mark.parametrize("order", [AT_TOKENBAY, ORDER], ids=["tokenbay", "hiapi"])
async def test_a_part_that_is_there_is_gone_on_with(tmp_path: Path, order: dict[str, Any]) -> None:
    async with _platforms(tmp_path) as (service, _):
        task = await _finished(service, order)
        (planned,) = plan(task, tmp_path)
        whole = video_of(task.provider_task_id or "", 5)
        planned.part.write_bytes(whole[:100])
        steps: list[tuple[int, int | None]] = []
        await download(_requests(service, task), planned, lambda stored, size: steps.append((stored, size)))
        assert (steps[0], steps[-1]) == ((100, len(whole)), (len(whole), len(whole)))
        assert planned.path.read_bytes() == whole


async def test_a_part_that_is_whole_already_is_only_put_in_place(tmp_path: Path) -> None:
    async with _platforms(tmp_path) as (service, _):
        task = await _finished(service, AT_TOKENBAY)
        (planned,) = plan(task, tmp_path)
        planned.part.write_bytes(video_of(task.provider_task_id or "", 5))
        await download(_requests(service, task), planned, _silent)
        assert planned.path.read_bytes() == video_of(task.provider_task_id or "", 5)


@dataclass(eq=False)
class DownloadSetup:
    """A folder, a server of bytes, and requests for files of an account that is at that server or elsewhere."""

    folder: Path
    server: RawServer
    requests: FileRequests
    steps: list[int] = field(default_factory=list)

    @property
    def planned(self) -> PlannedFile:
        return PlannedFile(output=Output(url=self.server.url), path=self.folder / "f.mp4")

    async def fetch(self) -> int:
        return await download(self.requests, self.planned, lambda stored, _: self.steps.append(stored))


@asynccontextmanager
async def _download_setup(
    folder: Path, answer: Answering, *, own: bool = True, guard: bool = False
) -> AsyncIterator[DownloadSetup]:
    limits = TransportLimits(max_reply_bytes=4)
    allowed = AddressGuard() if guard else AddressGuard(allow=(ip_network("127.0.0.0/8"),))
    async with (
        serving(answer) as server,
        open_transport(limits) as free,
        open_transport(limits, allowed) as guarded,
    ):
        home = f"http://127.0.0.1:{server.port}" if own else "https://tokenbay.example"
        account = replace(an_account("tokenbay"), base_url=home)
        requests = FileRequests(account=account, files=SERVES_FILES["tokenbay"], own=free, guarded=guarded)
        yield DownloadSetup(folder=folder, server=server, requests=requests)


async def test_the_key_goes_to_the_providers_own_origin_and_to_no_other(tmp_path: Path) -> None:
    for own in (True, False):
        async with _download_setup(tmp_path, replying(reply(WHOLE)), own=own) as setup:
            assert await setup.fetch() == len(WHOLE)
            assert (b"key-of-tokenbay" in setup.server.requests[0]) is own
            setup.planned.path.unlink()


async def test_a_foreign_address_in_a_private_net_is_not_reached(tmp_path: Path) -> None:
    async with _download_setup(tmp_path, replying(reply(WHOLE)), own=False, guard=True) as setup:
        with pytest.raises(AddressForbidden):
            await setup.fetch()
        assert setup.server.requests == []


async def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    async with _download_setup(tmp_path, replying(reply(WHOLE))) as setup:
        setup.planned.path.write_bytes(b"mine")
        with pytest.raises(DownloadFailed, match="is there already"):
            await setup.fetch()
        assert (setup.planned.path.read_bytes(), setup.server.requests) == (b"mine", [])


async def test_a_file_that_breaks_off_is_continued_from_its_part(tmp_path: Path) -> None:
    rest = reply(WHOLE[4:], b"Content-Range: bytes 4-9/10", status=b"206 Partial Content")

    async def answer(peer: Any, number: int) -> None:
        if number == 2:
            await peer.say(rest)
            return
        await peer.say(reply(WHOLE)[: -len(WHOLE) + 4])
        while 4 not in setup.steps:
            await asyncio.sleep(0.005)
        peer.writer.close()

    async with _download_setup(tmp_path, answer) as setup:
        with pytest.raises(ExchangeBroken):
            await setup.fetch()
        assert (setup.planned.part.read_bytes(), setup.planned.path.exists()) == (WHOLE[:4], False)
        assert await setup.fetch() == len(WHOLE)
        assert b"range: bytes=4-\r\n" in setup.server.requests[1].lower()
        assert setup.planned.path.read_bytes() == WHOLE


async def test_a_server_without_ranges_sends_all_and_nothing_is_doubled(tmp_path: Path) -> None:
    async with _download_setup(tmp_path, replying(reply(WHOLE))) as setup:
        setup.planned.part.write_bytes(b"a longer part than the whole file is")
        await setup.fetch()
        assert setup.planned.path.read_bytes() == WHOLE


ODD: list[tuple[bytes, str]] = [
    (reply(b"", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: ftp://a/b", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: http://[::1", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: http://a:b@c.example/", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: /b", status=b"307 Again"), "redirects more than 5 times"),
    (reply(b"", b"Location: /b", status=b"300 Choose"), "answers 300 in place of the file"),
    (reply(b"", status=b"404 Not Found"), "its link may have ended"),
    (reply(b"", b"Content-Range: bytes */3", status=b"416 No"), "is not the beginning of it"),
    (reply(b"789", b"Content-Range: bytes 7-9/10", status=b"206 Partial Content"), "another piece"),
    (reply(b"789", status=b"206 Partial Content"), "another piece"),
    (reply(b"56", b"Content-Range: bytes 5-6/10", status=b"206 Partial Content"), "should have 10"),
    (reply(b'{"error":{}}', b"Content-Type: application/json"), "application/json in place of the file"),
    (reply(b'{"error":{}}', b"Content-Type: application/problem+json; a=b"), r"problem\+json in place of the file"),
    (reply(b"<Error/>", b"Content-Type: application/xml"), "application/xml in place of the file"),
    (reply(b"<html>", b"Content-Type: text/html; charset=utf-8"), "text/html in place of the file"),
    (reply(b"<!DOCTYPE html>", b"Content-Type: video/mp4"), "a page or JSON in place of the file"),
    (reply(b' {"code": 500}'), "a page or JSON in place of the file"),
    (
        reply(gzip.compress(b'[{"error": 1}]', mtime=0), b"Content-Encoding: gzip"),
        "a page or JSON in place of the file",
    ),
    (reply(b"", b"Content-Type: video/mp4"), "an empty file"),
    (reply(gzip.compress(b"", mtime=0), b"Content-Encoding: gzip"), "an empty file"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "answers 204"),
    (reply(b"\x0b\x02\x80", b"Content-Encoding: br"), "packed as br"),
    (
        reply(b"56789", b"Content-Range: bytes 5-9/10", b"Content-Encoding: gzip", status=b"206 Partial Content"),
        "packed as gzip",
    ),
]


@pytest.mark.parametrize(("raw", "words"), ODD)
async def test_what_is_not_the_file_never_takes_its_place(tmp_path: Path, raw: bytes, words: str) -> None:
    async with _download_setup(tmp_path, replying(raw)) as setup:
        setup.planned.part.write_bytes(WHOLE[:5])
        with pytest.raises(DownloadFailed, match=words):
            await setup.fetch()
        assert not setup.planned.path.exists()
        assert setup.planned.part.read_bytes().startswith(WHOLE[:5])


@pytest.mark.parametrize(
    "raw",
    [
        reply(gzip.compress(WHOLE, mtime=0), b"Content-Encoding: gzip"),
        reply(gzip.compress(WHOLE[:5], mtime=0) + gzip.compress(WHOLE[5:], mtime=0), b"Content-Encoding: x-gzip"),
        reply(zlib.compress(WHOLE), b"Content-Encoding: deflate"),
        reply(WHOLE, b"Content-Encoding: gzip"),  # said to be packed, and it is not
        reply(WHOLE, b"Content-Encoding: identity"),
    ],
)
async def test_a_file_that_comes_packed_is_unpacked(tmp_path: Path, raw: bytes) -> None:
    async with _download_setup(tmp_path, replying(raw)) as setup:
        assert await setup.fetch() == len(WHOLE)
        assert setup.planned.path.read_bytes() == WHOLE
        assert not setup.planned.part.exists()


async def test_packed_data_that_is_damaged_leaves_no_file(tmp_path: Path) -> None:
    raw = reply(gzip.compress(WHOLE * 99)[:-9], b"Content-Encoding: gzip")
    async with _download_setup(tmp_path, replying(raw)) as setup:
        with pytest.raises(DownloadFailed, match="damaged"):
            await setup.fetch()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + WHOLE + b"\r\n",
    ],
)
async def test_a_file_that_is_cut_is_no_file(tmp_path: Path, raw: bytes) -> None:
    async def answer(peer: Any, _: int) -> None:
        await peer.say(raw)
        peer.writer.close()

    async with _download_setup(tmp_path, answer) as setup:
        with pytest.raises(ExchangeBroken, match="before the whole file"):
            await setup.fetch()
        assert (setup.planned.path.exists(), setup.planned.part.read_bytes()) == (False, WHOLE)


def _redirecting(*targets: str) -> Answering:
    """Answer the first requests with redirects to the targets, then with the file."""

    async def answer(peer: Any, number: int) -> None:
        if number > len(targets):
            await peer.say(reply(WHOLE))
        else:
            await peer.say(reply(b"<html>moved", b"Location: " + targets[number - 1].encode(), status=b"302 Found"))

    return answer


async def test_a_redirect_to_a_signed_address_is_followed_without_the_key(tmp_path: Path) -> None:
    async with serving(replying(reply(WHOLE))) as store:
        target = f"http://localhost:{store.port}/bucket/x.mp4?Signature=a%2Bb"
        async with _download_setup(tmp_path, _redirecting(target)) as setup:
            assert await setup.fetch() == len(WHOLE)
            assert b"key-of-tokenbay" in setup.server.requests[0]
        assert store.requests[0].startswith(b"GET /bucket/x.mp4?Signature=a%2Bb HTTP/1.1\r\n")
        assert b"key-of-tokenbay" not in store.requests[0]
        assert b"authorization" not in store.requests[0].lower()


async def test_a_redirect_within_the_providers_own_host_keeps_the_key(tmp_path: Path) -> None:
    async with _download_setup(tmp_path, _redirecting("/b", "c", "?d=1")) as setup:
        assert await setup.fetch() == len(WHOLE)
        assert [request.split(b" ")[1] for request in setup.server.requests] == [b"/a", b"/b", b"/c", b"/c?d=1"]
        assert all(b"key-of-tokenbay" in request for request in setup.server.requests)


async def test_a_way_back_to_the_providers_host_gets_no_key(tmp_path: Path) -> None:
    home: list[str] = []

    async def back(peer: Any, _: int) -> None:
        await peer.say(reply(b"", b"Location: " + home[0].encode() + b"/account", status=b"302 Found"))

    async with (
        serving(back) as elsewhere,
        _download_setup(tmp_path, _redirecting(f"http://localhost:{elsewhere.port}/")) as setup,
    ):
        home.append(f"http://127.0.0.1:{setup.server.port}")
        assert await setup.fetch() == len(WHOLE)
        assert [b"key-of-tokenbay" in request for request in setup.server.requests] == [True, False]


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/", "http://169.254.169.254/latest/", "http://[::1]:{port}/"]
)
async def test_a_redirect_to_a_private_address_is_not_followed(tmp_path: Path, target: str) -> None:
    async with serving(replying(reply(WHOLE))) as inside:
        redirecting = _redirecting(target.format(port=inside.port))
        async with _download_setup(tmp_path, redirecting, guard=True) as setup:
            with pytest.raises(AddressForbidden):
                await setup.fetch()
        assert inside.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_step_from_https_to_http_is_refused() -> None:
    moved = FileReply(status=301, headers=(("location", "http://a.example/"),), chunks=_nothing())
    with pytest.raises(FileNotReached, match="from https to http"):
        _target("https://a.example/", moved)
    assert _target("http://a.example/", moved) == "http://a.example/"


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def test_a_part_is_continued_behind_a_redirect(tmp_path: Path) -> None:
    rest = reply(WHOLE[4:], b"Content-Range: bytes 4-9/10", status=b"206 Partial Content")
    async with serving(replying(rest)) as store:
        async with _download_setup(tmp_path, _redirecting(f"http://localhost:{store.port}/")) as setup:
            setup.planned.part.write_bytes(WHOLE[:4])
            assert await setup.fetch() == len(WHOLE)
        assert b"range: bytes=4-\r\n" in store.requests[0].lower()
        assert setup.planned.path.read_bytes() == WHOLE


async def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    async with _download_setup(tmp_path / "taken", replying(reply(WHOLE))) as setup:
        with pytest.raises(DownloadFailed, match="taken"):
            await setup.fetch()


async def test_a_server_that_sends_nothing_more_is_left() -> None:
    async with serving(hanging) as server, open_transport(TransportLimits()) as transport:
        with pytest.raises(ExchangeTimeout, match="no reply within"):
            async with transport.stream(HttpCall(method="GET", url=server.url), idle_s=0.1):
                raise AssertionError


async def test_a_file_that_stalls_is_left() -> None:
    async def stall(peer: Any, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await peer.gone.wait()

    async with (
        serving(stall) as server,
        open_transport(TransportLimits()) as transport,
        transport.stream(HttpCall(method="GET", url=server.url), idle_s=1) as opened,
    ):
        with pytest.raises(ExchangeTimeout, match="nothing more within"):
            assert [chunk async for chunk in opened.chunks] == []


def test_names_tell_the_task_what_it_is_and_which_one_of_several() -> None:
    outputs = (
        Output(url="https://cdn.example/a/b.webm?Expires=1"),
        Output(url="https://cdn.example/content"),
        Output(url="https://cdn.example/x.jpg", type="first_frame"),
        Output(url="https://cdn.example/..", type="../../etc"),
    )
    names = [each.path.name for each in plan(a_task(outputs=outputs), Path())]
    assert names == ["tsk_1-video-1.webm", "tsk_1-video-2.mp4", "tsk_1-first-frame.jpg", "tsk_1-etc.bin"]
