"""Uncertain tasks, each beside what a look at its provider's list has found. The page itself asks no provider."""

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from receiver.tasks.model.candidates import prompt_of
from receiver.tasks.model.search import TaskSearch
from receiver.tasks.model.task import Task
from receiver.web.dashboard.acts.candidates import lists_tasks, recent_looks
from receiver.web.dashboard.model import doubtful, task_filter
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.problems import Kind, Problem
from submitter.model import TaskId, TaskState

ROWS = 20  # each of them is as tall as its candidates

NEWS_MOST = 100

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


async def show_doubtful(view: View) -> Page:
    filters, cursor = doubtful.filters_of(view.query), view.asked("before")
    if cursor and not _ID.fullmatch(cursor):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    page = await view.services.store.task_search.page(_search(view, filters), cursor=cursor or None, limit=ROWS)
    tasks, place = page.tasks, {"before": cursor} if cursor else {}
    values = {
        **await _rows(view, [task.id for task in tasks]),
        "news": (0, False),
        "newest": doubtful.address(filters),
        "older": page.next_cursor and doubtful.address(filters, before=page.next_cursor),
        "is_first": not cursor,
        "filters": list(filters),
        "look_fields": [*filters, *place.items()],
        "chosen": {name: next((value for each, value in filters if each == name), "") for name in doubtful.NAMES},
        "chips": doubtful.chips(filters),
        "views": doubtful.saved_views(filters),
        "providers": sorted(view.services.providers),
        "clear": doubtful.PATH,
    }
    return Page(template="doubtful.html", title="Doubtful submits", values=values, live=_live(filters, tasks, cursor))


async def show_rows(view: View) -> Page | Response:
    """The tasks that a page shows, as they are now, and how many newer there are. Opened alone it is the list."""
    filters = doubtful.filters_of(view.query)
    if not view.is_fragment:
        return redirect(doubtful.address(filters))
    ids = [TaskId(each) for each in view.asked("ids").split(".") if _ID.fullmatch(each)][:ROWS]
    search, news = _search(view, filters), (0, False)
    if view.asked("first"):
        found = await view.services.store.task_search.number(search, most=NEWS_MOST, newer_than=max(ids, default=""))
        news = (found.number, found.has_more)
    values = {**await _rows(view, ids), "news": news, "newest": doubtful.address(filters)}
    return Page(template="doubtful.html", title="Doubtful submits", values=values)


def _search(view: View, filters: doubtful.Pairs) -> TaskSearch:
    return replace(task_filter.read_search(filters, view.now_ms), states=frozenset({TaskState.UNCERTAIN}))


async def _rows(view: View, ids: Sequence[TaskId]) -> dict[str, object]:
    """The tasks with their requests, what was found for each, and the looks that are under way."""
    services = view.services
    tasks = [task for each in ids if (task := await services.store.tasks.task(each)) is not None]
    looks = await recent_looks(services, view.now_ms)
    return {
        "tasks": [(task, prompt_of(task)) for task in tasks],
        "seen": doubtful.seen_by_task(looks),
        "looking": [each for each in looks if each.is_open],
        "listing": {task.provider: lists_tasks(services, task.provider) for task in tasks},
        "consoles": {name: each.account.base_url for name, each in services.providers.items()},
        "old_ms": doubtful.LOOK_OLD_MS,
    }


def _live(filters: doubtful.Pairs, tasks: Sequence[Task], cursor: str) -> str:
    rows = [("ids", ".".join(task.id for task in tasks))]
    first = [] if cursor else [("first", "1")]
    return f"{doubtful.PATH}/rows?{urlencode([*filters, *first, *rows])}"
