"""Deliveries: list them, show one with its attempts, redeliver one."""

from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import Kind, Problem, invalid, not_found
from receiver.web.schemas.tasks import DeliveriesQuery, NoBody, NoQuery
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.endpoint_status import notify_host
from submitter.api_webhooks import Attempt, DeliveriesPage, Delivery, DeliveryWithAttempts
from submitter.errors import Violation


async def list_deliveries(context: RequestContext[DeliveriesQuery, NoBody]) -> JsonAnswer:
    query = context.query
    host = None if query.endpoint is None else _host(query)
    page = await context.services.store.deliveries.deliveries(
        state=query.state, subscription=query.subscription, host=host, limit=query.limit, cursor=query.cursor
    )
    found = tuple(Delivery.model_validate(delivery) for delivery in page.items)
    return JsonAnswer(body=DeliveriesPage(deliveries=found, next_cursor=page.next_cursor))


def _host(query: DeliveriesQuery) -> str:
    """Raise a problem for a text that is no host, and beside conditions that a host's deliveries can not meet."""
    if query.subscription is not None or query.state is DeliveryState.DELIVERED:
        rule, accepted = "does not go with these conditions", "`state` pending or dead, and no `subscription`"
        raise invalid(Kind.MALFORMED, Violation(field="endpoint", rule=rule, accepted=accepted))
    try:
        return notify_host(query.endpoint or "")
    except ValueError:
        rule, accepted = "is not the address of a host", "such as https://hooks.example.com"
        raise invalid(Kind.MALFORMED, Violation(field="endpoint", rule=rule, accepted=accepted)) from None


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
