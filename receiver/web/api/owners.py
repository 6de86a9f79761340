"""What a limited key sees of subscriptions and deliveries: of the subscriptions that it created, and of `notify`."""

from dataclasses import replace
from typing import Any

from receiver.web.auth import Caller
from receiver.web.endpoint import RequestContext
from receiver.web.limits import is_within
from receiver.webhooks.model.delivery import Delivery
from receiver.webhooks.model.delivery_search import DeliverySearch
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS


def sees_subscription(caller: Caller, subscription: Subscription) -> bool:
    """A limited key sees those that it created, unless others have let through what lies outside."""
    if not caller.limits.are_set:
        return True
    is_own = caller.key_id is not None and subscription.key_id == caller.key_id
    return is_own and is_within(subscription.filter, caller.limits)


async def visible_owners(context: RequestContext[Any, Any]) -> frozenset[str] | None:
    """Ids of the subscriptions; None for all."""
    caller = context.caller
    if not caller.limits.are_set:
        return None
    subscriptions = context.services.store.subscriptions
    page = await subscriptions.page(limit=MOST_SUBSCRIPTIONS, cursor=None, key_id=caller.key_id)
    return frozenset(each.subscription.id for each in page.items if sees_subscription(caller, each.subscription))


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
