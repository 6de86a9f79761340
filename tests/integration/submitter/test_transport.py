"""The transport against servers on real sockets that answer, stall, send wrong data or disconnect."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest

from submitter.errors import (
    AddressForbidden,
    ConnectFailed,
    ExchangeBroken,
    ExchangeTimeout,
    TransportError,
)
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport, TransportLimits, open_transport
from tests.support.raw_server import Peer, hanging, reply, replying, serving

GUARD = AddressGuard()
HOME = AddressGuard(allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
LIMITS = TransportLimits(connect_s=5, whole_s=20, max_reply_bytes=1_000)
BROKEN_REPLIES = [b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y", b"", b"HTT"]


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport(LIMITS) as opened:
        yield opened


def _post(url: str, body: bytes = b"{}", **headers: str) -> HttpCall:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpCall(method="POST", url=url, headers=named, body=body)


async def _send(url: str, guard: AddressGuard | None = None, **limits: Any) -> object:
    async with open_transport(TransportLimits(**{"max_reply_bytes": 1_000} | limits), guard) as opened:
        return await opened.send(_post(url))


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_call_goes_out_as_it_is_and_its_reply_comes_back(transport: Transport) -> None:
    async with serving(replying(reply(b"hello", b"X-One: 1", b"X-One: 2", status=b"418 Teapot"))) as server:
        answer = await transport.send(_post(server.url + "%2Fb?q=%26%2B", b'{"a":1}', authorization="Bearer k"))
    assert (answer.status, answer.body, tuple(answer.header_values("x-one"))) == (418, b"hello", ("1", "2"))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert head.startswith(b"POST /a%2Fb?q=%26%2B HTTP/1.1\r\n")
    assert b"authorization: Bearer k" in head
    assert b"content-type" not in head.lower()
    assert b"user-agent: whenfinal/" in head.lower()


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_other_methods_go_out_too(transport: Transport, method: str) -> None:
    async with serving(replying(reply())) as server:
        await transport.send(HttpCall(method=method, url=server.url))
    assert server.requests[0].startswith(method.encode() + b" /a ")


async def test_a_post_on_a_stale_connection_is_broken_and_never_sent_again(transport: Transport) -> None:
    async def once_then_drop(peer: Peer, number: int) -> None:
        await peer.say(reply()) if number == 1 else peer.reset()

    async with serving(once_then_drop) as server:
        await transport.send(_post(server.url))
        with pytest.raises(ExchangeBroken):
            await transport.send(_post(server.url))
        assert (len(server.requests), len(server.peers)) == (2, 1)


async def test_a_connection_closed_without_an_answer_is_broken_and_never_sent_again(transport: Transport) -> None:
    async def leave(peer: Peer, number: int) -> None:
        peer.writer.close()

    async with serving(leave) as server:
        with pytest.raises(ExchangeBroken):
            await transport.send(_post(server.url))
        assert len(server.requests) == 1


async def test_each_reply_says_whether_its_connection_was_used_before(transport: Transport) -> None:
    seen: list[bool] = []
    transport.on_reply = seen.append
    async with serving(replying(reply(b"hello"))) as server:
        for _ in range(3):
            await transport.send(_post(server.url))
    assert seen[0] is False
    assert len(seen) == 3


async def test_a_connection_stays_open_for_the_next_call(transport: Transport) -> None:
    async with serving(replying(reply())) as server:
        for _ in range(3):
            await transport.send(_post(server.url))
        assert (len(server.requests), len(server.peers)) == (3, 1)


@pytest.mark.parametrize("raw", BROKEN_REPLIES)
async def test_a_reply_that_is_no_whole_http_is_broken(transport: Transport, raw: bytes) -> None:
    async def answer(peer: Peer, _: int) -> None:
        await peer.say(raw)
        peer.writer.close()

    async with serving(answer) as server:
        with pytest.raises(ExchangeBroken):
            await transport.send(_post(server.url))
        assert len(server.requests) == 1


async def test_what_never_connected_surely_sent_nothing(transport: Transport) -> None:
    for url in (f"http://127.0.0.1:{_unused_port()}/", "http://no-such-name.invalid/", f"http://{'a' * 64}.example/"):
        with pytest.raises(ConnectFailed):
            await transport.send(_post(url))


async def test_a_server_that_speaks_no_tls_was_never_connected_to(transport: Transport) -> None:
    async with serving(hanging) as server:
        listener = await asyncio.start_server(_say_plain_text, "127.0.0.1", 0)
        with pytest.raises(ConnectFailed):
            await transport.send(_post(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"))
        listener.close()
        assert server.requests == []


async def _say_plain_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"this is no TLS\r\n")
    writer.close()


async def test_a_timeout_while_waiting_for_a_free_connection_sent_nothing() -> None:
    async with serving(hanging) as server, open_transport(TransportLimits(connections=1, connect_s=1)) as opened:
        first = asyncio.create_task(opened.send(_post(server.url)))
        await server.until_requests(1)
        with pytest.raises(ConnectFailed):
            await opened.send(_post(server.url))
        first.cancel()
        await asyncio.wait([first])
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://127.0.0.1/", "http://", "http://a:b@127.0.0.1/", "http://[::1/", "http://h:99999/"]
)
async def test_what_is_no_http_address_surely_sent_nothing(transport: Transport, url: str) -> None:
    with pytest.raises(ConnectFailed):
        await transport.send(_post(url))


@pytest.mark.parametrize("value", ["a\r\nx: 1", "a\nb", "a\0b", "snow ☃"])
async def test_a_header_that_no_request_can_hold_surely_sent_nothing(transport: Transport, value: str) -> None:
    async with serving(replying(reply())) as server:
        with pytest.raises(ConnectFailed):
            await transport.send(_post(server.url, x_odd=value))
        assert server.peers == []


async def test_a_closed_transport_sends_nothing() -> None:
    async with open_transport(LIMITS) as opened:
        pass
    with pytest.raises(ConnectFailed):
        await opened.send(_post("http://127.0.0.1:1/"))


async def test_a_silent_server_meets_the_deadline() -> None:
    async with serving(hanging) as server:
        with pytest.raises(ExchangeTimeout):
            await _send(server.url, whole_s=1)


async def test_a_slow_drip_never_outlasts_the_deadline() -> None:
    async def drip(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        while not peer.gone.is_set():
            await peer.say(b"x")
            await asyncio.sleep(0.02)

    async with serving(drip) as server:
        answer = await asyncio.wait_for(_send(server.url, whole_s=1), 30)
    assert isinstance(answer, HttpReply)
    assert not answer.is_complete
    assert set(answer.body) == {ord("x")}


async def test_a_call_may_have_a_deadline_of_its_own(transport: Transport) -> None:
    async with serving(hanging) as server:
        with pytest.raises(ExchangeTimeout):
            await transport.send(_post(server.url), timeout_s=1)


async def test_cancelling_a_call_closes_its_connection(transport: Transport) -> None:
    async with serving(hanging) as server:
        sending = asyncio.create_task(transport.send(_post(server.url)))
        await server.until_requests(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(server.peers[0].gone.wait(), 60)


async def test_cancelling_in_the_middle_of_a_reply_closes_its_connection(transport: Transport) -> None:
    async def half(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf")
        await peer.gone.wait()

    async with serving(half) as server:
        sending = asyncio.create_task(transport.send(_post(server.url)))
        await server.until_requests(1)
        await asyncio.sleep(0.05)
        sending.cancel()
        await asyncio.wait([sending])
        await asyncio.wait_for(server.peers[0].gone.wait(), 60)


@pytest.mark.parametrize("location", [b"/b", b"http://127.0.0.1:1/", b"http://exa mple:x/\x01", b"\xff\xfe"])
@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Again", b"308 Again"])
async def test_a_redirect_is_a_reply_and_is_not_followed(transport: Transport, status: bytes, location: bytes) -> None:
    async with serving(replying(reply(b"", b"Location: " + location, status=status))) as server:
        answer = await transport.send(_post(server.url))
    assert (answer.status, answer.header("location")) == (int(status[:3]), location.decode("latin-1"))
    assert len(server.requests) == 1


async def test_no_cookie_is_stored(transport: Transport) -> None:
    async with serving(replying(reply(b"", b"Set-Cookie: a=1; Path=/", b"Set-Cookie: \xff=\xfe; ;="))) as server:
        for _ in range(2):
            await transport.send(_post(server.url))
    assert b"cookie" not in server.requests[1].lower()


async def test_odd_bytes_in_the_status_line_and_headers_survive(transport: Transport) -> None:
    async with serving(replying(reply(b"ok", b"X-Odd: caf\xe9 \xff\x80", status=b"200 F\xf6\xff"))) as server:
        answer = await transport.send(_post(server.url))
    assert (answer.status, answer.header("x-odd"), answer.body) == (200, "caf\xe9 \xff\x80", b"ok")


async def test_the_environment_sets_no_proxy_and_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://ann:pw@127.0.0.1:{_unused_port()}")
    async with serving(replying(reply())) as server:
        await _send(server.url)
    assert b"authorization" not in server.requests[0].lower()


async def test_a_reply_is_decompressed_within_its_cap(transport: Transport) -> None:
    packed = gzip.compress(b"a" * 500) + gzip.compress(b"b" * 500)
    async with serving(replying(reply(packed, b"Content-Encoding: gzip"))) as server:
        answer = await transport.send(_post(server.url))
    assert answer.body == b"a" * 500 + b"b" * 500


@pytest.mark.parametrize("body", [b"x" * 1_001, b"x" * 500_000])
async def test_a_reply_over_its_cap_is_cut_there(transport: Transport, body: bytes) -> None:
    for raw in (reply(body), reply(gzip.compress(body), b"Content-Encoding: GZIP")):
        async with serving(replying(raw)) as server:
            answer = await transport.send(_post(server.url))
        assert (answer.status, answer.body, answer.is_complete) == (200, b"x" * 1_000, False)


async def test_an_endless_reply_is_cut_and_its_connection_closed() -> None:
    async def endless(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not peer.gone.is_set():
            await peer.say(b"5\r\nmore \r\n")
            await asyncio.sleep(0)

    limits = TransportLimits(max_reply_bytes=10)
    async with serving(endless) as server, open_transport(limits) as opened:
        assert (await opened.send(_post(server.url))).body == b"more more "
        await asyncio.wait_for(server.peers[0].gone.wait(), 60)


async def test_an_empty_reply_that_claims_gzip_and_a_coding_not_asked_for_are_replies(transport: Transport) -> None:
    for body, coding in ((b"", b"gzip"), (b"\x0b\x02\x80", b"br")):
        async with serving(replying(reply(body, b"Content-Encoding: " + coding))) as server:
            assert (await transport.send(_post(server.url))).body == body


async def test_sixty_four_calls_go_out_at_once(transport: Transport) -> None:
    all_arrived = asyncio.Barrier(64)

    async def together(peer: Peer, _: int) -> None:
        await all_arrived.wait()
        await peer.say(reply())

    async with serving(together) as server:
        answers = await asyncio.gather(*(transport.send(_post(server.url)) for _ in range(64)))
        assert [answer.status for answer in answers] == [200] * 64
        assert len(server.peers) == 64


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"],
)
async def test_a_forbidden_address_is_not_even_connected_to(host: str) -> None:
    async with serving(replying(reply())) as server:
        with pytest.raises(AddressForbidden):
            await _send(f"http://{host}:{server.port}/", GUARD)
        assert server.peers == []


async def test_an_allowed_address_is_reached_by_number_and_by_name() -> None:
    async with serving(replying(reply())) as server:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost"):
            await _send(f"http://{host}:{server.port}/", HOME)
        assert len(server.requests) == 3


async def test_a_public_name_that_resolves_to_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))
    home = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [public, home])
    with pytest.raises(AddressForbidden, match=r"127\.0\.0\.1 is loopback"):
        await _send("http://rebound.example/", GUARD)


async def test_no_message_repeats_a_query_or_a_header(transport: Transport) -> None:
    async def answer(peer: Peer, _: int) -> None:
        await peer.say(b"hidden\r\n\r\n")
        peer.writer.close()

    async with serving(answer) as server:
        for url in (server.url, f"http://127.0.0.1:{_unused_port()}/", "http://h:99999/"):
            with pytest.raises(TransportError) as raised:
                await transport.send(_post(url + "?token=hidden", authorization="hidden"))
            assert "hidden" not in str(raised.value)
