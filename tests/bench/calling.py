"""The load, in a process of its own: callbacks over connections that stay open, each answered before the next.

`python -m tests.bench.calling KEY`: a line of JSON on stdin is a `Load`, a line on stdout what came of it. Tokens and
requests are made before the clock starts.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

from receiver.callbacks.model import make_callback_token
from submitter.model import TaskId

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def name_of(number: int) -> str:
    """Our id of a task of the bench."""
    return f"tsk_{number:022d}"


def provider_name_of(number: int) -> str:
    """The provider's id of the same."""
    return f"tk-hiapi-{number:022d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Callbacks for the tasks `first` to `first + count - 1`, over `connections` spread over the ports."""

    ports: Sequence[int]
    first: int
    count: int
    connections: int


@dataclass(slots=True, kw_only=True)
class Book:
    """Latencies in ms, and how often each status came."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def request_of(number: int, key: str) -> bytes:
    """One whole HTTP request: the end of that task, under its own token."""
    token = make_callback_token((key,), provider="hiapi", task_id=TaskId(name_of(number)), now_s=int(time.time()))
    output = [{"url": f"https://cdn.example/{number}.mp4", "type": "video", "expireAt": int(time.time()) + 604_800}]
    said = {"taskId": provider_name_of(number), "model": "happyhorse-1.1/text-to-video", "status": "success"}
    body = json.dumps({**said, "created": 1, "completed": 2, "output": output}).encode()
    head = (
        f"POST /callbacks/hiapi/{token} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class ApiClient(asyncio.Protocol):
    """One connection: the next request as soon as the one before is answered."""

    def __init__(self, requests: Iterator[bytes], book: Book) -> None:
        self._requests = requests
        self._book = book
        self._answer = b""
        self._sent_s = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by its class

    def start(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent_s = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return
        self._answer = b""
        self._book.latencies.append((time.perf_counter() - self._sent_s) * 1000)
        self._book.statuses[int(head[9:12])] += 1
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


async def call(load: Load, key: str) -> dict[str, object]:
    requests = iter([request_of(number, key) for number in range(load.first, load.first + load.count)])
    book, loop = Book(), asyncio.get_running_loop()
    callers = []
    for number in range(load.connections):
        port = load.ports[number % len(load.ports)]
        _, caller = await loop.create_connection(lambda: ApiClient(requests, book), "127.0.0.1", port)
        callers.append(caller)
    started_s = time.perf_counter()
    for caller in callers:
        caller.start()
    await asyncio.gather(*(caller.done for caller in callers))
    took_s = time.perf_counter() - started_s
    return {"took_s": took_s, "latencies": book.latencies, "statuses": book.statuses}


def main() -> None:
    for line in sys.stdin:
        found = uvloop.run(call(Load(**json.loads(line)), sys.argv[1]))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
