"""Search tasks for a person. Whatever is asked, a page looks at a bounded number of rows, and no table is counted."""

from collections.abc import Sequence
from typing import Any

from receiver.store.engine import NEWEST
from receiver.store.repository import Repository
from receiver.tasks.model.rows import reported_task_of
from receiver.tasks.model.search import (
    FoundNumber,
    FoundTasks,
    TaskSearch,
    ceiling_of,
    conditions_of,
    drivers_of,
    floor_of,
)
from receiver.tasks.model.task import Task
from submitter.model import TaskId

IDS_AT_ONCE = 500  # asked for their other conditions

LOOKED_AT_MOST = 10_000  # ids, for one page


class TaskSearchRepository(Repository):
    """Reads tasks without their requests."""

    async def page(self, wanted: TaskSearch, *, cursor: str | None = None, limit: int = 50) -> FoundTasks:
        """The newest that fit and are older than the cursor."""
        found: list[Task] = []
        looked_at, at = 0, _start(wanted, cursor)
        while looked_at < LOOKED_AT_MOST:
            ids = await self._ids(wanted, at, floor_of(wanted))
            found += await self.fitting(wanted, ids, limit=limit + 1 - len(found))
            if len(found) > limit:
                return FoundTasks(tasks=tuple(found[:limit]), next_cursor=found[limit - 1].id)
            if len(ids) < IDS_AT_ONCE:
                return FoundTasks(tasks=tuple(found), next_cursor=None)
            looked_at, at = looked_at + len(ids), ids[-1]
        return FoundTasks(tasks=tuple(found), next_cursor=at, is_cut=True)

    async def number(self, wanted: TaskSearch, *, most: int, newer_than: str = "") -> FoundNumber:
        """How many fit, up to `most`, among as many ids as a page looks at."""
        number = looked_at = 0
        at, floor = _start(wanted, None), max(newer_than, floor_of(wanted))
        while looked_at < LOOKED_AT_MOST:
            ids = await self._ids(wanted, at, floor)
            number += len(await self.fitting(wanted, ids, limit=most + 1 - number))
            if number > most:
                return FoundNumber(number=most, has_more=True)
            if len(ids) < IDS_AT_ONCE:
                return FoundNumber(number=number, has_more=False)
            looked_at, at = looked_at + len(ids), ids[-1]
        return FoundNumber(number=number, has_more=True)

    async def fitting(self, wanted: TaskSearch, ids: Sequence[str], *, limit: int | None = None) -> list[Task]:
        """Those of these ids that fit now, its text left out, the newest first."""
        if not ids:
            return []
        conditions, most = conditions_of(wanted), len(ids) if limit is None else limit
        return await self._all("fitting_tasks", reported_task_of, **conditions, ids=ids, limit=most)

    async def by_ids(self, ids: Sequence[TaskId]) -> list[Task]:
        """Those that are there, the newest first, whatever became of them."""
        return await self.fitting(TaskSearch(), ids)

    async def _ids(self, wanted: TaskSearch, cursor: str, floor: str) -> list[str]:
        """The next ids that can fit, at most IDS_AT_ONCE."""
        found: list[str] = []
        for driver in drivers_of(wanted):
            params: dict[str, Any] = {**driver.params, "cursor": cursor, "floor": floor, "limit": IDS_AT_ONCE}
            found += await self._all(driver.statement, _id, **params)
        return sorted(found, reverse=True)[:IDS_AT_ONCE]


def _start(wanted: TaskSearch, cursor: str | None) -> str:
    return min(cursor or NEWEST, ceiling_of(wanted) or NEWEST)


def _id(row: dict[str, Any]) -> str:
    return str(row["id"])
