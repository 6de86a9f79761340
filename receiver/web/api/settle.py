"""Settling a task: what its lost submit came to, or how it ended where the provider reports no end that is known."""

from typing import Any

from receiver.tasks.model.settle import OperatorId, read_end
from receiver.tasks.model.task import SettleRefused, Task
from receiver.tasks.operator import Identified, NotIdentified
from receiver.web.api.tasks import find_task
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import check_ids
from receiver.web.problems import Kind, Problem, invalid, with_retry_after
from receiver.web.schemas.tasks import SETTLE_WAYS, IdentifyRequest, NoQuery, SettleRequest
from submitter import api, api_tasks
from submitter.errors import Violation
from submitter.model import Denied, ProviderTaskId, Throttled, Unavailable
from submitter.providers.json_reader import usable_id

ASK_AGAIN_S = 60.0  # where the provider names no time

_FORCE = "`force` settles without this check"


async def settle(context: RequestContext[NoQuery, SettleRequest]) -> JsonAnswer:
    wanted = context.body
    if len(wanted.ways) != 1:
        names = ", ".join(f"`{name}`" for name in SETTLE_WAYS)
        raise invalid(Kind.INVALID, Violation(field="task_id", rule=f"give exactly one of {names}", accepted="one"))
    if wanted.force and wanted.task_id is None:
        violation = Violation(field="force", rule="goes with `task_id`", accepted="`force` and `task_id`, or neither")
        raise invalid(Kind.INVALID, violation)
    task = await find_task(context)
    if wanted.task_id is not None:
        check_ids(context.caller.limits)
    settled = await _settle(context, task)
    if isinstance(settled, SettleRefused):
        raise _conflict(task, settled.reason)
    return JsonAnswer(body=api.Task.model_validate(settled))


async def identify(context: RequestContext[NoQuery, IdentifyRequest]) -> JsonAnswer:
    """What the provider answers about an id, before a submit is settled with it."""
    task = await find_task(context)
    check_ids(context.caller.limits)
    seen = await _identified(context, task, _usable(context.body.task_id))
    shown = api.Task.model_validate(task)
    return JsonAnswer(
        body=api_tasks.Identification(
            task=shown, asked_for=context.body.task_id, says=str(seen), state=seen.state, doubts=seen.doubts
        )
    )


async def _settle(context: RequestContext[NoQuery, SettleRequest], task: Task) -> Task | SettleRefused:
    wanted, services = context.body, context.services
    if wanted.refused is not None:
        return await services.operator.refuse(task.id, actor=context.actor)
    if wanted.task_id is None:
        return await _end(context, task)
    provider_task_id = _usable(wanted.task_id)
    found = "" if wanted.force else await _ask(context, task, provider_task_id)
    named = OperatorId(provider_task_id=provider_task_id, instead_of=task.provider_task_id, found=found)
    return await services.store.submissions.settle_adopt(task.id, named, actor=context.actor, now_ms=services.clock())


def _usable(given: str) -> ProviderTaskId:
    """Raise a 422 problem for what is no id."""
    provider_task_id = usable_id(given)
    if provider_task_id is None:
        rule, accepted = "cannot be the id of a task", "printable text as the provider shows it"
        raise invalid(Kind.INVALID, Violation(field="task_id", rule=rule, accepted=accepted))
    return provider_task_id


async def _ask(context: RequestContext[NoQuery, SettleRequest], task: Task, provider_task_id: ProviderTaskId) -> str:
    """What the provider answers about the id. Raise a problem for an unknown id, and for one that may be of another."""
    seen = await _identified(context, task, provider_task_id)
    if seen.doubts:
        raise _conflict(task, f"{seen}: {'; '.join(seen.doubts)}; {_FORCE}.")
    return str(seen)


async def _identified(
    context: RequestContext[NoQuery, Any], task: Task, provider_task_id: ProviderTaskId
) -> Identified:
    """What the provider answers about the id. Raise a problem where it must not be used, or nothing is known."""
    configured = context.services.providers.get(task.provider)
    if configured is None:
        raise _conflict(task, f"{task.provider} is not among the configured providers; {_FORCE}.")
    seen = await context.services.operator.identify(task, provider_task_id, configured)
    if isinstance(seen, SettleRefused):
        raise _conflict(task, seen.reason)
    if isinstance(seen, NotIdentified):
        raise _no_answer(task, seen)
    return seen


async def _end(context: RequestContext[NoQuery, SettleRequest], task: Task) -> Task | SettleRefused:
    wanted = context.body
    configured = context.services.providers.get(task.provider)
    end = read_end(
        succeeded=wanted.succeeded,
        failed=wanted.failed,
        canceled=wanted.canceled is not None,
        own_host=None if configured is None else configured.account.base_url,
    )
    return await context.services.operator.end(task.id, end, actor=context.actor)


def _conflict(task: Task, reason: str) -> Problem:
    return Problem(Kind.CONFLICT, reason, instance=f"/v1/tasks/{task.id}")


def _no_answer(task: Task, seen: NotIdentified) -> Problem:
    kind, wait_s = Kind.PROVIDER_UNAVAILABLE, None
    match seen.outcome:
        case Throttled():
            kind, wait_s = Kind.PROVIDER_THROTTLED, seen.outcome.retry_after_s
        case Denied():
            kind = Kind.PROVIDER_DENIED
        case Unavailable():
            wait_s = seen.outcome.retry_after_s
    detail = f"{seen.reason}; nothing was changed. Try again, or {_FORCE}."
    problem = Problem(kind, detail, instance=f"/v1/tasks/{task.id}")
    return problem if kind is Kind.PROVIDER_DENIED else with_retry_after(problem, wait_s or ASK_AGAIN_S)
