"""Files of finished tasks as they are handed on: from their own host, from others, from servers that answer oddly."""

import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from receiver.tasks.file_requests import FileNotReached, FileRequests, _target
from receiver.tasks.media import NoMedia, open_media
from submitter.errors import AddressForbidden, ExchangeBroken, ExchangeTimeout
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall
from submitter.http.transport import FileReply, TransportLimits, open_transport
from submitter.model import Output
from submitter.providers.registry import SERVES_FILES
from tests.support.file_server import MP4
from tests.support.raw_server import Answering, RawServer, hanging, reply, replying, serving
from tests.support.reconcile_setup import an_account

WHOLE = MP4 + b"0123456789"


@dataclass(eq=False)
class FileSetup:
    """A server of bytes, and requests for files of an account that is at that server or elsewhere."""

    server: RawServer
    requests: FileRequests

    async def fetch(self, wanted_range: str | None = None) -> bytes:
        async with open_media(self.requests, Output(url=self.server.url), wanted_range) as media:
            return b"".join([chunk async for chunk in media.chunks])


@asynccontextmanager
async def _file_setup(answer: Answering, *, own: bool = True, guard: bool = False) -> AsyncIterator[FileSetup]:
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
        yield FileSetup(server=server, requests=requests)


async def test_the_key_goes_to_the_providers_own_origin_and_to_no_other() -> None:
    for own in (True, False):
        async with _file_setup(replying(reply(WHOLE)), own=own) as setup:
            assert await setup.fetch() == WHOLE
            assert (b"key-of-tokenbay" in setup.server.requests[0]) is own


async def test_a_foreign_address_in_a_private_net_is_not_reached() -> None:
    async with _file_setup(replying(reply(WHOLE)), own=False, guard=True) as setup:
        with pytest.raises(AddressForbidden):
            await setup.fetch()
        assert setup.server.requests == []


ODD: list[tuple[bytes, str]] = [
    (reply(b"", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: ftp://a/b", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: http://[::1", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: http://a:b@c.example/", status=b"302 Found"), "a redirect to no address"),
    (reply(b"", b"Location: /b", status=b"307 Again"), "redirects more than 5 times"),
    (reply(b"", b"Location: /b", status=b"300 Choose"), "answers 300 in place of the file"),
    (reply(b"", status=b"404 Not Found"), "its link may have ended"),
    (reply(b'{"error":{}}', b"Content-Type: application/json"), "answers with application/json"),
    (reply(b'{"error":{}}', b"Content-Type: application/problem+json; a=b"), r"answers with application/problem\+json"),
    (reply(b"<Error/>", b"Content-Type: application/xml"), "answers with application/xml"),
    (reply(b"<html>", b"Content-Type: text/html; charset=utf-8"), "answers with text/html"),
    (reply(b"<!DOCTYPE html>", b"Content-Type: video/mp4"), "a page or JSON in place of the file"),
    (reply(b' {"code": 500}', b"Content-Type: video/mp4"), "a page or JSON in place of the file"),
    (reply(b' {"code": 500}'), "no known type"),
    (
        reply(gzip.compress(b'[{"error": 1}]', mtime=0), b"Content-Type: video/mp4", b"Content-Encoding: gzip"),
        "a page or JSON in place of the file",
    ),
    (reply(b"", b"Content-Type: video/mp4"), "an empty file"),
    (reply(b""), "no known type"),
    (
        reply(gzip.compress(b"", mtime=0), b"Content-Type: video/mp4", b"Content-Encoding: gzip"),
        "an empty file",
    ),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "answers 204"),
    (reply(b"\x0b\x02\x80", b"Content-Type: video/mp4", b"Content-Encoding: br"), "packed"),
    (
        reply(
            b"56789",
            b"Content-Type: video/mp4",
            b"Content-Range: bytes 5-9/10",
            b"Content-Encoding: gzip",
            status=b"206 Partial Content",
        ),
        "packed",
    ),
]


@pytest.mark.parametrize(("raw", "words"), ODD)
async def test_what_is_not_the_file_is_not_handed_on(raw: bytes, words: str) -> None:
    async with _file_setup(replying(raw)) as setup:
        with pytest.raises(NoMedia, match=words):
            await setup.fetch()


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
async def test_a_file_that_comes_packed_is_unpacked(raw: bytes) -> None:
    async with _file_setup(replying(raw)) as setup:
        assert await setup.fetch() == WHOLE


async def test_packed_data_that_is_damaged_is_no_file() -> None:
    raw = reply(gzip.compress(WHOLE * 99)[:-9], b"Content-Encoding: gzip")
    async with _file_setup(replying(raw)) as setup:
        with pytest.raises(NoMedia, match="damaged"):
            await setup.fetch()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 199\r\n\r\n" + WHOLE * 3,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n72\r\n" + WHOLE * 3 + b"\r\n",
    ],
)
async def test_a_file_that_is_cut_is_no_file(raw: bytes) -> None:
    async def answer(peer: Any, _: int) -> None:
        await peer.say(raw)
        peer.writer.close()

    async with _file_setup(answer) as setup:
        with pytest.raises(ExchangeBroken, match="before the whole file"):
            await setup.fetch()


def _redirecting(*targets: str) -> Answering:
    """Answer the first requests with redirects to the targets, then with the file."""

    async def answer(peer: Any, number: int) -> None:
        if number > len(targets):
            await peer.say(reply(WHOLE))
        else:
            await peer.say(reply(b"<html>moved", b"Location: " + targets[number - 1].encode(), status=b"302 Found"))

    return answer


async def test_a_redirect_to_a_signed_address_is_followed_without_the_key() -> None:
    async with serving(replying(reply(WHOLE))) as store:
        target = f"http://localhost:{store.port}/bucket/x.mp4?Signature=a%2Bb"
        async with _file_setup(_redirecting(target)) as setup:
            assert await setup.fetch() == WHOLE
            assert b"key-of-tokenbay" in setup.server.requests[0]
        assert store.requests[0].startswith(b"GET /bucket/x.mp4?Signature=a%2Bb HTTP/1.1\r\n")
        assert b"key-of-tokenbay" not in store.requests[0]
        assert b"authorization" not in store.requests[0].lower()


async def test_a_redirect_within_the_providers_own_host_keeps_the_key() -> None:
    async with _file_setup(_redirecting("/b", "c", "?d=1")) as setup:
        assert await setup.fetch() == WHOLE
        assert [request.split(b" ")[1] for request in setup.server.requests] == [b"/a", b"/b", b"/c", b"/c?d=1"]
        assert all(b"key-of-tokenbay" in request for request in setup.server.requests)


async def test_a_way_back_to_the_providers_host_gets_no_key() -> None:
    home: list[str] = []

    async def back(peer: Any, _: int) -> None:
        await peer.say(reply(b"", b"Location: " + home[0].encode() + b"/account", status=b"302 Found"))

    async with (
        serving(back) as elsewhere,
        _file_setup(_redirecting(f"http://localhost:{elsewhere.port}/")) as setup,
    ):
        home.append(f"http://127.0.0.1:{setup.server.port}")
        assert await setup.fetch() == WHOLE
        assert [b"key-of-tokenbay" in request for request in setup.server.requests] == [True, False]


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/", "http://169.254.169.254/latest/", "http://[::1]:{port}/"]
)
async def test_a_redirect_to_a_private_address_is_not_followed(target: str) -> None:
    async with serving(replying(reply(WHOLE))) as inside:
        redirecting = _redirecting(target.format(port=inside.port))
        async with _file_setup(redirecting, guard=True) as setup:
            with pytest.raises(AddressForbidden):
                await setup.fetch()
        assert inside.requests == []


def test_a_step_from_https_to_http_is_refused() -> None:
    moved = FileReply(status=301, headers=(("location", "http://a.example/"),), chunks=_nothing())
    with pytest.raises(FileNotReached, match="from https to http"):
        _target("https://a.example/", moved)
    assert _target("http://a.example/", moved) == "http://a.example/"


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def test_a_part_is_asked_for_behind_a_redirect() -> None:
    place, kind = b"Content-Range: bytes 4-%d/%d" % (len(WHOLE) - 1, len(WHOLE)), b"Content-Type: video/mp4"
    rest = reply(WHOLE[4:], place, kind, status=b"206 Partial Content")
    async with serving(replying(rest)) as store:
        async with _file_setup(_redirecting(f"http://localhost:{store.port}/")) as setup:
            assert await setup.fetch("bytes=4-") == WHOLE[4:]
        assert b"range: bytes=4-\r\n" in store.requests[0].lower()


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
