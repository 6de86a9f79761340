"""Pay the outbox: lease what is due, sign it, post it, and record each attempt with what follows from it.

Flow: `receiver.backoff` decides. At least once: when an attempt can not be recorded, its lease ends and the same
message with the same id is posted again. One endpoint that hangs holds up neither the others' posts nor their records.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from receiver.store.errors import StoreUnavailable
from receiver.webhooks.model.cloudevents import cloudevents_headers, origin_headers
from receiver.webhooks.model.delivery import AttemptResult, DeliveryState, DueDelivery
from receiver.webhooks.model.retry import after_attempt
from receiver.webhooks.sender import Posted, Sends, Webhook, post
from submitter.http.messages import Headers

log = structlog.get_logger(__name__)

DEFAULT_SOURCE = "urn:whenfinal"

RECORD_TRIES = 3  # at the end of a turn, when nothing more can join the batch


class DeliveryOutbox(Protocol):
    async def lease_deliveries(
        self, *, owner: str, now_ms: int, lease_ms: int, limit: int, per_lane: int
    ) -> list[DueDelivery]:
        """Fair between lanes; never more than a lane's cap leased at once for one, by all owners together."""

    async def record_attempts(self, results: Sequence[AttemptResult], now_ms: int, *, give_up_ms: int) -> int:
        """One transaction; StoreUnavailable means that nothing was recorded. Returns how many events it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryManners:
    """`owner` names this process and no other. `lease_ms` must outlast a post, which the transport's limits bound.

    `backoff_s` holds the pauses between attempts: one more attempt than it has steps. `concurrency`: posts at once.
    `per_lane`: posts at once to one endpoint that has no number of its own. A subscription that has done nothing but
    fail for `give_up_ms` is disabled. `source` names this service in CloudEvents, `origin` to endpoints that have been
    asked for their consent.
    """

    owner: str
    backoff_s: tuple[float, ...]
    lease_ms: int = 60_000
    concurrency: int = 64
    per_lane: int = 8
    give_up_ms: int = 5 * 86_400_000
    source: str = DEFAULT_SOURCE
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """`failed` will be tried again, `dead` will not."""

    leased: int = 0
    delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Deliverer:
    """Turns may overlap: together they never post more than `concurrency` at once. `dice`: numbers in [0, 1).

    `on_events` is called after attempts that made events, `on_room` when a turn may find places that were not there.
    """

    outbox: DeliveryOutbox
    transport: Sends
    manners: DeliveryManners
    clock: Callable[[], int]
    random: Callable[[], float]
    on_events: Callable[[], None] = lambda: None
    on_room: Callable[[], None] = lambda: None
    _turns: Iterator[int] = field(default_factory=itertools.count, init=False)
    _taken: int = field(default=0, init=False)
    _turned_away: bool = field(default=False, init=False)

    async def deliver_once(self, *, limit: int) -> DeliveryReport:
        """Return when every attempt of this turn is recorded. Raise StoreUnavailable when that can not be."""
        # Leasing only what can be posted now, nothing waits for a place while its lease runs out.
        places = min(limit, self.manners.concurrency - self._taken)
        if places <= 0:
            self._turned_away = True
            return DeliveryReport()
        self._taken += places
        try:
            leased = await self._lease(places)
        except BaseException:
            self._taken -= places
            raise
        self._taken -= places - len(leased)
        if self._turned_away:  # while this turn held every place, whether it needed them or not
            self._turned_away = False
            self.on_room()
        return _count(await self._deliver(leased))

    async def _lease(self, limit: int) -> list[DueDelivery]:
        return await self.outbox.lease_deliveries(
            owner=f"{self.manners.owner}/{next(self._turns)}",  # so that no turn ends a newer one's lease
            now_ms=self.clock(),
            lease_ms=self.manners.lease_ms,
            limit=limit,
            per_lane=self.manners.per_lane,
        )

    async def _deliver(self, leased: Sequence[DueDelivery]) -> list[AttemptResult]:
        """Post all at once; record whatever is ready, together, while the rest goes on."""
        recorded: list[AttemptResult] = []
        waiting: list[AttemptResult] = []
        async with asyncio.TaskGroup() as group:  # a turn that is cancelled takes its posts with it
            posts = {group.create_task(self._attempt(due)) for due in leased}
            for post in posts:
                post.add_done_callback(self._free_place)
            while posts:
                done, posts = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
                waiting += [post.result() for post in done]
                if await self._try_record(waiting):
                    recorded += waiting
                    waiting = []
        if waiting:
            await self._insist_to_record(waiting)
        return recorded + waiting

    def _free_place(self, _: asyncio.Task[AttemptResult]) -> None:
        self._taken -= 1

    async def _try_record(self, results: Sequence[AttemptResult]) -> bool:
        try:
            await self._record(results)
        except StoreUnavailable as error:
            log.warning("attempts_not_recorded", attempts=len(results), error=str(error))
            return False
        return True

    async def _insist_to_record(self, results: Sequence[AttemptResult]) -> None:
        for _ in range(RECORD_TRIES - 1):
            if await self._try_record(results):
                return
        await self._record(results)

    async def _record(self, results: Sequence[AttemptResult]) -> None:
        if await self.outbox.record_attempts(results, self.clock(), give_up_ms=self.manners.give_up_ms):
            self.on_events()
        self.on_room()

    async def _attempt(self, due: DueDelivery) -> AttemptResult:
        posted = await post(self._webhook(due), self.transport, clock=self.clock)
        state, due_ms = self._decide(due, posted)
        return AttemptResult(
            delivery=due.id,
            owner=due.owner,
            lane=due.lane,
            attempt=posted.attempt,
            retry_after_s=posted.retry_after_s,
            state=state,
            due_ms=due_ms,
        )

    def _webhook(self, due: DueDelivery) -> Webhook:
        return Webhook(
            url=due.endpoint,
            message_id=due.event_id,
            body=due.body,
            secrets=due.secrets,
            signing_keys=due.signing_keys,
            headers=self._extras(due),
        )

    def _extras(self, due: DueDelivery) -> Headers:
        origin = self.manners.origin
        return (
            *(self._attributes(due) if due.cloudevents else ()),
            *(origin_headers(origin) if due.handshake and origin is not None else ()),
        )

    def _attributes(self, due: DueDelivery) -> Headers:
        return cloudevents_headers(
            message_id=due.event_id,
            event_type=due.event_type.value,
            source=self.manners.source,
            at_ms=due.event_at_ms,
            subject=due.task_id,
        )

    def _decide(self, due: DueDelivery, posted: Posted) -> tuple[DeliveryState, int | None]:
        if posted.is_hopeless:
            return DeliveryState.DEAD, None
        return after_attempt(
            due.attempts,
            posted.attempt,
            retry_after_s=posted.retry_after_s,
            backoff_s=self.manners.backoff_s,
            random=self.random,
        )


def _count(results: Sequence[AttemptResult]) -> DeliveryReport:
    states = Counter(result.state for result in results)
    return DeliveryReport(
        leased=len(results),
        delivered=states[DeliveryState.DELIVERED],
        failed=states[DeliveryState.PENDING],
        dead=states[DeliveryState.DEAD],
    )
