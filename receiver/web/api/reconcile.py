"""What operators do to tasks: poll the provider now, and settle a submit whose reply was lost."""

from typing import Any

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.task import SettleRefused, Task
from receiver.web.api.tasks import find_task
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import Kind, Problem, invalid
from receiver.web.schemas.tasks import NoQuery, ReconcileRequest, ReconcileTaskRequest, SettleRequest
from submitter import api
from submitter.errors import Violation
from submitter.model import ProviderTaskId


async def reconcile_task(context: RequestContext[NoQuery, ReconcileTaskRequest]) -> JsonAnswer:
    task = await find_task(context)
    return await _reconcile(context, ReconcileFilter(task=task.id))


async def reconcile(context: RequestContext[NoQuery, ReconcileRequest]) -> JsonAnswer:
    wanted = context.body
    providers = context.services.providers
    if wanted.provider is not None and wanted.provider not in providers:
        accepted = ", ".join(providers) or "none: no provider is configured"
        violation = Violation(field="provider", rule="is not configured", accepted=accepted)
        raise invalid(Kind.INVALID, violation)
    condition = ReconcileFilter(provider=wanted.provider, older_than_s=wanted.older_than_s, task=wanted.task_id)
    return await _reconcile(context, condition)


async def _reconcile(context: RequestContext[NoQuery, Any], condition: ReconcileFilter) -> JsonAnswer:
    wanted: ReconcileTaskRequest = context.body
    mode = ReconcileMode.of(dry_run=wanted.dry_run, ask=wanted.ask)
    request = ManualRequest(condition=condition, mode=mode, actor=context.actor)
    summary = await context.services.manual_reconcile.run(request)
    return JsonAnswer(body=api.ReconcileSummary.model_validate(summary))


async def settle(context: RequestContext[NoQuery, SettleRequest]) -> JsonAnswer:
    if (context.body.task_id is None) == (context.body.refused is None):
        rule, accepted = "give exactly one of `task_id` and `refused`", "one of the two"
        raise invalid(Kind.INVALID, Violation(field="task_id", rule=rule, accepted=accepted))
    task = await find_task(context)
    settled = await _settle(context, task)
    if isinstance(settled, SettleRefused):
        raise Problem(Kind.CONFLICT, settled.reason, instance=f"/v1/tasks/{task.id}")
    context.services.commit_notifier.notify()  # a task that is settled as refused has ended
    return JsonAnswer(body=api.Task.model_validate(settled))


async def _settle(context: RequestContext[NoQuery, SettleRequest], task: Task) -> Task | SettleRefused:
    submits, now_ms = context.services.store.submissions, context.services.clock()
    provider_task_id = context.body.task_id
    if provider_task_id is None:
        return await submits.settle_refuse(task.id, actor=context.actor, now_ms=now_ms)
    # Polled at once, because the operator has seen it at the provider: it is visible there.
    return await submits.settle_adopt(
        task.id, ProviderTaskId(provider_task_id), next_poll_ms=now_ms, actor=context.actor, now_ms=now_ms
    )
