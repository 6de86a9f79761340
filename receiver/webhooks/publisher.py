"""Publish events: number them, store them, and add a delivery for each recipient, in the caller's transaction.

Lock order: see `receiver.webhooks.outbox`. Here it means that endpoints are locked before the counter of events.
"""

from collections.abc import Sequence

from receiver.events.model.event import Event, EventDraft, event_of_draft
from receiver.events.model.rows import event_row
from receiver.store.engine import Tx, Value
from receiver.store.ids import IdMaker
from receiver.webhooks.model.rows import subscription_of
from receiver.webhooks.model.subscription import Recipient, Subscription, recipients_of
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS

#: Deliveries that one transaction adds at most: they take well under a second, while others wait for the writer.
DELIVERIES_PER_TRANSACTION = 20_000


class EventPublisher:
    """One for a process. It caches the active subscriptions until their version counter changes."""

    def __init__(self, new_id: IdMaker) -> None:
        self._new_id = new_id
        self._cached: tuple[Subscription, ...] = ()
        self._cached_version: int | None = None

    @property
    def events_at_once(self) -> int:
        """How many events one transaction should publish at most, in case every subscription receives them all."""
        subscribers = MOST_SUBSCRIPTIONS if self._cached_version is None else len(self._cached)
        return max(1, DELIVERIES_PER_TRANSACTION // max(1, subscribers))

    async def publish(self, tx: Tx, drafts: Sequence[EventDraft], *, now_ms: int) -> list[Event]:
        """Store the events in the order of the drafts, numbered without a gap, and return them.

        The numbers come from a counter row in this transaction, so that they follow the order of commits: a reader
        that has seen number n never finds a smaller one later.
        """
        if not drafts:
            return []
        active = await self._active_subscriptions(tx, drafts)
        recipients = [tuple(recipients_of(draft, active)) for draft in drafts]
        # Endpoints before the counter: see the lock order.
        endpoint_ids = sorted({each.endpoint_id for group in recipients for each in group})
        await tx.execute_many("schedule_endpoint", [{"id": name, "due_ms": now_ms} for name in endpoint_ids])
        row = await tx.fetch_one("reserve_event_numbers", count=len(drafts))
        first = (row or {})["value"] - len(drafts) + 1
        events = [event_of_draft(draft, seq, now_ms) for seq, draft in enumerate(drafts, first)]
        await tx.execute_many("insert_event", [event_row(event) for event in events])
        rows = [
            _delivery_row(self._new_id("dlv", now_ms), event, recipient, now_ms)
            for event, group in zip(events, recipients, strict=True)
            for recipient in group
        ]
        await tx.execute_many("insert_delivery", rows)
        await tx.announce()
        return events

    async def _active_subscriptions(self, tx: Tx, drafts: Sequence[EventDraft]) -> tuple[Subscription, ...]:
        if any(draft.subject is None for draft in drafts):
            # An event about a subscription: this transaction has changed one and may still be rolled back. What it
            # reads must not be cached.
            return await _read_active(tx)
        row = await tx.fetch_one("subscriptions_version")
        version = (row or {})["value"]
        if version != self._cached_version:
            self._cached, self._cached_version = await _read_active(tx), version
        return self._cached


async def _read_active(tx: Tx) -> tuple[Subscription, ...]:
    return tuple(subscription_of(row) for row in await tx.fetch_all("active_subscriptions"))


def _delivery_row(delivery_id: str, event: Event, recipient: Recipient, now_ms: int) -> dict[str, Value]:
    return {
        "id": delivery_id,
        "event_seq": event.seq,
        "event_id": event.id,
        "event_type": event.type.value,
        "task": event.task_id or "",
        "subscription": recipient.subscription,
        "endpoint_id": recipient.endpoint_id,
        "endpoint": recipient.url,
        "due_ms": now_ms,
    }
