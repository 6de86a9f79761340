"""How many webhooks a second are delivered, beside the bare HTTP client that posts the same bodies?

A deliverer with the service's own settings over a real ledger (SQLite, every commit on the disk), as the worker runs
it; the endpoints are a process of their own and answer at once. In one arm one subscription receives every event, in
the other each event goes to 100. The bare client is httpx with its aiohttp transport, and signs nothing.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from receiver.config.sections import DeliverySettings
from receiver.runtime.store import Store, open_store
from receiver.runtime.worker import DELIVER_LIMIT, DELIVERING_AT_ONCE, WAKE_DELAY_S, JobRunner
from receiver.webhooks.deliverer import Deliverer
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import TransportLimits, open_transport
from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_least, processor_time
from tests.bench.ledgers import now_ms
from tests.bench.processes import cores, pinned, python
from tests.support.builders import SECRET, a_report

TARGET = 0.50
DELIVERIES, QUICK_DELIVERIES = 10_000, 2_400  # of each arm, in all its rounds
ROUNDS, QUICK_ROUNDS = 5, 3
ENDPOINTS = 100
EVENTS_AT_ONCE = 200
ROUND_LIMIT_S = 120.0
_DEFAULT = DeliverySettings()


def measure(options: Options) -> Found:
    apart = cores()
    with (
        TemporaryDirectory(prefix="whenfinal-bench-") as folder,
        _endpoints(apart.load) as base,
        pinned(apart.server),
    ):
        arms = uvloop.run(_measured(options, Path(folder), base))
    bare, one, many = arms
    return Found(
        arms=arms,
        checks=[
            at_least("to one endpoint / bare posts", one.ratio_to(bare), TARGET),
            at_least(f"to {ENDPOINTS} endpoints / bare posts", many.ratio_to(bare), TARGET),
            *processor_time(one, bare),
        ],
        left_out=apart.left_out,
    )


async def _measured(options: Options, folder: Path, base: str) -> tuple[Arm, Arm, Arm]:
    deliveries, rounds = (QUICK_DELIVERIES, QUICK_ROUNDS) if options.is_quick else (DELIVERIES, ROUNDS)
    size = deliveries // rounds
    bare, one, many = Arm(name="bare client"), Arm(name="one endpoint"), Arm(name=f"{ENDPOINTS} endpoints")
    async with (
        _service(folder / "one.db", base, 1) as to_one,
        _service(folder / "many.db", base, ENDPOINTS) as to_many,
        httpx.AsyncClient(transport=AiohttpTransport(trust_env=False), trust_env=False) as client,
    ):
        for number in range(rounds):
            options.say(f"round {number + 1} of {rounds}: making the events")
            bodies = await to_one.add(size)
            await to_many.add(size // ENDPOINTS)
            options.say(f"round {number + 1} of {rounds}")
            works: list[tuple[Arm, Callable[[], Awaitable[int]]]] = [
                (bare, lambda bodies=bodies: _post(client, base, bodies)),  # type: ignore[misc]  # mypy infers no lambda with a default
                (one, to_one.deliver),
                (many, to_many.deliver),
            ]
            for arm, work in works if number % 2 == 0 else reversed(works):
                arm.rounds.append(await _timed(work))
                options.on_round()
    return bare, one, many


async def _timed(work: Callable[[], Awaitable[int]]) -> Round:
    started_s, cpu_s = time.perf_counter(), time.process_time()
    items = await work()
    return Round(items=items, wall_s=time.perf_counter() - started_s, cpu_s=time.process_time() - cpu_s)


async def _post(client: httpx.AsyncClient, base: str, bodies: Sequence[bytes]) -> int:
    """Post them, as many at once as the deliverer may have in flight."""
    left = iter(bodies)

    async def poster() -> None:
        for body in left:
            reply = await client.post(f"{base}/good/0", content=body, headers={"content-type": "application/json"})
            if reply.status_code != 200:
                raise BenchFailed(f"the endpoint answered {reply.status_code}")

    await asyncio.gather(*(poster() for _ in range(_DEFAULT.concurrency)))
    return len(bodies)


class _Service:
    """A ledger with subscriptions, and the job that delivers from it when it is started."""

    def __init__(self, store: Store, deliverer: Deliverer, endpoints: int) -> None:
        self._store = store
        self._endpoints = endpoints
        self._events = self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self.job = JobRunner(
            "deliver",
            lambda: deliverer.deliver_once(limit=DELIVER_LIMIT),
            at_once=DELIVERING_AT_ONCE,
            clock=now_ms,
        )
        deliverer.on_capacity = self._wake

    def _wake(self) -> None:
        """As the worker does."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAKE_DELAY_S, self._run)

    def _run(self) -> None:
        self._timer = None
        self.job.start_run()

    async def add(self, events: int) -> list[bytes]:
        """So many tasks end. Return the bodies of their events."""
        before, self._events = self._events, self._events + events
        self._waiting += events * self._endpoints
        for first in range(before, self._events, EVENTS_AT_ONCE):
            numbers = range(first, min(first + EVENTS_AT_ONCE, self._events))
            await self._store.ledger.record(
                [a_report(provider_task_id=f"p{each}", allow_adoption=True) for each in numbers], now_ms()
            )
        return [each.body.encode() for each in await self._store.events.events(before, limit=events)]

    async def deliver(self) -> int:
        """Until all are delivered. Return how many."""
        self.job.start_run()
        async with asyncio.timeout(ROUND_LIMIT_S):
            while await self._is_any_pending():
                await asyncio.sleep(0.01)
        delivered, self._waiting = self._waiting, 0
        return delivered

    async def _is_any_pending(self) -> bool:
        return bool((await self._store.deliveries.deliveries(state=DeliveryState.PENDING, limit=1)).items)

    async def check(self) -> None:
        page = await self._store.deliveries.deliveries(limit=1 + self._events * self._endpoints)
        wrong = [each for each in page.items if each.state is not DeliveryState.DELIVERED or each.attempts != 1]
        if wrong or len(page.items) != self._events * self._endpoints:
            raise BenchFailed(f"{len(wrong)} of {len(page.items)} deliveries were not delivered at once")


@asynccontextmanager
async def _service(path: Path, base: str, endpoints: int) -> AsyncIterator[_Service]:
    guard = AddressGuard(allow=(ip_network("127.0.0.0/8"),))
    limits = TransportLimits(max_reply_bytes=RESPONSE_CAP_BYTES, connections=_DEFAULT.concurrency)
    async with (
        open_store(f"sqlite:///{path}", clock=now_ms, migrating=True) as store,
        open_transport(limits, guard) as transport,
    ):
        for number in range(endpoints):
            url = f"{base}/good/{number}"
            subscription = Subscription(id=f"sub_{number:04d}", url=url, secret=SECRET, created_ms=0, changed_ms=0)
            await store.subscriptions.add(subscription, actor="bench", now_ms=now_ms())
        deliverer = Deliverer(
            outbox=store.outbox,
            transport=transport,
            settings=_DEFAULT,
            owner=path.stem,
            lease_ms=60_000,
            public_url=None,
            clock=now_ms,
            random=secrets.SystemRandom().random,
        )
        service = _Service(store, deliverer, endpoints)
        yield service
        await service.job.close()
        await service.check()


@contextmanager
def _endpoints(on: frozenset[int] | None) -> Iterator[str]:
    with python("tests.bench.endpoints", on=on, pipes=True) as process:
        yield process.read()


CASE = Case(
    name="delivery",
    title=f"webhooks to 1 and to {ENDPOINTS} endpoints, beside posts of a bare client",
    measure=measure,
)
