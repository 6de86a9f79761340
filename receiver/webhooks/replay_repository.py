"""Events of the past, owed to one subscription once more: a bounded slice of the stream at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.events.model.event import Event, EventFacts
from receiver.events.model.query import matches
from receiver.events.model.rows import event_of
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Reader, Row, Tx
from receiver.store.ids import IdMaker
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.replay import NotActive, ReplayRange, ReplayWhich
from receiver.webhooks.model.rows import filter_json, subscription_of
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, subscribes

SLICE_SEQS = 5_000  # numbers that one batch looks through in the index, however few of their times are wanted

_FOR_EVER_MS = 2**62

#: What a delivery may be for a replay to make it due; None stands for one that was never owed.
_REVIVED: Mapping[ReplayWhich, frozenset[str | None]] = {
    ReplayWhich.ALL: frozenset({None, DeliveryState.DELIVERED.value, DeliveryState.DEAD.value}),
    ReplayWhich.DEAD: frozenset({DeliveryState.DEAD.value}),
    ReplayWhich.MISSING: frozenset({None}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayScope:
    """Events with `after_seq < seq <= last_seq`. `oldest_seq`: see `ReplayCount`."""

    after_seq: int
    last_seq: int
    oldest_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayBatch:
    """What one batch came to; the next one begins after `next_after`."""

    next_after: int
    matched: int = 0
    made_due: int = 0


class Replays:
    """Each verb is one transaction and raises StoreUnavailable as a whole.

    All of them return None when there is no such subscription and NotActive when it is disabled, as it is by then.
    """

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        self._engine = engine
        self._new_id = new_id

    async def survey(self, name: str, wanted: ReplayRange) -> ReplayScope | NotActive | None:
        """Where a replay would begin and end. Changes nothing."""
        return await self._engine.read(lambda reader: _scope(reader, name, wanted))

    async def begin(self, name: str, wanted: ReplayRange, *, actor: str, now_ms: int) -> ReplayScope | NotActive | None:
        """The same, with the audit line of the whole replay: it is there before anything is made due."""

        async def work(tx: Tx) -> ReplayScope | NotActive | None:
            scope = await _scope(tx, name, wanted)
            if isinstance(scope, ReplayScope):
                detail = {"subscription": name, **_range_values(wanted)}
                entry = AuditEntry(actor=actor, action="subscription replayed", detail=detail)
                await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            return scope

        return await self._engine.write(work)

    async def batch(
        self, name: str, wanted: ReplayRange, scope: ReplayScope, *, limit: int, now_ms: int | None
    ) -> ReplayBatch | NotActive | None:
        """Make due what the next `limit` events of the scope owe; `now_ms` None only counts.

        What is due already, leased or not, is left as it is; what becomes due gives way to all else in its lane. Events
        never change, so they are read and matched before the writer is held, and a slice in which nothing matches is
        never a write.
        """
        look = await self._engine.read(lambda reader: _look(reader, name, wanted, scope, limit))
        if not isinstance(look, _Look):
            return look
        if not look.seqs:
            return ReplayBatch(next_after=look.next_after)

        async def count(reader: Reader) -> int:
            return len(await _revivable(reader, name, wanted.which, look.seqs))

        async def make_due(tx: Tx) -> int | NotActive | None:
            subscription = await _active(tx, name)
            if not isinstance(subscription, Subscription):
                return subscription
            return await self._make_due(tx, subscription, wanted.which, look.seqs, now_ms or 0)

        made = await (self._engine.read(count) if now_ms is None else self._engine.write(make_due))
        if not isinstance(made, int):
            return made
        return ReplayBatch(next_after=look.next_after, matched=len(look.seqs), made_due=made)

    async def _make_due(
        self, tx: Tx, subscription: Subscription, which: ReplayWhich, seqs: Sequence[int], now_ms: int
    ) -> int:
        await tx.fetch_all("lanes_by_ids", ids=[subscription.id])  # before deliveries, as everywhere
        await tx.fetch_all("hold_events", seqs=seqs)
        owed = await _revivable(tx, subscription.id, which, seqs)
        common = {"subscription": subscription.id, "lane": subscription.id, "endpoint": subscription.url}
        await tx.execute_many(
            "replay_delivery",
            [
                {
                    "id": self._new_id("dlv", now_ms),
                    "event_seq": row["seq"],
                    "event_id": row["id"],
                    "event_type": row["type"],
                    "task": row["task"],
                    "now_ms": now_ms,
                    **common,
                }
                for row in owed
            ],
        )
        if owed:
            await tx.execute("wake_lane", id=subscription.id, due_ms=now_ms)
            await tx.announce()
        return len(owed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Numbers of the events that are wanted, and how far was looked."""

    seqs: Sequence[int]
    next_after: int


async def _active(reader: Reader, name: str) -> Subscription | NotActive | None:
    row = await reader.fetch_one("subscription_by_id", id=name)
    if row is None:
        return None
    subscription = subscription_of(row)
    if subscription.state is SubscriptionState.ACTIVE:
        return subscription
    return NotActive(subscription=name, reason=subscription.disabled_reason)


async def _scope(reader: Reader, name: str, wanted: ReplayRange) -> ReplayScope | NotActive | None:
    subscription = await _active(reader, name)
    if not isinstance(subscription, Subscription):
        return subscription
    last_seq = int((await reader.fetch_one("last_seq") or {"value": 0})["value"])
    oldest_row = await reader.fetch_one("oldest_seq") or {}
    oldest = last_seq + 1 if oldest_row.get("seq") is None else int(oldest_row["seq"])
    first = oldest if wanted.first_seq is None else wanted.first_seq
    return ReplayScope(
        after_seq=max(oldest, first) - 1,
        last_seq=last_seq if wanted.last_seq is None else min(wanted.last_seq, last_seq),
        oldest_seq=oldest if 1 <= first < oldest else None,
    )


async def _look(
    reader: Reader, name: str, wanted: ReplayRange, scope: ReplayScope, limit: int
) -> _Look | NotActive | None:
    subscription = await _active(reader, name)
    if not isinstance(subscription, Subscription):
        return subscription
    until_seq = min(scope.after_seq + SLICE_SEQS, scope.last_seq)
    found = await reader.fetch_all(
        "events_between",
        after=scope.after_seq,
        last=until_seq,
        since_ms=_within(wanted.since_ms, default=-_FOR_EVER_MS),
        until_ms=_within(wanted.until_ms, default=_FOR_EVER_MS),
        limit=limit,
    )
    events = [event_of(row) for row in found]
    return _Look(
        seqs=[event.seq for event in events if _is_owed(subscription, wanted, event)],
        next_after=events[-1].seq if len(events) == limit else until_seq,
    )


async def _revivable(reader: Reader, name: str, which: ReplayWhich, seqs: Sequence[int]) -> list[Row]:
    """Events of these that are still kept and whose delivery, or lack of one, is what the replay is for."""
    found = await reader.fetch_all("owed_of_events", subscription=name, seqs=seqs)
    return [row for row in found if row["state"] in _REVIVED[which]]


def _is_owed(subscription: Subscription, wanted: ReplayRange, event: Event) -> bool:
    facts = EventFacts.of_event(event)
    return subscribes(subscription, facts) and matches(wanted.filter, facts)


def _within(moment_ms: int | None, *, default: int) -> int:
    """No engine holds larger numbers than 64 bits."""
    return default if moment_ms is None else max(-_FOR_EVER_MS, min(moment_ms, _FOR_EVER_MS))


def _range_values(wanted: ReplayRange) -> dict[str, Any]:
    """What was asked for, as JSON values; what does not bound is left out."""
    names = ("first_seq", "last_seq", "since_ms", "until_ms", "which")
    bounds = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}
    return {**bounds, **{name: words for name, words in json.loads(filter_json(wanted.filter)).items() if words}}
