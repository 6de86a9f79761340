"""Runs of acts: the list, one with what became of its items, and its stop."""

import re

from starlette.responses import Response

from receiver.runtime.operator_runs.model import NOTES_MOST, OperatorRun
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.problems import Kind, Problem, not_found

ROWS = 50

_ID = re.compile(r"run_[0-9a-z]{26}")


async def show_runs(view: View) -> Page:
    cursor = view.asked("before")
    if cursor and not _ID.fullmatch(cursor):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    page = await view.services.store.runs.runs(cursor=cursor or None, limit=ROWS)
    values = {
        "runs": page.items,
        "newest": f"{ROOT}/runs" if cursor else None,
        "older": page.next_cursor and f"{ROOT}/runs?before={page.next_cursor}",
    }
    return Page(template="runs.html", title="Acts", values=values, live=None if not cursor else "")


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
