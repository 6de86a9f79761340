"""Ledgers full of tasks whose ends are awaited, and one subscription to all of them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from receiver.runtime.store import Store, open_store
from receiver.store.engine import Tx
from receiver.tasks.model.rows import task_row
from receiver.webhooks.model.subscription import Subscription
from submitter.model import TaskState
from tests.bench.calling import name_of, provider_name_of
from tests.support.builders import SECRET, a_task

AT_ONCE = 1000
PROMPT = "A fox runs through fresh snow at dawn, the camera low and close, breath in the cold air. " * 4


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def filled(url: str, tasks: int) -> AsyncIterator[Store]:
    """A new ledger with so many submitted tasks."""
    async with open_store(url, clock=now_ms, migrating=True) as store:
        everything = Subscription(
            id="sub_everything", url="https://hooks.example/all", secret=SECRET, created_ms=0, changed_ms=0
        )
        await store.subscriptions.add(everything, actor="bench", now_ms=now_ms())
        for first in range(0, tasks, AT_ONCE):
            await _submit(store, range(first, min(first + AT_ONCE, tasks)))
        yield store


async def _submit(store: Store, numbers: range) -> None:
    lines = [
        task_row(
            a_task(
                name_of(number),
                provider_task_id=provider_name_of(number),
                state=TaskState.SUBMITTED,
                request={"model": "happyhorse-1.1/text-to-video", "prompt": PROMPT},
                created_ms=now_ms(),
                submitted_ms=now_ms(),
                next_poll_ms=now_ms() + 600_000,
            )
        )
        for number in numbers
    ]

    async def work(tx: Tx) -> None:
        await tx.execute_many("insert_task", lines)

    await store.engine.write(work)
