"""Writing events and what is owed for them, inside somebody else's transaction."""

from collections.abc import Sequence

from receiver.events.model.event import Event, EventDraft, event_of_draft
from receiver.events.model.rows import event_row
from receiver.store.engine import Tx, Value
from receiver.store.ids import IdMaker
from receiver.webhooks.model.rows import subscription_of
from receiver.webhooks.model.subscription import Owed, Subscription, recipients_of
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS

OWED_AT_ONCE = 20_000  # deliveries in one transaction: well under a second, while others wait for the writer


class EventPublisher:
    """One for a process: it remembers the active subscriptions for as long as their counter stands still."""

    def __init__(self, new_id: IdMaker) -> None:
        self._new_id = new_id
        self._known: tuple[Subscription, ...] = ()
        self._known_version: int | None = None

    @property
    def events_at_once(self) -> int:
        """How many events a transaction should make at most, in case every subscription wants them all."""
        subscribers = MOST_SUBSCRIPTIONS if self._known_version is None else len(self._known)
        return max(1, OWED_AT_ONCE // max(1, subscribers))

    async def emit(self, tx: Tx, drafts: Sequence[EventDraft], *, now_ms: int) -> list[Event]:
        """Number the drafts in their order, without a gap, and owe each to whom it concerns.

        The numbers come from a counter row in this transaction, so that they follow the order of commits: a reader
        that has seen number n will never later find a smaller one.
        """
        if not drafts:
            return []
        # A transaction that tells of a subscription has changed it, and may yet be rolled back: not to be remembered.
        is_settled = all(draft.subject is not None for draft in drafts)
        active = await (self._remembered(tx) if is_settled else _active(tx))
        owed = [tuple(recipients_of(draft, active)) for draft in drafts]
        # Lanes before the counter: everybody waits for that one, so nobody who holds it may wait for anything else.
        lanes = sorted({each.lane for some in owed for each in some})
        await tx.execute_many("wake_lane", [{"id": lane, "due_ms": now_ms} for lane in lanes])
        row = await tx.fetch_one("take_seqs", count=len(drafts))
        first = (row or {})["value"] - len(drafts) + 1
        events = [event_of_draft(draft, seq, now_ms) for seq, draft in enumerate(drafts, first)]
        await tx.execute_many("insert_event", [event_row(event) for event in events])
        rows = [
            _delivery_row(self._new_id("dlv", now_ms), event, each, now_ms)
            for event, some in zip(events, owed, strict=True)
            for each in some
        ]
        await tx.execute_many("insert_delivery", rows)
        await tx.announce()
        return events

    async def _remembered(self, tx: Tx) -> tuple[Subscription, ...]:
        row = await tx.fetch_one("subscriptions_version")
        version = (row or {})["value"]
        if version != self._known_version:
            self._known, self._known_version = await _active(tx), version
        return self._known


async def _active(tx: Tx) -> tuple[Subscription, ...]:
    return tuple(subscription_of(row) for row in await tx.fetch_all("active_subscriptions"))


def _delivery_row(name: str, event: Event, owed: Owed, now_ms: int) -> dict[str, Value]:
    return {
        "id": name,
        "event_seq": event.seq,
        "event_id": event.id,
        "event_type": event.type.value,
        "task": event.task_id or "",
        "subscription": owed.subscription,
        "lane": owed.lane,
        "endpoint": owed.endpoint,
        "due_ms": now_ms,
    }
