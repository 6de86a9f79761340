"""Tasks that a text names, whatever it is: an id of ours or of others, a key, or a label."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

from receiver.runtime.services import Services
from receiver.tasks.model.search import FoundTasks, TaskSearch
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.schemas.searches import FindQuery
from receiver.web.schemas.tasks import NoBody
from submitter import api, api_tasks
from submitter.api_tasks import ReadAs

_LABEL = re.compile(r"([^=]{1,64})=([\s\S]{0,256})")

_OURS = "tsk_"


async def find(context: RequestContext[FindQuery, NoBody]) -> JsonAnswer:
    """The first reading that finds something counts: what looks like an id of ours may be a key of others."""
    query, services = context.query, context.services
    read_as: ReadAs = "id_or_key"
    page = FoundTasks(tasks=(), next_cursor=None)
    async for reading, wanted in _readings(services, query.text):
        within = replace(wanted, limits=context.caller.limits)
        page = await services.store.task_search.page(within, cursor=query.cursor, limit=query.limit)
        if page.tasks or page.next_cursor is not None:
            read_as = reading
            break
    found = tuple(api.Task.model_validate(task) for task in page.tasks)
    return JsonAnswer(body=api_tasks.FoundTasks(tasks=found, next_cursor=page.next_cursor, read_as=read_as))


async def _readings(services: Services, text: str) -> AsyncIterator[tuple[ReadAs, TaskSearch]]:
    if text.startswith(_OURS):
        yield "task", TaskSearch(text=text)
        yield "id_or_key", TaskSearch(provider_task_id=text)
        yield "id_or_key", TaskSearch(idempotency_key=text)
        return
    event = await services.store.events.event(text) if text.startswith("evt_") else None
    if event is not None and event.task_id is not None:
        yield "event", TaskSearch(ids=(event.task_id,))
    delivery = await services.store.deliveries.delivery(text) if text.startswith("dlv_") else None
    if delivery is not None and delivery.task_id is not None:
        yield "delivery", TaskSearch(ids=(delivery.task_id,))
    if label := _LABEL.fullmatch(text):
        yield "label", TaskSearch(labels=((label[1], label[2]),))
    yield "id_or_key", TaskSearch(text=text)
    provider, _, provider_task_id = text.partition("/")
    if provider_task_id:
        yield "id_or_key", TaskSearch(provider=provider, provider_task_id=provider_task_id)
