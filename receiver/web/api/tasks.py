"""Tasks: submit one, list them, show or wait for one, show its timeline."""

import re
from dataclasses import replace
from typing import Any, assert_never

from starlette.requests import Request

from receiver.tasks.model.queue import FREES_KEY
from receiver.tasks.model.reports import left_out
from receiver.tasks.model.submit_result import RefusedSubmit, Submitted
from receiver.tasks.model.task import IdempotencyMismatch, Task, TaskFilter
from receiver.tasks.model.timeline import TimelineEntry
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import kept_task
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, Problem, invalid, not_found, streams_full, with_retry_after
from receiver.web.schemas.tasks import NoBody, NoQuery, SubmitRequest, TaskQuery, TasksQuery
from receiver.web.streaming import Disconnect
from submitter import api
from submitter.errors import Violation
from submitter.model import ENDED, Refusal, TaskId

#: A refusal's kind, and the seconds until a new try makes sense where the provider names none. None: no time helps.
_REFUSALS: dict[Refusal, tuple[Kind, float | None]] = {
    Refusal.INVALID: (Kind.PROVIDER_INVALID, None),
    Refusal.DENIED: (Kind.PROVIDER_DENIED, None),
    Refusal.QUOTA: (Kind.OUT_OF_QUOTA, None),
    Refusal.THROTTLED: (Kind.PROVIDER_THROTTLED, 60),
    Refusal.UNAVAILABLE: (Kind.PROVIDER_UNAVAILABLE, 5),
}

_SAME_ANSWER = "Nothing was created. The same Idempotency-Key gives this answer again: use a new one to try again."

_KEY_IS_FREE = "Nothing was created. The same Idempotency-Key tries again."

#: Without a key, by whether a new try may help.
_NO_KEY = {True: "Nothing was created. Send it again to try again.", False: "Nothing was created."}

_WAIT_INSTEAD = "With `queue_for_s` over 0 it waits in the queue instead"

NO_ROOM_RETRY_S = 60  # where only the end of a task makes room

#: A wait without a number: shorter than the 60 s and 50 s after which nginx and HAProxy end a request by default.
USUAL_WAIT_S = 45

_WAIT = re.compile(r"wait\s*(?:=\s*\"?([^\s\";]*)\"?\s*)?(?:;.*)?", re.IGNORECASE | re.DOTALL)


async def submit_task(context: RequestContext[NoQuery, SubmitRequest]) -> JsonAnswer:
    key = _idempotency_key(context.request)
    request = kept_task(context.body.task_request(key, key_scope=context.actor), context.caller.limits)
    result = await context.services.submission.submit(request)
    match result:
        case Submitted():
            _trace(context, result.task.id, result.task.provider)
            return _accepted(result)
        case RefusedSubmit():
            _trace(context, result.task.id, result.task.provider)
            raise _refused(result)
        case IdempotencyMismatch():
            _trace(context, result.task_id, None)
            detail = f"It belongs to task {result.task_id}, which was submitted with another body."
            raise Problem(Kind.KEY_REUSED, detail, extra={"task": result.task_id})
        case _:
            assert_never(result)


def _trace(context: RequestContext[Any, Any], task_id: TaskId, provider: str | None) -> None:
    """Name the task in the log line of the request, so that the id of a request leads to it."""
    trace = trace_of(context.request.scope)
    trace.task, trace.provider = task_id, provider


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        violation = Violation(field="Idempotency-Key", rule="is given twice", accepted="one value")
        raise invalid(Kind.MALFORMED, violation)
    return given[0] if given else None


def _accepted(result: Submitted) -> JsonAnswer:
    body = api.Task.model_validate(result.task)
    if result.notify_secret is not None:
        body = api.SubmittedTask(**dict(body), notify=api.NotifySecret(secret=result.notify_secret))
    headers = {"Location": f"/v1/tasks/{result.task.id}"}
    if result.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JsonAnswer(body=body, status=202, headers=headers)


def _refused(result: RefusedSubmit) -> Problem:
    if result.is_without_room:
        return _without_room(result)
    kind, default_s = _REFUSALS[result.refused.refusal]
    error, may_pass = result.refused.error, result.refused.refusal in FREES_KEY
    what_next = _KEY_IS_FREE if may_pass else _SAME_ANSWER
    if result.task.idempotency_key is None:
        what_next = _NO_KEY[may_pass]
    problem = Problem(
        kind,
        f"{result.task.provider} answered {error.code}: {error.message} {what_next}",
        instance=f"/v1/tasks/{result.task.id}",
        extra={
            "provider": {"name": result.task.provider, "code": error.code, "message": error.message},
            "task": result.task.id,
        },
    )
    if default_s is None:
        return problem
    return with_retry_after(
        problem, default_s if result.refused.retry_after_s is None else result.refused.retry_after_s
    )


def _without_room(result: RefusedSubmit) -> Problem:
    """No provider was asked, so the answer names none as the one who refused."""
    again = "" if result.task.idempotency_key is None else "; the same Idempotency-Key tries again"
    name, reason = result.task.provider, result.refused.error.message
    detail = f"The account {name} has no room: {reason}. Nothing was sent. {_WAIT_INSTEAD}{again}."
    problem = Problem(Kind.NO_ROOM, detail, instance=f"/v1/tasks/{result.task.id}", extra={"task": result.task.id})
    wait_s = result.refused.retry_after_s
    return with_retry_after(problem, NO_ROOM_RETRY_S if wait_s is None else wait_s)


async def list_tasks(context: RequestContext[TasksQuery, NoBody]) -> JsonAnswer:
    query = context.query
    name, _, value = (query.label or "").partition("=")
    page = await context.services.store.tasks.tasks(
        TaskFilter(
            state=query.state,
            provider=query.provider,
            label=(name, value) if query.label else None,
            older_than_ms=None if query.older_than_s is None else context.services.clock() - query.older_than_s * 1000,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    found = tuple(api.Task.model_validate(task) for task in page.items)
    return JsonAnswer(body=api.TasksPage(tasks=found, next_cursor=page.next_cursor))


async def show_task(context: RequestContext[TaskQuery, NoBody]) -> JsonAnswer:
    """Answer at once, or when the task has ended or the wait is over."""
    max_s = context.services.settings.api.wait_max_s
    preferred_s = _preferred_wait_s(context.request, max_s)
    wait_s = _requested_wait_s(context.query, max_s) if _is_wait(context.query) else preferred_s
    task = await find_task(context)
    if wait_s and task.state not in ENDED:
        await _wait(context, task.id, wait_s)
        task = await find_task(context)
    headers = {} if preferred_s is None else {"Preference-Applied": f"wait={wait_s}"}
    place = await context.services.store.queue.place(task, context.services.clock())
    shown = api.TaskWithRequest.model_validate(task)
    body = api.TaskDetail(**dict(shown), queue=None if place is None else api.QueuePlace.model_validate(place))
    return JsonAnswer(body=body, headers=headers)


async def _wait(context: RequestContext[TaskQuery, NoBody], task_id: TaskId, wait_s: int) -> None:
    """Return when the task has ended, the time is over or the client has gone. Raise a 503 problem without a slot."""
    feed = context.services.feed
    if not feed.has_capacity:
        raise streams_full()
    async with Disconnect().watched(context.request.receive):
        await feed.wait_for_task(task_id, timeout_s=wait_s)


def _is_wait(query: TaskQuery) -> bool:
    return "wait" in query.model_fields_set


def _requested_wait_s(query: TaskQuery, max_s: int) -> int:
    """Return the parameter `wait`, or a wait that fits common proxies. Raise a 400 problem for one that is too long."""
    if query.wait is None:
        return min(USUAL_WAIT_S, max_s)
    if query.wait > max_s:
        raise invalid(Kind.MALFORMED, Violation(field="wait", rule="is too long", accepted=f"0 to {max_s} seconds"))
    return query.wait


def _preferred_wait_s(request: Request, max_s: int) -> int | None:
    """Return the `wait` of the Prefer header (RFC 7240): of several the first; other preferences are ignored.

    One that is too long is shortened, because it is a preference and the answer says what was applied.
    """
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    waits = (found[1] or "" for each in preferences if (found := _WAIT.fullmatch(each.strip())))
    text = next(waits, None)
    if not text:
        return None if text is None else min(USUAL_WAIT_S, max_s)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        violation = Violation(field="Prefer: wait", rule="is not a whole number in digits", accepted="seconds")
        raise invalid(Kind.MALFORMED, violation)
    return min(int(text), max_s)


async def show_timeline(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    task = await find_task(context)
    stored = await context.services.store.tasks.timeline(task.id)
    entries = tuple(_timeline_entry(entry) for entry in stored)
    return JsonAnswer(body=api.Timeline(task=task.id, timeline=entries, left_out=left_out(task.reports)))


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
    _trace(context, task.id, task.provider)
    return task
