"""The first items of a list of the API, over as many pages as they need."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from submitter.api import Task, TasksPage

PAGE_MOST = 200  # items that the API gives at once


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTasks:
    items: tuple[Task, ...]
    has_more: bool


async def first_tasks(page_of: Callable[..., Awaitable[TasksPage]], limit: int) -> FirstTasks:
    """`page_of` takes a limit and a cursor."""
    found: list[Task] = []
    cursor: str | None = None
    while True:
        page = await page_of(limit=min(PAGE_MOST, limit - len(found)), cursor=cursor)
        found += page.tasks
        if page.next_cursor is None or len(found) >= limit or page.next_cursor == cursor:
            return FirstTasks(items=tuple(found[:limit]), has_more=page.next_cursor is not None)
        cursor = page.next_cursor
