"""Runs of acts: list them, show or wait for one, stop one."""

import asyncio
import json
from typing import Any

from receiver.runtime.operator_runs import model
from receiver.web.api.operating import look_view
from receiver.web.api.waiting import requested_wait_s
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import not_found, streams_full
from receiver.web.schemas.acts import RunQuery, RunsQuery
from receiver.web.schemas.tasks import NoBody, NoQuery
from receiver.web.streaming import Disconnect
from submitter.api_runs import Run, RunNote, RunsPage

READ_EVERY_S = 0.5  # while somebody waits: another process may work on the run


async def list_runs(context: RequestContext[RunsQuery, NoBody]) -> JsonAnswer:
    query = context.query
    page = await context.services.store.runs.runs(cursor=query.cursor, limit=query.limit)
    return JsonAnswer(body=RunsPage(runs=tuple(map(run_view, page.items)), next_cursor=page.next_cursor))


async def show_run(context: RequestContext[RunQuery, NoBody]) -> JsonAnswer:
    """Answer at once, or when the run has ended or the wait is over."""
    wait_s = requested_wait_s(context.query, context.services.settings.api.wait_max_s)
    run = await find_run(context)
    if wait_s and run.is_open:
        run = await _ended(context, run, wait_s)
    return JsonAnswer(body=run_view(run))


async def _ended(context: RequestContext[RunQuery, NoBody], run: model.OperatorRun, wait_s: int) -> model.OperatorRun:
    """The run when it has ended, the time is over or the client has gone. Raise a 503 problem without a slot."""
    feed, disconnect = context.services.feed, Disconnect()
    if not feed.has_capacity:
        raise streams_full()
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    with feed.following(disconnect.trigger):
        async with disconnect.watched(context.request.receive):
            while run.is_open and (left_s := until_s - loop.time()) > 0:
                await asyncio.sleep(min(READ_EVERY_S, left_s))
                run = await find_run(context)
    return run


async def stop_run(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """End it after the items that it works on. One that has ended stays as it is."""
    run, services = await find_run(context), context.services
    await services.store.runs.stop(run.id, actor=context.actor, now_ms=services.clock())
    return JsonAnswer(body=run_view(await find_run(context)))


async def find_run(context: RequestContext[RunQuery, NoBody] | RequestContext[NoQuery, NoBody]) -> model.OperatorRun:
    """Return the run of the path. Raise a 404 problem, also for one that the caller does not see."""
    run = await context.services.store.runs.run(context.path_param("id"))
    if run is None or not sees_run(context, run):
        raise not_found("run")
    return run


def sees_run(context: RequestContext[Any, Any], run: model.OperatorRun) -> bool:
    """A limited key sees the runs that it has started; another key of the same name has not."""
    caller = context.caller
    is_own = caller.key_id is not None and run.condition.get("key_id") == caller.key_id
    return is_own or not caller.limits.are_set


def run_view(run: model.OperatorRun) -> Run:
    return Run.model_validate(
        {
            "id": run.id,
            "kind": run.kind,
            "actor": run.actor,
            "state": run.state.value,
            "expected": run.expected,
            "done": run.done,
            "failed": run.failed,
            "notes": tuple(map(_note, run.notes)),
            "created_at": run.created_ms,
            "ended_at": run.ended_ms,
            "last_error": run.last_error,
        }
    )


def _note(note: model.RunNote) -> RunNote:
    found = None if not note.found else look_view(note.item, json.loads(note.found))
    return RunNote(item=note.item, words=note.words, look=found)
