"""Runs of acts: the list, one with what became of its items, and its stop."""

from starlette.responses import Response

from receiver.runtime.operator_runs.model import NOTES_MOST, OperatorRun
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import Page, View, redirect, rows_address
from receiver.web.problems import not_found

PATH = f"{ROOT}/runs"

ROWS = 50


async def show_runs(view: View) -> Page:
    cursor = view.place()
    page = await view.services.store.runs.runs(cursor=cursor, limit=ROWS)
    values = {
        "runs": page.items,
        "news": (0, False),
        "newest": PATH,
        "is_first": cursor is None,
        "older": page.next_cursor and f"{PATH}?before={page.next_cursor}",
    }
    live = rows_address(PATH, (), (run.id for run in page.items), is_first=cursor is None)
    return Page(template="runs.html", title="Acts", values=values, live=live)


async def show_rows(view: View) -> Page | Response:
    """The rows that a page shows, as they are now, and how many newer there are. Opened alone it is the list."""
    if not view.is_fragment:
        return redirect(PATH)
    ids = view.row_ids(ROWS)
    runs, news = view.services.store.runs, (0, False)
    if view.asked("first"):
        newest = await runs.runs(limit=ROWS)
        number = sum(run.id > max(ids, default="") for run in newest.items)
        news = (number, number == ROWS and newest.next_cursor is not None)
    values = {"runs": await runs.by_ids(ids), "news": news, "newest": PATH}
    return Page(template="runs.html", title="Acts", values=values)


async def show_run(view: View) -> Page:
    run = await _run(view)
    return Page(template="run.html", title=f"Run {run.id}", values={"run": run, "notes_most": NOTES_MOST})


async def stop_run(view: View) -> Response:
    run = await _run(view)
    await view.services.store.runs.stop(run.id, actor=view.session.actor, now_ms=view.now_ms)
    return redirect(f"{PATH}/{run.id}")


async def _run(view: View) -> OperatorRun:
    run = await view.services.store.runs.run(view.param("id"))
    if run is None:
        raise not_found("run")
    return run
