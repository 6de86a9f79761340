"""One node of many, as a process: `python -m tests.support.node URL VERB ...`.

It prints `ready`, waits for a line, then works.

What it found goes to stdout as one line of JSON.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from receiver.config.sections import LogSettings
from receiver.runtime import log
from receiver.runtime.store import Store, open_store
from receiver.store.engine import Tx
from receiver.tasks.model.task import Recorded
from tests.support.builders import BUDGET, T0, a_report

BATCH = 16


async def record(store: Store, seed: str, count: str) -> None:
    """Reports the ends of tasks `c0…` by claim and `a0…` for adoption, all of them, in an order of its own."""
    reports = [a_report(provider_task_id=f"c{n}", expected_task_id=f"tsk_{n}") for n in range(int(count))]
    reports += [a_report(provider_task_id=f"a{n}", allow_adoption=True) for n in range(int(count))]
    random.Random(seed).shuffle(reports)
    verdicts: Counter[str] = Counter()
    for begin in range(0, len(reports), BATCH):
        outcomes = await store.ledger.record(reports[begin : begin + BATCH], T0)
        verdicts.update(o.verdict.value if isinstance(o, Recorded) else type(o).__name__ for o in outcomes)
    _print(verdicts)


async def lease(store: Store, owner: str) -> None:
    """Takes all that is due and never comes back with it."""
    lease = await store.outbox.lease_deliveries(owner=owner, now_ms=T0, lease_ms=60_000, limit=100, per_endpoint=100)
    tasks = await store.polls.lease_due("hiapi", budget=BUDGET, owner=owner, now_ms=T0, lease_ms=60_000, limit=100)
    _print({"deliveries": [each.id for each in lease.deliveries], "tasks": [task.id for task in tasks]})
    await asyncio.Event().wait()


async def hold(store: Store) -> None:
    """Stays in the middle of a transaction, with the number of the next event taken."""

    async def work(tx: Tx) -> None:
        await tx.fetch_one("reserve_event_numbers", count=1)
        _print("holding")
        await asyncio.Event().wait()

    await store.engine.write(work)


async def share(store: Store, owner: str) -> None:
    """Leases from two endpoints, one of a few at once and one of a few a second, as fast as it can."""
    got: Counter[str] = Counter()
    for turn in range(20):
        lease = await store.outbox.lease_deliveries(
            owner=f"{owner}/{turn}", now_ms=T0, lease_ms=60_000, limit=100, per_endpoint=100
        )
        got.update(each.endpoint_id for each in lease.deliveries)
    _print(got)


_VERBS: Mapping[str, Callable[..., Awaitable[None]]] = {"record": record, "lease": lease, "hold": hold, "share": share}


def _print(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(url: str, verb: str, *arguments: str) -> None:
    log.configure_logging(LogSettings(level="warning"))
    async with open_store(url, clock=lambda: T0, migrating=False) as store:
        _print("ready")
        await asyncio.to_thread(sys.stdin.readline)
        await _VERBS[verb](store, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
