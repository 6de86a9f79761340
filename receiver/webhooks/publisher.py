"""Publish events: number them and store them, in the caller's transaction. Their deliveries are made by `fan_out`.

Lock order: see `receiver.webhooks.outbox`. The counter of events is the last row that a transaction locks.
"""

from collections.abc import Sequence

from receiver.events.model.body import event_of_draft
from receiver.events.model.event import Event, EventDraft
from receiver.events.model.rows import event_row
from receiver.store.engine import Tx


class EventPublisher:
    """The only writer of events."""

    async def publish(self, tx: Tx, drafts: Sequence[EventDraft], *, now_ms: int) -> list[Event]:
        """Store the events in the order of the drafts, numbered without a gap, and return them.

        The numbers come from a counter row in this transaction, so that they follow the order of commits: a reader
        that has seen number n never finds a smaller one later.
        """
        if not drafts:
            return []
        row = await tx.fetch_one("reserve_event_numbers", count=len(drafts))
        first = (row or {})["value"] - len(drafts) + 1
        events = [event_of_draft(draft, seq, now_ms) for seq, draft in enumerate(drafts, first)]
        await tx.execute_many("insert_event", [event_row(event) for event in events])
        await tx.announce()
        return events
