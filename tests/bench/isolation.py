"""Does one endpoint that hangs slow the others down?

Two ledgers side by side, each with as many subscriptions and a worker with the service's own settings. In arm A every
endpoint answers; in arm B one never does. Events are made in rounds, the arms alternate (A B B A …) so that other load
of the machine affects both; each event goes to every subscription. Measured is the time from when a delivery was due
until its endpoint had answered, for all endpoints but the first, which is the one that hangs in arm B.
"""

import asyncio
import secrets
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

from receiver.config.sections import DeliverySettings
from receiver.runtime.store import Store, open_store
from receiver.runtime.worker import DELIVER_EVERY_S, DELIVER_LIMIT, DELIVERING_AT_ONCE, JobRunner
from receiver.webhooks.deliverer import Deliverer
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import TransportLimits, open_transport
from tests.support.builders import SECRET, a_report

ROUND_LIMIT_S = 30.0
_DEFAULT = DeliverySettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """`round_p95_ms` is the median of the rounds' own p95, which what else runs on the machine hardly moves.

    `failures`: attempts of the endpoint that hangs that timed out meanwhile.
    """

    name: str
    deliveries: int
    p50_ms: float
    p95_ms: float
    worst_ms: float
    round_p95_ms: float
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    endpoints: int
    rounds: int
    healthy: ArmResult
    one_hung: ArmResult

    @property
    def p50_ratio(self) -> float:
        return self.one_hung.p50_ms / self.healthy.p50_ms

    @property
    def p95_ratio(self) -> float:
        return self.one_hung.p95_ms / self.healthy.p95_ms

    @property
    def round_p95_ratio(self) -> float:
        return self.one_hung.round_p95_ms / self.healthy.round_p95_ms

    def values(self) -> dict[str, object]:
        ratios = ("p50_ratio", "p95_ratio", "round_p95_ratio")
        return {**asdict(self), **{name: getattr(self, name) for name in ratios}}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(eq=False, kw_only=True)
class _Arm:
    name: str
    store: Store
    job: JobRunner
    endpoints: int
    made: int = 0

    async def round(self) -> None:
        """One event for every endpoint, until all but the first have it."""
        self.made += 1
        await self.store.ledger.record([a_report(provider_task_id=f"p{self.made}", allow_adoption=True)], _now_ms())
        self.job.start_run()
        async with asyncio.timeout(ROUND_LIMIT_S):
            while await self._waiting():
                await asyncio.sleep(0.01)

    async def _waiting(self) -> bool:
        page = await self.store.deliveries.deliveries(limit=self.endpoints)
        return any(each.finished_ms is None for each in page.items if each.subscription != _name(0))

    async def result(self) -> ArmResult:
        rounds: defaultdict[int, list[int]] = defaultdict(list)
        failures = 0
        page = await self.store.deliveries.deliveries(limit=self.endpoints * self.made)
        for each in page.items:
            attempts = await self.store.deliveries.attempts(each.id)
            if each.subscription == _name(0):
                failures += sum(attempt.status is None for attempt in attempts)
            else:
                rounds[each.event_seq].append(attempts[-1].at_ms + attempts[-1].latency_ms - each.created_ms)
        times = [took for each in rounds.values() for took in each]
        return ArmResult(
            name=self.name,
            deliveries=len(times),
            p50_ms=_percentile(times, 50),
            p95_ms=_percentile(times, 95),
            worst_ms=max(times),
            round_p95_ms=statistics.median(_percentile(each, 95) for each in rounds.values()),
            failures=failures,
        )


def _percentile(times: Sequence[float], percent: int) -> float:
    return times[0] if len(times) == 1 else statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


async def measure(*, endpoints: int, rounds: int, on_round: Callable[[], None]) -> Isolation:
    """`rounds` in each arm; `on_round` is called after every one."""
    with TemporaryDirectory() as folder, _served() as base:
        async with AsyncExitStack() as stack:
            healthy = await stack.enter_async_context(
                _arm("all healthy", Path(folder) / "a.db", base, endpoints, first="good")
            )
            one_hung = await stack.enter_async_context(
                _arm("one hung", Path(folder) / "b.db", base, endpoints, first="hung")
            )
            for number in range(rounds):
                for arm in (healthy, one_hung) if number % 2 == 0 else (one_hung, healthy):
                    await arm.round()
                    on_round()
            results = [await arm.result() for arm in (healthy, one_hung)]
    return Isolation(endpoints=endpoints, rounds=rounds, healthy=results[0], one_hung=results[1])


@asynccontextmanager
async def _arm(name: str, path: Path, base: str, endpoints: int, *, first: str) -> AsyncIterator[_Arm]:
    guard = AddressGuard(allow=(ip_network("127.0.0.0/8"),))
    concurrency = _DEFAULT.concurrency
    limits = TransportLimits(
        connect_s=_DEFAULT.connect_s,
        whole_s=_DEFAULT.timeout_s,
        max_reply_bytes=RESPONSE_CAP_BYTES,
        connections=concurrency,
    )
    async with (
        open_store(f"sqlite:///{path}", clock=_now_ms, migrating=True) as store,
        open_transport(limits, guard) as transport,
    ):
        for number in range(endpoints):
            kind = first if number == 0 else "good"
            await store.subscriptions.add(_subscription(number, f"{base}/{kind}/{number}"), actor="bench", now_ms=0)
        deliverer = Deliverer(
            outbox=store.outbox,
            transport=transport,
            settings=_DEFAULT,
            owner=name,
            lease_ms=60_000,
            public_url=None,
            clock=_now_ms,
            random=secrets.SystemRandom().random,
        )
        job = JobRunner(
            "deliver",
            lambda: deliverer.deliver_once(limit=DELIVER_LIMIT),
            at_once=DELIVERING_AT_ONCE,
            clock=_now_ms,
        )
        deliverer.on_capacity = job.start_run
        ticks = asyncio.create_task(_tick(job))
        try:
            yield _Arm(name=name, store=store, job=job, endpoints=endpoints)
        finally:
            ticks.cancel()
            await asyncio.wait([ticks])
            await job.close()


async def _tick(job: JobRunner) -> None:
    """Deliver as often as the worker does."""
    while True:
        job.start_run()
        await asyncio.sleep(DELIVER_EVERY_S)


def _subscription(number: int, url: str) -> Subscription:
    return Subscription(id=_name(number), url=url, secret=SECRET, created_ms=0, changed_ms=0)


def _name(number: int) -> str:
    return f"sub_{number:04d}"


@contextmanager
def _served() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.endpoints"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()
