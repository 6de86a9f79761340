"""Runs of acts: the list, one with what became of its items, and its stop."""

import re

from starlette.responses import Response

from receiver.runtime.operator_runs.model import NOTES_MOST, OperatorRun
from receiver.store.engine import up_to
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.problems import Kind, Problem, not_found

PATH = f"{ROOT}/runs"

ROWS = 50

_ID = re.compile(r"run_[0-9a-z]{26}")


async def show_runs(view: View) -> Page:
    """The first page asks for the runs up to its newest one again, and how many newer there are.

    So no new row moves others.
    """
    cursor, newest = view.asked("before"), view.asked("newest")
    if any(each and not _ID.fullmatch(each) for each in (cursor, newest)):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    runs = view.services.store.runs
    page = await runs.runs(cursor=up_to(newest) if newest else cursor or None, limit=ROWS)
    newer = [each for each in (await runs.runs(limit=ROWS)).items if each.id > newest] if newest else []
    values = {
        "runs": page.items,
        "news": (len(newer), len(newer) == ROWS),
        "newest": PATH if cursor else None,
        "list": PATH,
        "older": page.next_cursor and f"{PATH}?before={page.next_cursor}",
    }
    first = newest or (page.items[0].id if page.items else "")
    live = "" if cursor else f"{PATH}?newest={first}" if first else None
    return Page(template="runs.html", title="Acts", values=values, live=live)


async def show_run(view: View) -> Page:
    run = await _run(view)
    return Page(template="run.html", title=f"Run {run.id}", values={"run": run, "notes_most": NOTES_MOST})


async def stop_run(view: View) -> Response:
    run = await _run(view)
    await view.services.store.runs.stop(run.id, actor=view.session.actor, now_ms=view.now_ms)
    return redirect(f"{ROOT}/runs/{run.id}")


async def _run(view: View) -> OperatorRun:
    run = await view.services.store.runs.run(view.param("id"))
    if run is None:
        raise not_found("run")
    return run
