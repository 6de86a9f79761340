"""Hostile or broken servers: each costs a bounded amount, and does not delay other calls."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from submitter.errors import ConnectFailed, ExchangeBroken, ExchangeTimeout
from submitter.http.messages import HttpCall
from submitter.http.reply_head import INTERIM_MOST
from submitter.http.transport import Transport, TransportLimits, open_transport
from tests.support.raw_server import Answering, Peer, reply, replying, serving

BYTES_CAP = 4096


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport(TransportLimits(whole_s=60, max_reply_bytes=BYTES_CAP)) as opened:
        yield opened


@pytest.fixture
def hanging_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Lookups of names below `hung.example` hang until the test ends; returns a function that counts them."""
    real, over, lookups = socket.getaddrinfo, threading.Event(), [0]

    def getaddrinfo(host: str, *rest: int) -> object:
        if not host.endswith(".hung.example"):
            return real("127.0.0.1", *rest)
        lookups[0] += 1
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield lambda: lookups[0]
    over.set()


def _post(url: str) -> HttpCall:
    return HttpCall(method="POST", url=url, body=b"{}")


def _endlessly(head: bytes, unit: bytes) -> Answering:
    async def answer(peer: Peer, _: int) -> None:
        await peer.say(head)
        while not peer.gone.is_set():
            await peer.say(unit)

    return answer


async def test_names_that_hang_do_not_block_other_lookups(
    transport: Transport, hanging_names: Callable[[], int]
) -> None:
    async with serving(replying(reply())) as server:
        hung = [asyncio.create_task(transport.send(_post(f"http://{n}.hung.example/"))) for n in range(50)]
        async with asyncio.timeout(60):
            while hanging_names() < 50:
                await asyncio.sleep(0.01)
            answered = await transport.send(_post(f"http://well.example:{server.port}/"))
    assert answered.status == 200
    for each in await asyncio.gather(*hung, return_exceptions=True):
        assert isinstance(each, ConnectFailed | ExchangeTimeout)


async def test_a_name_without_addresses_is_no_connection(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectFailed, match="Name or service not known"):
        await transport.send(_post("http://nowhere.example/"))


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n"])
async def test_interim_answers_are_read_up_to_a_number(transport: Transport, interim: bytes) -> None:
    async with serving(replying(interim * INTERIM_MOST + reply(b"well"))) as server:
        assert (await transport.send(_post(server.url))).body == b"well"
        assert (await transport.send(_post(server.url))).body == b"well"  # counted anew on the same connection
        assert len(server.peers) == 1
    async with serving(replying(interim * (INTERIM_MOST + 1) + reply())) as server:
        with pytest.raises(ExchangeBroken, match="interim"):
            await transport.send(_post(server.url))
    async with serving(_endlessly(b"", interim * 100)) as server:
        with pytest.raises(ExchangeBroken, match="interim"):
            await transport.send(_post(server.url))


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: bbbbbbbb\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 4096),
        (b"HTTP/1.1 200 ", b"b" * 4096),
    ],
    ids=["headers", "header", "phrase"],
)
async def test_a_head_without_end_is_broken(transport: Transport, head: bytes, unit: bytes) -> None:
    async with serving(_endlessly(head, unit)) as server:
        with pytest.raises(ExchangeBroken):
            await transport.send(_post(server.url))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
async def test_a_body_without_end_is_read_to_the_cap(transport: Transport, head: bytes) -> None:
    async with serving(_endlessly(head, b"x" * 4096)) as server:
        assert (await transport.send(_post(server.url))).body == b"x" * BYTES_CAP


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 abc def\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"hello", b"\x16\x03\x01\x00\xa5\x01"]
)
async def test_garbage_is_a_broken_exchange(transport: Transport, answer: bytes) -> None:
    async with serving(replying(answer)) as server:
        with pytest.raises(ExchangeBroken, match="does not answer in HTTP"):
            await transport.send(_post(server.url))


async def test_a_peer_that_speaks_no_tls_is_no_connection(transport: Transport) -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x15\x03\x01\xff\xff" + b"garbage" * 100)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectFailed):
            await transport.send(_post(f"https://127.0.0.1:{port}/"))
