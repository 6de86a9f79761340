"""Resume an endpoint: its breaker closes, and what waited for it is due now, in short transactions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from receiver.store.audit import AuditEntry
from receiver.webhooks.endpoint_repository import EndpointRepository
from receiver.webhooks.model.endpoint_status import ResumedEndpoint

LIMIT = 500  # deliveries in one transaction

MOST_RESUMED = 10_000  # of each kind in one resume, so that its HTTP request ends in reasonable time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EndpointService:
    """Every method may raise StoreUnavailable; what was made due before that stays so."""

    endpoints: EndpointRepository
    clock: Callable[[], int]
    #: Called after a commit that made deliveries due.
    on_due: Callable[[], None]

    async def resume(self, endpoint_id: str, entry: AuditEntry) -> ResumedEndpoint:
        """Clear an endpoint's failures, pause and throttling, and make its pending deliveries due now.

        Nothing changes at an endpoint that is healthy and has nothing that is due later.
        """
        was_failing = await self.endpoints.reset(endpoint_id, entry, now_ms=self.clock())
        if was_failing:
            self.on_due()
        count, has_more = await self._repeat(endpoint_id, self.endpoints.bring_forward)
        return ResumedEndpoint(was_failing=was_failing, made_due=count, has_more=has_more)

    async def resume_host(self, host: str, *, actor: str, dead_letters: bool) -> ResumedEndpoint | None:
        """Resume a host of `notify`, and with `dead_letters` make those due again; None for a host that is unknown."""
        if await self.endpoints.notify_host(host) is None:
            return None
        entry = AuditEntry(actor=actor, action="endpoint resumed", detail={"endpoint": host})
        resumed = await self.resume(host, entry)
        if not dead_letters:
            return resumed
        count, has_more = await self._repeat(host, self.endpoints.requeue_dead)
        return replace(resumed, redelivered=count, has_more=resumed.has_more or has_more)

    async def _repeat(self, endpoint_id: str, make_due: Callable[..., Awaitable[int]]) -> tuple[int, bool]:
        """Batch by batch, at most `MOST_RESUMED`. Return how many, and whether there may be more."""
        count, now_ms = 0, self.clock()
        while count < MOST_RESUMED:
            batch = await make_due(endpoint_id, limit=LIMIT, now_ms=now_ms)
            if batch:
                self.on_due()
            count += batch
            if batch < LIMIT:
                return count, False
        return count, True
