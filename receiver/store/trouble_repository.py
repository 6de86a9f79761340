"""Reads what is wrong apart from tasks, for the first page of the dashboard."""

from receiver.store.accounts import account_of
from receiver.store.engine import Reader, Row
from receiver.store.leap import held_since_ms
from receiver.store.repository import Repository
from receiver.store.troubles import DisabledSubscription, FailingEndpoint, Troubles

MOST_ENDPOINTS = 50  # of each kind that are read


class TroubleRepository(Repository):
    """Reads only; raises StoreUnavailable."""

    async def now(self, *, failures_to_open: int, now_ms: int) -> Troubles:
        async def work(reader: Reader) -> Troubles:
            accounts = [account_of(row) for row in await reader.fetch_all("all_accounts")]
            failing = await reader.fetch_all("failing_endpoints", failures=failures_to_open, limit=MOST_ENDPOINTS)
            disabled = await reader.fetch_all("disabled_subscriptions", limit=MOST_ENDPOINTS)
            return Troubles(
                accounts={each.provider: each for each in accounts},
                endpoints=tuple(map(_endpoint, failing)),
                disabled=tuple(map(_disabled, disabled)),
                clock_doubted_since_ms=await held_since_ms(reader, now_ms),
            )

        return await self._engine.read(work)


def _endpoint(row: Row) -> FailingEndpoint:
    return FailingEndpoint(
        id=row["id"],
        url=row["url"],
        failures=row["failures"],
        since_ms=row["failing_since_ms"],
        paused_until_ms=row["paused_until_ms"],
    )


def _disabled(row: Row) -> DisabledSubscription:
    return DisabledSubscription(
        id=row["id"], url=row["url"], since_ms=row["disabled_ms"], reason=row["disabled_reason"]
    )
