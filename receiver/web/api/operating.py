"""What operators do with one task: cancel it, look for it in its provider's list."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from receiver.runtime.canceling import cancel_task
from receiver.runtime.operator_runs.acts import candidates
from receiver.tasks.operator import NotCanceled
from receiver.web.api.tasks import find_task
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import check_account
from receiver.web.problems import Kind, Problem, with_retry_after
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter import api, api_tasks
from submitter.errors import TransportError
from submitter.model import TaskState
from submitter.timestamps import rfc3339

ASK_AGAIN_S = 60.0

LOOK_MOST_S = 45.0  # as long as a wait: common proxies end a request later


async def cancel(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    task = await find_task(context)
    instance = f"/v1/tasks/{task.id}"
    try:
        outcome = await cancel_task(context.services, task.id, actor=context.actor)
    except TransportError as error:
        detail = f"{task.provider} does not answer: {type(error).__name__}. The state of the task is polled now."
        problem = Problem(Kind.PROVIDER_UNAVAILABLE, detail, instance=instance)
        raise with_retry_after(problem, ASK_AGAIN_S) from None
    if isinstance(outcome, NotCanceled):
        raise Problem(Kind.CONFLICT, f"It is not canceled: {outcome.reason}.", instance=instance)
    found = api.Task.model_validate(outcome.task)
    return JsonAnswer(body=api_tasks.CanceledTask(task=found, was_queued=outcome.was_queued))


async def look(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """Read the provider's list for the time of a lost submit. Nothing is changed."""
    task, services = await find_task(context), context.services
    check_account(context.caller.limits)
    instance = f"/v1/tasks/{task.id}"
    if task.state is not TaskState.UNCERTAIN:
        detail = f"Only an uncertain task can be looked for; this one is {task.state.value}."
        raise Problem(Kind.CONFLICT, detail, instance=instance)
    try:
        async with asyncio.timeout(LOOK_MOST_S):
            (result,) = await candidates.look(services, [task.id], {}, context.actor)
    except TimeoutError:
        detail = f"The list was not read within {LOOK_MOST_S:.0f} s. POST /v1/tasks/look goes on for longer."
        raise with_retry_after(Problem(Kind.PROVIDER_UNAVAILABLE, detail, instance=instance), ASK_AGAIN_S) from None
    if not result.found:
        raise Problem(Kind.CONFLICT, f"{result.words[:1].upper()}{result.words[1:]}.", instance=instance)
    return JsonAnswer(body=look_view(task.id, json.loads(result.found)))


def look_view(task_id: str, found: Mapping[str, Any]) -> api_tasks.Look:
    """What a look keeps of one task; `problem` says why there is less than all of it."""
    return api_tasks.Look(
        task=task_id,
        provider=found.get("provider", ""),
        listed=found.get("listed", 0),
        problem=found["problem"] or None,
        clear=found.get("clear"),
        why=found.get("why") or None,
        candidates=tuple(map(_candidate, found["candidates"])),
        more=found.get("more", 0),
    )


def _candidate(found: Mapping[str, Any]) -> api_tasks.Candidate:
    return api_tasks.Candidate(
        provider_task_id=found["id"],
        raw_state=found["state"],
        model=found["model"],
        prompt=found["prompt"],
        created_at=None if found["created_ms"] is None else rfc3339(found["created_ms"]),
        after_s=None if found["after_ms"] is None else found["after_ms"] / 1000,
        same_model=found["same_model"],
        same_prompt=found["same_prompt"],
        fits=found["fits"],
        also_fits=tuple(found["rivals"]),
    )
