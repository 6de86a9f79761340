"""The client following events, against servers that cut, break, stall, babble and lie."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from submitter import Client, Event, SubscriptionDisabled
from submitter.client import conversation as module
from submitter.client import stream
from submitter.client.async_shell import Shell
from submitter.client.stream import EventFollower
from submitter.errors import CursorExpired, ReceiverRefused, ReceiverUnreachable
from tests.support.raw_server import Answering, Peer, RawServer, hanging, replying, serving
from tests.support.stream_bytes import (
    PATIENCE_S,
    STREAM,
    a_disabled_event,
    an_event,
    block,
    blocks,
    first_seqs,
    one_after_another,
    page,
    problem,
    replying_with,
    resetting_after,
    staying_open_after,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(stream, "FIRST_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(stream, "RETRY_S", 0.01)
    monkeypatch.setattr(stream, "LONGEST_PAUSE_S", 0.02)


@asynccontextmanager
async def _against(*answers: Answering) -> AsyncIterator[tuple[Client, RawServer]]:
    async with serving(one_after_another(*answers)) as server, Client(server.url.removesuffix("/a"), "key") as client:
        yield client, server


def _asked(request: bytes) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.split(b" ")[1].decode()).query)


def _cursors(server: RawServer) -> list[str | None]:
    return [dict(_asked(request)).get("after") for request in server.requests]


async def test_events_come_in_order_from_the_cursor_on_with_what_they_say() -> None:
    async with _against(staying_open_after(STREAM, blocks(6, 7, 9))) as (client, server):
        async with asyncio.timeout(PATIENCE_S), aclosing(client.events(after=5)) as events:
            first = await anext(events)
        assert (first.seq, first.event_id, first.type, first.task.id) == (6, "evt_6", "task.succeeded", "tsk_1")
        assert await first_seqs(3, client.events(after=5)) == [6, 7, 9]
    assert server.requests[0].startswith(b"GET /v1/events/stream?")
    lines = server.requests[0].lower().split(b"\r\n")
    assert {b"authorization: bearer key", b"accept: text/event-stream"} <= set(lines)
    assert _cursors(server) == ["5", "5"]


async def test_conditions_are_passed_on_and_no_types_mean_those_about_tasks() -> None:
    async with _against(staying_open_after(STREAM, blocks(1))) as (client, server):
        await first_seqs(1, client.events())
        await first_seqs(
            1, client.events(types=["task.failed"], providers=["a", "b"], models=["m"], labels={"film": "x=1"})
        )
    assert _asked(server.requests[0]) == [
        ("type", "task.succeeded"),
        ("type", "task.failed"),
        ("type", "task.canceled"),
        ("type", "task.expired"),
        ("type", "task.refused"),
        ("type", "task.overdue"),
    ]
    assert _asked(server.requests[1]) == [
        ("type", "task.failed"),
        ("provider", "a"),
        ("provider", "b"),
        ("model", "m"),
        ("label", "film=x=1"),
    ]


@pytest.mark.parametrize("ends", [replying_with, resetting_after])
@pytest.mark.parametrize(
    "rest", [b"", blocks(3)[:40], block(an_event(3))[:-1]], ids=["between", "inside", "at the end"]
)
async def test_a_cut_connection_is_made_again_and_no_event_missed_or_doubled(ends: object, rest: bytes) -> None:
    assert ends in {replying_with, resetting_after}
    cut = replying_with if ends is replying_with else resetting_after
    async with _against(cut(STREAM, blocks(1, 2), rest), staying_open_after(STREAM, blocks(2, 3, 4))) as (
        client,
        server,
    ):
        assert await first_seqs(4, client.events(after=0)) == [1, 2, 3, 4]
    assert _cursors(server) in (["0", "2"], ["0", "0"])  # a reset may take what was sent before it along


async def test_a_chunked_stream_that_stops_in_a_chunk_is_made_again() -> None:
    head = STREAM.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    whole = blocks(1)
    cut = replying_with(head, b"%x\r\n%s\r\n" % (len(whole), whole), b"fff\r\nid: 2\nda")
    async with _against(cut, staying_open_after(STREAM, blocks(2))) as (client, server):
        assert await first_seqs(2, client.events(after=0)) == [1, 2]
    assert _cursors(server) == ["0", "1"]


async def test_a_connection_without_a_byte_for_long_is_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 1.0)
    async with _against(staying_open_after(STREAM, blocks(1)), hanging, staying_open_after(STREAM, blocks(2))) as (
        client,
        server,
    ):
        assert await first_seqs(2, client.events(after=0)) == [1, 2]
        async with asyncio.timeout(PATIENCE_S):
            await server.peers[0].gone.wait()
    assert _cursors(server) == ["0", "1", "1"]


async def test_comments_keep_a_quiet_connection_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 2.0)

    async def quiet(peer: Peer, number: int) -> None:
        await peer.say(STREAM)
        for _ in range(30):
            await asyncio.sleep(0.1)
            await peer.say(b": keep-alive\n\n")
        await peer.say(blocks(1))
        await hanging(peer, number)

    async with _against(quiet) as (client, server):
        assert await first_seqs(1, client.events()) == [1]
    assert len(server.requests) == 1


async def test_a_stream_that_dribbles_byte_by_byte_is_read() -> None:
    async def dribbling(peer: Peer, number: int) -> None:
        for byte in STREAM + blocks(1, 2):
            await peer.say(bytes([byte]))
            await asyncio.sleep(0)
        await hanging(peer, number)

    async with _against(dribbling) as (client, _):
        assert await first_seqs(2, client.events()) == [1, 2]


async def test_an_id_alone_moves_the_cursor_so_that_from_now_on_has_no_gap() -> None:
    async with _against(
        replying_with(STREAM, b"retry: 1\nid: 41\n\n"),
        replying_with(STREAM, b"id: 40\n\nid: x\n\n"),
        staying_open_after(STREAM, blocks(42)),
    ) as (client, server):
        assert await first_seqs(1, client.events()) == [42]
    assert _cursors(server) == [None, "41", "41"]


async def test_a_hello_is_no_event_and_moves_the_cursor() -> None:
    def hello(cursor: int) -> bytes:
        return b'retry: 1\nid: %d\nevent: hello\ndata: {"after":%d}\n\n' % (cursor, cursor)

    async with _against(
        replying_with(STREAM, hello(41)),
        replying_with(STREAM, hello(41), b": keep-alive\n", blocks(42), b": keep-alive\n", hello(50)),
        staying_open_after(STREAM, hello(50), blocks(51)),
    ) as (client, server):
        assert await first_seqs(2, client.events()) == [42, 51]
    assert _cursors(server) == [None, "41", "50"]


async def test_an_expired_cursor_comes_with_the_one_to_read_on_from() -> None:
    reset = b'id: 100\nevent: reset\ndata: {"requested_after":5,"oldest_after":100}\n\n'
    gone = problem(410, "cursor-expired", oldest_after=100)
    for answer in (staying_open_after(STREAM, b"retry: 3000\n\n", reset, blocks(101)), staying_open_after(gone)):
        async with _against(answer) as (client, server):
            with pytest.raises(CursorExpired, match="after 100") as raised:
                await first_seqs(1, client.events(after=5))
            assert (raised.value.oldest_after, len(server.requests)) == (100, 1)
    async with _against(staying_open_after(gone)) as (client, _):
        with pytest.raises(CursorExpired, match="after 100"):
            await first_seqs(1, client.events(after=5, follow=False))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "malformed-request"), (401, "unauthenticated"), (403, "scope-missing"), (404, "not-found")],
)
async def test_what_the_receiver_refuses_is_not_retried(status: int, kind: str) -> None:
    for follow in (True, False):
        async with _against(staying_open_after(problem(status, kind))) as (client, server):
            with pytest.raises(ReceiverRefused, match=str(status)):
                await first_seqs(1, client.events(after=5, follow=follow))
            assert len(server.requests) == 1


async def test_a_key_that_is_taken_back_ends_the_following() -> None:
    async with _against(replying_with(STREAM, blocks(1)), staying_open_after(problem(401, "unauthenticated"))) as (
        client,
        _,
    ):
        with pytest.raises(ReceiverRefused, match="401"):
            await first_seqs(2, client.events(after=0))


async def test_a_receiver_that_is_away_for_long_is_found_again() -> None:
    away = [
        replying_with(),
        replying_with(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"),
        replying_with(problem(503, "stopping")),
        replying_with(problem(500, "internal")),
        replying_with(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\nthe proxy knows no such host"),
        replying_with(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>back soon</html>"),
        resetting_after(b"HTTP/1.1 200"),
        resetting_after(b"garbage\r\n\r\n"),
    ]
    async with _against(replying_with(STREAM, blocks(1)), *away, staying_open_after(STREAM, blocks(2))) as (
        client,
        server,
    ):
        assert await first_seqs(2, client.events(after=0)) == [1, 2]
    assert _cursors(server) == ["0"] + ["1"] * 9


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (replying_with(), ReceiverUnreachable),
        (replying_with(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"), ReceiverUnreachable),
        (replying_with(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"), ReceiverUnreachable),
        (replying_with(problem(503, "too-many-streams")), ReceiverRefused),
    ],
)
async def test_without_a_first_connection_the_error_is_raised_after_a_few_tries(
    answer: Answering, raised: type[Exception]
) -> None:
    async with _against(answer) as (client, server):
        with pytest.raises(raised):
            await first_seqs(1, client.events())
        assert len(server.requests) == 4


async def test_an_unreachable_receiver_is_an_error_of_its_own() -> None:
    async with Client("http://127.0.0.1:9", "key") as client:
        with pytest.raises(ReceiverUnreachable, match="connection refused"):
            await first_seqs(1, client.events())


async def test_lines_that_are_no_fields_are_passed_over() -> None:
    junk = b"<<<garbage>>>\nfoo: bar\nretry: soon\nid\n\n\xff\xfe\n\n: c\n\n"
    async with _against(staying_open_after(STREAM, junk, blocks(1), junk, blocks(2))) as (client, _):
        assert await first_seqs(2, client.events()) == [1, 2]


@pytest.mark.parametrize(
    "said",
    [
        b"data: <html>\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
        b"data\n\n",
        block(an_event(1, task=None)),
        block(an_event(1, type="subscription.disabled")),
        b"event: reset\ndata: {}\n\n",
        b"event: reset\ndata: [\n\n",
        b"data: " + b"x" * 20_000,
        b"x" * 20_000,
        b"data: x\n" * 5_000,
    ],
    ids=lambda said: repr(said[:24]),
)
async def test_an_answer_of_no_receiver_is_raised_and_not_retried(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(stream, "BLOCK_CAP_BYTES", 10_000)
    async with _against(staying_open_after(STREAM, said)) as (client, server):
        with pytest.raises(ReceiverUnreachable, match=r"cannot be read|not a JSON object"):
            await first_seqs(1, client.events())
        assert len(server.requests) == 1


async def test_an_endless_refusal_is_read_to_its_cap_only() -> None:
    async def endless(peer: Peer, number: int) -> None:
        await peer.say(b"HTTP/1.1 503 X\r\nContent-Type: application/problem+json\r\n\r\n")
        while not peer.gone.is_set():
            await peer.say(b"x" * 65_536)
            await asyncio.sleep(0)

    async with _against(endless) as (client, _):
        with pytest.raises(ReceiverUnreachable):
            await first_seqs(1, client.events())


async def test_a_follower_that_leaves_closes_its_connection() -> None:
    async with _against(staying_open_after(STREAM, blocks(1))) as (client, server):
        await first_seqs(1, client.events())
        async with asyncio.timeout(PATIENCE_S):
            await server.peers[0].gone.wait()


async def test_a_follower_that_is_cancelled_closes_its_connection() -> None:
    async with _against(staying_open_after(STREAM)) as (client, server):
        waiting = asyncio.create_task(first_seqs(1, client.events()))
        await server.until_requests(1)
        waiting.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await server.peers[0].gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_an_event_for_the_operator_comes_when_its_type_is_named() -> None:
    types = ["subscription.disabled", "task.succeeded"]
    async with (
        asyncio.timeout(PATIENCE_S),
        _against(staying_open_after(STREAM, block(a_disabled_event(3)), blocks(4))) as (client, _),
        aclosing(client.events(types=types)) as events,
    ):
        disabled, event = await anext(events), await anext(events)
    assert isinstance(disabled, SubscriptionDisabled)
    assert (disabled.seq, disabled.subscription, disabled.reason) == (3, "sub_1", "gone")
    assert isinstance(event, Event)


async def test_pauses_grow_from_the_streams_retry_and_are_no_shorter_than_a_retry_after(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "FIRST_PAUSES_S", (0.2, 1.0, 3.0))
    monkeypatch.setattr(stream, "RETRY_S", 3.0)
    monkeypatch.setattr(stream, "LONGEST_PAUSE_S", 60.0)
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    full = replying_with(problem(503, "unavailable", b"Retry-After: 7"))
    answers = (
        full,
        replying_with(),
        replying_with(STREAM, blocks(1)),
        full,
        replying_with(),
        replying_with(STREAM, b"retry: 500\n\n"),
        replying_with(STREAM, blocks(2)),
        *([replying_with()] * 8),
        replying_with(problem(503, "unavailable", b"Retry-After: 99999")),
        staying_open_after(STREAM, blocks(3)),
    )
    async with (
        serving(one_after_another(*answers)) as server,
        httpx.AsyncClient(base_url=server.url.removesuffix("a")) as http,
    ):
        shell = Shell(http=http, timeout_s=60, random=lambda: 0.0, sleep=sleep)
        following = shell.iterate(EventFollower(params=(), cursor=0).events())
        async with asyncio.timeout(PATIENCE_S), aclosing(following) as events:
            assert [(await anext(events)).seq for _ in range(3)] == [1, 2, 3]
    assert pauses[:6] == [7.0, 1.0, 3.0, 7.0, 12.0, 4.0]
    assert pauses[6:] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 600.0]
    assert [record.levelname for record in caplog.records if record.name == stream.__name__] == ["WARNING"] * 3


async def test_a_stream_that_wants_no_pause_is_not_reconnected_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LONGEST_PAUSE_S", 60.0)
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    answers = one_after_another(*[replying_with(STREAM, b"retry: 0\n\n")] * 3, staying_open_after(STREAM, blocks(1)))
    async with serving(answers) as server, httpx.AsyncClient(base_url=server.url.removesuffix("a")) as http:
        shell = Shell(http=http, timeout_s=60, random=lambda: 0.5, sleep=sleep)
        following = shell.iterate(EventFollower(params=(), cursor=0).events())
        async with asyncio.timeout(PATIENCE_S), aclosing(following) as events:
            assert (await anext(events)).seq == 1
    assert pauses == pytest.approx([0.125, 0.25, 0.5])


async def test_without_following_all_pages_are_read_and_then_it_ends() -> None:
    pages = (
        page(1, 2, next_after=2, has_more=True),
        page(next_after=1_002, has_more=True),
        page(1_003, next_after=1_500, has_more=False),
    )
    async with _against(*(replying(each) for each in pages)) as (client, server):
        assert [event.seq async for event in client.events(follow=False)] == [1, 2, 1_003]
    assert _cursors(server) == [None, "2", "1002"]


async def test_a_cursor_that_does_not_move_ends_the_reading() -> None:
    async with _against(staying_open_after(page(6, next_after=5, has_more=True))) as (client, server):
        with pytest.raises(ReceiverUnreachable, match="does not move"):
            await first_seqs(9, client.events(after=5, follow=False))
    assert len(server.requests) == 1
