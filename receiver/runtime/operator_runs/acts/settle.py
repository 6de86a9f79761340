"""Settle tasks: say what a lost submit came to, or how a task ended that its provider does not end in known words."""

from collections.abc import Sequence

from receiver.runtime.operator_runs.acts.act import Condition
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services
from receiver.tasks.model.settle import OperatorId, read_end
from receiver.tasks.model.task import SettleRefused, Task
from submitter.model import ProviderTaskId, TaskId


async def the_task(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    return RunItems(items=(condition["task"],))


async def refuse(services: Services, items: Sequence[str], _condition: Condition, actor: str) -> Sequence[ItemResult]:
    """Settle uncertain submits as never created. One that has got an id meanwhile is left alone."""
    return [_result(item, await services.operator.refuse(TaskId(item), actor=actor, seen="")) for item in items]


async def settle(services: Services, items: Sequence[str], condition: Condition, actor: str) -> Sequence[ItemResult]:
    """As the condition says: `way` is adopt, refused, succeeded, failed or canceled, with its `value`."""
    return [_result(item, await _settle(services, TaskId(item), condition, actor)) for item in items]


async def _settle(services: Services, task_id: TaskId, condition: Condition, actor: str) -> Task | SettleRefused:
    way, value = condition["way"], condition["value"]
    if way == "refused":
        return await services.operator.refuse(task_id, actor=actor, seen=condition["seen"])
    task = await services.store.tasks.task(task_id)
    if task is None:
        return SettleRefused(reason="there is no such task any more")
    if way == "adopt":
        given = OperatorId(
            provider_task_id=ProviderTaskId(value),
            instead_of=ProviderTaskId(condition["seen"]) if condition["seen"] else None,
            found=condition["found"],
        )
        return await services.store.submissions.settle_adopt(task_id, given, actor=actor, now_ms=services.clock())
    configured = services.providers.get(task.provider)
    end = read_end(
        succeeded=[value] if way == "succeeded" else None,
        failed=value if way == "failed" else None,
        canceled=way == "canceled",
        own_host=None if configured is None else configured.account.base_url,
    )
    return await services.operator.end(task_id, end, actor=actor)


def _result(item: str, settled: Task | SettleRefused) -> ItemResult:
    if isinstance(settled, SettleRefused):
        return ItemResult(item=item, is_done=False, words=settled.reason)
    return ItemResult(item=item, words=f"now {settled.state.value}")
