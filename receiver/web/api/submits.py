"""Submits: one, or a batch of which each comes to its own outcome."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, assert_never

import structlog
from starlette.requests import Request

from receiver.store.errors import StoreError
from receiver.tasks.model.queue import FREES_KEY
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.model.submit_result import RefusedSubmit, SubmitResult, Submitted
from receiver.tasks.model.task import IdempotencyMismatch
from receiver.web.api.waiting import applied, preferred_wait_s, wait_for_task
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import kept_task
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, Problem, invalid, members_of, with_retry_after
from receiver.web.schemas.acts import BatchRequest, BatchTask, BrokenTask
from receiver.web.schemas.tasks import NoQuery, SubmitRequest
from receiver.web.validation import violations_of
from submitter import api, api_tasks
from submitter.errors import InvalidRequest, Violation
from submitter.model import ENDED, Refusal

log = structlog.get_logger(__name__)

AT_ONCE = 4  # submits of one batch; more meet the providers' limits on concurrent requests

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

_MEMBERS = {"Idempotency-Key": "idempotency_key"}

NO_ROOM_RETRY_S = 60  # where only the end of a task makes room


async def submit_task(context: RequestContext[NoQuery, SubmitRequest]) -> JsonAnswer:
    """Answer once it is submitted; with a preference to wait once it has ended or the time is over."""
    key = _idempotency_key(context.request)
    wait_s = preferred_wait_s(context.request, context.services.settings.api.wait_max_s)
    request = kept_task(context.body.task_request(key, key_scope=context.actor), context.caller.limits)
    result = await context.services.submission.submit(request)
    _trace(context, result)
    if not isinstance(result, Submitted):
        raise _problem_of(result)
    return await _ended(context, result, wait_s) if wait_s else _accepted(result)


async def _ended(context: RequestContext[Any, Any], result: Submitted, wait_s: int) -> JsonAnswer:
    """The task when it has ended. Whatever keeps us from waiting, it was submitted, and the answer must say so."""
    task, services = result.task, context.services
    if task.state not in ENDED:
        if not services.feed.has_capacity:
            return _accepted(result)
        try:
            await wait_for_task(context, task.id, wait_s)
            task = await services.store.tasks.task(task.id) or task
        except StoreError:
            return _accepted(result)
    answer = _accepted(replace(result, task=task))
    return replace(answer, status=200 if task.state in ENDED else 202, headers={**answer.headers, **applied(wait_s)})


def _trace(context: RequestContext[Any, Any], result: SubmitResult) -> None:
    """Name the task in the log line of the request, so that the id of a request leads to it."""
    trace = trace_of(context.request.scope)
    if isinstance(result, IdempotencyMismatch):
        trace.task, trace.provider = result.task_id, None
    else:
        trace.task, trace.provider = result.task.id, result.task.provider


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        violation = Violation(field="Idempotency-Key", rule="is given twice", accepted="one value")
        raise invalid(Kind.MALFORMED, violation)
    return given[0] if given else None


def _accepted(result: Submitted) -> JsonAnswer:
    headers = {"Location": f"/v1/tasks/{result.task.id}"}
    if result.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JsonAnswer(body=_submitted(result), status=202, headers=headers)


def _submitted(result: Submitted) -> api.Task:
    body = api.Task.model_validate(result.task)
    if result.notify_secret is None:
        return body
    return api.SubmittedTask(**dict(body), notify=api.NotifySecret(secret=result.notify_secret))


def _problem_of(result: RefusedSubmit | IdempotencyMismatch) -> Problem:
    match result:
        case RefusedSubmit():
            return _refused(result)
        case IdempotencyMismatch():
            detail = f"It belongs to task {result.task_id}, which was submitted with another body."
            return Problem(Kind.KEY_REUSED, detail, extra={"task": result.task_id})
        case _:
            assert_never(result)


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


# Batches.


async def submit_batch(context: RequestContext[NoQuery, BatchRequest]) -> JsonAnswer:
    """Every task is checked before the first one is sent, and with `dry_run` none is sent.

    Each comes to its own outcome, whatever becomes of others.
    """
    if "idempotency-key" in context.request.headers:
        rule, accepted = "does not go with a batch", "an `idempotency_key` in each task"
        raise invalid(Kind.MALFORMED, Violation(field="Idempotency-Key", rule=rule, accepted=accepted))
    tasks = context.body.checked
    _check_keys(tasks)
    checked = await asyncio.to_thread(_checked, context, tasks)  # because many large ones would hold up everybody
    room = asyncio.Semaphore(AT_ONCE)
    outcomes = await asyncio.gather(*(_outcome(context, place, each, room) for place, each in enumerate(checked)))
    return JsonAnswer(body=api_tasks.BatchAnswer(outcomes=tuple(outcomes)))


def _check_keys(tasks: Sequence[BatchTask | BrokenTask]) -> None:
    """Raise a problem for a key that is given twice, because nobody can tell which of the tasks it is meant for."""
    keys = [task.idempotency_key if isinstance(task, BatchTask) else None for task in tasks]
    first = {key: keys.index(key) for key in keys if key is not None}
    twice = [
        Violation(
            field=f"tasks[{place}].idempotency_key",
            rule=f"is that of tasks[{first[key]}] too",
            accepted="a key that no other task of the batch has",
        )
        for place, key in enumerate(keys)
        if key is not None and first[key] != place
    ]
    if twice:
        raise invalid(Kind.INVALID, *twice)


def _checked(
    context: RequestContext[NoQuery, BatchRequest], tasks: Sequence[BatchTask | BrokenTask]
) -> list[TaskRequest | Problem]:
    """What the submission takes of each task, or why it takes none."""
    found: list[TaskRequest | Problem] = []
    for place, task in enumerate(tasks):
        if isinstance(task, BrokenTask):
            found.append(_invalid(place, violations_of(BatchTask, task.error)))
            continue
        try:
            request = kept_task(task.task_request(task.idempotency_key, key_scope=context.actor), context.caller.limits)
            context.services.submission.check(request)
        except InvalidRequest as error:
            found.append(_invalid(place, error.violations))
        except Problem as outside:
            found.append(outside)
        else:
            found.append(request)
    return found


def _invalid(place: int, violations: Sequence[Violation]) -> Problem:
    named = [replace(each, field=f"tasks[{place}]{_member(each.field)}") for each in violations]
    return invalid(Kind.INVALID, *named)


def _member(field: str) -> str:
    """What is a header of a single submit is a member of a task of a batch."""
    return "" if field == "body" else f".{_MEMBERS.get(field, field)}"


async def _outcome(
    context: RequestContext[NoQuery, BatchRequest], place: int, request: TaskRequest | Problem, room: asyncio.Semaphore
) -> api_tasks.BatchOutcome:
    if isinstance(request, Problem):
        return _failed(context, place, request)
    if context.body.dry_run:
        return api_tasks.BatchOutcome(index=place, status=200, replayed=False, task=None, problem=None)
    async with room:
        result = await _submit(context, request)
    match result:
        case Problem():
            return _failed(context, place, result)
        case Submitted():
            task = api.SubmittedTask.model_validate(_submitted(result))
            return api_tasks.BatchOutcome(index=place, status=202, replayed=result.replayed, task=task, problem=None)
        case RefusedSubmit():
            return _failed(context, place, _problem_of(result), replayed=result.replayed)
        case IdempotencyMismatch():
            return _failed(context, place, _problem_of(result))
        case _:
            assert_never(result)


async def _submit(context: RequestContext[NoQuery, BatchRequest], request: TaskRequest) -> SubmitResult | Problem:
    """Raise nothing, because the outcomes of tasks that were sent must reach the caller."""
    try:
        return await context.services.submission.submit(request)
    except StoreError as error:
        log.warning("batch_task_not_stored", provider=request.provider, error=str(error))
        return Problem(Kind.UNAVAILABLE)
    except Exception:
        log.exception("submit_failed", provider=request.provider)
        return Problem(Kind.INTERNAL)


def _failed(
    context: RequestContext[Any, Any], place: int, problem: Problem, *, replayed: bool = False
) -> api_tasks.BatchOutcome:
    members = members_of(problem, trace_of(context.request.scope).request_id)
    body = api.Problem.model_validate(members)
    return api_tasks.BatchOutcome(index=place, status=body.status, replayed=replayed, task=None, problem=body)
