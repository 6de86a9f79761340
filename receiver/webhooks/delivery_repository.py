"""Reading deliveries and their attempts."""

from typing import Any

from receiver.store.engine import Reader, Row
from receiver.store.repository import NEWEST, Page, Repository
from receiver.webhooks.model.delivery import Attempt, Delivery, DeliveryState, Owed
from receiver.webhooks.model.rows import attempt_of, delivery_of


class DeliveryRepository(Repository):
    """Reads deliveries; what is due is leased from `receiver.webhooks.outbox`."""

    async def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        subscription: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        params: dict[str, Any] = {"cursor": cursor or NEWEST}
        statement = "deliveries_page"
        if subscription is not None and state is DeliveryState.DEAD:
            statement, params["subscription"] = "dead_page_of_subscription", subscription
        elif subscription is not None:
            statement = "deliveries_page_of_subscription"
            params |= {"subscription": subscription, "state": state.value if state else None}
        elif state is not None:
            statement, params["state"] = "deliveries_page_in_state", state.value
        return await self._page(statement, delivery_of, lambda delivery: delivery.id, limit, params)

    async def delivery(self, name: str) -> Delivery | None:
        return await self._one("delivery_by_id", delivery_of, id=name)

    async def attempts(self, delivery: str) -> list[Attempt]:
        return await self._all("attempts_of_delivery", attempt_of, delivery=delivery)

    async def owed(self, subscription: str) -> Owed:
        """Nothing for one that is not there."""

        async def work(reader: Reader) -> Owed:
            async def one(statement: str) -> Row | None:
                return await reader.fetch_one(statement, subscription=subscription)

            pending, dead = await one("count_pending_of_subscription"), await one("count_dead_of_subscription")
            newest = await one("failing_of_subscription") or await one("dead_of_subscription")
            return Owed(
                pending=pending["number"] if pending else 0,
                dead=dead["number"] if dead else 0,
                failed=delivery_of(newest) if newest else None,
            )

        return await self._engine.read(work)

    async def dead_letters(self) -> int:
        """How many there are, of whomever."""
        return await self._one("count_dead", lambda row: int(row["number"])) or 0
