"""How often things happened, by minute: the figures of the dashboard, of all processes together, over a restart.

A process adds what it has counted every 15 seconds and at a clean stop. What a killed process had not added yet is
missing here, and nowhere else. Minutes are kept for 25 hours.

How a page reads 24 hours of a figure by provider, in steps of 15 minutes:

    await store.minutes.since("whenfinal_tasks_final", since_ms=now_ms - 24 * HOUR_MS, span_ms=15 * MINUTE_MS)

`label` holds the metric's other labels in the order of `receiver.metrics.registry.SPECS`, joined by "/", such as
`succeeded/callback/true`. That of a histogram ends with the upper bound of the bucket, whose count is of that bucket
alone, such as `succeeded/128`; `receiver.metrics.counting.quantile` makes a p50 or p95 of them. A step without a row
is one in which nothing was counted. `receiver.metrics.registry.BY_MINUTE` lists the names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from receiver.store.engine import Row, Tx, Value
from receiver.store.repository import Repository

MINUTE_MS = 60_000

HOUR_MS = 3_600_000

KEPT_MS = 25 * HOUR_MS


class MinuteKey(NamedTuple):
    """What is counted, and in which minute. `provider` is empty where it does not apply."""

    name: str
    minute_ms: int
    provider: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanCount:
    """How often something happened in the span of time that begins at `at_ms`."""

    at_ms: int
    provider: str
    label: str
    count: int


class MinuteRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    async def add(self, counts: Mapping[MinuteKey, int], *, names: Sequence[str], now_ms: int) -> None:
        """Add these counts, and delete the minutes of `names` that are too old. A loss of power may undo it."""
        # In one order, so that two processes never wait for each other in a circle.
        rows: list[dict[str, Value]] = [{**key._asdict(), "count": count} for key, count in sorted(counts.items())]

        async def work(tx: Tx) -> None:
            await tx.execute_many("add_minute_count", rows)
            old: list[dict[str, Value]] = [{"name": name, "before_ms": now_ms - KEPT_MS} for name in sorted(names)]
            await tx.execute_many("remove_minute_counts", old)

        await self._engine.write(work, is_durable=False)

    async def since(self, name: str, *, since_ms: int, span_ms: int = MINUTE_MS) -> list[SpanCount]:
        """Counts of one name, added up in spans; the first span may be cut. Ordered by time, provider and label."""
        return await self._all("minute_counts", _span, name=name, since_ms=since_ms, span_ms=span_ms)

    async def last(self, name: str, *, since_ms: int, but: str) -> dict[str, int]:
        """The minute since then in which something was last counted, by provider; a label of `but` does not count."""
        found = await self._all("last_minutes", dict, name=name, since_ms=since_ms, but=but)
        return {row["provider"]: row["at_ms"] for row in found}


def _span(row: Row) -> SpanCount:
    return SpanCount(at_ms=row["at_ms"], provider=row["provider"], label=row["label"], count=row["count"])
