"""Redeliver: make deliveries due again, with their schedule from the start."""

from collections.abc import Sequence

from receiver.runtime.operator_runs.acts.act import LEFT, PAGE, Condition
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services
from receiver.tasks.model.search import search_of
from receiver.webhooks.model.delivery_search import delivery_search_of


async def the_delivery(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    return RunItems(items=(condition["delivery"],))


async def dead_letters_of_tasks(services: Services, condition: Condition, cursor: str | None) -> RunItems:
    """The dead letters of the next tasks that the search finds."""
    page = await services.store.task_search.page(search_of(condition["search"]), cursor=cursor, limit=PAGE)
    dead = await services.store.deliveries.dead_letters_of_tasks([task.id for task in page.tasks])
    return RunItems(items=tuple(dead), next_cursor=page.next_cursor)


async def found_deliveries(services: Services, condition: Condition, cursor: str | None) -> RunItems:
    """The next deliveries that the search finds."""
    wanted = delivery_search_of(condition["deliveries"])
    page = await services.store.delivery_search.page(wanted, cursor=cursor, limit=PAGE)
    return RunItems(items=tuple(each.id for each in page.deliveries), next_cursor=page.next_cursor)


async def redeliver_fitting(
    services: Services, items: Sequence[str], condition: Condition, actor: str
) -> Sequence[ItemResult]:
    """Redeliver those that the search still finds: another run may have sent the rest again meanwhile."""
    wanted = delivery_search_of(condition["deliveries"])
    fitting = {each.id for each in await services.store.delivery_search.fitting(wanted, items)}
    left = [ItemResult(item=item, is_done=False, words=LEFT) for item in items if item not in fitting]
    return [*await redeliver(services, [item for item in items if item in fitting], condition, actor), *left]


async def redeliver(
    services: Services, items: Sequence[str], _condition: Condition, actor: str
) -> Sequence[ItemResult]:
    results = [await _redeliver(services, item, actor) for item in items]
    if any(each.is_done for each in results):
        services.commit_notifier.notify()
    return results


async def _redeliver(services: Services, item: str, actor: str) -> ItemResult:
    delivery = await services.store.outbox.redeliver(item, actor=actor, now_ms=services.clock())
    if delivery is None:
        return ItemResult(item=item, is_done=False, words="there is no such delivery any more")
    owner = delivery.subscription
    if owner is not None and await services.store.subscriptions.find(owner) is None:
        return ItemResult(item=item, is_done=False, words="its subscription was deleted")
    return ItemResult(item=item)
