"""Deliveries: what is owed to whom, every try of one, and making one due again."""

from receiver.web.endpoint import Answer, RequestContext
from receiver.web.problems import Kind, Problem, ProblemError
from receiver.web.schemas.tasks import DeliveriesQuery, NoBody, NoQuery
from receiver.webhooks.model.views import attempt_view, delivery_view


async def list_deliveries(call: RequestContext[DeliveriesQuery, NoBody]) -> Answer:
    wanted = call.query
    page = await call.services.store.deliveries.deliveries(
        state=wanted.state, subscription=wanted.subscription, limit=wanted.limit, cursor=wanted.cursor
    )
    return Answer(body={"deliveries": [delivery_view(each) for each in page.items], "next_cursor": page.next_cursor})


async def show_delivery(call: RequestContext[NoQuery, NoBody]) -> Answer:
    deliveries, name = call.services.store.deliveries, call.part("id")
    delivery = await deliveries.delivery(name)
    if delivery is None:
        raise _missing()
    tries = [attempt_view(each) for each in await deliveries.attempts(name)]
    return Answer(body={**delivery_view(delivery), "tries": tries})


async def redeliver(call: RequestContext[NoQuery, NoBody]) -> Answer:
    services = call.services
    actor = f"key {call.actor}"
    delivery = await services.store.outbox.redeliver(call.part("id"), actor=actor, now_ms=services.clock())
    if delivery is None:
        raise _missing()
    owner = delivery.subscription
    if owner is not None and await services.store.subscriptions.find(owner) is None:
        detail = "Its subscription was deleted, and nothing is sent for it any more."
        raise ProblemError(Problem(Kind.CONFLICT, detail, instance=f"/v1/deliveries/{delivery.id}"))
    services.commit_notifier.notify()
    return Answer(body=delivery_view(delivery), status=202)


def _missing() -> ProblemError:
    return ProblemError(Problem(Kind.NOT_FOUND, "There is no delivery of that id."))
