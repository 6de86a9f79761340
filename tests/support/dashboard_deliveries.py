"""Deliveries for looks at the dashboard: delivered, failing, dead, with answers that hold markup and long words."""

from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from tests.support.delivery_fixtures import lease
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


async def fill_deliveries(service: Served, now_ms: int) -> str:
    """What is due at addresses of notify has an attempt; return the id of a dead letter."""
    store = service.services.store
    # The leases of the others end at once.
    leased = await lease(store, now_ms=now_ms - 100, lease_ms=1)
    due = [each for each in leased if not each.endpoint_id.startswith("sub_")]
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
