"""What is owed to endpoints: leases on deliveries, and what became of each attempt.

What is owed to one endpoint is its lane, and `receiver.lanes` says how much of it may be leased. A lane's next due time
is when something of it can be leased next, so a turn costs by the lanes that are due and never by what waits in them.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from receiver.events.model.event import EventType
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Reader, Row, Tx, Value
from receiver.store.ids import IdMaker
from receiver.webhooks.model import endpoint_health
from receiver.webhooks.model.delivery import AttemptResult, Delivery, DeliveryState, DueDelivery
from receiver.webhooks.model.endpoint_health import Lane
from receiver.webhooks.model.retry import GONE
from receiver.webhooks.model.rows import attempt_row, delivery_of, lane_row, limited_lane_of, subscription_of
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, keys_at
from receiver.webhooks.model.views import disabled_draft
from receiver.webhooks.publisher import EventPublisher
from submitter.model import TaskId

log = structlog.get_logger(__name__)

LANES_A_TURN = 512  # looked at in one lease, those that have waited longest for their turn

DAY_MS = 86_400_000

GIVE_UP_MS = 5 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """How many deliveries of a lane are to be leased."""

    lane: Lane
    count: int
    is_probe: bool


class Outbox:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, emitter: EventPublisher) -> None:
        self._engine = engine
        self._new_id = new_id
        self._emitter = emitter

    async def lease_deliveries(
        self, *, owner: str, now_ms: int, lease_ms: int, limit: int, per_lane: int
    ) -> list[DueDelivery]:
        """Due deliveries, lanes taking turns; no lane ever has more than its cap leased at once, by all owners.

        `owner` must be another for each call that may overlap with this one's posts.
        """

        async def shares(reader: Reader) -> list[_Share]:
            return await _shares(reader, now_ms=now_ms, limit=limit, per_lane=per_lane)

        planned = [share.lane.id for share in await self._engine.read(shares)]
        if not planned:
            return []

        async def work(tx: Tx) -> list[DueDelivery]:
            # Held before they are counted: what workers lease at the same time stays within each lane's limits.
            held = {row["id"] for row in await tx.fetch_all("lanes_by_ids", ids=planned)}
            taken = [share for share in await shares(tx) if share.lane.id in held]
            ids = await _pick(tx, taken, now_ms)
            claim: dict[str, Value] = {"owner": owner, "now_ms": now_ms, "until_ms": now_ms + lease_ms}
            await tx.execute_many("lease_delivery", [{"id": name, **claim} for name in ids])
            mine = await tx.fetch_all("leased_deliveries", ids=ids, owner=owner)
            counts = Counter(row["lane"] for row in mine)
            after = [endpoint_health.served(s.lane, counts[s.lane.id], now_ms) for s in taken if counts[s.lane.id]]
            await _keep_lanes(tx, after, looked_at=[s.lane.id for s in taken], now_ms=now_ms)
            return [_due_delivery(row, owner, now_ms) for row in mine]

        return await self._engine.write(work)

    async def record_attempts(
        self, results: Sequence[AttemptResult], now_ms: int, *, give_up_ms: int = GIVE_UP_MS
    ) -> int:
        """Attempts and all that follows from them, together; an owner that lost its lease adds only its attempt.

        Disables a subscription that is gone, or that has done nothing but fail for `give_up_ms`, and says so by an
        event. Returns how many events were made.
        """

        async def work(tx: Tx) -> list[Subscription]:
            # Lanes before deliveries, as when leasing: transactions that wait for each other's rows never cross.
            known = {row["id"]: limited_lane_of(row) for row in await _lanes_of(tx, results)}
            await tx.execute_many("finish_attempt", [_finish_row(result, now_ms) for result in results])
            await tx.execute_many("insert_attempt", [self._attempt_row(result, now_ms) for result in results])
            heard = _by_lane(results)
            after = [
                endpoint_health.after_attempts(lane, map(_news, heard[name]), now_ms)
                for name, lane in sorted(known.items())
            ]
            await _keep_lanes(tx, after, looked_at=sorted(known), now_ms=now_ms)
            began_ms = {name: max(result.attempt.at_ms for result in heard[name]) for name in known}
            return await self._disable(tx, _given_up(after, heard, now_ms, give_up_ms), began_ms, now_ms)

        disabled = await self._engine.write(work)
        for each in disabled:
            log.error("subscription_disabled", subscription=each.id, reason=each.disabled_reason)
        return len(disabled)

    async def redeliver(self, delivery: str, *, actor: str, now_ms: int) -> Delivery | None:
        """Make one delivery due again, its schedule from the start. None when there is no such delivery.

        One that is being posted right now, or whose subscription was deleted, is left as it is, and the audit is
        silent about it.
        """

        async def work(tx: Tx) -> Delivery | None:
            found = await tx.fetch_one("delivery_by_id", id=delivery)
            if found is None:
                return None
            if await tx.execute("redeliver", id=delivery, now_ms=now_ms):
                await tx.execute("wake_lane", id=found["lane"], due_ms=now_ms)
                await tx.announce()
                task_id = found["task"] or None
                entry = AuditEntry(actor=actor, action="redeliver", detail={"delivery": delivery}, task_id=task_id)
                await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            row = await tx.fetch_one("delivery_by_id", id=delivery)
            return None if row is None else delivery_of(row)

        return await self._engine.write(work)

    async def _disable(
        self, tx: Tx, reasons: Mapping[str, str], began_ms: Mapping[str, int], now_ms: int
    ) -> list[Subscription]:
        """Those that are active and have not been changed since the last attempt began: it may have gone elsewhere."""
        if not reasons:
            return []
        found = [subscription_of(row) for row in await tx.fetch_all("subscriptions_by_ids", ids=sorted(reasons))]
        disabled = [
            replace(each, state=SubscriptionState.DISABLED, disabled_ms=now_ms, disabled_reason=reasons[each.id])
            for each in found
            if each.state is SubscriptionState.ACTIVE and each.changed_ms <= began_ms[each.id]
        ]
        if not disabled:
            return []
        words = [{"id": s.id, "disabled_ms": s.disabled_ms, "disabled_reason": s.disabled_reason} for s in disabled]
        await tx.execute_many("disable_subscription", words)
        await tx.execute("touch_subscriptions")
        for each in disabled:
            detail = {"subscription": each.id, "reason": each.disabled_reason}
            entry = AuditEntry(actor="service", action="subscription disabled", detail=detail)
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
        drafts = [disabled_draft(self._new_id("evt", now_ms), each) for each in disabled]
        await self._emitter.emit(tx, drafts, now_ms=now_ms)
        return disabled

    def _attempt_row(self, result: AttemptResult, now_ms: int) -> dict[str, Any]:
        attempt = result.attempt
        return {
            **attempt_row(attempt),
            "id": self._new_id("att", now_ms),
            "delivery": result.delivery,
            "response": attempt.response.replace("\x00", "\\x00"),
        }


async def _shares(reader: Reader, *, now_ms: int, limit: int, per_lane: int) -> list[_Share]:
    due = await reader.fetch_all("due_lanes", now_ms=now_ms, limit=LANES_A_TURN)
    known = {row["id"]: limited_lane_of(row) for row in due}
    most = [
        (row["id"], endpoint_health.places(known[row["id"]], busy=row["busy"], now_ms=now_ms, cap=per_lane))
        for row in due
    ]
    return [
        _Share(
            lane=known[name],
            count=count,
            is_probe=endpoint_health.breaker_state(known[name], now_ms) is endpoint_health.BreakerState.HALF_OPEN,
        )
        for name, count in endpoint_health.take_turns(most, limit).items()
    ]


async def _pick(tx: Tx, taken: Sequence[_Share], now_ms: int) -> list[str]:
    """What has waited longest, or of a probed lane what came last; replays only where nothing else is due."""
    ids: list[str] = []
    left = {share.lane.id: share.count for share in taken}
    for replayed in (0, 1):
        for is_probe, statement in ((False, "free_deliveries"), (True, "newest_free_deliveries")):
            names = [share.lane.id for share in taken if share.is_probe is is_probe and left[share.lane.id] > 0]
            asked = [{"lane": name, "replayed": replayed, "now_ms": now_ms, "count": left[name]} for name in names]
            for row in await tx.fetch_many(statement, asked):
                left[row["lane"]] -= 1
                ids.append(row["id"])
    return ids


async def _lanes_of(tx: Tx, results: Sequence[AttemptResult]) -> list[Row]:
    return await tx.fetch_all("lanes_by_ids", ids=sorted({result.lane for result in results}))


async def _keep_lanes(tx: Tx, changed: Sequence[Lane], *, looked_at: Sequence[str], now_ms: int) -> None:
    await tx.execute_many("update_lane", [_behaviour_row(lane) for lane in changed])
    await tx.execute_many("refresh_lane", [{"id": name, "now_ms": now_ms} for name in looked_at])


def _behaviour_row(lane: Lane) -> dict[str, Any]:
    return {name: value for name, value in lane_row(lane).items() if name != "next_due_ms"}


def _by_lane(results: Sequence[AttemptResult]) -> Mapping[str, list[AttemptResult]]:
    heard: defaultdict[str, list[AttemptResult]] = defaultdict(list)
    for result in results:
        heard[result.lane].append(result)
    return heard


def _news(result: AttemptResult) -> endpoint_health.News:
    return endpoint_health.News(
        began_ms=result.attempt.at_ms,
        ended_ms=result.attempt.at_ms + result.attempt.latency_ms,
        status=result.attempt.status,
        retry_after_s=result.retry_after_s,
    )


def _given_up(
    after: Sequence[Lane], heard: Mapping[str, list[AttemptResult]], now_ms: int, give_up_ms: int
) -> dict[str, str]:
    """Why, for each lane that is to be disabled if it is a subscription's."""
    reasons: dict[str, str] = {}
    for lane in after:
        if any(result.attempt.status == GONE for result in heard[lane.id]):
            reasons[lane.id] = "answered 410 Gone"
        elif endpoint_health.gives_up(lane, now_ms, give_up_ms):
            last = heard[lane.id][-1].attempt.error
            reasons[lane.id] = f"nothing but failures for {give_up_ms / DAY_MS:g} days, last: {last}"
    return reasons


def _due_delivery(row: Row, owner: str, now_ms: int) -> DueDelivery:
    is_subscribed = row["subscription"] is not None
    until_ms = row["previous_until_ms"]
    secrets = keys_at(row["secret"], row["previous_secret"], until_ms, now_ms)
    signing_keys = keys_at(row["signing_key"], row["previous_signing_key"], until_ms, now_ms)
    return DueDelivery(
        id=row["id"],
        owner=owner,
        lane=row["lane"],
        event_id=row["event_id"],
        event_type=EventType(row["event_type"]),
        event_at_ms=row["at_ms"],
        task_id=TaskId(row["task"]) if row["task"] else None,
        endpoint=row["url"] if is_subscribed else row["endpoint"],
        secrets=secrets if is_subscribed else (row["notify_secret"],),
        signing_keys=signing_keys,
        cloudevents=bool(row["cloudevents"]),
        handshake=bool(row["handshake"]),
        body=row["body"],
        attempts=row["attempts"],
    )


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
