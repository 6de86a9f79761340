"""Tasks: submit one, look at one or many, wait for one, read its story."""

import re
from collections.abc import Mapping
from typing import Any, assert_never

from starlette.requests import Request

from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.model.views import task_view
from receiver.tasks.submission import MismatchedKey, RefusedSubmit, Submitted
from receiver.web.endpoint import Answer, RequestContext
from receiver.web.problems import Kind, Problem, ProblemError, invalid, streams_full, with_retry_after
from receiver.web.schemas.tasks import NoBody, NoQuery, TaskOrder, TaskQuery, TasksQuery, order_of
from receiver.web.streaming import Exit
from submitter.errors import Violation
from submitter.model import ENDED, Refusal, TaskId
from submitter.timestamps import rfc3339

#: A refusal's kind, and the seconds until a new try makes sense where the provider names none.
_REFUSALS: dict[Refusal, tuple[Kind, float | None]] = {
    Refusal.INVALID: (Kind.PROVIDER_INVALID, None),
    Refusal.DENIED: (Kind.PROVIDER_DENIED, 300),
    Refusal.QUOTA: (Kind.OUT_OF_QUOTA, None),
    Refusal.THROTTLED: (Kind.PROVIDER_THROTTLED, 60),
    Refusal.UNAVAILABLE: (Kind.PROVIDER_UNAVAILABLE, 5),
}

_NEW_KEY = "Nothing was created. The same Idempotency-Key gives this answer again: use a new one to try again."

_WAIT = re.compile(r"wait\s*=\s*\"?([^\s\";]*)\"?", re.IGNORECASE)


async def submit_task(call: RequestContext[NoQuery, TaskOrder]) -> Answer:
    result = await call.services.submission.submit(order_of(call.body, _idempotency_key(call.request)))
    match result:
        case Submitted():
            return _accepted(result)
        case RefusedSubmit():
            raise ProblemError(_refused(result))
        case MismatchedKey():
            detail = f"It belongs to task {result.task_id}, which was ordered otherwise."
            raise ProblemError(Problem(Kind.KEY_REUSED, detail, extra={"task": result.task_id}))
        case _:
            assert_never(result)


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        violation = Violation(field="Idempotency-Key", rule="is given twice", accepted="one value")
        raise invalid(Kind.MALFORMED, violation)
    return given[0] if given else None


def _accepted(result: Submitted) -> Answer:
    body = task_view(result.task)
    if result.notify_secret is not None:
        body["notify"] = {"secret": result.notify_secret}
    headers = {"Location": f"/v1/tasks/{result.task.id}"}
    if result.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Answer(body=body, status=202, headers=headers)


def _refused(result: RefusedSubmit) -> Problem:
    kind, default_s = _REFUSALS[result.refused.refusal]
    error = result.refused.error
    problem = Problem(
        kind,
        f"{result.task.provider} answered {error.code}: {error.message} {_NEW_KEY}",
        instance=f"/v1/tasks/{result.task.id}",
        extra={
            "provider": {"name": result.task.provider, "code": error.code, "message": error.message},
            "task": result.task.id,
        },
    )
    after_s = result.refused.retry_after_s if result.refused.retry_after_s is not None else default_s
    return problem if after_s is None or kind.status != 503 else with_retry_after(problem, after_s)


async def list_tasks(call: RequestContext[TasksQuery, NoBody]) -> Answer:
    wanted = call.query
    name, _, value = (wanted.label or "").partition("=")
    page = await call.services.store.tasks.tasks(
        TaskFilter(
            state=wanted.state,
            provider=wanted.provider,
            label=(name, value) if wanted.label else None,
            older_than_ms=None if wanted.older_than_s is None else call.services.clock() - wanted.older_than_s * 1000,
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
    )
    return Answer(body={"tasks": [task_view(task) for task in page.items], "next_cursor": page.next_cursor})


async def show_task(call: RequestContext[TaskQuery, NoBody]) -> Answer:
    """At once, or when it has ended, or when the wait is over: the state tells which."""
    preferred_s = _preferred_wait_s(call.request)
    wait_s = call.query.wait if call.query.wait is not None else preferred_s
    _check_wait(wait_s, call.services.settings.api.wait_max_s)
    task = await find_task(call)
    if wait_s and task.state not in ENDED:
        await _wait(call, task.id, wait_s)
        task = await find_task(call)
    headers = {} if preferred_s is None else {"Preference-Applied": f"wait={wait_s}"}
    return Answer(body=task_view(task), headers=headers)


async def _wait(call: RequestContext[TaskQuery, NoBody], task_id: TaskId, wait_s: int) -> None:
    """As long as there is somebody to tell. Raise a 503 problem when too many wait already."""
    feed = call.services.feed
    if not feed.has_capacity:
        raise streams_full()
    async with Exit().watched(call.request.receive):
        await feed.wait_for_task(task_id, timeout_s=wait_s)


def _preferred_wait_s(request: Request) -> int | None:
    """RFC 7240: other preferences are none of ours; of several waits the first counts."""
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    waits = (found[1] for each in preferences if (found := _WAIT.match(each.strip())))
    text = next(waits, None)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        violation = Violation(field="Prefer: wait", rule="is not a whole number in digits", accepted="seconds")
        raise invalid(Kind.MALFORMED, violation)
    return int(text)


def _check_wait(wait_s: int | None, most_s: int) -> None:
    if wait_s is not None and wait_s > most_s:
        raise invalid(Kind.MALFORMED, Violation(field="wait", rule="is too long", accepted=f"0 to {most_s} seconds"))


async def show_timeline(call: RequestContext[NoQuery, NoBody]) -> Answer:
    """Providers' raw messages stay in the ledger: they may hold ids and addresses that are not for every reader."""
    task = await find_task(call)
    notes = await call.services.store.tasks.timeline(task.id)
    lines: list[dict[str, Any]] = [
        {"at": rfc3339(note.at_ms), "kind": note.kind, "summary": note.summary, "detail": _without_raw(note.detail)}
        for note in notes
    ]
    return Answer(body={"task": task.id, "timeline": lines})


def _without_raw(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name != "raw"}


async def find_task(call: RequestContext[Any, Any]) -> Task:
    """The task in the path, by our id. Raise a 404 problem."""
    task = await call.services.store.tasks.task(TaskId(call.part("id")))
    if task is None:
        raise ProblemError(Problem(Kind.NOT_FOUND, "There is no task of that id."))
    return task
