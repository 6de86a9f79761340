"""Polling a provider now, because an operator asks for it."""

from typing import Any

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.web.api.tasks import find_task
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import visible_providers
from receiver.web.problems import Kind, invalid
from receiver.web.schemas.tasks import NoQuery, ReconcileRequest, ReconcileTaskRequest
from submitter import api
from submitter.errors import Violation


async def reconcile_task(context: RequestContext[NoQuery, ReconcileTaskRequest]) -> JsonAnswer:
    task = await find_task(context)
    return await _reconcile(context, ReconcileFilter(task=task.id, limits=context.caller.limits))


async def reconcile(context: RequestContext[NoQuery, ReconcileRequest]) -> JsonAnswer:
    wanted = context.body
    limits = context.caller.limits
    providers = visible_providers(context.services.providers, limits)
    if wanted.provider is not None and wanted.provider not in providers:
        accepted = ", ".join(providers) or "none: no provider is configured"
        violation = Violation(field="provider", rule="is not configured", accepted=accepted)
        raise invalid(Kind.INVALID, violation)
    condition = ReconcileFilter(
        provider=wanted.provider, older_than_s=wanted.older_than_s, task=wanted.task_id, limits=limits
    )
    return await _reconcile(context, condition)


async def _reconcile(context: RequestContext[NoQuery, Any], condition: ReconcileFilter) -> JsonAnswer:
    wanted: ReconcileTaskRequest = context.body
    mode = ReconcileMode.of(dry_run=wanted.dry_run, ask=wanted.ask)
    request = ManualRequest(condition=condition, mode=mode, actor=context.actor)
    summary = await context.services.manual_reconcile.run(request)
    return JsonAnswer(body=api.ReconcileSummary.model_validate(summary))
