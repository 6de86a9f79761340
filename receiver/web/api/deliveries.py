"""Deliveries: list them, show one with its attempts, redeliver one."""

from receiver.web.api.owners import find_delivery, kept_search
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import Kind, Problem, not_found
from receiver.web.schemas.searches import DeliveriesQuery
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api_webhooks import Attempt, DeliveriesPage, Delivery, DeliveryWithAttempts


async def list_deliveries(context: RequestContext[DeliveriesQuery, NoBody]) -> JsonAnswer:
    query, store = context.query, context.services.store
    wanted = await kept_search(context, query.delivery_search())
    page = await store.delivery_search.page(wanted, cursor=query.cursor, limit=query.limit)
    found = tuple(Delivery.model_validate(delivery) for delivery in page.deliveries)
    return JsonAnswer(body=DeliveriesPage(deliveries=found, next_cursor=page.next_cursor))


async def show_delivery(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    delivery = await find_delivery(context)
    if delivery is None:
        raise not_found("delivery")
    attempts = await context.services.store.deliveries.attempts(delivery.id)
    tries = tuple(map(Attempt.model_validate, attempts))
    return JsonAnswer(body=DeliveryWithAttempts(**dict(Delivery.model_validate(delivery)), tries=tries))


async def redeliver(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services, found = context.services, await find_delivery(context)
    if found is None:
        raise not_found("delivery")
    delivery = await services.store.outbox.redeliver(found.id, actor=context.actor, now_ms=services.clock())
    if delivery is None:
        raise not_found("delivery")
    owner = delivery.subscription
    if owner is not None and await services.store.subscriptions.find(owner) is None:
        detail = "Its subscription was deleted, and nothing is sent for it any more."
        raise Problem(Kind.CONFLICT, detail, instance=f"/v1/deliveries/{delivery.id}")
    services.commit_notifier.notify()
    return JsonAnswer(body=Delivery.model_validate(delivery), status=202)
