"""The outbox: leases of due deliveries, and what each attempt makes of its delivery and endpoint.

Deliveries are queued per endpoint, and `receiver.webhooks.model.endpoint_health` says how many of an endpoint's may be
leased. An endpoint's `next_due_ms` is when one of its deliveries can be leased next. A lease therefore reads only the
endpoints that are due, and its cost does not depend on how many deliveries wait.

Lock order. A transaction locks rows in this order: the counter row of the fan-out, endpoints (by id), deliveries,
subscriptions, the counter row of subscriptions, the counter row of events. It may skip some and never goes back, so no
two transactions wait for each other in a circle. The counter of events is last, because every transaction that
publishes waits for it, and the one that holds it must not wait for anything else.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import structlog

from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Reader, Row, Tx, Value
from receiver.store.ids import IdMaker
from receiver.store.retention import DAY_MS
from receiver.webhooks.fan_out import FanOut, keep_former
from receiver.webhooks.model.delivery import AttemptResult, Delivery, DeliveryState, DueDelivery, Lease, OwnPosts
from receiver.webhooks.model.endpoint_health import (
    BreakerState,
    EndpointState,
    after_attempts,
    after_lease,
    available_slots,
    breaker_state,
    longest_pause_ms,
    per_slot,
    share_slots,
    should_disable,
)
from receiver.webhooks.model.retry import GONE, longest_delay_ms
from receiver.webhooks.model.rows import (
    attempt_row,
    delivery_of,
    due_delivery_of,
    endpoint_row,
    limited_endpoint_of,
    subscription_of,
)
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from receiver.webhooks.model.views import disabled_draft
from receiver.webhooks.publisher import EventPublisher
from submitter.providers.schedule import latest_ms

log = structlog.get_logger(__name__)

ENDPOINTS_PER_LEASE = 512  # that one lease considers: those that were leased from longest ago

LIKELY_ENOUGH = 2  # endpoints for each slot that are considered first

GIVE_UP_MS = 5 * DAY_MS

MOST_ATTEMPTS = 2**31 - 1  # as the column allows; the schedule may have had more steps once


class Outbox:
    """Each method is one transaction. It raises StoreUnavailable, and then nothing was changed."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher, fan_out: FanOut) -> None:
        self._engine = engine
        self._new_id = new_id
        self._publisher = publisher
        self._fan_out = fan_out

    async def lease_deliveries(
        self, *, owner: str, now_ms: int, lease_ms: int, limit: int, per_endpoint: int, own: OwnPosts | None = None
    ) -> Lease:
        """Lease due deliveries until `now_ms + lease_ms`: `limit` to be posted now, and with `own` some ahead.

        The endpoint that was leased from longest ago goes first. All owners together never have more of an endpoint's
        deliveries in flight than its own limit, or `per_endpoint` where it has none. `owner` must differ between calls
        whose posts may overlap. Without `own` each lease counts as in flight.
        """
        advanced = await self._fan_out.try_advance()

        async def plan(reader: Reader) -> _Plan:
            return await _plan(reader, now_ms=now_ms, limit=limit, per_endpoint=per_endpoint, own=own)

        found = await self._engine.read(plan)
        planned = [each.endpoint.id for each in found.shares]
        if not planned and isinstance(advanced, Exception):
            raise advanced  # what is stored does not wait for what is not, but where nothing is due it is said
        if not planned:
            return Lease(has_more=found.has_more or advanced is not False, is_behind=advanced is True)

        async def work(tx: Tx) -> Lease:
            # Endpoints are locked before they are counted again, because other workers may lease at the same time.
            await tx.execute("endpoints_by_ids", ids=planned)
            current = await plan(tx)
            taken = [each for each in current.shares if each.endpoint.id in planned]
            ids = await _pick(tx, taken, now_ms)
            lease: dict[str, Value] = {"owner": owner, "now_ms": now_ms, "until_ms": now_ms + lease_ms}
            await tx.execute_many("lease_delivery", [{"id": delivery_id, **lease} for delivery_id in ids])
            leased = await tx.fetch_all("leased_deliveries", ids=ids, owner=owner)
            counts = Counter(row["endpoint_id"] for row in leased)
            after = [after_lease(each.endpoint, counts[each.endpoint.id], now_ms) for each in taken]
            await _store_endpoints(
                tx,
                [each for each in after if counts[each.id]],
                considered=[each.endpoint.id for each in taken],
                now_ms=now_ms,
            )
            is_full = any(counts[each.endpoint.id] >= each.slots * each.per_slot for each in taken)
            has_more = advanced is not False or current.has_more or is_full or len(taken) < len(current.shares)
            deliveries = list(_due_deliveries(leased, taken, owner, now_ms))
            return Lease(deliveries=deliveries, has_more=has_more, is_behind=advanced is True)

        # A lease that is lost with the power is taken again; its posts may be repeated, as after a killed process.
        return await self._engine.write(work, is_durable=False)

    async def release(self, leased: Sequence[DueDelivery], now_ms: int) -> None:
        """End the leases of deliveries that were not posted. A lease that another owner has by now stays."""

        async def work(tx: Tx) -> None:
            names = sorted({each.endpoint_id for each in leased})
            await tx.fetch_all("endpoints_by_ids", ids=names)  # before deliveries: the lock order
            await tx.execute_many("release_delivery", [{"id": each.id, "owner": each.owner} for each in leased])
            await _store_endpoints(tx, [], considered=names, now_ms=now_ms)

        await self._engine.write(work, is_durable=False)

    async def record_attempts(
        self, results: Sequence[AttemptResult], now_ms: int, *, give_up_ms: int = GIVE_UP_MS
    ) -> int:
        """Store attempts with all that follows from them, and return how many events were published.

        An owner whose lease has ended only adds its attempt; the delivery stays as it is. A subscription whose endpoint
        answered 410, or has only failed for `give_up_ms`, is disabled, and an event says so.
        """

        async def work(tx: Tx) -> list[Subscription]:
            by_endpoint = _by_endpoint(results)
            rows = await tx.fetch_all("endpoints_by_ids", ids=sorted(by_endpoint))  # before deliveries: the lock order
            await tx.execute_many("finish_attempt", [_finish_row(result, now_ms) for result in results])
            await tx.execute_many("insert_attempt", [self._attempt_row(result, now_ms) for result in results])
            before = [limited_endpoint_of(row) for row in rows]
            after = [
                after_attempts(each, [result.attempt for result in by_endpoint[each.id]], now_ms) for each in before
            ]
            changed = [now for now, was in zip(after, before, strict=True) if now is not was]
            await _store_endpoints(tx, changed, considered=[each.id for each in after], now_ms=now_ms)
            return await self._disable(
                tx, _disable_reasons(after, by_endpoint, now_ms, give_up_ms), by_endpoint, now_ms
            )

        # A success that is lost with the power is posted again, as after a killed process. A failure may lead to an
        # event, and others read events.
        is_durable = not all(result.attempt.is_success for result in results)
        disabled = await self._engine.write(work, is_durable=is_durable)
        for each in disabled:
            log.error("subscription_disabled", subscription=each.id, reason=each.disabled_reason)
        return len(disabled)

    async def redeliver(self, delivery_id: str, *, actor: str, now_ms: int) -> Delivery | None:
        """Requeue one delivery with its schedule from the start, and return it; None when there is no such delivery.

        A delivery that is being posted right now, or whose subscription was deleted, stays as it is and adds no audit
        row.
        """

        async def work(tx: Tx) -> Delivery | None:
            found = await tx.fetch_one("delivery_by_id", id=delivery_id)
            if found is None:
                return None
            await tx.fetch_all("endpoints_by_ids", ids=[found["endpoint_id"]])  # before the delivery: the lock order
            if await tx.execute_and_count("redeliver", id=delivery_id, now_ms=now_ms):
                await tx.execute("schedule_endpoint", id=found["endpoint_id"], due_ms=now_ms)
                await tx.announce()
                detail = {"delivery": delivery_id}
                entry = AuditEntry(actor=actor, action="redeliver", detail=detail, task_id=found["task"] or None)
                await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            row = await tx.fetch_one("delivery_by_id", id=delivery_id)
            return None if row is None else delivery_of(row)

        return await self._engine.write(work)

    async def pull_back(self, *, now_ms: int, backoff_s: Sequence[float], lease_ms: int) -> int:
        """Pull back due times, leases and pauses that lie too far ahead; return how many.

        A delivery becomes due at once. A lease ends as late as a new one would, because its owner may be posting.
        """

        async def work(tx: Tx) -> int:
            names = [row["id"] for row in await tx.fetch_all("endpoints_ahead", now_ms=now_ms)]
            if not names:
                return 0
            await tx.fetch_all("endpoints_by_ids", ids=names)  # before deliveries: the lock order
            changed = 0
            for name in names:
                for delays in _delays_ahead(backoff_s, now_ms):
                    changed += await tx.execute_and_count(
                        "pull_back_deliveries", endpoint_id=name, now_ms=now_ms, **delays
                    )
                changed += await tx.execute_and_count(
                    "pull_back_delivery_leases",
                    endpoint_id=name,
                    until_ms=now_ms + lease_ms,
                    latest_ms=latest_ms(now_ms, lease_ms),
                )
                changed += await tx.execute_and_count(
                    "pull_back_endpoint",
                    id=name,
                    now_ms=now_ms,
                    latest_ms=latest_ms(now_ms, 0),
                    latest_open_ms=latest_ms(now_ms, longest_pause_ms(is_throttled=False)),
                    latest_throttled_ms=latest_ms(now_ms, longest_pause_ms(is_throttled=True)),
                )
            await tx.execute_many("update_endpoint_due_time", [{"id": name, "now_ms": now_ms} for name in names])
            return changed

        return await self._engine.write(work)

    async def _disable(
        self,
        tx: Tx,
        reasons: Mapping[str, str],
        by_endpoint: Mapping[str, Sequence[AttemptResult]],
        now_ms: int,
    ) -> list[Subscription]:
        """Disable the active subscriptions among `reasons` and publish an event for each.

        One that was changed after its last attempt had started is left out, because the attempt may have gone to
        another URL.
        """
        if not reasons:
            return []
        started_ms = {name: max(result.attempt.at_ms for result in by_endpoint[name]) for name in reasons}
        found = [subscription_of(row) for row in await tx.fetch_all("subscriptions_by_ids", ids=sorted(reasons))]
        disabled = [
            replace(each, state=SubscriptionState.DISABLED, disabled_ms=now_ms, disabled_reason=reasons[each.id])
            for each in found
            if each.state is SubscriptionState.ACTIVE and each.changed_ms <= started_ms[each.id]
        ]
        if not disabled:
            return []
        rows = [{"id": s.id, "disabled_ms": s.disabled_ms, "disabled_reason": s.disabled_reason} for s in disabled]
        await tx.execute("bump_subscriptions_version")
        await keep_former(tx, [each.id for each in disabled])
        await tx.execute_many("disable_subscription", rows)
        for each in disabled:
            detail = {"subscription": each.id, "reason": each.disabled_reason}
            entry = AuditEntry(actor="service", action="subscription disabled", detail=detail)
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
        drafts = [disabled_draft(self._new_id("evt", now_ms), each) for each in disabled]
        await self._publisher.publish(tx, drafts, now_ms=now_ms)
        return disabled

    def _attempt_row(self, result: AttemptResult, now_ms: int) -> dict[str, Any]:
        return {
            **attempt_row(result.attempt),
            "id": self._new_id("att", now_ms),
            "delivery": result.delivery,
            "response": result.attempt.response.replace("\x00", "\\x00"),
        }


class _Share(NamedTuple):
    """What a lease takes of an endpoint: deliveries to post now, and for each of these so many in all."""

    endpoint: EndpointState
    slots: int
    per_slot: int = 1


class _Plan(NamedTuple):
    """What a lease takes of the endpoints that are due, and whether it leaves one out."""

    shares: Sequence[_Share] = ()
    has_more: bool = False


async def _plan(reader: Reader, *, now_ms: int, limit: int, per_endpoint: int, own: OwnPosts | None) -> _Plan:
    process = "/" if own is None else f"{own.process}/"  # no owner begins with the first
    for most in (LIKELY_ENOUGH * limit, ENDPOINTS_PER_LEASE):
        due = await reader.fetch_all("due_endpoints", now_ms=now_ms, limit=most, process=process)
        shares = _shares(due, now_ms=now_ms, limit=limit, per_endpoint=per_endpoint, own=own)
        if shares or len(due) < most:
            return _Plan(shares, has_more=len(shares) < len(due))
    return _Plan(has_more=True)


def _shares(due: Sequence[Row], *, now_ms: int, limit: int, per_endpoint: int, own: OwnPosts | None) -> list[_Share]:
    endpoints = {row["id"]: limited_endpoint_of(row) for row in due}
    in_flight: Mapping[str, int] = {} if own is None else own.in_flight
    busy = {row["id"]: row["busy"] + in_flight.get(row["id"], 0) for row in due}
    wanted = [
        (name, available_slots(each, busy=busy[name], now_ms=now_ms, cap=per_endpoint))
        for name, each in endpoints.items()
    ]
    slots = share_slots(wanted, limit)
    share = 0 if own is None else own.most // max(1, sum(slots.values()))
    quick = () if own is None else own.quick
    return [
        _Share(endpoints[name], count, per_slot(endpoints[name], share) if name in quick else 1)
        for name, count in slots.items()
    ]


async def _pick(tx: Tx, taken: Sequence[_Share], now_ms: int) -> list[str]:
    """Ids of the deliveries to lease: the longest due first, and replays only where nothing else is due.

    A probe is the newest delivery, because an old one may be what the endpoint always fails on.
    """
    left = {endpoint.id: slots * each for endpoint, slots, each in taken}
    ahead = {endpoint.id: slots * (each - 1) for endpoint, slots, each in taken}
    probed = {each.endpoint.id for each in taken if breaker_state(each.endpoint, now_ms) is BreakerState.HALF_OPEN}
    due: list[list[Row]] = [[], []]
    for is_probe, query in ((False, "leasable_deliveries"), (True, "newest_leasable_deliveries")):
        params = [
            {"endpoint_id": name, "is_replay": is_replay, "now_ms": now_ms, "count": count}
            for name, count in left.items()
            if (name in probed) is is_probe
            for is_replay in (0, 1)
        ]
        for row in await tx.fetch_many(query, params):
            due[row["is_replay"]].append(row)
    ids: list[str] = []
    for rows in due:
        for row in rows:
            if left.get(row["endpoint_id"], 0) > 0:
                left[row["endpoint_id"]] -= 1
                ids.append(row["id"])
        # Where all slots have one, no replay is leased to be ahead.
        left = {name: count for name, count in left.items() if count > ahead[name]}
    return ids


async def _store_endpoints(tx: Tx, changed: Sequence[EndpointState], *, considered: Sequence[str], now_ms: int) -> None:
    """Store the changed endpoints, and the next due time of all that were considered."""
    await tx.execute_many("update_endpoint", [endpoint_row(endpoint) for endpoint in changed])
    await tx.execute_many("update_endpoint_due_time", [{"id": name, "now_ms": now_ms} for name in considered])


def _by_endpoint(results: Sequence[AttemptResult]) -> dict[str, list[AttemptResult]]:
    by_endpoint: defaultdict[str, list[AttemptResult]] = defaultdict(list)
    for result in results:
        by_endpoint[result.endpoint_id].append(result)
    return dict(by_endpoint)


def _disable_reasons(
    endpoints: Sequence[EndpointState],
    by_endpoint: Mapping[str, Sequence[AttemptResult]],
    now_ms: int,
    give_up_ms: int,
) -> dict[str, str]:
    """The reason for each endpoint whose subscription is to be disabled, if it belongs to one."""
    reasons: dict[str, str] = {}
    for endpoint in endpoints:
        attempts = [result.attempt for result in by_endpoint[endpoint.id]]
        if any(attempt.status == GONE for attempt in attempts):
            reasons[endpoint.id] = "answered 410 Gone"
        elif should_disable(endpoint, now_ms, give_up_ms):
            days = f"{give_up_ms / DAY_MS:g} days"
            reasons[endpoint.id] = f"nothing but failures for {days}, last: {attempts[-1].error}"
    return reasons


def _delays_ahead(backoff_s: Sequence[float], now_ms: int) -> Iterator[dict[str, int]]:
    """What `pull_back_deliveries` takes: after each number of attempts, throttled or not, the latest time it allows."""
    for attempts in range(len(backoff_s) + 1):
        for is_throttled in (False, True):
            longest_ms = longest_delay_ms(attempts, is_throttled=is_throttled, backoff_s=backoff_s)
            yield {
                "fewest": attempts,
                "most": attempts if attempts < len(backoff_s) else MOST_ATTEMPTS,
                "is_throttled": int(is_throttled),
                "latest_ms": latest_ms(now_ms, longest_ms),
            }


def _due_deliveries(leased: Sequence[Row], taken: Sequence[_Share], owner: str, now_ms: int) -> Iterator[DueDelivery]:
    left = {each.endpoint.id: each.slots for each in taken}
    for row in leased:
        left[row["endpoint_id"]] -= 1
        yield due_delivery_of(row, owner, now_ms, is_ahead=left[row["endpoint_id"]] < 0)


def _finish_row(result: AttemptResult, now_ms: int) -> dict[str, Any]:
    return {
        "id": result.delivery,
        "owner": result.owner,
        "state": result.state.value,
        "due_ms": result.due_ms,
        "finished_ms": None if result.state is DeliveryState.PENDING else now_ms,
        "last_status": result.attempt.status,
        "last_error": result.attempt.error,
    }
