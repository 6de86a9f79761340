"""Deliveries for looks at the dashboard: delivered, failing, dead, with answers that hold markup and long words."""

from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from tests.support.delivery_fixtures import lease, subscribe
from tests.support.service import Served

_S = DeliveryState

_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1><script>alert(1)</script>"
    + "upstream-connect-error-or-disconnect-reset-before-headers" * 20
    + "</body></html>"
)

#: What each attempt of a delivery came to, in turn.
_ATTEMPTS: tuple[tuple[DeliveryState, int | None, str | None, str], ...] = (
    (_S.DEAD, 502, None, _PAGE),
    (_S.DELIVERED, 204, None, ""),
    (_S.PENDING, None, "ReadTimeout: no answer within 15 s", ""),
    (_S.DEAD, 404, None, '{"error": "no such route", "hint": "<img src=x onerror=alert(2)>"}'),
    (_S.DELIVERED, 200, None, "ok"),
    (_S.PENDING, 503, None, "try later"),
)


async def fill_deliveries(service: Served) -> str:
    """What is due has an attempt; return the id of a dead letter. The address is partly somebody's subscription."""
    store, now_ms = service.services.store, service.services.clock()
    due = await lease(store, now_ms=now_ms)
    at_ms, results = now_ms - 240_000, []
    for each, (state, status, error, response) in zip(due, _ATTEMPTS, strict=False):
        attempt = Attempt(at_ms=at_ms, latency_ms=4_210, status=status, error=error, response=response)
        results.append(
            AttemptResult(
                delivery=each.id,
                owner=each.owner,
                endpoint_id=each.endpoint_id,
                attempt=attempt,
                state=state,
                due_ms=now_ms + 900_000 if state is _S.PENDING else None,
            )
        )
    await store.outbox.record_attempts(results, now_ms)
    return next(each.delivery for each in results if each.state is _S.DEAD)


async def fill_subscription(service: Served) -> None:
    """For the events that come after it."""
    url = "https://hooks.partner.example/whenfinal/inbound?team=trailers&region=europe-west"
    await subscribe(service.services.store, "sub_01m7yrqm47904bn5a9g1vxy29m", url=url)
