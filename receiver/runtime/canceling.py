"""Cancel a task: out of the queue, or at its provider."""

from dataclasses import dataclass

from receiver.runtime.services import Services
from receiver.tasks.model.task import Task
from receiver.tasks.operator import NotCanceled
from submitter.model import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """The task was taken out of the queue, or its provider accepted the request; then the next poll shows the end."""

    task: Task
    was_queued: bool


async def cancel_task(services: Services, task_id: TaskId, *, actor: str) -> Canceled | NotCanceled:
    """Raise TransportError where the provider does not answer, or StoreUnavailable."""
    taken = await services.store.queue.cancel(task_id, actor=actor, now_ms=services.clock())
    if taken is not None:
        services.commit_notifier.notify()
        return Canceled(task=taken, was_queued=True)
    task = await services.store.tasks.task(task_id)
    if task is None:
        return NotCanceled(reason="there is no such task any more")
    configured = services.providers.get(task.provider)
    if configured is None:
        return NotCanceled(reason=f"{task.provider} is not among the configured providers")
    outcome = await services.operator.cancel(task, configured, actor=actor)
    if isinstance(outcome, NotCanceled):
        return outcome
    return Canceled(task=await services.store.tasks.task(task_id) or task, was_queued=False)
