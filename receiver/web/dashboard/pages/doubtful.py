"""Uncertain tasks, each beside what a look at its provider's list has found. The page itself asks no provider."""

from collections.abc import Sequence
from dataclasses import replace

from starlette.responses import Response

from receiver.runtime.explaining import has_list
from receiver.runtime.operator_runs import looks
from receiver.tasks.model.candidates import prompt_of
from receiver.tasks.model.search import TaskSearch
from receiver.web.dashboard.acts.candidates import recent_looks
from receiver.web.dashboard.model import task_filter
from receiver.web.dashboard.model.doubtful import DOUBTFUL
from receiver.web.dashboard.model.list_filter import Pairs
from receiver.web.dashboard.page import Page, View, redirect, rows_address
from submitter.model import TaskId, TaskState

ROWS = 20  # each of them is as tall as its candidates

NEWS_MOST = 100


async def show_doubtful(view: View) -> Page:
    filters, cursor = DOUBTFUL.given_in(view.query), view.place()
    page = await view.services.store.task_search.page(_search(view, filters), cursor=cursor, limit=ROWS)
    tasks, place = page.tasks, {"before": cursor} if cursor else {}
    values = {
        **DOUBTFUL.shown(filters),
        **await _rows(view, [task.id for task in tasks]),
        "news": (0, False),
        "newest": DOUBTFUL.address(filters),
        "older": page.next_cursor and DOUBTFUL.address(filters, before=page.next_cursor),
        "is_first": cursor is None,
        "is_cut": page.is_cut,
        "look_fields": [*filters, *place.items()],
        "providers": sorted(view.services.providers),
    }
    live = rows_address(DOUBTFUL.path, filters, (task.id for task in tasks), is_first=cursor is None)
    return Page(template="doubtful.html", title="Doubtful submits", values=values, live=live)


async def show_rows(view: View) -> Page | Response:
    """The tasks that a page shows, as they are now, and how many newer there are. Opened alone it is the list."""
    filters = DOUBTFUL.given_in(view.query)
    if not view.is_fragment:
        return redirect(DOUBTFUL.address(filters))
    ids = list(map(TaskId, view.row_ids(ROWS)))
    search, news = _search(view, filters), (0, False)
    if view.asked("first"):
        found = await view.services.store.task_search.number(search, most=NEWS_MOST, newer_than=max(ids, default=""))
        news = (found.number, found.has_more)
    values = {**await _rows(view, ids), "news": news, "newest": DOUBTFUL.address(filters)}
    return Page(template="doubtful.html", title="Doubtful submits", values=values)


def _search(view: View, filters: Pairs) -> TaskSearch:
    return replace(task_filter.read_search(filters, view.now_ms), states=frozenset({TaskState.UNCERTAIN}))


async def _rows(view: View, ids: Sequence[TaskId]) -> dict[str, object]:
    """The tasks with their requests, what was found for each, and the looks that are under way."""
    services = view.services
    tasks = [task for each in ids if (task := await services.store.tasks.task(each)) is not None]
    recent = await recent_looks(services, view.now_ms)
    return {
        "tasks": [(task, prompt_of(task)) for task in tasks],
        "seen": looks.seen_by_task(recent),
        "looking": [each for each in recent if each.is_open],
        "listing": {task.provider: has_list(services, task.provider) for task in tasks},
        "consoles": {name: each.account.base_url for name, each in services.providers.items()},
        "old_ms": looks.LOOK_OLD_MS,
    }
