"""What is no request, over raw sockets: heads without an end, odd fields, broken framing, fields after a body."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from receiver.web import protocol
from receiver.web.protocol import HEAD_MAX_BYTES, HEAD_MAX_FIELDS, MOST_PIPELINED
from tests.support.service import Served

PATIENCE_S = 60.0
ENDLESS = 64 << 20
GET = b"GET /healthz HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n"


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *parts: bytes) -> None:
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body of the next answer; (0, b"") when the connection was closed without one."""
        async with asyncio.timeout(PATIENCE_S):
            head = b""
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                head = await self._reader.readuntil(b"\r\n\r\n")
            if not head:
                return 0, b""
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            return int(head.split()[1]), await self._reader.readexactly(int(lengths[0].split(b":")[1]))

    async def is_closed(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                return await self._reader.read() == b""
            return True


@asynccontextmanager
async def _wire(service: Served) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http.base_url.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


async def _ask(service: Served, *parts: bytes) -> tuple[int, bytes]:
    async with _wire(service) as wire:
        await wire.send(*parts)
        return await wire.answer()


def _key(service: Served) -> bytes:
    return f"Authorization: {service.key('all')['Authorization']}\r\n".encode()


async def _send_without_end(wire: Wire) -> tuple[int, tuple[int, bytes]]:
    """Send until there is an answer; how many bytes that took, and the answer."""
    answering, sent = asyncio.create_task(wire.answer()), 0
    with suppress(ConnectionError):
        while sent < ENDLESS and not answering.done():
            await wire.send(b"a" * 65_536)
            sent += 65_536
            await asyncio.sleep(0)
    return sent, await answering


@pytest.mark.parametrize("start", [GET + HOST + b"X-Long: ", GET + HOST + b"X-Long-Name", b"GET /"])
async def test_a_head_without_an_end_is_answered_431_and_closed(service: Served, start: bytes) -> None:
    """The answer comes though nothing has ended, so no more than this was kept of all that could follow."""
    async with _wire(service) as wire:
        await wire.send(start)
        sent, (status, body) = await _send_without_end(wire)
        assert sent < ENDLESS
        assert (status, json.loads(body)["type"]) == (431, "urn:whenfinal:problem:head-too-large")
        assert await wire.is_closed()


@pytest.mark.parametrize("start", [b"0\r\nX-Trailer: ", b"2;extension=", b"1" * 100])
async def test_a_line_between_chunks_without_an_end_is_refused(service: Served, start: bytes) -> None:
    head = b"POST /v1/tasks HTTP/1.1\r\n" + HOST + _key(service) + CHUNKED + b"\r\n"
    async with _wire(service) as wire:
        await wire.send(head, start)
        sent, (status, _) = await _send_without_end(wire)
        assert sent < ENDLESS
        assert status in {400, 431}
        assert await wire.is_closed()


async def test_after_the_answer_a_line_without_an_end_only_closes_the_connection(service: Served) -> None:
    async with _wire(service) as wire:
        await wire.send(GET, HOST, CHUNKED, b"\r\n0\r\nX-Trailer: ")
        assert (await wire.answer())[0] == 200
        sent, answer = await _send_without_end(wire)
        assert sent < ENDLESS
        assert answer == (0, b"")


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"a" * HEAD_MAX_BYTES,
        b"\r\n".join(b"X-%d: %s" % (number, b"a" * 1000) for number in range(66)),
        b"\r\n".join(b"X: " for _ in range(HEAD_MAX_FIELDS)),
    ],
)
async def test_a_head_that_ends_and_is_too_large_is_answered_431(service: Served, head: bytes) -> None:
    assert (await _ask(service, GET, HOST, head, b"\r\n\r\n"))[0] == 431
    assert (await _ask(service, b"GET /" + b"a" * HEAD_MAX_BYTES + b" HTTP/1.1\r\n\r\n"))[0] == 431


async def test_a_head_just_below_the_limits_is_served(service: Served) -> None:
    fields = [b"X-%d: %s\r\n" % (number, b"a" * 230) for number in range(HEAD_MAX_FIELDS - 2)]
    assert (await _ask(service, GET, HOST, *fields, b"\r\n"))[0] == 200
    async with _wire(service) as wire:  # each head has the whole limit
        for _ in range(3):
            await wire.send(GET, HOST, *fields, b"\r\n")
            assert (await wire.answer())[0] == 200


async def test_a_large_body_is_no_head(service: Served) -> None:
    head = b"POST /v1/tasks HTTP/1.1\r\n" + HOST + _key(service) + b"Content-Type: application/json\r\n"
    body = b'{"provider":"' + b"x" * (4 * HEAD_MAX_BYTES) + b'"}'
    assert (await _ask(service, head, b"Content-Length: %d\r\n\r\n" % len(body), body))[0] == 422
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert (await _ask(service, head, b"Transfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n"))[0] == 422


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (b"", 400),
        (HOST, 200),
        (b"Host: \r\n", 200),
        (b"Host: [::1]:8000\r\n", 200),
        (b"Host: b\xc3\xbccher.example\r\n", 400),
        (HOST + HOST, 400),
        (HOST + b"Host: y\r\n", 400),
        (b"Host: a b\r\n", 400),
        (b"Host: a/b\r\n", 400),
        (b"Host: a, b@c\r\n", 400),
    ],
)
async def test_a_request_has_one_host(service: Served, hosts: bytes, status: int) -> None:
    found, body = await _ask(service, GET, hosts, b"\r\n")
    assert found == status
    assert json.loads(body)["status"] == (status if status != 200 else "alive")


async def test_http_1_0_may_leave_out_the_host_and_not_send_two(service: Served) -> None:
    assert (await _ask(service, b"GET /healthz HTTP/1.0\r\n\r\n"))[0] == 200
    assert (await _ask(service, b"GET /healthz HTTP/1.0\r\n", HOST, HOST, b"\r\n"))[0] == 400


async def test_fields_after_the_body_are_no_headers(service: Served) -> None:
    await service.has()
    head = b"POST /v1/tasks/tsk_1/settle HTTP/1.1\r\n" + HOST + CHUNKED
    body = b'\r\n11\r\n{"refused": true}\r\n0\r\n'
    assert (await _ask(service, head, body, _key(service), b"\r\n"))[0] == 401
    assert (await _ask(service, GET, HOST, CHUNKED, b"\r\n0\r\n", HOST, b"\r\n"))[0] == 200
    late = b"Idempotency-Key: late\r\n" + HOST
    assert (await _ask(service, head, _key(service), body, late, b"\r\n"))[0] == 409  # a submitted task


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: +2\r\n\r\n{}",
        b"Content-Length: 0x2\r\n\r\n{}",
        b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        b"X-Folded: a\r\n b\r\n\r\n",
        b"X-Nul: a\x00b\r\n\r\n",
        b"X-Control: a\x01b\r\n\r\n",
        b"X-Escape: a\x1b[2Jb\r\n\r\n",
        b"X-Delete: a\x7fb\r\n\r\n",
        b"X Blank: a\r\n\r\n",
        b"X-Blank : a\r\n\r\n",
        b": a\r\n\r\n",
        b"no colon\r\n\r\n",
        b"X-Return: a\rb\r\n\r\n",
    ],
)
async def test_a_head_that_may_be_read_in_two_ways_is_answered_400(service: Served, head: bytes) -> None:
    status, body = await _ask(service, b"POST /v1/tasks HTTP/1.1\r\n", HOST, _key(service), head)
    assert status == 400
    assert json.loads(body)["type"] == "urn:whenfinal:problem:malformed-request"


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/3.7\r\n" + HOST + b"\r\n",
        b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_line_that_is_no_request_is_answered_and_closed(service: Served, line: bytes) -> None:
    async with _wire(service) as wire:
        await wire.send(line)
        status, body = await wire.answer()
        assert 400 <= status < 500
        assert json.loads(body)["status"] == status
    assert (await service.http.get("/healthz")).status_code == 200


async def test_a_broken_body_is_answered_400_and_changes_nothing(service: Served) -> None:
    await service.has("tsk_1", provider_task_id=None)
    head = b"POST /v1/tasks/tsk_1/settle HTTP/1.1\r\n" + HOST + _key(service) + CHUNKED
    status, body = await _ask(service, head, b'\r\n11\r\n{"refused": true}zz')
    assert (status, json.loads(body)["status"]) == (400, 400)
    assert (await service.get("/v1/tasks/tsk_1")).json()["state"] == "uncertain"


async def test_a_head_that_does_not_come_is_answered_408(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.05)
    async with _wire(service) as wire:
        await wire.send(GET, HOST, b"\r\n", GET)
        assert (await wire.answer())[0] == 200
        status, body = await wire.answer()
        assert (status, json.loads(body)["type"]) == (408, "urn:whenfinal:problem:head-too-slow")
        assert await wire.is_closed()


async def test_a_connection_on_which_nothing_comes_is_closed(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "FIRST_BYTE_WITHIN_S", 0.05)
    async with _wire(service) as wire:
        assert await wire.is_closed()


async def test_a_time_for_the_head_is_none_for_the_answer(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.05)
    monkeypatch.setattr(protocol, "FIRST_BYTE_WITHIN_S", 0.05)
    await service.has()
    assert (await service.get("/v1/tasks/tsk_1?wait=1")).status_code == 200


async def test_a_broken_request_never_gets_the_answer_of_the_one_before(service: Served) -> None:
    await service.has()
    wait = b"GET /v1/tasks/tsk_1?wait=1 HTTP/1.1\r\n" + HOST + _key(service) + b"\r\n"
    async with _wire(service) as wire:
        await wire.send(wait, b"garbage\r\n\r\n")
        status, body = await wire.answer()
        assert (status, json.loads(body)["id"]) == (200, "tsk_1")
        assert await wire.is_closed()


async def test_requests_that_are_sent_ahead_are_bounded(service: Served) -> None:
    await service.has()
    wait = b"GET /v1/tasks/tsk_1?wait=1 HTTP/1.1\r\n" + HOST + _key(service) + b"\r\n"
    async with _wire(service) as wire:
        await wire.send(wait, (GET + HOST + b"\r\n") * 5_000)
        statuses = [(await wire.answer())[0] for _ in range(MOST_PIPELINED + 1)]
        assert statuses == [200] * (MOST_PIPELINED + 1)
        assert await wire.is_closed()


async def test_garbage_amid_a_stream_only_ends_it(service: Served) -> None:
    async with _wire(service) as wire:
        await wire.send(b"GET /v1/events/stream HTTP/1.1\r\n", HOST, _key(service), CHUNKED, b"\r\n")
        async with asyncio.timeout(PATIENCE_S):
            head = await wire._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head
        await wire.send(b"garbage\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert b"HTTP/1.1" not in await wire._reader.read()
