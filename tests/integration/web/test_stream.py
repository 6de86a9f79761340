"""The stream of events over real sockets: nothing lost, nothing twice, for slow and leaving clients and on a stop."""

import asyncio
import gc
import json
import re
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.events.model.buffer import MAX_EVENTS
from receiver.events.model.event import event_view
from receiver.runtime.store import open_store
from receiver.store.retention import START
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from tests.support.builders import T0
from tests.support.delivery_fixtures import lease, publish_event_of, publish_events
from tests.support.service import Served, is_problem, served
from tests.support.stream_listener import KEY, PATH, TIMEOUT_S, open_stream
from tests.support.subscriptions_over_http import create_subscription

DAY_MS = 86_400_000


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, WHENFINAL_STREAM_KEEPALIVE_S="0.2") as service:
        yield service


async def _happen(service: Served, count: int, first: int = 1) -> None:
    await publish_events(service.services.store, count, first=first)
    service.services.commit_notifier.notify()


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not met():
            await asyncio.sleep(0.01)


def _slots_taken(service: Served) -> int:
    return service.services.feed.taken


@asynccontextmanager
async def _deaf(service: Served, query: str = "after=0") -> AsyncIterator[socket.socket]:
    """A client that asks for the stream over a small window and does not read it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", int(service.url.rpartition(":")[2])))
        lines = (f"GET {PATH}?{query} HTTP/1.1", "Host: x", f"Authorization: {KEY['Authorization']}", "", "")
        await loop.sock_sendall(client, "\r\n".join(lines).encode())
        yield client


# What is said.


async def test_a_stream_sends_each_event_as_it_happens_with_its_number_type_and_body(service: Served) -> None:
    async with open_stream(service.http) as stream:
        headers = stream.reply.headers
        assert headers["content-type"].partition(";")[0] == "text/event-stream"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        assert "x-request-id" in headers
        await publish_event_of(service.services.store, "tsk_1", labels={"film": "line\nbreak\r\u2028\x85 ünï"})
        service.services.commit_notifier.notify()
        block = await stream.event()
    (event,) = await service.services.store.events.events(0)
    assert (block["id"], block["event"]) == ("1", "task.succeeded")
    assert json.loads(block["data"]) == event_view(event)


async def test_a_stream_without_a_cursor_begins_now_and_with_one_after_it(service: Served) -> None:
    await _happen(service, 3)
    async with open_stream(service.http) as now, open_stream(service.http, "after=1") as after:
        # A client that is cut off before the first event has a cursor to reconnect with.
        assert (now.greeting["id"], after.greeting["id"]) == ("3", "1")
        assert (now.greeting["event"], json.loads(now.greeting["data"])) == ("hello", {"after": 3})
        assert await after.seqs(2) == [2, 3]
        await _happen(service, 1, first=4)
        assert (await now.seqs(1), await after.seqs(1)) == ([4], [4])


async def test_the_last_event_id_counts_before_the_cursor_of_the_address(service: Served) -> None:
    await _happen(service, 3)
    async with open_stream(service.http, "after=0", {"Last-Event-ID": "2"}) as stream:
        assert await stream.seqs(1) == [3]


@pytest.mark.parametrize(
    ("query", "headers", "first"),
    [
        ("after=0&lastEventId=2", {}, 3),
        ("lastEventId=1", {}, 2),
        ("after=0&lastEventId=1", {"Last-Event-ID": "2"}, 3),
        ("after=1&lastEventId=", {}, 2),
        ("after=2", {"Last-Event-ID": ""}, 3),
        ("lastEventId=2", {"Last-Event-ID": ""}, 3),
    ],
)
async def test_a_cursor_is_taken_from_where_clients_put_it_and_an_empty_one_is_none(
    service: Served, query: str, headers: dict[str, str], first: int
) -> None:
    await _happen(service, 3)
    async with open_stream(service.http, query, headers) as stream:
        assert stream.greeting["id"] == str(first - 1)
        assert await stream.seqs(1) == [first]


async def test_without_any_cursor_an_empty_last_event_id_means_from_now_on(service: Served) -> None:
    await _happen(service, 3)
    async with open_stream(service.http, "lastEventId=", {"Last-Event-ID": ""}) as stream:
        assert stream.greeting["id"] == "3"


async def test_the_parameter_is_checked_as_the_cursor_is(service: Served) -> None:
    for value in ("abc", "-1", "1.0"):
        (error,) = is_problem(await service.get(f"{PATH}?lastEventId={value}"), 400)["errors"]
        assert error["field"] == "lastEventId"


async def test_a_stream_is_filtered_as_a_page_is_live_and_from_the_past(service: Served) -> None:
    store = service.services.store
    query = "after=0&type=task.succeeded&provider=hiapi&provider=signed&label=film=a"
    async with open_stream(service.http, query) as live:
        await publish_event_of(store, "tsk_1", labels={"film": "b"})
        await publish_event_of(store, "tsk_2", labels={"film": "a"})
        await publish_event_of(store, "tsk_3", labels={"film": "a"}, provider="dashscope")
        await publish_event_of(store, "tsk_4", labels={"film": "a", "x": "y"}, provider="signed")
        service.services.commit_notifier.notify()
        async with open_stream(service.http, query) as late:
            assert await live.seqs(2) == await late.seqs(2) == [2, 4]


async def test_a_filtered_stream_sends_its_cursor_when_no_event_matches(service: Served) -> None:
    async with open_stream(service.http, "label=film=a") as stream:
        assert await stream.block() == {"": "keep-alive"}
        await _happen(service, 2)
        while (block := await stream.block()) == {"": "keep-alive"}:
            pass
        assert block == {"id": "2", "event": "hello", "data": '{"after":2}'}
        assert await stream.block() == {"": "keep-alive"}


async def test_the_event_of_a_disabled_subscription_is_streamed_as_all_others_are(service: Served) -> None:
    made = await create_subscription(service)
    async with open_stream(service.http, "type=subscription.disabled") as stream:
        await publish_events(service.services.store, 1)
        now_ms = service.services.clock()
        (due,) = await lease(service.services.store, now_ms=now_ms)
        gone = Attempt(at_ms=now_ms, latency_ms=1, status=410, error=None)
        result = AttemptResult(
            delivery=due.id,
            owner=due.owner,
            endpoint_id=due.endpoint_id,
            attempt=gone,
            state=DeliveryState.DEAD,
            due_ms=None,
        )
        assert await service.services.store.outbox.record_attempts([result], now_ms) == 1
        service.services.commit_notifier.notify()
        said = await stream.data()
    assert (said["type"], said["task"], said["subscription"]["id"]) == ("subscription.disabled", None, made["id"])


# Cursors that are no good.


async def test_a_cursor_before_the_stored_events_is_reset_and_the_stream_goes_on_from_there(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 3, at_ms=T0 - DAY_MS)
    await store.retention.remove_events(START, limit=100, before_ms=T0)
    await _happen(service, 1, first=4)
    async with open_stream(service.http, headers={"Last-Event-ID": "1"}) as stream:
        block = await stream.event()
        assert (block["event"], block["id"]) == ("reset", "3")
        assert json.loads(block["data"]) == {"requested_after": 1, "oldest_after": 3}
        assert await stream.seqs(1) == [4]
    async with open_stream(service.http, "after=3") as stream:
        assert (await stream.event())["id"] == "4"


async def test_a_last_event_id_that_is_no_number_is_answered_400(service: Served) -> None:
    for given in ("abc", "-1", "1.0", "1e3", "9223372036854775808", "evt_1", "+1", "1 2", "\u0663"):
        problem = is_problem(await service.get(PATH, headers={"Last-Event-ID": given.encode()}), 400)
        assert [error["field"] for error in problem["errors"]] == ["Last-Event-ID"], given
    is_problem(await service.http.get(PATH, headers=[*KEY.items(), *[("Last-Event-ID", "0")] * 2]), 400)


async def test_a_cursor_beyond_the_newest_event_gets_a_reset_and_all_that_is_stored(service: Served) -> None:
    await publish_events(service.services.store, 2)
    for query, given in (("after=9", None), ("", "9"), ("after=0", "9")):
        headers = {} if given is None else {"Last-Event-ID": given}
        async with open_stream(service.http, query, headers=headers) as stream:
            reset = await stream.event()
            assert (reset["event"], json.loads(reset["data"])) == ("reset", {"requested_after": 9, "oldest_after": 0})
            assert [(await stream.event())["id"] for _ in range(2)] == ["1", "2"]


async def test_a_stream_takes_no_other_method(service: Served) -> None:
    for method in ("HEAD", "POST", "DELETE", "OPTIONS"):
        reply = await service.http.request(method, PATH, headers=KEY)
        assert (reply.status_code, reply.headers["allow"]) == (405, "GET")


# Nothing lost, nothing twice.


async def test_catching_up_and_going_live_loses_and_doubles_nothing(service: Served) -> None:
    """Streams that begin at every point of a growing past, beside one that has followed from the start."""
    store = service.services.store
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(open_stream(service.http))]
        begins = [0]
        for burst in range(12):
            await publish_events(store, 40, first=burst * 40 + 1)
            if burst % 3:
                service.services.commit_notifier.notify()
            begins.append(burst * 13)
            streams.append(await stack.enter_async_context(open_stream(service.http, f"after={burst * 13}")))
        service.services.commit_notifier.notify()
        for begin, stream in zip(begins, streams, strict=True):
            assert await stream.seqs(480 - begin) == list(range(begin + 1, 481))


async def test_a_stream_that_falls_out_of_memory_reads_the_ledger_and_catches_up(service: Served) -> None:
    count = 2 * MAX_EVENTS + 100
    async with open_stream(service.http) as stream, open_stream(service.http) as other:
        for first in range(1, count, 700):
            await _happen(service, min(700, count - first + 1), first=first)
        assert await other.seqs(count) == list(range(1, count + 1))
        assert await stream.seqs(count) == list(range(1, count + 1))


async def test_an_event_of_another_process_is_streamed_without_a_notification(service: Served, tmp_path: Path) -> None:
    async with open_stream(service.http) as stream:
        async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=False) as other:
            await publish_events(other, 2)
        assert await stream.seqs(2) == [1, 2]


async def test_a_client_that_comes_again_with_its_last_number_misses_nothing(service: Served) -> None:
    seen: list[int] = []
    for burst in range(4):
        headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
        async with open_stream(service.http, "after=0", headers) as stream:
            await _happen(service, 5, first=burst * 5 + 1)
            seen += await stream.seqs(3)
    assert seen == list(range(1, 13))


# Slow, deaf and gone.


async def test_a_client_that_does_not_read_delays_no_other_and_costs_bounded_memory(service: Served) -> None:
    count = 6_000
    async with _deaf(service) as deaf, open_stream(service.http) as stream:
        for first in range(1, count, 500):
            await _happen(service, 500, first=first)
        assert await stream.seqs(count) == list(range(1, count + 1))
        assert _slots_taken(service) == 2
        connections = [each for each in gc.get_objects() if isinstance(each, HttpToolsProtocol)]
        waiting = max(each.transport.get_write_buffer_size() for each in connections)
        assert 0 < waiting < 512 << 10
        received = bytearray()
        while b"\nid: %d\n" % count not in received[-10_000:]:
            received += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(deaf, 1 << 20), TIMEOUT_S)
        assert [int(seq) for seq in re.findall(rb"\nid: ([0-9]+)\nevent: task", received)] == list(range(1, count + 1))


async def test_clients_that_go_free_their_seats(service: Served) -> None:
    async with open_stream(service.http), open_stream(service.http):
        async with _deaf(service):
            await _until(lambda: _slots_taken(service) == 3)
        await _until(lambda: _slots_taken(service) == 2)
    await _until(lambda: _slots_taken(service) == 0)


async def test_a_client_that_leaves_while_it_waits_for_a_task_frees_its_slot(service: Served) -> None:
    await service.has()
    waiting = asyncio.create_task(service.get("/v1/tasks/tsk_1?wait=45"))
    await _until(lambda: _slots_taken(service) == 1)
    waiting.cancel()
    await _until(lambda: _slots_taken(service) == 0)


async def test_a_ledger_that_cannot_be_read_is_waited_out_and_the_stream_stays_open(
    service: Served, tmp_path: Path
) -> None:
    await _happen(service, 2)
    async with open_stream(service.http) as live:
        blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        async with open_stream(service.http, "after=1") as late:
            assert await late.seqs(1) == [2]
            blocker.execute("ALTER TABLE events RENAME TO gone")
            for stream in (live, late):
                assert await stream.block() == {"": "keep-alive"}
            blocker.execute("ALTER TABLE gone RENAME TO events")
            blocker.close()
            await _happen(service, 1, first=3)
            assert (await live.seqs(1), await late.seqs(1)) == ([3], [3])


# Full, and over.


async def test_a_stream_or_wait_too_many_is_answered_503_and_others_are_answered(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_STREAMS_MAX="2") as service:
        await service.has()
        async with open_stream(service.http):
            waiting = asyncio.create_task(service.get("/v1/tasks/tsk_1?wait=45"))
            await _until(lambda: _slots_taken(service) == 2)
            for path in (PATH, "/v1/tasks/tsk_1?wait=45"):
                reply = await service.get(path)
                assert is_problem(reply, 503)["type"] == "urn:whenfinal:problem:streams-full"
                assert int(reply.headers["retry-after"]) > 0
            assert (await service.get("/v1/tasks/tsk_1")).json()["state"] == "running"
            await service.calls_back()
            assert (await waiting).json()["state"] == "succeeded"
            assert (await service.get("/v1/tasks/tsk_1?wait=45")).json()["state"] == "succeeded"
        await _until(lambda: _slots_taken(service) == 0)
        async with open_stream(service.http) as stream:
            assert stream.reply.status_code == 200


async def test_a_stop_ends_every_stream_as_it_should_end_and_those_who_do_not_read(service: Served) -> None:
    await _happen(service, 3_000)
    async with open_stream(service.http) as live, open_stream(service.http, "after=2999") as late, _deaf(service):
        assert await late.seqs(1) == [3_000]
        await _until(lambda: _slots_taken(service) == 3)
        service.services.feed.close()
        while await live.block() is not None:
            pass
        while await late.block() is not None:
            pass
        await _until(lambda: _slots_taken(service) == 0)
