"""Does one endpoint that hangs slow the others down?

Two ledgers side by side, each with as many subscriptions and a worker with the service's own settings. In arm A every
endpoint answers; in arm B one never does. Events are made in rounds, the arms alternate (A B B A …) so that other load
of the machine affects both; each event goes to every subscription. Measured is the time from when a delivery was due
until its endpoint had answered, for all endpoints but the first, which is the one that hangs in arm B.
"""

import asyncio
import secrets
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
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
from tests.bench.case import Arm, Case, Check, Found, Options, Round
from tests.bench.checks import at_most, shown
from tests.bench.processes import cores, python
from tests.support.builders import SECRET, a_report

ROUND_LIMIT_S = 30.0
ENDPOINTS = 100
ROUNDS, QUICK_ROUNDS = 60, 12  # of each arm
SLOWER = 1.10
_DEFAULT = DeliverySettings()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(eq=False, kw_only=True)
class _Service:
    name: str
    store: Store
    job: JobRunner
    rounds: list[tuple[float, float]] = field(default_factory=list)  # seconds of wall and of processor time

    async def round(self) -> None:
        """One event for every endpoint, until all but the first have it."""
        number = len(self.rounds)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await self.store.ledger.record([a_report(provider_task_id=f"p{number}", allow_adoption=True)], _now_ms())
        self.job.start_run()
        async with asyncio.timeout(ROUND_LIMIT_S):
            while await self._waiting():
                await asyncio.sleep(0.01)
        self.rounds.append((time.perf_counter() - wall_s, time.process_time() - cpu_s))

    async def _waiting(self) -> bool:
        page = await self.store.deliveries.deliveries(limit=ENDPOINTS)
        return any(each.finished_ms is None for each in page.items if each.subscription != _name(0))

    async def arm(self) -> tuple[Arm, int]:
        """What was measured, and how many attempts of the endpoint that hangs timed out meanwhile."""
        times: defaultdict[int, list[int]] = defaultdict(list)
        failures = 0
        page = await self.store.deliveries.deliveries(limit=ENDPOINTS * len(self.rounds))
        for each in page.items:
            attempts = await self.store.deliveries.attempts(each.id)
            if each.subscription == _name(0):
                failures += sum(attempt.status is None for attempt in attempts)
            else:
                times[each.event_seq].append(attempts[-1].at_ms + attempts[-1].latency_ms - each.created_ms)
        rounds = [
            Round(items=len(latencies), wall_s=wall_s, cpu_s=cpu_s, latencies_ms=latencies)
            for (_, latencies), (wall_s, cpu_s) in zip(sorted(times.items()), self.rounds, strict=True)
        ]
        return Arm(name=self.name, rounds=rounds), failures


def measure(options: Options) -> Found:
    rounds = QUICK_ROUNDS if options.is_quick else ROUNDS
    healthy, hung, failures = asyncio.run(_measured(rounds, options))
    pairs = zip(hung.rounds, healthy.rounds, strict=True)
    slower = statistics.median(_p95_ms(one) / _p95_ms(other) for one, other in pairs)
    checks = [
        at_most("p95 of the others, one hung : all healthy, round by round", slower, SLOWER),
        shown("p50 over all rounds", _ratio(hung, healthy, 50)),
        shown("p95 over all rounds", _ratio(hung, healthy, 95)),
        Check(what="timed-out attempts at the one that hangs", measured=f"{failures}", target="", is_met=None),
    ]
    return Found(arms=(healthy, hung), checks=checks)


def _p95_ms(measured: Round) -> float:
    return statistics.quantiles(measured.latencies_ms, n=100, method="inclusive")[94]


def _ratio(arm: Arm, other: Arm, percent: int) -> float:
    return (arm.percentile_ms(percent) or 0.0) / (other.percentile_ms(percent) or 1.0)


async def _measured(rounds: int, options: Options) -> tuple[Arm, Arm, int]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whenfinal-bench-")))
        base = stack.enter_context(_served())
        healthy = await stack.enter_async_context(_service("all healthy", folder / "a.db", base, first="good"))
        one_hung = await stack.enter_async_context(_service("one hung", folder / "b.db", base, first="hung"))
        for number in range(rounds):
            for each in (healthy, one_hung) if number % 2 == 0 else (one_hung, healthy):
                await each.round()
                options.on_round()
        arm, _ = await healthy.arm()
        return arm, *await one_hung.arm()


@asynccontextmanager
async def _service(name: str, path: Path, base: str, *, first: str) -> AsyncIterator[_Service]:
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
        for number in range(ENDPOINTS):
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
            yield _Service(name=name, store=store, job=job)
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
    with python("tests.bench.endpoints", pipes=True, on=cores().load) as process:
        yield process.read()


CASE = Case(
    name="isolation",
    title="an event for 100 endpoints while one of them hangs",
    measure=measure,
)
