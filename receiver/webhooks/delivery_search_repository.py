"""Search deliveries for a person. Whatever is asked, a page looks at a bounded number of rows."""

from collections.abc import Sequence
from typing import Any

from receiver.store.engine import NEWEST, Engine
from receiver.store.repository import Repository
from receiver.webhooks.fan_out import FanOut
from receiver.webhooks.model.delivery import Delivery
from receiver.webhooks.model.delivery_search import (
    DeliverySearch,
    FoundDeliveries,
    delivery_ceiling_of,
    delivery_conditions_of,
    delivery_drivers_of,
    delivery_floor_of,
)
from receiver.webhooks.model.rows import delivery_of

IDS_AT_ONCE = 500  # asked for their other conditions

LOOKED_AT_MOST = 10_000  # ids, for one page


class DeliverySearchRepository(Repository):
    """A page first makes the deliveries of the next events that have none yet; see `receiver.webhooks.fan_out`."""

    def __init__(self, engine: Engine, fan_out: FanOut) -> None:
        super().__init__(engine)
        self._fan_out = fan_out

    async def page(
        self, wanted: DeliverySearch, *, cursor: str | None = None, newer_than: str = "", limit: int = 50
    ) -> FoundDeliveries:
        """The newest that fit, are older than the cursor and have an id after `newer_than`."""
        await self._fan_out.try_advance()
        found: list[Delivery] = []
        looked_at, floor = 0, max(newer_than, delivery_floor_of(wanted))
        at = min(cursor or NEWEST, delivery_ceiling_of(wanted) or NEWEST)
        while looked_at < LOOKED_AT_MOST:
            ids = await self._ids(wanted, at, floor)
            found += await self.fitting(wanted, ids, limit=limit + 1 - len(found))
            if len(found) > limit:
                return FoundDeliveries(deliveries=tuple(found[:limit]), next_cursor=found[limit - 1].id)
            if len(ids) < IDS_AT_ONCE:
                return FoundDeliveries(deliveries=tuple(found), next_cursor=None)
            looked_at, at = looked_at + len(ids), ids[-1]
        return FoundDeliveries(deliveries=tuple(found), next_cursor=at, is_cut=True)

    async def fitting(self, wanted: DeliverySearch, ids: Sequence[str], *, limit: int | None = None) -> list[Delivery]:
        """Those of these ids that fit now, the newest first."""
        if not ids:
            return []
        conditions = delivery_conditions_of(wanted)
        most = len(ids) if limit is None else limit
        return await self._all("fitting_deliveries", delivery_of, **conditions, ids=ids, limit=most)

    async def by_ids(self, ids: Sequence[str]) -> list[Delivery]:
        """Those that are there, the newest first, whatever became of them."""
        return await self.fitting(DeliverySearch(), ids)

    async def event_body(self, seq: int) -> str | None:
        """What a delivery posts, as it is signed; None once retention has deleted the event."""
        return await self._one("event_body", lambda row: str(row["body"]), seq=seq)

    async def _ids(self, wanted: DeliverySearch, cursor: str, floor: str) -> list[str]:
        """The next ids that can fit, at most IDS_AT_ONCE."""
        found: list[str] = []
        for driver in delivery_drivers_of(wanted):
            params: dict[str, Any] = {**driver.params, "cursor": cursor, "floor": floor, "limit": IDS_AT_ONCE}
            found += await self._all(driver.statement, lambda row: str(row["id"]), **params)
        return sorted(found, reverse=True)[:IDS_AT_ONCE]
