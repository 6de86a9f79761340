"""The tasks that wait for room at their accounts, in the order in which they are sent."""

from receiver.config.api_keys import Limits
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueueDepth, QueuePlace
from receiver.tasks.model.queue_list import with_places
from receiver.tasks.model.task import Task, TaskFilter
from receiver.web.api.known_providers import check_filter
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import Kind
from receiver.web.schemas.queue import QueueQuery
from receiver.web.schemas.tasks import NoBody
from submitter import api, api_queue


async def list_queue(context: RequestContext[QueueQuery, NoBody]) -> JsonAnswer:
    query, store, limits, now_ms = (
        context.query,
        context.services.store,
        context.caller.limits,
        context.services.clock(),
    )
    await check_filter(context, query.provider, Kind.MALFORMED)
    wanted = TaskFilter(provider=query.provider, label=_pair(query.label), limit=query.limit)
    page = await store.tasks.queued(wanted, limits)
    depths = await store.queue.depths() if limits.label is None else []
    own = [each for each in depths if query.provider in {None, each.provider} and _may_see(each.provider, limits)]
    accounts = await store.accounts.all()
    body = api_queue.QueueAnswer(
        tasks=tuple(_queued(*each) for each in with_places(page.items, depths, accounts, now_ms)),
        has_more=page.next_cursor is not None,
        queues=tuple(_length(each, accounts, now_ms) for each in own),
    )
    return JsonAnswer(body=body)


def _pair(label: str | None) -> tuple[str, str] | None:
    if label is None:
        return None
    name, _, value = label.partition("=")
    return name, value


def _may_see(provider: str, limits: Limits) -> bool:
    return limits.providers is None or provider in limits.providers


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
