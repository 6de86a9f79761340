"""Storing subscriptions.

Every change raises a version counter in the same transaction, so that processes that cache subscriptions read them
again.
"""

from collections.abc import Callable
from dataclasses import replace

from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Reader, Tx
from receiver.store.ids import IdMaker
from receiver.store.repository import NEWEST, Page
from receiver.webhooks.model.rows import endpoint_of, subscription_of, subscription_row
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus

MOST_SUBSCRIPTIONS = 1000  # because every event is matched against each of them


class SubscriptionRepository:
    """Each method is one transaction. It raises StoreUnavailable, and then nothing was changed.

    A deleted subscription is never found again.
    """

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        self._engine = engine
        self._new_id = new_id

    async def add(self, subscription: Subscription, *, actor: str, now_ms: int) -> bool:
        """Store a new subscription; False, with nothing stored, when there are `MOST_SUBSCRIPTIONS` already."""

        async def work(tx: Tx) -> bool:
            await tx.execute("bump_subscriptions_version")
            row = await tx.fetch_one("count_subscriptions")
            if (row or {})["number"] >= MOST_SUBSCRIPTIONS:
                return False
            await tx.execute("insert_subscription", **subscription_row(subscription))
            entry = AuditEntry(actor=actor, action="subscription created")
            await self._audit(tx, subscription.id, entry, now_ms)
            return True

        return await self._engine.write(work)

    async def change(
        self,
        subscription_id: str,
        change: Callable[[Subscription], Subscription],
        entry: AuditEntry,
        *,
        now_ms: int,
        reset_health: bool = False,
    ) -> Subscription | None:
        """Apply `change` to the stored subscription and return the result; None when there is no such subscription.

        An exception of `change` leaves everything as it was. A new URL clears the endpoint's failures, pause and
        throttling, and so does `reset_health`.
        """

        async def work(tx: Tx) -> Subscription | None:
            # Endpoint, subscription, counter: the lock order of `receiver.webhooks.outbox`.
            await tx.fetch_all("endpoints_by_ids", ids=[subscription_id])
            row = await tx.fetch_one("lock_subscription", id=subscription_id)
            if row is None:
                return None
            before = subscription_of(row)
            after = change(before)
            await tx.execute("update_subscription", **subscription_row(after))
            if reset_health or after.url != before.url:
                await tx.execute("reset_endpoint_health", id=subscription_id)
            await tx.execute("bump_subscriptions_version")
            await self._audit(tx, subscription_id, entry, now_ms)
            return after

        return await self._engine.write(work)

    async def delete(self, subscription_id: str, *, actor: str, now_ms: int) -> bool:
        """Hide the subscription and wipe its secrets; False when there is no such subscription.

        Retention ends its pending deliveries later.
        """

        async def work(tx: Tx) -> bool:
            if not await tx.execute("delete_subscription", id=subscription_id, now_ms=now_ms):
                return False
            await tx.execute("bump_subscriptions_version")
            await self._audit(tx, subscription_id, AuditEntry(actor=actor, action="subscription deleted"), now_ms)
            return True

        return await self._engine.write(work)

    async def record_action(self, subscription_id: str, entry: AuditEntry, *, now_ms: int) -> None:
        """Add an audit row for an action that changes nothing else."""

        async def work(tx: Tx) -> None:
            await self._audit(tx, subscription_id, entry, now_ms)

        await self._engine.write(work)

    async def find(self, subscription_id: str) -> SubscriptionStatus | None:
        async def work(reader: Reader) -> SubscriptionStatus | None:
            row = await reader.fetch_one("subscription_by_id", id=subscription_id)
            return None if row is None else (await _with_endpoints(reader, [subscription_of(row)]))[0]

        return await self._engine.read(work)

    async def page(
        self, *, limit: int, cursor: str | None, state: SubscriptionState | None = None
    ) -> Page[SubscriptionStatus]:
        """Newest first; `next_cursor` is the last id of the page."""

        async def work(reader: Reader) -> Page[SubscriptionStatus]:
            found = await reader.fetch_all(
                "subscriptions_page",
                cursor=cursor or NEWEST,
                limit=limit + 1,
                state=state.value if state else None,
            )
            items = await _with_endpoints(reader, [subscription_of(row) for row in found[:limit]])
            next_cursor = items[-1].subscription.id if len(found) > limit else None
            return Page(items=tuple(items), next_cursor=next_cursor)

        return await self._engine.read(work)

    async def _audit(self, tx: Tx, subscription_id: str, entry: AuditEntry, now_ms: int) -> None:
        """Add the audit row, which also names the subscription."""
        named = replace(entry, detail={"subscription": subscription_id, **entry.detail})
        await record_audit(tx, self._new_id, named, now_ms=now_ms)


async def _with_endpoints(reader: Reader, subscriptions: list[Subscription]) -> list[SubscriptionStatus]:
    found = await reader.fetch_all("endpoints_of_subscriptions", ids=[each.id for each in subscriptions])
    rows = {row["id"]: row for row in found}
    return [
        SubscriptionStatus(subscription=each, endpoint=endpoint_of(rows[each.id], each) if each.id in rows else None)
        for each in subscriptions
    ]
