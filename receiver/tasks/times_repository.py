"""The queue times and deadlines of tasks, after a clock that was ahead has been set back.

Each task waits as long as its request says, so the longest wait is its own. What was queued or sent later than now was
so by a clock that was ahead, and counts as queued or sent now.
"""

from receiver.store.engine import Tx
from receiver.store.repository import Repository
from submitter.providers.schedule import latest_ms


class TaskTimesRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    async def pull_back(self, *, now_ms: int) -> int:
        """Let queue times and deadlines of a clock that was ahead count from now; return how many."""

        async def work(tx: Tx) -> int:
            times = {"now_ms": now_ms, "ahead_ms": latest_ms(now_ms, 0)}
            return await tx.execute_and_count("pull_back_queue_times", **times) + await tx.execute_and_count(
                "pull_back_deadlines", **times
            )

        return await self._engine.write(work)
