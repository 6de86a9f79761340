"""Reading deliveries and their attempts."""

from collections.abc import Sequence
from typing import Any

from receiver.store.engine import NEWEST, Engine, Reader, Row
from receiver.store.ids import id_floor
from receiver.store.repository import Page, Repository
from receiver.webhooks.fan_out import FanOut
from receiver.webhooks.model.delivery import (
    COUNTED_MOST,
    RECENT_MOST,
    RECENT_MS,
    Attempt,
    Backlog,
    Delivery,
    DeliveryState,
    FanOutLag,
    Figures,
)
from receiver.webhooks.model.rows import attempt_of, delivery_of
from submitter.model import TaskId


class DeliveryRepository(Repository):
    """Reads deliveries. Due ones are leased from `receiver.webhooks.outbox`.

    Lists and counts first make the deliveries of the next events that have none yet; see `receiver.webhooks.fan_out`.
    """

    def __init__(self, engine: Engine, fan_out: FanOut) -> None:
        super().__init__(engine)
        self._fan_out = fan_out

    async def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        subscription: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """Newest first."""
        await self._fan_out.try_advance()
        query, params = _page_query(state, subscription)
        return await self._page(
            query, delivery_of, lambda delivery: delivery.id, limit, {"cursor": cursor or NEWEST, **params}
        )

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._one("delivery_by_id", delivery_of, id=delivery_id)

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        """Oldest first; those that retention has deleted are missing."""
        return await self._all("attempts_of_delivery", attempt_of, delivery=delivery_id)

    async def backlog(self, subscription_id: str) -> Backlog:
        """What a subscription has not received; an empty backlog when there is no such subscription."""
        await self._fan_out.try_advance()
        of = {"subscription": subscription_id}
        failing = await self._one("newest_failing_of_subscription", delivery_of, **of)
        return Backlog(
            pending=await self._one("count_pending_of_subscription", _number, **of) or 0,
            dead=await self._one("count_dead_of_subscription", _number, **of) or 0,
            failed=failing or await self._one("newest_dead_of_subscription", delivery_of, **of),
        )

    async def figures(self, subscription_ids: Sequence[str], *, now_ms: int) -> list[Figures]:
        """For each as `backlog`, counted up to limits, and how many of the newest deliveries were delivered."""
        await self._fan_out.try_advance()
        after_id = id_floor("dlv", now_ms - RECENT_MS)  # below the ids of all that were made since then

        async def work(reader: Reader) -> list[Figures]:
            return [await _figures(reader, each, after_id) for each in subscription_ids]

        return await self._engine.read(work)

    async def deliveries_of_event(self, seq: int, *, limit: int) -> list[Delivery]:
        """Oldest first, at most `limit`."""
        await self._fan_out.try_advance()
        return await self._all("deliveries_of_event", delivery_of, seq=seq, limit=limit)

    async def dead_letters_of_tasks(self, task_ids: Sequence[TaskId]) -> list[str]:
        """Ids of the dead letters among these tasks' deliveries."""
        return await self._all("dead_letters_of_tasks", lambda row: str(row["id"]), tasks=task_ids) if task_ids else []

    async def fan_out_lag(self) -> FanOutLag | None:
        """None when each event has its deliveries."""
        return await self._one("fan_out_lag", _lag_of)

    async def dead_letters(self) -> int:
        """How many there are in all."""
        return await self._one("count_dead", _number) or 0


async def _figures(reader: Reader, subscription_id: str, after_id: str) -> Figures:
    of = {"subscription": subscription_id}
    open_ones = await reader.fetch_one("open_of_subscription", **of, most=COUNTED_MOST) or {}
    newest = await reader.fetch_one("newest_of_subscription", **of, after_id=after_id, most=RECENT_MOST) or {}
    failed = await reader.fetch_one("newest_failing_of_subscription", **of)
    if failed is None and open_ones["dead"]:
        failed = await reader.fetch_one("newest_dead_of_subscription", **of)
    return Figures(**open_ones, **newest, failed=None if failed is None else delivery_of(failed))


def _lag_of(row: Row) -> FanOutLag:
    return FanOutLag(events=int(row["number"]), type=str(row["type"]), at_ms=int(row["at_ms"]))


def _number(row: Row) -> int:
    return int(row["number"])


def _page_query(state: DeliveryState | None, subscription: str | None) -> tuple[str, dict[str, Any]]:
    """The query with an index for these conditions."""
    if subscription is not None and state is DeliveryState.DEAD:
        return "dead_page_of_subscription", {"subscription": subscription}
    if subscription is not None:
        state_word = state.value if state else None
        return "deliveries_page_of_subscription", {"subscription": subscription, "state": state_word}
    if state is not None:
        return "deliveries_page_in_state", {"state": state.value}
    return "deliveries_page", {}
