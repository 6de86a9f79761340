"""The queue times and deadlines of tasks, after a clock that was ahead has been set back.

Each task waits as long as its request says, so the longest wait is its own. What was queued or sent later than now was
so by a clock that was ahead.
"""

import json
from collections.abc import Iterable
from itertools import islice

from receiver.store.engine import Row, Tx
from receiver.store.repository import Repository
from submitter.providers.schedule import latest_ms

AT_ONCE = 500  # tasks in one transaction


class TaskTimesRepository(Repository):
    """Raises StoreUnavailable; what was pulled back before that stays."""

    async def pull_back(self, *, now_ms: int, queue_for_s: int, deadline_s: int) -> int:
        """Pull back what lies further ahead than the task's own wait, which counts from now then; return how many.

        `queue_for_s` and `deadline_s` are those of requests that name none.
        """
        ahead_ms = latest_ms(now_ms, 0)
        queued = await self._all("far_queue_times", dict, ahead_ms=ahead_ms)
        count = await self._set("pull_back_queue_time", _too_far(queued, "queue_for_s", queue_for_s, now_ms))
        sent = await self._all("far_deadlines", dict, ahead_ms=ahead_ms)
        return count + await self._set("pull_back_deadline", _too_far(sent, "deadline_s", deadline_s, now_ms))

    async def _set(self, statement: str, times: Iterable[dict[str, str | int]]) -> int:
        left, count = iter(times), 0
        while batch := list(islice(left, AT_ONCE)):

            async def work(tx: Tx, batch: list[dict[str, str | int]] = batch) -> int:
                return sum([await tx.execute(statement, **each) for each in batch])

            count += await self._engine.write(work)
        return count


def _too_far(found: Iterable[Row], name: str, default_s: int, now_ms: int) -> Iterable[dict[str, str | int]]:
    for row in found:
        wait_ms = 1000 * (json.loads(row["request"]).get(name) or default_s)
        if row["until_ms"] > latest_ms(now_ms, wait_ms):
            yield {"id": row["id"], "until_ms": now_ms + wait_ms, "latest_ms": latest_ms(now_ms, wait_ms)}
