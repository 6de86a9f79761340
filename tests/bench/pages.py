"""Pages of the dashboard over a ledger of many tasks: none takes longer because the ledger is big. SQLite only.

The client is in the same process, so what is measured is a little more than the page alone.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.bench.big_ledgers import fill
from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_most
from tests.support.dashboard import visiting
from tests.support.service import served

FINISHED, QUICK_FINISHED, RUNNING = 1_000_000, 250_000, 1_000
PAGE_MS = 200.0
ROUNDS = 5
A_TASK = f"tsk_{FINISHED // 8:022d}"

#: What a page is called, and its address.
PAGES: Mapping[str, str] = {
    "tasks": "/ops/tasks",
    "tasks that succeeded": "/ops/tasks?state=succeeded",
    "tasks of a model that no task has": "/ops/tasks?model=none",
    "tasks that are overdue": "/ops/tasks?overdue=1",
    "tasks that contradict themselves": "/ops/tasks?contradicted=1",
    "an id of the provider": "/ops/tasks?q=no-such-id",
    "one task": f"/ops/tasks/{A_TASK}",
    "what a cancel of all would touch": "/ops/acts/cancel-tasks",
    "what a redelivery of all would touch": "/ops/acts/redeliver-tasks",
    "deliveries": "/ops/deliveries",
    "deliveries that are dead": "/ops/deliveries?state=dead",
    "deliveries that fail now": "/ops/deliveries?failing=1",
    "deliveries with an answer that none has": "/ops/deliveries?answer=3xx",
    "deliveries at a notify address": "/ops/deliveries?endpoint=https%3A%2F%2Fhooks.example",
    "what a redelivery of all deliveries would touch": "/ops/acts/redeliver-deliveries?state=delivered",
    "runs of acts": "/ops/runs",
}


def measure(options: Options) -> Found:
    with TemporaryDirectory(prefix="whenfinal-bench-") as folder:
        return asyncio.run(_measure(Path(folder), options))


async def _measure(folder: Path, options: Options) -> Found:
    finished = QUICK_FINISHED if options.is_quick else FINISHED
    options.say(f"filling a ledger with {finished:,} tasks")
    await fill(folder / "ledger.db", finished=finished, running=RUNNING)
    arms = {name: Arm(name=name) for name in PAGES}
    async with served(folder) as service, visiting(service) as browser:
        for _ in range(ROUNDS):
            for name, address in PAGES.items():
                arms[name].rounds.append(await _round(browser, address))
                options.on_round()
    checks = [at_most(f"{name}, processor time", (arm.cpu_us or 0) / 1000, PAGE_MS, "ms") for name, arm in arms.items()]
    return Found(arms=list(arms.values()), checks=checks)


async def _round(browser: httpx.AsyncClient, address: str) -> Round:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    answer = await browser.get(address)
    took_s = time.perf_counter() - began_s
    if answer.status_code != httpx.codes.OK:
        raise BenchFailed(f"{address} answered {answer.status_code}")
    return Round(items=1, wall_s=took_s, cpu_s=time.process_time() - cpu_s, latencies_ms=(took_s * 1000,))


CASE = Case(name="pages", title="pages of the dashboard over a million tasks", measure=measure)
