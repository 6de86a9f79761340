"""Storing subscriptions.

Every change raises a version counter in the same transaction, so that processes that cache subscriptions read them
again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import NEWEST, Engine, Tx
from receiver.store.ids import IdMaker
from receiver.store.repository import Page, Repository
from receiver.webhooks.fan_out import FanOut, keep_former
from receiver.webhooks.model.rows import endpoint_of, subscription_of, subscription_row
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus

MOST_SUBSCRIPTIONS = 1000  # because every event is matched against each of them


class SubscriptionRepository(Repository):
    """Each method is one transaction. It raises StoreUnavailable, and then nothing was changed.

    A deleted subscription is never found again.
    """

    def __init__(self, engine: Engine, new_id: IdMaker, fan_out: FanOut) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._fan_out = fan_out

    async def add(self, subscription: Subscription, *, actor: str, now_ms: int) -> bool:
        """Store a new subscription; False, with nothing stored, when there are `MOST_SUBSCRIPTIONS` already."""

        async def work(tx: Tx) -> bool:
            await tx.execute("bump_subscriptions_version")
            row = await tx.fetch_one("count_subscriptions")
            if (row or {})["number"] >= MOST_SUBSCRIPTIONS:
                return False
            await tx.fetch_one("lock_counter", name="events")  # it receives the events after the newest one
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
            # Endpoint, subscription, counters: the lock order of `receiver.webhooks.outbox`.
            await tx.fetch_all("endpoints_by_ids", ids=[subscription_id])
            row = await tx.fetch_one("lock_subscription", id=subscription_id)
            if row is None:
                return None
            before = subscription_of(row)
            after = change(before)
            if reset_health or after.url != before.url:
                await tx.execute("reset_endpoint_health", id=subscription_id)
            await tx.execute("bump_subscriptions_version")
            if (after.url, after.filter, after.state) != (before.url, before.filter, before.state):
                await keep_former(tx, [subscription_id])
            await tx.execute("update_subscription", **subscription_row(after))
            await self._audit(tx, subscription_id, entry, now_ms)
            return after

        return await self._engine.write(work)

    async def delete(self, subscription_id: str, *, actor: str, now_ms: int) -> bool:
        """Hide the subscription and wipe its secrets; False when there is no such subscription.

        Retention ends its pending deliveries later.
        """

        async def work(tx: Tx) -> bool:
            if await tx.fetch_one("lock_subscription", id=subscription_id) is None:
                return False
            await tx.execute("bump_subscriptions_version")
            await keep_former(tx, [subscription_id])
            await tx.execute("delete_subscription", id=subscription_id, now_ms=now_ms)
            await self._audit(tx, subscription_id, AuditEntry(actor=actor, action="subscription deleted"), now_ms)
            return True

        return await self._engine.write(work)

    async def find(self, subscription_id: str) -> SubscriptionStatus | None:
        found = await self._one("subscription_by_id", subscription_of, id=subscription_id)
        return None if found is None else (await self._with_endpoints([found]))[0]

    async def page(
        self,
        *,
        limit: int,
        cursor: str | None,
        state: SubscriptionState | None = None,
        key_id: str | None = None,
    ) -> Page[SubscriptionStatus]:
        """Newest first; `next_cursor` is the last id of the page. `key_id`: of those that this key created."""
        params = {"cursor": cursor or NEWEST, "state": state.value if state else None, "key_id": key_id}
        page = await self._page("subscriptions_page", subscription_of, lambda each: each.id, limit, params)
        return Page(items=tuple(await self._with_endpoints(page.items)), next_cursor=page.next_cursor)

    async def by_ids(self, subscription_ids: Sequence[str]) -> list[SubscriptionStatus]:
        """Those that are there, newest first."""
        return await self._with_endpoints(await self._all("subscriptions_shown", subscription_of, ids=subscription_ids))

    async def _with_endpoints(self, subscriptions: Sequence[Subscription]) -> list[SubscriptionStatus]:
        await self._fan_out.try_advance()
        found = await self._all("endpoints_of_subscriptions", dict, ids=[each.id for each in subscriptions])
        rows = {row["id"]: row for row in found}
        return [
            SubscriptionStatus(
                subscription=each, endpoint=endpoint_of(rows[each.id], each) if each.id in rows else None
            )
            for each in subscriptions
        ]

    async def _audit(self, tx: Tx, subscription_id: str, entry: AuditEntry, now_ms: int) -> None:
        """Add the audit row, which also names the subscription."""
        named = replace(entry, detail={"subscription": subscription_id, **entry.detail})
        await record_audit(tx, self._new_id, named, now_ms=now_ms)
