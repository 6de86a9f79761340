"""Deliver due webhooks: lease, sign, post, and record each attempt with what follows from it.

Delivery is at least once: when an attempt cannot be recorded, its lease ends and the same message is posted again under
the same id. An endpoint that hangs delays neither the posts to others nor their records.
"""

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from receiver.config.sections import DeliverySettings
from receiver.store.errors import StoreUnavailable
from receiver.store.retention import DAY_MS
from receiver.webhooks.model.cloudevents import requested_headers
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState, DueDelivery, Lease, OwnPosts
from receiver.webhooks.model.endpoint_health import AHEAD_MS, QUICK_MS
from receiver.webhooks.model.retry import after_attempt
from receiver.webhooks.outbox import Outbox
from receiver.webhooks.recorder import AttemptRecorder
from receiver.webhooks.reporter import DeliveryReporter
from receiver.webhooks.sender import Webhook, send_webhook
from receiver.webhooks.slots import Slots
from submitter.http.messages import Headers
from submitter.http.transport import Transport

log = structlog.get_logger(__name__)

MOST_QUICK = 10_000  # endpoints that are known to answer quickly

#: An attempt, and what is done once it is recorded.
_Attempted = tuple[AttemptResult, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What one run did. `failed` deliveries will be tried again, `dead` ones will not."""

    leased: int = 0
    delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Deliverer:
    """Runs may overlap; together they never post more than `settings.concurrency` webhooks at once.

    Of an endpoint that answers quickly more is leased than may be in flight. What is ahead is posted as soon as posts
    to the endpoint end. It is given back when one fails, and when it has waited for too long.
    """

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
    reporter: DeliveryReporter = field(default_factory=DeliveryReporter)
    #: Called after a commit that added events.
    on_events: Callable[[], None] = lambda: None
    #: Called when another run may find something to do: slots are free again, or the last one left some and an endpoint
    #: can be leased again.
    on_capacity: Callable[[], None] = lambda: None
    _runs: Iterator[int] = field(default_factory=itertools.count, init=False)
    _slots: Slots = field(init=False)
    _recorder: AttemptRecorder = field(init=False)
    _in_flight: Counter[str] = field(default_factory=Counter, init=False)
    _quick: set[str] = field(default_factory=set, init=False)
    _is_leasing: bool = field(default=False, init=False)
    _has_more: bool = field(default=True, init=False)
    _run_skipped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._slots = Slots(self.settings.concurrency, on_capacity=self._call_on_capacity)
        give_up_ms = round(self.settings.give_up_days * DAY_MS)
        self._recorder = AttemptRecorder(
            self.outbox, clock=self.clock, give_up_ms=give_up_ms, on_recorded=self._after_record
        )

    @property
    def _ahead_ms(self) -> int:
        """How long what is leased ahead may wait, as it must be posted within its lease; 0 or less: not at all."""
        return min(AHEAD_MS, self.lease_ms - round(self.settings.timeout_s * 1000))

    def _call_on_capacity(self) -> None:
        self.on_capacity()  # it is set after the deliverer is made

    def _after_record(self, published: int) -> None:
        if published:
            self.on_events()
        self._wake()

    def _wake(self) -> None:
        if self._has_more:
            self.on_capacity()

    async def deliver_once(self, *, limit: int) -> DeliveryReport:
        """Lease up to `limit` deliveries, and return when every attempt is recorded.

        Return an empty report when all slots are taken, and while another run leases; then `on_capacity` is called once
        that can be repeated. Raise StoreUnavailable when nothing could be leased or some attempts could not be
        recorded.
        """
        if self._is_leasing:
            self._run_skipped = True
            return DeliveryReport()
        slots = self._slots.take(limit)
        if slots == 0:
            return DeliveryReport()
        now: list[DueDelivery] = []
        try:
            lease = await self._lease(slots, limit)
            self._has_more = lease.has_more
            leased = lease.deliveries
            now = [due for due in leased if not due.is_ahead]
            self._in_flight.update(due.endpoint_id for due in now)
        finally:
            self._slots.give_back(slots - len(now))
        if self._run_skipped or lease.is_behind:
            self._run_skipped = False
            self.on_capacity()
        return _count(await self._deliver(now, _ahead_by_endpoint(leased)))

    async def _lease(self, slots: int, most: int) -> Lease:
        self._is_leasing = True
        may_wait = self._ahead_ms > 0 and not self._recorder.is_failing
        quick = self._quick if may_wait else frozenset[str]()
        try:
            return await self.outbox.lease_deliveries(
                owner=f"{self.owner}/{next(self._runs)}",  # one for each run, so that no run ends a newer one's lease
                now_ms=self.clock(),
                lease_ms=self.lease_ms,
                limit=slots,
                per_endpoint=self.settings.per_endpoint,
                own=OwnPosts(process=self.owner, in_flight=self._in_flight, quick=quick, most=most),
            )
        finally:
            self._is_leasing = False

    async def _deliver(
        self, now: Sequence[DueDelivery], ahead: Mapping[str, deque[DueDelivery]]
    ) -> list[AttemptResult]:
        """Post all, and return the attempts once they are recorded."""
        until_ms = self.clock() + self._ahead_ms
        posts = [self._use_slot(due, ahead[due.endpoint_id], until_ms) for due in now]
        # Each comes to its end, whatever becomes of the others. Cancelling the run cancels them.
        outcomes = await asyncio.gather(*posts, return_exceptions=True)
        results: list[AttemptResult] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            results += outcome
        return results

    async def _use_slot(self, first: DueDelivery, ahead: deque[DueDelivery], until_ms: int) -> list[AttemptResult]:
        name, is_leased_ahead = first.endpoint_id, bool(ahead)
        try:
            attempts = await self._post(first, ahead, until_ms)
            if not is_leased_ahead or not all(_is_quick(result) for result, _ in attempts):
                # Until then it counts as in flight, so that a killed process repeats no more than may be in flight,
                # and no post follows failures that the endpoint's breaker does not know of.
                await _recorded(attempts)
        finally:
            self._in_flight[name] -= 1
            if not self._in_flight[name]:
                del self._in_flight[name]  # endpoints come and go
        if is_leased_ahead:
            self._wake()
        await _recorded(attempts)
        return [result for result, _ in attempts]

    async def _post(self, first: DueDelivery, ahead: deque[DueDelivery], until_ms: int) -> list[_Attempted]:
        """Post a delivery and then, one after the other, those that wait for the same endpoint."""
        attempts: list[_Attempted] = []
        due: DueDelivery | None = first
        try:
            while due is not None:
                result = await self._attempt(due)
                attempts.append((result, self._recorder.add(result)))
                self._note_speed(result)
                may_go_on = _is_quick(result) and self.clock() <= until_ms and not self._recorder.is_failing
                if ahead and not may_go_on:
                    await self._release(ahead)
                due = ahead.popleft() if ahead else None
        finally:
            self._slots.give_back()
        return attempts

    def _note_speed(self, result: AttemptResult) -> None:
        if not _is_quick(result):
            self._quick.discard(result.endpoint_id)
        elif len(self._quick) < MOST_QUICK:
            self._quick.add(result.endpoint_id)

    async def _release(self, ahead: deque[DueDelivery]) -> None:
        unposted = list(ahead)
        ahead.clear()
        self._has_more = True
        try:
            await self.outbox.release(unposted, self.clock())
        except StoreUnavailable as error:
            log.warning("deliveries_not_released", deliveries=len(unposted), error=str(error))  # their leases will end

    async def _attempt(self, due: DueDelivery) -> AttemptResult:
        about = {"whenfinal.delivery": due.id, "whenfinal.event": due.event_id}
        with self.reporter.spans.about("delivery", due.task_id, about) as trace:
            attempt = await self._send(due, trace)
        state, due_ms = after_attempt(due.attempts, attempt, backoff_s=self.settings.backoff_s, random=self.random)
        result = AttemptResult(
            delivery=due.id,
            owner=due.owner,
            endpoint_id=due.endpoint_id,
            attempt=attempt,
            state=state,
            due_ms=due_ms,
        )
        self.reporter.attempted(due, result)
        return result

    async def _send(self, due: DueDelivery, trace: Headers) -> Attempt:
        requested = requested_headers(
            due,
            self.public_url,
            message_id=due.event_id,
            event_type=due.event_type,
            at_ms=due.event_at_ms,
            subject=due.task_id,
        )
        if due.cloudevents:
            trace = (*trace, *((f"ce-{name}", value) for name, value in trace))
        webhook = Webhook(
            url=due.url,
            message_id=due.event_id,
            body=due.body,
            secrets=due.secrets,
            signing_keys=due.signing_keys,
            headers=(*requested, *trace),
        )
        return await send_webhook(webhook, self.transport, clock=self.clock)


async def _recorded(attempts: Sequence[_Attempted]) -> None:
    """Raise the first error once each has an outcome."""
    outcomes = await asyncio.gather(*(recorded for _, recorded in attempts), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _is_quick(result: AttemptResult) -> bool:
    return result.attempt.is_success and result.attempt.latency_ms <= QUICK_MS


def _ahead_by_endpoint(leased: Sequence[DueDelivery]) -> defaultdict[str, deque[DueDelivery]]:
    ahead: defaultdict[str, deque[DueDelivery]] = defaultdict(deque)
    for due in leased:
        if due.is_ahead:
            ahead[due.endpoint_id].append(due)
    return ahead


def _count(results: Sequence[AttemptResult]) -> DeliveryReport:
    states = Counter(result.state for result in results)
    return DeliveryReport(
        leased=len(results),
        delivered=states[DeliveryState.DELIVERED],
        failed=states[DeliveryState.PENDING],
        dead=states[DeliveryState.DEAD],
    )
