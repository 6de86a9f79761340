"""Deliver due webhooks: lease, sign, post, and record each attempt with what follows from it.

Delivery is at least once: when an attempt cannot be recorded, its lease ends and the same message is posted again under
the same id. An endpoint that hangs delays neither the posts to others nor their records.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from receiver.config.sections import DeliverySettings
from receiver.store.errors import StoreUnavailable
from receiver.store.retention import DAY_MS
from receiver.webhooks.model.cloudevents import requested_headers
from receiver.webhooks.model.delivery import AttemptResult, DeliveryState, DueDelivery
from receiver.webhooks.model.retry import after_attempt
from receiver.webhooks.outbox import Outbox
from receiver.webhooks.sender import Webhook, send_webhook
from receiver.webhooks.slots import Slots
from submitter.http.transport import Transport

log = structlog.get_logger(__name__)

RECORD_TRIES = 3  # at the end of a run, when no further result can join the batch


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What one run did. `failed` deliveries will be tried again, `dead` ones will not."""

    leased: int = 0
    delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Deliverer:
    """Runs may overlap; together they never post more than `settings.concurrency` webhooks at once."""

    outbox: Outbox
    transport: Transport
    settings: DeliverySettings
    #: Names this process and no other.
    owner: str
    #: Must be longer than a post can take, which the transport limits.
    lease_ms: int
    public_url: str | None
    clock: Callable[[], int]
    #: Returns numbers in [0, 1).
    random: Callable[[], float]
    #: Called after a commit that added events.
    on_events: Callable[[], None] = lambda: None
    #: Called when another run may find something to do: slots are free again, or an endpoint can be leased again.
    on_capacity: Callable[[], None] = lambda: None
    _runs: Iterator[int] = field(default_factory=itertools.count, init=False)
    _slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        self._slots = Slots(self.settings.concurrency, on_capacity=self._call_on_capacity)

    def _call_on_capacity(self) -> None:
        self.on_capacity()  # it is set after the deliverer is made

    async def deliver_once(self, *, limit: int) -> DeliveryReport:
        """Lease up to `limit` deliveries, and return when every attempt is recorded.

        Return an empty report when all slots are taken. Raise StoreUnavailable when nothing could be leased or some
        attempts could not be recorded.
        """
        # Only what can be posted now is leased, because otherwise leases would run out while deliveries wait.
        slots = self._slots.take(limit)
        if slots == 0:
            return DeliveryReport()
        leased: list[DueDelivery] = []
        try:
            leased = await self._lease(slots)
        finally:
            self._slots.give_back(slots - len(leased))
        return _count(await self._deliver(leased))

    async def _lease(self, limit: int) -> list[DueDelivery]:
        return await self.outbox.lease_deliveries(
            owner=f"{self.owner}/{next(self._runs)}",  # one for each run, so that no run ends a newer one's lease
            now_ms=self.clock(),
            lease_ms=self.lease_ms,
            limit=limit,
            per_endpoint=self.settings.per_endpoint,
        )

    async def _deliver(self, leased: Sequence[DueDelivery]) -> list[AttemptResult]:
        """Post all at once. Record whatever is ready, together, while the rest is still in flight."""
        recorded: list[AttemptResult] = []
        waiting: list[AttemptResult] = []
        async with asyncio.TaskGroup() as group:  # cancelling the run cancels its posts
            posts = {group.create_task(self._attempt(due)) for due in leased}
            for post in posts:
                post.add_done_callback(lambda _: self._slots.give_back())
            while posts:
                done, posts = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
                waiting += [post.result() for post in done]
                if await self._try_record(waiting):
                    recorded += waiting
                    waiting = []
        if waiting:
            await self._record_with_retry(waiting)
        return recorded + waiting

    async def _try_record(self, results: Sequence[AttemptResult]) -> bool:
        try:
            await self._record(results)
        except StoreUnavailable as error:
            log.warning("attempts_not_recorded", attempts=len(results), error=str(error))
            return False
        return True

    async def _record_with_retry(self, results: Sequence[AttemptResult]) -> None:
        for _ in range(RECORD_TRIES - 1):
            if await self._try_record(results):
                return
        await self._record(results)

    async def _record(self, results: Sequence[AttemptResult]) -> None:
        give_up_ms = round(self.settings.give_up_days * DAY_MS)
        if await self.outbox.record_attempts(results, self.clock(), give_up_ms=give_up_ms):
            self.on_events()
        self.on_capacity()

    async def _attempt(self, due: DueDelivery) -> AttemptResult:
        webhook = Webhook(
            url=due.url,
            message_id=due.event_id,
            body=due.body,
            secrets=due.secrets,
            signing_keys=due.signing_keys,
            headers=requested_headers(
                due,
                self.public_url,
                message_id=due.event_id,
                event_type=due.event_type.value,
                at_ms=due.event_at_ms,
                subject=due.task_id,
            ),
        )
        attempt = await send_webhook(webhook, self.transport, clock=self.clock)
        state, due_ms = after_attempt(due.attempts, attempt, backoff_s=self.settings.backoff_s, random=self.random)
        return AttemptResult(
            delivery=due.id,
            owner=due.owner,
            endpoint_id=due.endpoint_id,
            attempt=attempt,
            state=state,
            due_ms=due_ms,
        )


def _count(results: Sequence[AttemptResult]) -> DeliveryReport:
    states = Counter(result.state for result in results)
    return DeliveryReport(
        leased=len(results),
        delivered=states[DeliveryState.DELIVERED],
        failed=states[DeliveryState.PENDING],
        dead=states[DeliveryState.DEAD],
    )
