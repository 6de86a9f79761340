"""Replies whose head is odd or whose body breaks: the status counts, and what there is of the body comes with it."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from submitter.errors import ExchangeBroken
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport, TransportLimits, open_transport
from tests.support.raw_server import Answering, Peer, reply, serving

RECEIPT = b'{"task_id": "t-1"}'

OK = b"HTTP/1.1 200 OK\r\n"

LENGTH = b"Content-Length: %d\r\n" % len(RECEIPT)

ODD_HEADS = {
    "a header of 9 KB": OK + b"Content-Security-Policy: " + b"a" * 9_000 + b"\r\n" + LENGTH,
    "a header of 900 KB": OK + b"X-Long: " + b"a" * 900_000 + b"\r\n" + LENGTH,
    "a name of 9 KB": OK + b"a" * 9_000 + b": a\r\n" + LENGTH,
    "a reason of 9 KB": b"HTTP/1.1 200 " + b"a" * 9_000 + b"\r\n" + LENGTH,
    "150 cookies": OK + b"Set-Cookie: a=b\r\n" * 150 + LENGTH,
    "5000 headers": OK + b"X-A: b\r\n" * 5_000 + LENGTH,
    "the same length twice": OK + LENGTH * 2,
    "a list of equal lengths": OK + b"Content-Length: %d, %d\r\n" % (len(RECEIPT), len(RECEIPT)),
    "two lengths": OK + b"Content-Length: 3\r\n" + LENGTH,
    "a length and no number": OK + b"Content-Length: none\r\n" + LENGTH,
    "no colon": OK + b"Served by us\r\n" + LENGTH,
    "a blank before the colon": OK + b"Server : us\r\n" + LENGTH,
    "a NUL": OK + b"Server: u\0s\r\n" + LENGTH,
    "a folded line": OK + b"Server: us\r\n  and them\r\n" + LENGTH,
    "line feeds alone": OK.replace(b"\r", b"") + LENGTH.replace(b"\r", b""),
    "an upgrade that is offered": OK + b"Connection: upgrade\r\nUpgrade: h2,h2c\r\n" + LENGTH,
    "an old WebSocket key": OK + b"Sec-WebSocket-Key1: a\r\n" + LENGTH,
    "no reason": b"HTTP/1.1 200\r\n" + LENGTH,
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 20
    + b"HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n"
    + OK
    + LENGTH,
    "a processing response": b"HTTP/1.1 102 Processing\r\n\r\n" + OK + LENGTH,
}

#: What is sent, and what the reply's body and completeness are. The server then closes.
ODD_BODIES = {
    "shorter than its length": (OK + b"Content-Length: 100\r\n\r\n" + RECEIPT, RECEIPT, False),
    "longer than its length": (OK + LENGTH + b"\r\n" + RECEIPT + b" and more", RECEIPT, True),
    "no length": (OK + b"\r\n" + RECEIPT, RECEIPT, True),
    "a length that is none": (OK + b"Content-Length: -5\r\n\r\n" + RECEIPT, RECEIPT, True),
    "chunks without an end": (OK + b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + RECEIPT + b"\r\n", RECEIPT, False),
    "a chunk that is cut": (OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\n" + RECEIPT, RECEIPT, False),
    "damaged chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + RECEIPT + b"\r\nzz\r\n", RECEIPT, False),
    "bytes behind the last chunk": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + RECEIPT + b"\r\n0\r\n\r\nmore",
        RECEIPT,
        True,
    ),
    "trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + RECEIPT + b"\r\n0\r\nX-A: b\r\n\r\n",
        RECEIPT,
        True,
    ),
    "a length beside chunks": (
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n" + RECEIPT + b"\r\n0\r\n\r\n",
        RECEIPT,
        True,
    ),
    "gzip that is none": (reply(RECEIPT, b"Content-Encoding: gzip"), RECEIPT, True),
    "gzip that is cut": (reply(gzip.compress(RECEIPT)[:-8], b"Content-Encoding: gzip"), RECEIPT, False),
    "deflate": (reply(zlib.compress(RECEIPT), b"Content-Encoding: deflate"), RECEIPT, True),
    "204 with a body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", b"", True),
    "204 with chunks": (b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"", True),
    "nothing": (OK + LENGTH + b"\r\n", b"", False),
}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport(TransportLimits(whole_s=30)) as opened:
        yield opened


def _post(url: str) -> HttpCall:
    return HttpCall(method="POST", url=url, body=b"{}")


def _saying(raw: bytes, *, close: bool, packet: int | None = None) -> Answering:
    async def answer(peer: Peer, _: int) -> None:
        for start in range(0, len(raw), packet or len(raw)):
            await peer.say(raw[start : start + (packet or len(raw))])
            if packet:
                await asyncio.sleep(0)
        if close:
            peer.writer.close()

    return answer


@pytest.mark.parametrize("head", ODD_HEADS.values(), ids=ODD_HEADS)
async def test_an_odd_head_costs_no_reply_and_no_connection(transport: Transport, head: bytes) -> None:
    raw = head + (b"\n" if b"\r" not in head else b"\r\n") + RECEIPT
    async with serving(_saying(raw, close=False)) as server:
        for _ in range(2):
            answer = await transport.send(_post(server.url))
            assert (answer.status, answer.body, answer.is_complete) == (200, RECEIPT, True)
        assert len(server.requests) == 2


@pytest.mark.parametrize("packet", [None, 7], ids=["at once", "in packets"])
@pytest.mark.parametrize(("raw", "body", "is_complete"), ODD_BODIES.values(), ids=ODD_BODIES)
async def test_a_body_that_breaks_costs_no_status(
    transport: Transport, raw: bytes, body: bytes, packet: int | None, *, is_complete: bool
) -> None:
    async with serving(_saying(raw, close=True, packet=packet)) as server:
        answer = await transport.send(_post(server.url))
    assert (answer.status, answer.body, answer.is_complete) == (int(raw[9:12]), body, is_complete)
    assert len(server.requests) == 1


@pytest.mark.parametrize("raw", [OK + b"Content-Length: 100\r\n\r\n", OK + b"\r\n"])
async def test_a_body_that_is_reset_counts_as_cut(transport: Transport, raw: bytes) -> None:
    async def half(peer: Peer, _: int) -> None:
        await peer.say(raw + RECEIPT)
        await asyncio.sleep(0.2)  # a reset throws away what the other side has not read yet
        peer.reset()

    async with serving(half) as server:
        answer = await transport.send(_post(server.url))
    assert (answer.status, answer.body, answer.is_complete) == (200, RECEIPT, False)


async def test_a_body_that_hangs_costs_the_deadline_and_no_more() -> None:
    hanging = _saying(OK + b"Content-Length: 100\r\n\r\n" + RECEIPT, close=False)
    async with serving(hanging) as server, open_transport(TransportLimits(whole_s=1)) as opened:
        answer = await opened.send(_post(server.url))
        assert (answer.status, answer.body, answer.is_complete) == (200, RECEIPT, False)
        await asyncio.wait_for(server.peers[0].gone.wait(), 30)


async def test_a_body_that_nobody_needs_has_a_limit_of_its_own() -> None:
    hanging = _saying(OK + b"Content-Length: 100\r\n\r\n" + RECEIPT, close=False)
    async with serving(hanging) as server, open_transport(TransportLimits(whole_s=600, body_s=0.2)) as opened:
        answer = await asyncio.wait_for(opened.send(_post(server.url)), 60)
    assert (answer.status, answer.body, answer.is_complete) == (200, RECEIPT, False)


async def test_after_a_broken_body_the_connection_is_not_used_again(transport: Transport) -> None:
    async def answer(peer: Peer, number: int) -> None:
        await peer.say(reply(RECEIPT + b" and more" if number == 1 else RECEIPT).replace(b"27", b"18"))

    async with serving(answer) as server:
        answers: list[HttpReply] = [await transport.send(_post(server.url)) for _ in range(3)]
        assert [each.body for each in answers] == [RECEIPT] * 3
        assert len(server.peers) == 2  # the second one is clean, and is used again


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK", b"HTTP/1.1 2", b"\r\n", b""])
async def test_without_a_whole_head_there_is_no_reply(transport: Transport, cut: bytes) -> None:
    async with serving(_saying(cut, close=True) if cut else _saying(b"\r\n", close=True)) as server:
        with pytest.raises(ExchangeBroken):
            await transport.send(_post(server.url))
        assert len(server.requests) == 1


async def test_endless_trailers_cost_no_reply(transport: Transport) -> None:
    async def endless(peer: Peer, _: int) -> None:
        await peer.say(OK + b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + RECEIPT + b"\r\n0\r\n")
        while not peer.gone.is_set():
            await peer.say(b"X-A: bbbbbbbb\r\n" * 1_000)

    async with serving(endless) as server:
        answer = await asyncio.wait_for(transport.send(_post(server.url)), 60)
    assert (answer.status, answer.body, answer.is_complete) == (200, RECEIPT, False)
