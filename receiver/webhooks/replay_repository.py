"""Requeue past events for one subscription, a bounded part of the log at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.events.model.event import EventFacts
from receiver.events.model.query import matches
from receiver.events.model.rows import event_of
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import NEVER_MS, Engine, Reader, Row, Tx
from receiver.store.ids import IdMaker
from receiver.webhooks.fan_out import FanOut
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.replay import (
    ReplayRange,
    ReplayWhich,
    SubscriptionNotActive,
    SubscriptionNotFound,
)
from receiver.webhooks.model.rows import filter_json, subscription_of
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, subscribes

SLICE_SEQS = 5_000  # event numbers that one batch scans at most, however few of them lie within the times


#: The states of a delivery that a replay requeues; None stands for no delivery.
_REQUEUED: Mapping[ReplayWhich, frozenset[str | None]] = {
    ReplayWhich.ALL: frozenset({None, DeliveryState.DELIVERED.value, DeliveryState.DEAD.value}),
    ReplayWhich.DEAD: frozenset({DeliveryState.DEAD.value}),
    ReplayWhich.MISSING: frozenset({None}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayScope:
    """Events with `after_seq < seq <= last_seq`."""

    after_seq: int
    last_seq: int
    #: The oldest stored event, when the range begins before it.
    oldest_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayBatch:
    """What one batch did, or would do."""

    #: The next batch begins after this number.
    next_after: int
    matched: int = 0
    #: The numbers of the events that were requeued.
    seqs: tuple[int, ...] = ()

    @property
    def requeued(self) -> int:
        return len(self.seqs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """Numbers of the events that pass both filters, and how far the log was scanned."""

    seqs: Sequence[int]
    next_after: int


class ReplayRepository:
    """Each method raises StoreUnavailable, and then nothing was changed.

    Each also raises SubscriptionNotFound or SubscriptionNotActive, as the subscription is at that moment.
    """

    def __init__(self, engine: Engine, new_id: IdMaker, fan_out: FanOut) -> None:
        self._engine = engine
        self._new_id = new_id
        self._fan_out = fan_out

    async def plan(self, subscription_id: str, wanted: ReplayRange) -> ReplayScope:
        """Where a replay would begin and end. No subscription, delivery or audit row changes.

        The events up to its end get their deliveries first, because the replay is for those that have none. Raise
        StoreUnavailable where that would take long.
        """
        scope = await self._engine.read(lambda reader: _scope(reader, subscription_id, wanted))
        await self._fan_out.advance_to(scope.last_seq)
        return scope

    async def begin(self, subscription_id: str, wanted: ReplayRange, *, actor: str, now_ms: int) -> ReplayScope:
        """The same, and add the audit row of the whole replay, so that it is there before anything is requeued."""
        scope = await self.plan(subscription_id, wanted)

        async def work(tx: Tx) -> None:
            await active_subscription(tx, subscription_id)
            detail = {"subscription": subscription_id, **_range_values(wanted)}
            entry = AuditEntry(actor=actor, action="subscription replayed", detail=detail)
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)

        await self._engine.write(work)
        return scope

    async def count_batch(
        self, subscription_id: str, wanted: ReplayRange, scope: ReplayScope, *, limit: int
    ) -> ReplayBatch:
        """How many of the next `limit` events of the scope would be requeued. Changes nothing."""

        async def work(reader: Reader) -> ReplayBatch:
            match = await _match(reader, subscription_id, wanted, scope, limit)
            rows = await _requeueable(reader, subscription_id, wanted.which, match.seqs)
            return _batch(match, [row["seq"] for row in rows])

        return await self._engine.read(work)

    async def requeue_batch(
        self, subscription_id: str, wanted: ReplayRange, scope: ReplayScope, *, limit: int, now_ms: int
    ) -> ReplayBatch:
        """Requeue what the next `limit` events of the scope call for.

        A delivery that is pending, leased or not, stays as it is. Requeued ones are sent after everything else of their
        endpoint. Events never change, so they are read and matched before the writer is taken; a batch in which nothing
        matches writes nothing.
        """
        match = await self._engine.read(lambda reader: _match(reader, subscription_id, wanted, scope, limit))
        if not match.seqs:
            return ReplayBatch(next_after=match.next_after)

        return _batch(match, await self.requeue(subscription_id, wanted.which, match.seqs, now_ms=now_ms))

    async def requeue(
        self, subscription_id: str, which: ReplayWhich, seqs: Sequence[int], *, now_ms: int
    ) -> Sequence[int]:
        """Requeue these events, which pass both filters. Return the numbers of those that were."""

        async def work(tx: Tx) -> Sequence[int]:
            subscription = await active_subscription(tx, subscription_id)
            return await self._requeue(tx, subscription, which, seqs, now_ms)

        return await self._engine.write(work)

    async def _requeue(
        self, tx: Tx, subscription: Subscription, which: ReplayWhich, seqs: Sequence[int], now_ms: int
    ) -> Sequence[int]:
        await tx.fetch_all("endpoints_by_ids", ids=[subscription.id])  # before deliveries: the lock order of the outbox
        await tx.fetch_all("lock_events", seqs=seqs)  # so that retention does not delete them meanwhile
        rows = await _requeueable(tx, subscription.id, which, seqs)
        common = {"subscription": subscription.id, "endpoint_id": subscription.id, "endpoint": subscription.url}
        deliveries = [
            {
                "id": self._new_id("dlv", now_ms),
                "event_seq": row["seq"],
                "event_id": row["id"],
                "event_type": row["type"],
                "task": row["task"],
                "now_ms": now_ms,
                **common,
            }
            for row in rows
        ]
        await tx.execute_many("requeue_delivery", deliveries)
        if rows:
            await tx.execute("schedule_endpoint", id=subscription.id, due_ms=now_ms)
            await tx.announce()
        return [row["seq"] for row in rows]


def _batch(match: _Match, seqs: Sequence[int]) -> ReplayBatch:
    return ReplayBatch(next_after=match.next_after, matched=len(match.seqs), seqs=tuple(seqs))


async def active_subscription(reader: Reader, subscription_id: str) -> Subscription:
    """Raise SubscriptionNotFound or SubscriptionNotActive."""
    row = await reader.fetch_one("subscription_by_id", id=subscription_id)
    if row is None:
        raise SubscriptionNotFound(subscription_id)
    subscription = subscription_of(row)
    if subscription.state is not SubscriptionState.ACTIVE:
        raise SubscriptionNotActive(subscription_id, subscription.disabled_reason)
    return subscription


async def _scope(reader: Reader, subscription_id: str, wanted: ReplayRange) -> ReplayScope:
    await active_subscription(reader, subscription_id)
    last_seq = int((await reader.fetch_one("last_seq") or {"value": 0})["value"])
    oldest_row = await reader.fetch_one("oldest_seq") or {}
    oldest = last_seq + 1 if oldest_row.get("seq") is None else int(oldest_row["seq"])
    first = oldest if wanted.first_seq is None else wanted.first_seq
    return ReplayScope(
        after_seq=max(oldest, first) - 1,
        last_seq=last_seq if wanted.last_seq is None else min(wanted.last_seq, last_seq),
        oldest_seq=oldest if 1 <= first < oldest else None,
    )


async def _match(reader: Reader, subscription_id: str, wanted: ReplayRange, scope: ReplayScope, limit: int) -> _Match:
    subscription = await active_subscription(reader, subscription_id)
    until_seq = min(scope.after_seq + SLICE_SEQS, scope.last_seq)
    found = await reader.fetch_all(
        "events_between",
        after=scope.after_seq,
        last=until_seq,
        since_ms=_int64(wanted.since_ms, default=-NEVER_MS),
        until_ms=_int64(wanted.until_ms, default=NEVER_MS),
        limit=limit,
    )
    events = [event_of(row) for row in found]
    return _Match(
        seqs=[
            event.seq
            for event in events
            if subscribes(subscription.filter, facts := EventFacts.of_event(event)) and matches(wanted.filter, facts)
        ],
        next_after=events[-1].seq if len(events) == limit else until_seq,
    )


async def _requeueable(reader: Reader, subscription_id: str, which: ReplayWhich, seqs: Sequence[int]) -> list[Row]:
    """Those of these events that are still stored and whose delivery, or lack of one, the replay is for."""
    if not seqs:
        return []
    found = await reader.fetch_all("delivery_states_of_events", subscription=subscription_id, seqs=seqs)
    return [row for row in found if row["state"] in _REQUEUED[which]]


def _int64(moment_ms: int | None, *, default: int) -> int:
    """A time that every engine can hold."""
    return default if moment_ms is None else max(-NEVER_MS, min(moment_ms, NEVER_MS))


def _range_values(wanted: ReplayRange) -> dict[str, Any]:
    """The range as JSON values, without what bounds nothing."""
    values = {
        "first_seq": wanted.first_seq,
        "last_seq": wanted.last_seq,
        "since_ms": wanted.since_ms,
        "until_ms": wanted.until_ms,
        "which": wanted.which.value,
    }
    bounds = {name: value for name, value in values.items() if value is not None}
    conditions = {name: words for name, words in json.loads(filter_json(wanted.filter)).items() if words}
    return {**bounds, **conditions}
