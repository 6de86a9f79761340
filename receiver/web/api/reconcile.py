"""What operators do to tasks: poll the provider now, and settle a submit whose reply was lost."""

from typing import Any

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.task import SettleRefused, Task
from receiver.tasks.model.views import task_view
from receiver.web.api.tasks import find_task
from receiver.web.endpoint import Answer, RequestContext
from receiver.web.problems import Kind, Problem, ProblemError, invalid
from receiver.web.schemas.tasks import NoQuery, ReconcileOrder, ReconcileTaskOrder, SettleOrder, report_view
from submitter.errors import Violation
from submitter.model import ProviderTaskId


async def reconcile_task(call: RequestContext[NoQuery, ReconcileTaskOrder]) -> Answer:
    task = await find_task(call)
    return await _reconcile(call, ReconcileFilter(task=task.id))


async def reconcile(call: RequestContext[NoQuery, ReconcileOrder]) -> Answer:
    wanted = call.body
    providers = call.services.providers
    if wanted.provider is not None and wanted.provider not in providers:
        accepted = ", ".join(providers) or "none: no provider is configured"
        violation = Violation(field="provider", rule="is not configured", accepted=accepted)
        raise invalid(Kind.INVALID, violation)
    condition = ReconcileFilter(provider=wanted.provider, older_than_s=wanted.older_than_s, task=wanted.task_id)
    return await _reconcile(call, condition)


async def _reconcile(call: RequestContext[NoQuery, Any], condition: ReconcileFilter) -> Answer:
    order: ReconcileTaskOrder = call.body
    mode = ReconcileMode.of(dry_run=order.dry_run, ask=order.ask)
    request = ManualRequest(condition=condition, mode=mode, actor=f"key {call.actor}")
    return Answer(body=report_view(await call.services.manual_reconcile.run(request)))


async def settle(call: RequestContext[NoQuery, SettleOrder]) -> Answer:
    if (call.body.task_id is None) == (call.body.refused is None):
        violation = Violation(
            field="task_id", rule="is not the only one of task_id and refused", accepted="one of the two"
        )
        raise invalid(Kind.INVALID, violation)
    task = await find_task(call)
    settled = await _settle(call, task)
    if isinstance(settled, SettleRefused):
        raise ProblemError(Problem(Kind.CONFLICT, settled.reason, instance=f"/v1/tasks/{task.id}"))
    return Answer(body=task_view(settled))


async def _settle(call: RequestContext[NoQuery, SettleOrder], task: Task) -> Task | SettleRefused:
    submits, now_ms, actor = call.services.store.submissions, call.services.clock(), f"key {call.actor}"
    if call.body.task_id is None:
        return await submits.settle_refuse(task.id, actor=actor, now_ms=now_ms)
    # Asked about at once: the operator has seen it at the provider, so it is there.
    return await submits.settle_adopt(
        task.id, ProviderTaskId(call.body.task_id), next_poll_ms=now_ms, actor=actor, now_ms=now_ms
    )
