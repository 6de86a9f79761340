"""Deliveries: list them, show one with its attempts, redeliver one."""

from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import Kind, Problem, not_found
from receiver.web.schemas.searches import DeliveriesQuery
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api_webhooks import Attempt, DeliveriesPage, Delivery, DeliveryWithAttempts


async def list_deliveries(context: RequestContext[DeliveriesQuery, NoBody]) -> JsonAnswer:
    query, store = context.query, context.services.store
    page = await store.delivery_search.page(query.delivery_search(), cursor=query.cursor, limit=query.limit)
    found = tuple(Delivery.model_validate(delivery) for delivery in page.deliveries)
    return JsonAnswer(body=DeliveriesPage(deliveries=found, next_cursor=page.next_cursor))


async def show_delivery(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    deliveries, delivery_id = context.services.store.deliveries, context.path_param("id")
    delivery = await deliveries.delivery(delivery_id)
    if delivery is None:
        raise not_found("delivery")
    tries = tuple(Attempt.model_validate(attempt) for attempt in await deliveries.attempts(delivery_id))
    return JsonAnswer(body=DeliveryWithAttempts(**dict(Delivery.model_validate(delivery)), tries=tries))


async def redeliver(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services = context.services
    delivery = await services.store.outbox.redeliver(
        context.path_param("id"), actor=context.actor, now_ms=services.clock()
    )
    if delivery is None:
        raise not_found("delivery")
    owner = delivery.subscription
    if owner is not None and await services.store.subscriptions.find(owner) is None:
        detail = "Its subscription was deleted, and nothing is sent for it any more."
        raise Problem(Kind.CONFLICT, detail, instance=f"/v1/deliveries/{delivery.id}")
    services.commit_notifier.notify()
    return JsonAnswer(body=Delivery.model_validate(delivery), status=202)
