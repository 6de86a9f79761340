"""What does an event cost that 1,000 subscriptions receive, and when have all of them got it?

A callback each second to `whenfinal serve` on SQLite with its defaults; all subscriptions receive its event. The bench
is the endpoint of all. Processor time is that of the whole service, with all that it does meanwhile.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from receiver.webhooks.model.subscription import Subscription
from tests.bench.calling import Kind, Signer, name_of
from tests.bench.case import Arm, BenchFailed, CannotMeasure, Case, Found, Options, Round
from tests.bench.checks import at_most, shown
from tests.bench.endpoints import open_endpoints
from tests.bench.latency import Sender
from tests.bench.ledgers import filled, now_ms
from tests.bench.processes import HIAPI_SECRET, KEY, NO_CPU, Process, Stopwatch, cores, pinned, settings, whenfinal
from tests.support.builders import SECRET

SUBSCRIPTIONS = 1000
EVENTS, QUICK_EVENTS = 20, 6
WARM = 2
EVERY_S = 1.0
CPU_S = 1.0  # of an event
ARRIVE_S = 60.0


def measure(options: Options) -> Found:
    apart = cores()
    events = QUICK_EVENTS if options.is_quick else EVENTS
    with TemporaryDirectory(prefix="whenfinal-bench-") as folder, pinned(apart.load):
        arm = uvloop.run(_measured(options, Path(folder), events, apart.server))
    if arm.cpu_us is None:
        raise CannotMeasure(NO_CPU)
    cpu_s = arm.cpu_us * SUBSCRIPTIONS / 1e6
    return Found(
        arms=(arm,),
        checks=[
            at_most("processor time of an event", cpu_s, CPU_S, "s"),
            shown("until the last of them has it, p50", arm.percentile_ms(50) or 0.0, "ms"),
        ],
        left_out=apart.left_out,
    )


async def _measured(options: Options, folder: Path, events: int, on: frozenset[int] | None) -> Arm:
    arm = Arm(name=f"{SUBSCRIPTIONS} subscriptions")
    url, came = f"sqlite:///{folder / 'ledger.db'}", asyncio.Semaphore(0)
    async with open_endpoints(lambda _: came.release()) as endpoint:
        options.say("filling the ledger and starting the server")
        await _fill(url, endpoint, WARM + events)
        environment = settings(folder, url, WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
        with whenfinal("serve", environment, on=on) as process:
            for number in range(WARM + events):
                measured = await _round(process, number, came)
                if number >= WARM:
                    arm.rounds.append(measured)
                    options.on_round()
    return arm


async def _round(process: Process, number: int, came: asyncio.Semaphore) -> Round:
    """One event, and the rest of its second. Its latency is the time until the last subscription has it."""
    request = Signer(key=KEY, secret=HIAPI_SECRET).request_of(number, Kind.GOOD)
    sender = await Sender.connected(process, lambda _: None)
    watch, sent_s = Stopwatch([process.pid]), time.perf_counter()
    sender.send(name_of(number), request)
    try:
        async with asyncio.timeout(ARRIVE_S):
            for _ in range(SUBSCRIPTIONS):
                await came.acquire()
    except TimeoutError as error:
        raise BenchFailed(f"the event of {name_of(number)} did not come to all subscriptions") from error
    took_s = time.perf_counter() - sent_s
    await asyncio.sleep(max(0.0, EVERY_S - took_s))
    wall_s, cpu_s = watch.stop()
    sender.close()
    return Round(items=SUBSCRIPTIONS, wall_s=wall_s, cpu_s=cpu_s, latencies_ms=[took_s * 1000])


async def _fill(url: str, endpoint: str, tasks: int) -> None:
    async with filled(url, tasks) as store:
        await store.subscriptions.delete("sub_everything", actor="bench", now_ms=now_ms())
        for number in range(SUBSCRIPTIONS):
            subscription = Subscription(
                id=f"sub_{number:04d}", url=f"{endpoint}/{number}", secret=SECRET, created_ms=0, changed_ms=0
            )
            await store.subscriptions.add(subscription, actor="bench", now_ms=now_ms())


CASE = Case(
    name="many_subscriptions",
    title=f"one event each second to {SUBSCRIPTIONS} subscriptions",
    measure=measure,
)
