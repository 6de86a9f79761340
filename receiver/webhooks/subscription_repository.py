"""Who subscribes to what. Every change is counted, so that whoever remembers subscriptions knows to look again."""

from collections.abc import Callable
from dataclasses import replace

from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Reader, Tx
from receiver.store.ids import IdMaker
from receiver.store.repository import Page
from receiver.webhooks.model.rows import lane_of, subscription_of, subscription_row
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus

MOST_SUBSCRIPTIONS = 1000  # every event is held against each

_BEFORE_ALL = "~"  # sorts after every id, so a first page starts at the newest


class Subscriptions:
    """Each verb is one transaction and raises StoreUnavailable as a whole. A deleted one is never seen again."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        self._engine = engine
        self._new_id = new_id

    async def add(self, subscription: Subscription, *, actor: str, now_ms: int) -> bool:
        """False when there are `MOST_SUBSCRIPTIONS` already; then nothing is stored."""

        async def work(tx: Tx) -> bool:
            await tx.execute("touch_subscriptions")
            row = await tx.fetch_one("count_subscriptions")
            if (row or {})["number"] >= MOST_SUBSCRIPTIONS:
                return False
            await tx.execute("insert_subscription", **subscription_row(subscription))
            await self._audit(tx, subscription.id, AuditEntry(actor=actor, action="subscription created"), now_ms)
            return True

        return await self._engine.write(work)

    async def change(
        self,
        name: str,
        change: Callable[[Subscription], Subscription],
        deed: AuditEntry,
        *,
        now_ms: int,
        forgive: bool = False,
    ) -> Subscription | None:
        """What `change` makes of the stored one, read and written together; None when there is none.

        What `change` raises ends it with nothing changed. A new address starts without its predecessor's record of
        failures, pause and slow-down; `forgive` clears that record too.
        """

        async def work(tx: Tx) -> Subscription | None:
            # Lane, subscription, counter: as when attempts are recorded, so that the two never wait for each other.
            await tx.fetch_all("lanes_by_ids", ids=[name])
            row = await tx.fetch_one("subscription_to_change", id=name)
            if row is None:
                return None
            before = subscription_of(row)
            after = change(before)
            await tx.execute("update_subscription", **subscription_row(after))
            if forgive or after.url != before.url:
                await tx.execute("reset_lane", id=name)
            await tx.execute("touch_subscriptions")
            await self._audit(tx, name, deed, now_ms)
            return after

        return await self._engine.write(work)

    async def delete(self, name: str, *, actor: str, now_ms: int) -> bool:
        """Out of sight and without its secrets at once; what it was owed is cleared up later. False: there is none."""

        async def work(tx: Tx) -> bool:
            if not await tx.execute("delete_subscription", id=name, now_ms=now_ms):
                return False
            await tx.execute("touch_subscriptions")
            await self._audit(tx, name, AuditEntry(actor=actor, action="subscription deleted"), now_ms)
            return True

        return await self._engine.write(work)

    async def note(self, name: str, deed: AuditEntry, *, now_ms: int) -> None:
        """Only the line of who did what."""

        async def work(tx: Tx) -> None:
            await self._audit(tx, name, deed, now_ms)

        await self._engine.write(work)

    async def find(self, name: str) -> SubscriptionStatus | None:
        async def work(reader: Reader) -> SubscriptionStatus | None:
            row = await reader.fetch_one("subscription_by_id", id=name)
            return None if row is None else (await _with_lanes(reader, [subscription_of(row)]))[0]

        return await self._engine.read(work)

    async def page(
        self, *, limit: int, cursor: str | None, state: SubscriptionState | None = None
    ) -> Page[SubscriptionStatus]:
        """Newest first; `next_cursor` is the last id of the page."""

        async def work(reader: Reader) -> Page[SubscriptionStatus]:
            word = state.value if state else None
            found = await reader.fetch_all(
                "subscriptions_page", cursor=cursor or _BEFORE_ALL, limit=limit + 1, state=word
            )
            seen = await _with_lanes(reader, [subscription_of(row) for row in found[:limit]])
            more = len(found) > limit
            return Page(items=tuple(seen), next_cursor=seen[-1].subscription.id if more else None)

        return await self._engine.read(work)

    async def _audit(self, tx: Tx, name: str, deed: AuditEntry, now_ms: int) -> None:
        entry = replace(deed, detail={"subscription": name, **deed.detail})
        await record_audit(tx, self._new_id, entry, now_ms=now_ms)


async def _with_lanes(reader: Reader, subscriptions: list[Subscription]) -> list[SubscriptionStatus]:
    found = await reader.fetch_all("lanes_of_subscriptions", ids=[each.id for each in subscriptions])
    lanes = {row["id"]: row for row in found}
    return [
        SubscriptionStatus(subscription=each, lane=lane_of(lanes[each.id], each) if each.id in lanes else None)
        for each in subscriptions
    ]
