"""How long after a callback does its webhook arrive, and its event at a stream?

Callbacks come at an even rate to `whenfinal serve` on SQLite with its defaults. The bench sends them, is the endpoint
of the one subscription, and follows the stream. Measured is the time from sending a callback until its event arrived.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import uvloop

from receiver.webhooks.model.subscription import Subscription
from tests.bench.calling import Kind, Signer, name_of
from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_most
from tests.bench.endpoints import open_endpoints
from tests.bench.ledgers import filled, now_ms
from tests.bench.processes import API_KEY, HIAPI_SECRET, KEY, Process, Stopwatch, cores, pinned, settings, whenfinal
from tests.support.builders import SECRET

PER_S = 200
ROUNDS, QUICK_ROUNDS = 4, 2
ROUND_S = 5
WEBHOOK_MS, STREAM_MS = 30.0, 15.0
WARM = 200  # callbacks before the first round
CONNECTIONS = 64  # as a provider has them; more than a few requests that wait on one are refused
ARRIVE_S = 30.0
_DATA, _END = b"data: ", b"\n\n"


def measure(options: Options) -> Found:
    apart = cores()
    rounds = QUICK_ROUNDS if options.is_quick else ROUNDS
    with TemporaryDirectory(prefix="whenfinal-bench-") as folder, pinned(apart.load):
        arms = uvloop.run(_measured(options, Path(folder), rounds, apart.server))
    _, webhook, stream = arms
    return Found(
        arms=arms,
        checks=[
            at_most("callback to webhook, p95", webhook.percentile_ms(95) or 0.0, WEBHOOK_MS, "ms"),
            at_most("callback to stream, p95", stream.percentile_ms(95) or 0.0, STREAM_MS, "ms"),
        ],
        left_out=apart.left_out,
    )


@dataclass(slots=True, eq=False)
class _Arrivals:
    """When callbacks were sent and their events came, by task."""

    sent_s: dict[str, float] = field(default_factory=dict)
    answered_s: dict[str, float] = field(default_factory=dict)
    posted_s: dict[str, float] = field(default_factory=dict)
    streamed_s: dict[str, float] = field(default_factory=dict)

    def answer(self, name: str) -> None:
        self.answered_s[name] = time.perf_counter()

    def post(self, body: bytes) -> None:
        self.posted_s.setdefault(json.loads(body)["data"]["task"]["id"], time.perf_counter())

    def stream(self, data: bytes) -> None:
        self.streamed_s.setdefault(json.loads(data)["task"]["id"], time.perf_counter())

    def clear(self) -> None:
        for each in (self.sent_s, self.answered_s, self.posted_s, self.streamed_s):
            each.clear()

    @property
    def is_complete(self) -> bool:
        return len(self.sent_s) == len(self.answered_s) == len(self.posted_s) == len(self.streamed_s)


async def _measured(options: Options, folder: Path, rounds: int, on: frozenset[int] | None) -> tuple[Arm, Arm, Arm]:
    answer, webhook, stream = Arm(name="answer to the callback"), Arm(name="webhook"), Arm(name="stream")
    url = f"sqlite:///{folder / 'ledger.db'}"
    arrivals, size = _Arrivals(), ROUND_S * PER_S
    async with open_endpoints(arrivals.post) as endpoint:
        options.say("filling the ledger and starting the server")
        await _fill(url, endpoint, WARM + rounds * size)
        environment = settings(folder, url, WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
        with whenfinal("serve", environment, on=on) as process:
            async with _following(process, arrivals.stream):
                await _call(process, arrivals, range(WARM))
                for first in range(WARM, WARM + rounds * size, size):
                    options.say("measuring")
                    arrivals.clear()
                    watch = Stopwatch([process.pid])
                    await _call(process, arrivals, range(first, first + size))
                    wall_s, cpu_s = watch.stop()
                    came = ((answer, arrivals.answered_s), (webhook, arrivals.posted_s), (stream, arrivals.streamed_s))
                    for arm, came_s in came:
                        times = [(came_s[name] - sent_s) * 1000 for name, sent_s in arrivals.sent_s.items()]
                        arm.rounds.append(Round(items=size, wall_s=wall_s, cpu_s=cpu_s, latencies_ms=times))
                    options.on_round()
    return answer, webhook, stream


async def _fill(url: str, endpoint: str, tasks: int) -> None:
    async with filled(url, tasks) as store:
        await store.subscriptions.delete("sub_everything", actor="bench", now_ms=now_ms())
        await store.subscriptions.add(
            Subscription(id="sub_bench", url=f"{endpoint}/", secret=SECRET, created_ms=0, changed_ms=0),
            actor="bench",
            now_ms=now_ms(),
        )


async def _call(process: Process, arrivals: _Arrivals, numbers: range) -> None:
    """One callback every so often, whatever has become of those before; until all their events have arrived."""
    signer = Signer(key=KEY, secret=HIAPI_SECRET)
    requests = [(name_of(number), signer.request_of(number, Kind.GOOD)) for number in numbers]
    senders = [await Sender.connected(process, arrivals.answer) for _ in range(CONNECTIONS)]
    started_s = time.perf_counter()
    for place, (name, request) in enumerate(requests):
        await asyncio.sleep(max(0.0, started_s + place / PER_S - time.perf_counter()))
        arrivals.sent_s[name] = time.perf_counter()
        senders[place % CONNECTIONS].send(name, request)
    try:
        async with asyncio.timeout(ARRIVE_S):
            while not arrivals.is_complete:
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        counts = [len(each) for each in (arrivals.sent_s, arrivals.answered_s, arrivals.posted_s, arrivals.streamed_s)]
        message = "of {} callbacks {} were taken, {} came by webhook and {} by the stream"
        raise BenchFailed(message.format(*counts)) from error
    for sender in senders:
        sender.close()


class Sender(asyncio.Protocol):
    """A connection for callbacks. `take` gets the names of those that are answered 204, in their order."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._waiting: deque[str] = deque()
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def connected(cls, process: Process, take: Callable[[str], None]) -> "Sender":
        assert process.port is not None
        loop = asyncio.get_running_loop()
        _, sender = await loop.create_connection(lambda: cls(take), "127.0.0.1", process.port)
        return sender

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"HTTP/1.1 204")):
            self._take(self._waiting.popleft())

    def send(self, name: str, request: bytes) -> None:
        assert self._transport is not None
        self._waiting.append(name)
        self._transport.write(request)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


@asynccontextmanager
async def _following(process: Process, take: Callable[[bytes], None]) -> AsyncIterator[None]:
    """Follow the stream of events meanwhile. `take` gets the data of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    head = f"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {API_KEY}\r\n\r\n"
    writer.write(head.encode())

    async def follow() -> None:
        while block := await reader.readuntil(_END):
            if b"\nevent: task." in block:
                take(block.rpartition(_DATA)[2])

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait([following])
        writer.close()


CASE = Case(
    name="latency",
    title="from a callback to its webhook and its stream, 200 each second",
    measure=measure,
)
