"""The load, in a process of its own: callbacks over connections that stay open, each answered before the next.

`python -m tests.bench.calling`: for each line of JSON on stdin, a `Load`, it makes tokens, signatures and requests and
opens the connections, prints a line, waits for one, and calls. Then it prints what came of it.
"""

import asyncio
import gc
import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, cast

import uvloop

from receiver.callbacks.model import make_callback_token
from submitter.model import TaskId
from submitter.providers.hiapi_signature import signature

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
_TAKEN = b"HTTP/1.1 204"  # has no body


def name_of(number: int) -> str:
    """Our id of a task of the bench."""
    return f"tsk_{number:022d}"


def provider_name_of(number: int) -> str:
    """The provider's id of the same."""
    return f"tk-hiapi-{number:022d}"


class Kind(StrEnum):
    GOOD = "good"
    FORGED_TOKEN = "forged token"  # by another key than ours; and the signature is wrong as well
    FORGED_SIGNATURE = "forged signature"  # under the task's own token


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A callback for each of so many tasks, all of them so many times; the connections are spread over the ports."""

    ports: Sequence[int]
    first: int
    tasks: int
    times: int = 1
    connections: int
    kind: Kind = Kind.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of a load. Times are of the clock that all processes of the machine share."""

    started_s: float
    ended_s: float
    cpu_s: float
    latencies_ms: Sequence[float]
    statuses: dict[str, int]


@dataclass(slots=True, kw_only=True)
class Book:
    """Latencies in ms, and how often each status came."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs as we do in a callback's address, and as the provider does over its body."""

    key: str
    secret: str

    def request_of(self, number: int, kind: Kind) -> bytes:
        """One whole HTTP request: the end of that task."""
        now_s = int(time.time())
        key = self.key if kind is not Kind.FORGED_TOKEN else "another-key-" + self.key
        token = make_callback_token((key,), provider="hiapi", task_id=TaskId(name_of(number)), now_s=now_s)
        output = [{"url": f"https://cdn.example/{number}.mp4", "type": "video", "expireAt": now_s + 604_800}]
        said = {"taskId": provider_name_of(number), "model": "happyhorse-1.1/text-to-video", "status": "success"}
        body = json.dumps({**said, "created": 1, "completed": 2, "output": output}).encode()
        secret = self.secret if kind is Kind.GOOD else "another-secret-" + self.secret
        head = (
            f"POST /callbacks/hiapi/{token} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-HiAPI-Timestamp: {now_s}\r\nX-HiAPI-Signature: {signature(secret, str(now_s), body).decode()}\r\n"
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
        answer = self._answer + data if self._answer else data
        if not _is_whole(answer):
            self._answer = answer
            return
        self._answer = b""
        self._book.latencies.append((time.perf_counter() - self._sent_s) * 1000)
        self._book.statuses[answer[9:12].decode()] += 1
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


def _is_whole(answer: bytes) -> bool:
    if answer.startswith(_TAKEN):
        return answer.endswith(_END)
    head, end, body = answer.partition(_END)
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


async def call(load: Load, signer: Signer) -> Called:
    requests = [signer.request_of(number, load.kind) for number in range(load.first, load.first + load.tasks)]
    waiting = itertools.chain.from_iterable(itertools.repeat(requests, load.times))
    book, ports = Book(), itertools.islice(itertools.cycle(load.ports), load.connections)
    callers = [await _connected(port, waiting, book) for port in ports]
    _print("ready")
    await asyncio.to_thread(sys.stdin.readline)
    gc.freeze()  # the requests are many, and each collection would look at all of them
    started_s, cpu_s = time.monotonic(), time.process_time()
    for caller in callers:
        caller.start()
    await asyncio.gather(*(caller.done for caller in callers))
    ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
    gc.unfreeze()
    return Called(
        started_s=started_s, ended_s=ended_s, cpu_s=cpu_s, latencies_ms=book.latencies, statuses=dict(book.statuses)
    )


async def _connected(port: int, requests: Iterator[bytes], book: Book) -> ApiClient:
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(lambda: ApiClient(requests, book), "127.0.0.1", port)
    return caller


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def load_of(values: dict[str, Any]) -> Load:
    return Load(**{**values, "kind": Kind(values["kind"])})


def main() -> None:
    signer = Signer(key=sys.argv[1], secret=sys.argv[2])
    for line in iter(sys.stdin.readline, ""):
        _print(json.dumps(asdict(uvloop.run(call(load_of(json.loads(line)), signer)))))


if __name__ == "__main__":
    main()
