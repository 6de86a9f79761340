"""Whose deliveries a caller sees: of a limited key those of `notify`, and of subscriptions that keep to its limits."""

from dataclasses import replace
from typing import Any

from receiver.web.endpoint import RequestContext
from receiver.web.limits import is_within
from receiver.webhooks.model.delivery import Delivery
from receiver.webhooks.model.delivery_search import DeliverySearch
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS


async def visible_owners(context: RequestContext[Any, Any]) -> frozenset[str] | None:
    """Ids of the subscriptions; None for all."""
    limits = context.caller.limits
    if not limits.are_set:
        return None
    page = await context.services.store.subscriptions.page(limit=MOST_SUBSCRIPTIONS, cursor=None)
    return frozenset(each.subscription.id for each in page.items if is_within(each.subscription.filter, limits))


async def kept_search(context: RequestContext[Any, Any], wanted: DeliverySearch) -> DeliverySearch:
    owners = await visible_owners(context)
    return wanted if owners is None else replace(wanted, limits=context.caller.limits, owners=owners)


async def find_delivery(context: RequestContext[Any, Any]) -> Delivery | None:
    """The delivery of the path; None for none, and for one that the caller does not see."""
    store, delivery_id = context.services.store, context.path_param("id")
    if context.caller.limits.are_set:
        found = await store.delivery_search.fitting(await kept_search(context, DeliverySearch()), [delivery_id])
        return found[0] if found else None
    return await store.deliveries.delivery(delivery_id)
