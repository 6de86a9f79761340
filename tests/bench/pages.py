"""Pages of the dashboard over a ledger of many tasks: none takes longer because the ledger is big. SQLite only.

The client is in the same process, so what is measured is a little more than the page alone.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from receiver.store.minutes import MINUTE_MS, MinuteKey
from tests.bench.big_ledgers import fill
from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_most
from tests.support.dashboard import visiting
from tests.support.service import Served, served

FINISHED, QUICK_FINISHED, RUNNING = 1_000_000, 250_000, 1_000
PAGE_MS = 200.0
ROUNDS = 5
A_TASK = f"tsk_{FINISHED // 8:022d}"

#: What a page is called, and its address.
PAGES: Mapping[str, str] = {
    "now": "/ops",
    "providers": "/ops/providers",
    "one provider": "/ops/providers/hiapi",
    "tasks": "/ops/tasks",
    "tasks that succeeded": "/ops/tasks?state=succeeded",
    "tasks of a model that no task has": "/ops/tasks?model=none",
    "tasks that are overdue": "/ops/tasks?overdue=1",
    "tasks that contradict themselves": "/ops/tasks?contradicted=1",
    "an id of the provider": "/ops/tasks?q=no-such-id",
    "one task": f"/ops/tasks/{A_TASK}",
    "what a cancel of all would touch": "/ops/acts/cancel-tasks",
    "what a redelivery of all would touch": "/ops/acts/redeliver-tasks",
    "doubtful submits": "/ops/doubtful",
    "what a look for doubtful submits would touch": "/ops/acts/look-candidates",
    "deliveries": "/ops/deliveries",
    "deliveries that are dead": "/ops/deliveries?state=dead",
    "deliveries that fail now": "/ops/deliveries?failing=1",
    "deliveries with an answer that none has": "/ops/deliveries?answer=3xx",
    "deliveries at a notify address": "/ops/deliveries?endpoint=https%3A%2F%2Fhooks.example",
    "what a redelivery of all deliveries would touch": "/ops/acts/redeliver-deliveries?state=delivered",
    "runs of acts": "/ops/runs",
    "events": "/ops/events",
    "events of a model that no task has": "/ops/events?model=none",
    "events of one type": "/ops/events?type=task.overdue",
    "subscriptions": "/ops/subscriptions",
    "hosts of notify": "/ops/subscriptions/notify",
    "the ledger": "/ops/ledger",
    "the audit": "/ops/audit",
    "the audit of an actor without lines": "/ops/audit?actor=nobody",
    "the audit of a task": f"/ops/audit?task={A_TASK}",
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
        await _count_a_day(service)
        for _ in range(ROUNDS):
            for name, address in PAGES.items():
                arms[name].rounds.append(await _round(browser, address))
                options.on_round()
    checks = [at_most(f"{name}, processor time", (arm.cpu_us or 0) / 1000, PAGE_MS, "ms") for name, arm in arms.items()]
    return Found(arms=list(arms.values()), checks=checks)


async def _count_a_day(service: Served) -> None:
    """What three busy providers leave in the counts by minute, in each minute of a day."""
    now_ms = service.services.clock()
    labels = {
        "whenfinal_tasks_final": [
            f"{state}/{by}/true" for state in ("succeeded", "failed") for by in ("callback", "poll")
        ],
        "whenfinal_callbacks": ["applied", "duplicate", "stale"],
        "whenfinal_submits": ["accepted", "refused", "uncertain"],
        "whenfinal_polls": [f"single/{outcome}" for outcome in ("open", "final", "not_found", "throttled", "error")],
        "whenfinal_task_duration_seconds": [f"succeeded/{bound}" for bound in ("17", "25", "38", "57", "85", "128")],
    }
    for number in range(24 * 60):
        minute_ms = now_ms - now_ms % MINUTE_MS - number * MINUTE_MS
        counts = {
            MinuteKey(name, minute_ms, provider, label): 1 + number % 7
            for name, each in labels.items()
            for label in each
            for provider in ("hiapi", "signed", "dashscope")
        }
        await service.services.store.minutes.add(counts, names=[], now_ms=now_ms)


async def _round(browser: httpx.AsyncClient, address: str) -> Round:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    answer = await browser.get(address)
    took_s = time.perf_counter() - began_s
    if answer.status_code != httpx.codes.OK:
        raise BenchFailed(f"{address} answered {answer.status_code}")
    return Round(items=1, wall_s=took_s, cpu_s=time.process_time() - cpu_s, latencies_ms=(took_s * 1000,))


CASE = Case(name="pages", title="pages of the dashboard over a million tasks", measure=measure)
