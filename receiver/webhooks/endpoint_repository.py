"""Endpoints: what is wrong with them, and how they are resumed. Lock order as in `receiver.webhooks.outbox`."""

from collections.abc import Sequence

from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Row, Tx, Value
from receiver.store.ids import IdMaker
from receiver.store.repository import Page, Repository
from receiver.webhooks.fan_out import FanOut
from receiver.webhooks.model.endpoint_health import EndpointState, is_troubled
from receiver.webhooks.model.endpoint_status import EndpointStatus
from receiver.webhooks.model.rows import ENDPOINT_ROWS, limited_endpoint_of

_FIRST = ""  # sorts before every id


class EndpointRepository(Repository):
    """Each method is one transaction, or reads only, and raises StoreUnavailable when nothing of it was stored."""

    def __init__(self, engine: Engine, new_id: IdMaker, fan_out: FanOut) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._fan_out = fan_out

    async def notify_hosts(
        self, *, only_failing: bool, limit: int, cursor: str | None, now_ms: int, most_pending: int | None = None
    ) -> Page[EndpointStatus]:
        """Hosts of `notify` by name: all, or those that fail, are paused or slowed, or have dead letters.

        The pending deliveries of each are counted up to `most_pending`, without it to their end.
        """
        await self._fan_out.try_advance()
        page = await self._page(
            "notify_endpoints",
            lambda row: (str(row["id"]), int(row["dead"])),
            lambda found: found[0],
            limit,
            {"cursor": cursor or _FIRST, "only_failing": int(only_failing), "now_ms": now_ms},
        )
        states = await self._states([name for name, _ in page.items])
        items = [
            EndpointStatus(
                endpoint=states.get(name, EndpointState(id=name)),
                pending=await self._pending(name, most_pending),
                dead=dead,
            )
            for name, dead in page.items
        ]
        return Page(items=tuple(items), next_cursor=page.next_cursor)

    async def notify_host(self, name: str) -> EndpointStatus | None:
        """One host of `notify`; None where nothing of it is stored, and for the endpoint of a subscription."""
        if await self._one("subscription_by_id", dict, id=name) is not None:
            return None
        await self._fan_out.try_advance()
        state = (await self._states([name])).get(name)
        dead = await self._one("count_dead_of_notify", _number, endpoint_id=name) or 0
        if state is None and not dead:
            return None
        return EndpointStatus(endpoint=state or EndpointState(id=name), pending=await self._pending(name), dead=dead)

    async def reset(self, endpoint_id: str, entry: AuditEntry, *, now_ms: int) -> bool:
        """Clear failures, pause and throttling; False, and no audit row, where there were none."""

        async def work(tx: Tx) -> bool:
            rows = await tx.fetch_all("endpoints_by_ids", ids=[endpoint_id])
            if not rows or not is_troubled(limited_endpoint_of(rows[0]), now_ms):
                return False
            await tx.execute("reset_endpoint_health", id=endpoint_id)
            await tx.announce()
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            return True

        return await self._engine.write(work)

    async def bring_forward(self, endpoint_id: str, *, limit: int, now_ms: int) -> int:
        """Make pending deliveries due now that are due later, at most `limit`. Return how many."""
        return await self._make_due(endpoint_id, "later_deliveries", "bring_forward", limit=limit, now_ms=now_ms)

    async def requeue_dead(self, host: str, *, limit: int, now_ms: int) -> int:
        """Make dead letters of a host of `notify` due again, at most `limit`. Return how many."""
        return await self._make_due(host, "dead_of_notify", "requeue_dead", limit=limit, now_ms=now_ms)

    async def _make_due(self, endpoint_id: str, found: str, change: str, *, limit: int, now_ms: int) -> int:
        async def work(tx: Tx) -> int:
            await tx.fetch_all("endpoints_by_ids", ids=[endpoint_id])  # before deliveries: the lock order
            params: dict[str, Value] = {"endpoint_id": endpoint_id, "limit": limit}
            if found == "later_deliveries":
                params["now_ms"] = now_ms
            rows = await tx.fetch_all(found, **params)
            if not rows:
                return 0
            await tx.execute_many(change, [{"id": row["id"], "now_ms": now_ms} for row in rows])
            await tx.execute("schedule_endpoint", id=endpoint_id, due_ms=now_ms)
            await tx.announce()
            return len(rows)

        return await self._engine.write(work)

    async def _states(self, names: Sequence[str]) -> dict[str, EndpointState]:
        found = await self._all("endpoints_of_subscriptions", _unlimited, ids=list(names)) if names else []
        return {state.id: state for state in found}

    async def _pending(self, name: str, most: int | None = None) -> int:
        if most is not None:
            found = await self._one("open_of_subscription", dict, subscription=name, most=most)
            return int((found or {"pending": 0})["pending"])
        return await self._one("count_pending_of_subscription", _number, subscription=name) or 0


def _unlimited(row: Row) -> EndpointState:
    """A host of `notify` has no limits of its own."""
    return ENDPOINT_ROWS.from_row(row, limit_per_s=None, max_in_flight=None)


def _number(row: Row) -> int:
    return int(row["number"])
