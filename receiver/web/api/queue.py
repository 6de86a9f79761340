"""The tasks that wait for room at their accounts, in the order in which they are sent."""

from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueueDepth, QueuePlace
from receiver.tasks.model.queue_list import with_places
from receiver.tasks.model.task import Task, TaskFilter
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.schemas.queue import QueueQuery
from receiver.web.schemas.tasks import NoBody
from submitter import api, api_queue


async def list_queue(context: RequestContext[QueueQuery, NoBody]) -> JsonAnswer:
    query, store, now_ms = context.query, context.services.store, context.services.clock()
    name, _, value = (query.label or "").partition("=")
    page = await store.tasks.queued(
        TaskFilter(provider=query.provider, label=(name, value) if query.label else None, limit=query.limit)
    )
    depths = [each for each in await store.queue.depths() if query.provider in {None, each.provider}]
    accounts = await store.accounts.all()
    body = api_queue.QueueAnswer(
        tasks=tuple(_queued(*each) for each in with_places(page.items, depths, accounts, now_ms)),
        has_more=page.next_cursor is not None,
        queues=tuple(_length(each, accounts, now_ms) for each in depths),
    )
    return JsonAnswer(body=body)


def _queued(task: Task, place: QueuePlace) -> api_queue.QueuedTask:
    shown = api.Task.model_validate(task)
    return api_queue.QueuedTask.model_validate(
        {**dict(shown), "waits_since": task.waits_since_ms, "queue": api.QueuePlace.model_validate(place)}
    )


def _length(depth: QueueDepth, accounts: list[AccountStatus], now_ms: int) -> api_queue.QueueLength:
    held = next((each for each in accounts if each.provider == depth.provider and each.are_submits_held(now_ms)), None)
    return api_queue.QueueLength.model_validate(
        {
            "provider": depth.provider,
            "depth": depth.depth,
            "oldest_at": depth.oldest_ms,
            "held_until": None if held is None else held.submits_paused_until_ms,
            "held_reason": None if held is None else held.submits_paused_reason,
        }
    )
