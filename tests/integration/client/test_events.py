"""The client's events and webhooks against the real receiver: each event once, through lost connections."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from submitter import Client, OtherMessage, SubscriptionDisabled
from submitter.client import conversation as module
from submitter.client import stream
from submitter.errors import CursorExpired, ReceiverRefused
from submitter.model import TaskState
from tests.support.builders import T0, a_report
from tests.support.raw_server import RawServer, reply, replying, serving
from tests.support.service import KEYS, Served, served
from tests.support.stream_bytes import PATIENCE_S, first_seqs

KEY = KEYS["all"][1]
EVERYTHING = 10**12  # bytes that a line lets pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(stream, "FIRST_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(stream, "LONGEST_PAUSE_S", 0.02)  # of the receiver's own `retry:` too
    monkeypatch.setattr(stream, "SHORTEST_RETRY_S", 0.01)


async def _ends(service: Served, *numbers: int) -> None:
    """Tasks that end, one event each."""
    for number in numbers:
        await service.has(f"tsk_{number}", f"p{number}")
    await service.services.store.ledger.record([a_report(provider_task_id=f"p{number}") for number in numbers], T0)
    service.services.commit_notifier.notify()


@asynccontextmanager
async def _line(port_of: Callable[[], int], budgets: Iterator[int]) -> AsyncIterator[str]:
    """A way to a receiver, which cuts each connection after so many bytes towards the client."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        budget = next(budgets)
        upstream: asyncio.StreamWriter | None = None
        with suppress(OSError):
            source, upstream = await asyncio.open_connection("127.0.0.1", port_of())
            upstream.write(await reader.readuntil(b"\r\n\r\n"))
            while budget > 0 and (chunk := await source.read(min(budget, 65_536))):
                budget -= len(chunk)
                writer.write(chunk)
                await writer.drain()
        for each in (upstream, writer):
            if each is not None:
                each.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_every_event_comes_once_and_in_order_through_a_line_that_keeps_breaking(service: Served) -> None:
    await _ends(service, *range(1, 61))
    budgets = chain([10, 200, 900, 2_000, 5_000, 10_000, 3_333, 7_777, 12_345], repeat(30_000))
    async with _line(lambda: _port(service.url), budgets) as url, Client(url, KEY) as client:
        reading = asyncio.create_task(first_seqs(120, client.events(after=0)))
        for start in range(61, 121, 20):
            await _ends(service, *range(start, start + 20))
        assert await reading == list(range(1, 121))
    assert next(budgets) == 30_000  # the line did break, more often than it has listed budgets


async def test_a_follower_outlives_a_restart_of_the_receiver(tmp_path: Path) -> None:
    ports: list[int] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        _line(lambda: ports[-1], repeat(EVERYTHING)) as url,
        Client(url, KEY) as client,
        aclosing(client.events(after=0)) as events,
    ):
        async with served(tmp_path) as service:
            ports.append(_port(service.url))
            await _ends(service, 1, 2)
            seen = [(await anext(events)).seq, (await anext(events)).seq]
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)  # the receiver is away
        async with served(tmp_path) as service:
            await _ends(service, 3)
            ports.append(_port(service.url))
            assert (*seen, (await waiting).seq) == (1, 2, 3)


async def test_conditions_hold_for_pages_and_for_the_stream_alike(service: Served) -> None:
    wanted = {"labels": {"film": "a"}, "provider": "hiapi"}
    await service.has("tsk_1", "p1", **wanted)
    await service.has("tsk_2", "p2", labels={"film": "b"})
    await service.has("tsk_3", "p3", **wanted)
    await service.has("tsk_4", "p4", **wanted | {"model": "another"})
    reports = [a_report(provider_task_id=f"p{number}") for number in (1, 2, 4)] + [a_report(TaskState.FAILED, "p3")]
    await service.services.store.ledger.record(reports, T0)
    conditions: dict[str, Any] = {
        "providers": ["hiapi"],
        "models": ["happyhorse-1.1/reference-to-video"],
        "labels": {"film": "a"},
    }
    async with Client(service.url, KEY) as client:
        paged = [each.task.id async for each in client.events(after=0, follow=False, **conditions)]
        failed = [each.task.id async for each in client.events(after=0, follow=False, types=["task.failed"])]
        streamed = await first_seqs(2, client.events(after=0, **conditions))
    assert (paged, failed, streamed) == (["tsk_1", "tsk_3"], ["tsk_3"], [1, 4])


async def test_an_unknown_condition_is_refused_at_once(service: Served) -> None:
    async with Client(service.url, KEY) as client:
        for follow in (True, False):
            with pytest.raises(ReceiverRefused, match="400"):
                await first_seqs(1, client.events(after=0, follow=follow, providers=["nobody"]))


async def test_a_cursor_beyond_the_newest_event_has_expired(service: Served) -> None:
    """The ledger has stepped back, or the cursor is another ledger's: events are missing, as behind the oldest."""
    async with Client(service.url, KEY) as client:
        for follow in (True, False):
            with pytest.raises(CursorExpired):
                await first_seqs(1, client.events(after=99, follow=follow))


async def test_a_key_that_may_not_read_is_refused_at_once(service: Served) -> None:
    for key in (KEYS["submit"][1], "a-wrong-key-of-somebody"):
        async with Client(service.url, key) as client:
            for follow in (True, False):
                with pytest.raises(ReceiverRefused, match=r"40[13]"):
                    await first_seqs(1, client.events(after=0, follow=follow))


async def test_a_cursor_older_than_the_stored_events_is_an_error_of_pages_and_of_the_stream(
    service: Served, tmp_path: Path
) -> None:
    await _ends(service, 1, 2, 3)
    with sqlite3.connect(tmp_path / "ledger.db") as ledger:
        ledger.execute("DELETE FROM events WHERE seq <= 2")
    ledger.close()
    async with Client(service.url, KEY) as client:
        for follow in (True, False):
            with pytest.raises(CursorExpired) as raised:
                await first_seqs(1, client.events(after=1, follow=follow))
            assert await first_seqs(1, client.events(after=raised.value.oldest_after, follow=follow)) == [3]
        assert await first_seqs(1, client.events(follow=False)) == [3]


async def test_from_now_on_gives_only_what_comes_and_then_all_of_it(service: Served) -> None:
    await _ends(service, 1)
    async with Client(service.url, KEY) as client:
        reading = asyncio.create_task(first_seqs(3, client.events()))
        number = 1
        while not reading.done():
            number += 1
            await _ends(service, number)
            await asyncio.sleep(0.05)
        first, *rest = reading.result()
    assert first > 1
    assert rest == [first + 1, first + 2]


async def _subscribed(service: Served, url: str, *types: str) -> tuple[str, str]:
    made = await service.post("/v1/subscriptions", {"url": url, "types": list(types)})
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["secret"]


def _posted(server: RawServer, place: int = 0) -> tuple[list[tuple[str, str]], bytes]:
    head, _, body = server.requests[place].partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
    return [(name, value) for name, _, value in lines], body


async def test_a_webhook_and_the_stream_give_the_same_event(service: Served) -> None:
    async with serving(replying(reply())) as server:
        _, secret = await _subscribed(service, server.url)
        await _ends(service, 1)
        await service.services.deliverer.deliver_once(limit=10)
    async with Client(service.url, KEY, webhook_secrets=[secret]) as client:
        (streamed,) = [event async for event in client.events(follow=False)]
        assert client.verify_webhook(*_posted(server)) == streamed


async def test_a_test_webhook_is_no_event(service: Served) -> None:
    async with serving(replying(reply())) as server:
        name, secret = await _subscribed(service, server.url)
        tried = await service.post(f"/v1/subscriptions/{name}/test")
        assert tried.status_code == 200, tried.text
    message = Client(service.url, KEY, webhook_secrets=[secret]).verify_webhook(*_posted(server))
    assert isinstance(message, OtherMessage)
    assert (message.type, message.data["subscription"]) == ("webhook.test", name)


async def test_a_disabled_subscription_has_one_form_in_webhook_page_and_stream(service: Served) -> None:
    async with serving(replying(reply(status=b"410 Gone"))) as gone, serving(replying(reply())) as server:
        name, _ = await _subscribed(service, gone.url)
        _, secret = await _subscribed(service, server.url, "subscription.disabled")
        await _ends(service, 1)
        await service.services.deliverer.deliver_once(limit=10)
        await service.services.deliverer.deliver_once(limit=10)
    types = ["subscription.disabled"]
    async with Client(service.url, KEY, webhook_secrets=[secret]) as client:
        message = client.verify_webhook(*_posted(server))
        assert [event async for event in client.events(follow=False, types=types)] == [message]
        async with asyncio.timeout(PATIENCE_S), aclosing(client.events(after=0, types=types)) as events:
            assert await anext(events) == message
        assert [event.seq async for event in client.events(follow=False)] == [1]
    assert isinstance(message, SubscriptionDisabled)
    assert (message.subscription, message.url) == (name, gone.url)
