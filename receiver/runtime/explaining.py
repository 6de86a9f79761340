"""Read all that explains one task, for the command line and the dashboard."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from receiver.reconcile.model.duration_report import WaitingPolls
from receiver.reconcile.waiting import waiting_polls
from receiver.runtime.next_steps import NextSteps, TaskContext, next_steps
from receiver.runtime.services import Services
from receiver.tasks.model.queue import QueuePlace
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import TimelineEntry
from submitter.providers.registry import FINDS_BY_OWN_ID, LISTS_TASKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What happened to a task, and what comes next."""

    timeline: Sequence[TimelineEntry]
    steps: NextSteps
    #: Where it stands in the queue; None unless it is queued.
    place: QueuePlace | None


async def explain_task(services: Services, task: Task, *, owners: Collection[str] | None = None) -> Explanation:
    """`owners`: the subscriptions whose deliveries are shown; None for all. Raise StoreUnavailable."""
    timeline = await services.store.tasks.timeline(task.id, owners=owners)
    accounts = {account.provider: account for account in await services.store.accounts.all()}
    await services.durations.refresh()
    is_configured, now_ms = task.provider in services.providers, services.clock()
    place = await services.store.queue.place(task, now_ms)
    context = TaskContext(
        now_ms=now_ms,
        is_repeatable=services.submission.is_repeatable(task, now_ms),
        is_configured=is_configured,
        account=accounts.get(task.provider),
        place=place,
        times=services.durations.times_of(task) if is_configured else None,
        has_list=has_list(services, task.provider),
        waiting=await _waiting(services, task, now_ms) if is_configured else None,
    )
    return Explanation(timeline=timeline, steps=next_steps(task, timeline, context), place=place)


async def _waiting(services: Services, task: Task, at_ms: int) -> WaitingPolls | None:
    """The polls that a task waits beside; None where it is not due."""
    if task.next_poll_ms is None or task.next_poll_ms > at_ms:
        return None
    configured, speed = services.providers[task.provider], services.settings.providers.speed
    (status,) = await services.store.providers.statuses({task.provider: configured}, speed=speed, now_ms=at_ms)
    return await waiting_polls(services.store.polls, services.durations, status, at_ms)


def has_list(services: Services, provider: str) -> bool:
    """Whether a configured provider documents a list of its tasks, or a look-up by our own id."""
    configured = services.providers.get(provider)
    return configured is not None and configured.account.adapter in {*LISTS_TASKS, *FINDS_BY_OWN_ID}
