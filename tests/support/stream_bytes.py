"""The bytes that a receiver sends about events, for raw servers that tests of the client use."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from submitter import api
from submitter.model import TaskState
from tests.support.builders import a_task
from tests.support.raw_server import Answering, Peer, hanging

PATIENCE_S = 60
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
TASK = api.Task.model_validate(a_task(state=TaskState.SUCCEEDED)).json_values()


def an_event(seq: int, **changes: Any) -> dict[str, Any]:
    said = {
        "seq": seq,
        "event_id": f"evt_{seq}",
        "type": "task.succeeded",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "task": TASK,
        "supersedes": None,
    }
    return said | changes


def a_disabled_event(seq: int) -> dict[str, Any]:
    about = {
        "id": "sub_1",
        "url": "https://hooks.example/a",
        "reason": "gone",
        "disabled_at": "2026-09-21T14:13:20.000Z",
    }
    return an_event(seq, type="subscription.disabled", task=None, subscription=about)


def blocks(*seqs: int) -> bytes:
    return b"".join(block(an_event(seq)) for seq in seqs)


def block(event: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event["seq"], event["type"].encode(), json.dumps(event).encode())


def problem(status: int, kind: str, *headers: bytes, **members: Any) -> bytes:
    body = json.dumps({"type": f"urn:whenfinal:problem:{kind}", "title": kind, "status": status} | members).encode()
    length = b"Content-Length: %d" % len(body)
    lines = (b"HTTP/1.1 %d X" % status, b"Content-Type: application/problem+json", length, *headers, b"", b"")
    return b"\r\n".join(lines) + body


def page(*seqs: int, next_after: int, has_more: bool) -> bytes:
    events = [an_event(seq) for seq in seqs]
    said = {"events": events, "next_after": next_after, "has_more": has_more, "newest": max(seqs, default=next_after)}
    body = json.dumps(said).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def replying_with(*parts: bytes) -> Answering:
    """All of it, and then the end of the connection."""

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(*parts)
        peer.writer.close()

    return answer


def resetting_after(*parts: bytes) -> Answering:
    """All of it, and then a reset."""

    async def answer(peer: Peer, _: int) -> None:
        await peer.say(*parts)
        peer.reset()

    return answer


def staying_open_after(*parts: bytes) -> Answering:
    """All of it, and then nothing more, on an open connection."""

    async def answer(peer: Peer, number: int) -> None:
        await peer.say(*parts)
        await hanging(peer, number)

    return answer


def one_after_another(*answers: Answering) -> Answering:
    """One for each request; the last for all that follow."""

    async def answer(peer: Peer, number: int) -> None:
        await answers[min(number, len(answers)) - 1](peer, number)

    return answer


async def first_seqs(count: int, events: AsyncGenerator[api.Event]) -> list[int]:
    """Numbers of the first events, after which the follower leaves."""
    found: list[int] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(events):
        async for event in events:
            found.append(event.seq)
            if len(found) == count:
                break
    return found


@dataclass(frozen=True)
class Dispatched:
    """An event that a reader gives to its program."""

    name: str
    data: str


def _fields(raw: bytes) -> list[list[tuple[str, str]]]:
    """The fields of each block that has ended; an empty list for each empty line without any. No comments."""
    blocks: list[list[tuple[str, str]]] = [[]]
    for line in raw.decode().split("\n")[:-1]:
        name, _, value = line.partition(":")
        if not line:
            blocks.append([])
        elif name:
            blocks[-1].append((name, value.removeprefix(" ")))
    return blocks[:-1]


def _dispatched(fields: list[tuple[str, str]]) -> Dispatched:
    given = dict(fields)
    data = "\n".join(value for name, value in fields if name == "data")
    return Dispatched(given.get("event", "message"), data)


def as_the_standard_says(raw: bytes) -> tuple[list[Dispatched], str | None]:
    """HTML, 9.2.6: a block without data is no event, and its id counts. The events and the last id."""
    blocks = _fields(raw)
    ids = [value for fields in blocks for name, value in fields if name == "id"]
    return [_dispatched(fields) for fields in blocks if "data" in dict(fields)], ids[-1] if ids else None


def as_npm_eventsource(raw: bytes) -> tuple[list[Dispatched], str | None]:
    """eventsource-parser 3.1.1: a block without data is dropped, its id with it."""
    blocks = [fields for fields in _fields(raw) if "data" in dict(fields)]
    ids = [value for fields in blocks for name, value in fields if name == "id"]
    return [_dispatched(fields) for fields in blocks], ids[-1] if ids else None


def as_fetch_event_source(raw: bytes) -> tuple[list[Dispatched], str | None]:
    """@microsoft/fetch-event-source 2.0.1: each empty line ends an event, also one of nothing."""
    blocks = _fields(raw)
    ids = [value for fields in blocks for name, value in fields if name == "id"]
    return [_dispatched(fields) for fields in blocks], ids[-1] if ids else None
