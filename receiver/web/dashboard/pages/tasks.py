"""The list of tasks: filters in the address, pages by key, and rows that stay where they are while they change."""

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from receiver.tasks.model.search import FoundNumber
from receiver.tasks.model.task import Task
from receiver.web.dashboard.model import task_filter
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.problems import Kind, Problem
from submitter.model import TaskId, TaskState

ROWS = 50

NEWS_MOST = 100  # new tasks that are counted

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


async def show_tasks(view: View) -> Page:
    filters = task_filter.filters_of(view.query)
    search = task_filter.read_search(filters, view.now_ms)
    cursor = _cursor(view)
    found = await view.services.store.task_search.page(search, cursor=cursor, limit=ROWS)
    chosen = {name: [value for each, value in filters if each == name] for name in task_filter.NAMES}
    values = {
        "tasks": found.tasks,
        "gone": frozenset[str](),
        "news": FoundNumber(number=0, has_more=False),
        "newest": task_filter.address(filters),
        "older": found.next_cursor and task_filter.address(filters, before=found.next_cursor),
        "is_first": cursor is None,
        "is_cut": found.is_cut,
        "filters": filters,
        "chosen": chosen,
        "chips": task_filter.chips(filters),
        "views": task_filter.saved_views(filters),
        "states": list(TaskState),
        "providers": sorted(view.services.providers),
        "clear": task_filter.PATH,
    }
    return Page(template="tasks.html", title="Tasks", values=values, live=_live(filters, found.tasks, cursor))


async def show_rows(view: View) -> Page | Response:
    """The rows that a page shows, as they are now, and how many newer tasks there are. Opened alone it is the list."""
    filters = task_filter.filters_of(view.query)
    if not view.is_fragment:
        return redirect(task_filter.address(filters))
    search = task_filter.read_search(filters, view.now_ms)
    ids = [TaskId(each) for each in view.asked("ids").split(".") if _ID.fullmatch(each)][:ROWS]
    tasks = view.services.store.task_search
    news = FoundNumber(number=0, has_more=False)
    if view.asked("first"):
        news = await tasks.number(search, most=NEWS_MOST, newer_than=max(ids, default=view.asked("than")))
    shown = await tasks.by_ids(ids)
    fits = {each.id for each in shown if not search.states or each.state in search.states}
    values = {
        "tasks": shown,
        "gone": frozenset(each.id for each in shown if each.id not in fits),
        "news": news,
        "newest": task_filter.address(filters),
    }
    return Page(template="tasks.html", title="Tasks", values=values)


def _cursor(view: View) -> str | None:
    cursor = view.asked("before")
    if cursor and not _ID.fullmatch(cursor):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    return cursor or None


def _live(filters: task_filter.Pairs, tasks: Sequence[Task], cursor: str | None) -> str:
    """The address of the same rows. On the first page it also counts what is newer."""
    rows = [("ids", ".".join(task.id for task in tasks))]
    first = [("first", "1")] if cursor is None else []
    return f"{ROOT}/tasks/rows?{urlencode([*filters, *first, *rows])}"
