"""What is owed to endpoints: leases on deliveries, and what became of each attempt."""

from collections.abc import Sequence
from typing import Any

from receiver.ids import IdMaker
from receiver.records import AttemptResult, Delivery, DeliveryState, DueDelivery
from receiver.store import rows
from receiver.store.engine import Engine, Reader, Row, Tx


class Outbox:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        self._engine = engine
        self._new_id = new_id

    async def lease_deliveries(
        self, *, owner: str, now_ms: int, lease_ms: int, limit: int, per_endpoint: int
    ) -> list[DueDelivery]:
        """Due deliveries, endpoints taking turns; no endpoint ever has more than `per_endpoint` leased at once."""
        if not await self._engine.read(lambda reader: _any_due(reader, now_ms)):
            return []

        async def work(tx: Tx) -> list[DueDelivery]:
            due = await tx.fetch_all("due_deliveries", now_ms=now_ms, limit=limit, per_endpoint=per_endpoint)
            claims = [{"id": row["id"], "owner": owner, "now_ms": now_ms, "until_ms": now_ms + lease_ms} for row in due]
            await tx.execute_many("lease_delivery", claims)
            if not claims:
                return []
            mine = await tx.fetch_all("leased_deliveries", ids=[row["id"] for row in due], owner=owner)
            held = {row["id"] for row in mine}
            return [_due_delivery(row, owner) for row in due if row["id"] in held]

        return await self._engine.write(work)

    async def record_attempts(self, results: Sequence[AttemptResult], now_ms: int) -> None:
        """Attempts and what follows from them, together; an owner that lost its lease adds only its attempt."""

        async def work(tx: Tx) -> None:
            await tx.execute_many("finish_attempt", [_finish_row(result, now_ms) for result in results])
            await tx.execute_many("insert_attempt", [self._attempt_row(result, now_ms) for result in results])

        await self._engine.write(work)

    async def redeliver(self, delivery: str, *, actor: str, now_ms: int) -> Delivery | None:
        """Make one delivery due again, its schedule from the start. None when there is no such delivery."""

        async def work(tx: Tx) -> Delivery | None:
            await tx.execute("redeliver", id=delivery, now_ms=now_ms)
            row = await tx.fetch_one("delivery_by_id", id=delivery)
            if row is None:
                return None
            await tx.execute(
                "insert_audit",
                id=self._new_id("aud", now_ms),
                at_ms=now_ms,
                actor=actor,
                action="redeliver",
                task=row["task"],
                detail=rows.to_json({"delivery": delivery}),
            )
            return rows.delivery_of(row)

        return await self._engine.write(work)

    def _attempt_row(self, result: AttemptResult, now_ms: int) -> dict[str, Any]:
        attempt = result.attempt
        return {
            "id": self._new_id("att", now_ms),
            "delivery": result.delivery,
            "at_ms": attempt.at_ms,
            "latency_ms": attempt.latency_ms,
            "status": attempt.status,
            "error": attempt.error,
            "response": attempt.response.replace("\x00", "\\x00"),
        }


async def _any_due(reader: Reader, now_ms: int) -> bool:
    return await reader.fetch_one("any_delivery_due", now_ms=now_ms) is not None


def _due_delivery(row: Row, owner: str) -> DueDelivery:
    return DueDelivery(
        id=row["id"],
        owner=owner,
        event_id=row["event_id"],
        endpoint=row["endpoint"],
        secrets=(row["notify_secret"],),
        body=row["body"],
        attempts=row["attempts"],
    )


def _finish_row(result: AttemptResult, now_ms: int) -> dict[str, Any]:
    return {
        "id": result.delivery,
        "owner": result.owner,
        "state": result.state.value,
        "due_ms": result.due_ms,
        "finished_ms": None if result.state is DeliveryState.PENDING else now_ms,
        "last_status": result.attempt.status,
        "last_error": result.attempt.error,
    }
