"""Tasks: list, find, show or wait for one, show its timeline, explain it."""

from dataclasses import replace
from typing import Any

from receiver.runtime.explaining import explain_task
from receiver.tasks.model.queue import QueuePlace
from receiver.tasks.model.reports import left_out
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import TimelineEntry
from receiver.web.api.known_providers import check_filter
from receiver.web.api.owners import visible_owners
from receiver.web.api.waiting import applied, preferred_wait_s, requested_wait_s, wait_for_task
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, not_found
from receiver.web.schemas.searches import TasksQuery
from receiver.web.schemas.tasks import NoBody, NoQuery, TaskQuery
from submitter import api, api_tasks
from submitter.model import ENDED, TaskId


async def list_tasks(context: RequestContext[TasksQuery, NoBody]) -> JsonAnswer:
    query, services = context.query, context.services
    await check_filter(context, query.provider, Kind.MALFORMED)
    wanted = replace(query.task_search(services.clock()), limits=context.caller.limits)
    page = await services.store.task_search.page(wanted, cursor=query.cursor, limit=query.limit)
    found = tuple(api.Task.model_validate(task) for task in page.tasks)
    return JsonAnswer(body=api.TasksPage(tasks=found, next_cursor=page.next_cursor))


async def show_task(context: RequestContext[TaskQuery, NoBody]) -> JsonAnswer:
    """Answer at once, or when the task has ended or the wait is over."""
    max_s = context.services.settings.api.wait_max_s
    preferred_s = preferred_wait_s(context.request, max_s)
    requested_s = requested_wait_s(context.query, max_s)
    wait_s = preferred_s if requested_s is None else requested_s
    task = await find_task(context)
    if wait_s and task.state not in ENDED:
        await wait_for_task(context, task.id, wait_s)
        task = await find_task(context)
    place = await context.services.store.queue.place(task, context.services.clock())
    headers = {} if preferred_s is None else applied(wait_s or 0)
    return JsonAnswer(body=_detail(task, place), headers=headers)


def _detail(task: Task, place: QueuePlace | None) -> api.TaskDetail:
    queue = None if place is None else api.QueuePlace.model_validate(place)
    return api.TaskDetail.model_validate(task).model_copy(update={"queue": queue})


async def show_timeline(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    task = await find_task(context)
    stored = await context.services.store.tasks.timeline(task.id, owners=await visible_owners(context))
    entries = tuple(map(_timeline_entry, stored))
    return JsonAnswer(body=api.Timeline(task=task.id, timeline=entries, left_out=left_out(task.reports)))


async def explain(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    task = await find_task(context)
    found = await explain_task(context.services, task, owners=await visible_owners(context))
    body = api_tasks.Explanation(
        task=_detail(task, found.place),
        timeline=tuple(map(_timeline_entry, found.timeline)),
        left_out=left_out(task.reports),
        next=found.steps.automatic,
        cure=found.steps.manual,
    )
    return JsonAnswer(body=body)


def _timeline_entry(entry: TimelineEntry) -> api.TimelineEntry:
    """Leave out the raw message of an observation, because it may hold ids and addresses that are not for every reader.

    The `reply` of an answer that could not be used stays, because without it nobody sees what is wrong.
    """
    detail = {name: value for name, value in entry.detail.items() if name != "raw"}
    return api.TimelineEntry.model_validate(replace(entry, detail=detail))


async def find_task(context: RequestContext[Any, Any]) -> Task:
    """Return the task of the path, by our id. Raise a 404 problem, also for one outside of the limits of the key."""
    task = await context.services.store.tasks.task(TaskId(context.path_param("id")))
    if task is None or not context.caller.limits.let_through(task.provider, task.labels):
        raise not_found("task")
    trace = trace_of(context.request.scope)
    trace.task, trace.provider = task.id, task.provider
    return task
