"""The list of tasks: filters in the address, pages by key, and rows that stay where they are while they change."""

from starlette.responses import Response

from receiver.tasks.model.search import FoundNumber
from receiver.web.dashboard.model.task_filter import TASKS, read_search
from receiver.web.dashboard.page import Page, View, redirect, rows_address
from submitter.model import TaskId, TaskState

ROWS = 50

NEWS_MOST = 100  # new tasks that are counted


async def show_tasks(view: View) -> Page:
    filters = TASKS.given_in(view.query)
    search = read_search(filters, view.now_ms)
    cursor = view.place()
    found = await view.services.store.task_search.page(search, cursor=cursor, limit=ROWS)
    values = {
        **TASKS.shown(filters),
        "tasks": found.tasks,
        "gone": frozenset[str](),
        "news": FoundNumber(number=0, has_more=False),
        "newest": TASKS.address(filters),
        "older": found.next_cursor and TASKS.address(filters, before=found.next_cursor),
        "is_first": cursor is None,
        "is_cut": found.is_cut,
        "states": list(TaskState),
        "providers": sorted(view.services.providers),
    }
    live = rows_address(TASKS.path, filters, (task.id for task in found.tasks), is_first=cursor is None)
    return Page(template="tasks.html", title="Tasks", values=values, live=live)


async def show_rows(view: View) -> Page | Response:
    """The rows that a page shows, as they are now, and how many newer tasks there are. Opened alone it is the list."""
    filters = TASKS.given_in(view.query)
    if not view.is_fragment:
        return redirect(TASKS.address(filters))
    search = read_search(filters, view.now_ms)
    ids = list(map(TaskId, view.row_ids(ROWS)))
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
        "newest": TASKS.address(filters),
    }
    return Page(template="tasks.html", title="Tasks", values=values)
