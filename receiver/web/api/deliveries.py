"""Deliveries: what is owed to whom, and making one due again."""

from typing import Any

from receiver.records import Delivery
from receiver.views import rfc3339
from receiver.web.operations import Answer, Call
from receiver.web.problems import Kind, Problem, ProblemError
from receiver.web.shapes import DeliveriesQuery, NoBody, NoQuery


async def list_deliveries(call: Call[DeliveriesQuery, NoBody]) -> Answer:
    wanted = call.query
    page = await call.services.store.reading.deliveries(state=wanted.state, limit=wanted.limit, cursor=wanted.cursor)
    return Answer(body={"deliveries": [_view(each) for each in page.items], "next_cursor": page.next_cursor})


async def redeliver(call: Call[NoQuery, NoBody]) -> Answer:
    services = call.services
    actor = f"key {call.actor}"
    delivery = await services.store.outbox.redeliver(call.part("id"), actor=actor, now_ms=services.clock())
    if delivery is None:
        raise ProblemError(Problem(Kind.NOT_FOUND, "There is no delivery of that id."))
    services.bell.ring()
    return Answer(body=_view(delivery), status=202)


def _view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_seq": delivery.event_seq,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type.value,
        "task": delivery.task,
        "endpoint": delivery.endpoint,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "due_at": rfc3339(delivery.due_ms),
        "created_at": rfc3339(delivery.created_ms),
        "finished_at": rfc3339(delivery.finished_ms),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }
