"""Retention: delete what is old enough, in short transactions with a pause after each.

`Pruner` runs in every process that does background work. A run deletes a bounded number of rows; a ledger with more to
delete takes several runs, and each goes on where the last one stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

import structlog

from receiver.store.engine import NEVER_MS, Engine, Row, Tx, Value
from receiver.store.leap import LeapGuard
from receiver.store.repository import Repository
from submitter.model import ENDED

log = structlog.get_logger(__name__)

#: Where the next batch of one kind begins, as (time or number, id).
PruneCursor = tuple[int, str]

START: PruneCursor = (-NEVER_MS, "")

LIMIT = 500  # rows in one transaction

BATCHES = 20  # transactions of one kind in one run

PAUSE_BETWEEN_BATCHES_S = 0.005  # so that other processes on the ledger can write too

DAY_MS = 86_400_000

DELETED = "the subscription was deleted"

DISABLED_TOO_LONG = "kept for too long while the subscription was disabled"

FAILING_TOO_LONG = "kept for too long while the endpoint did nothing but fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneBatch:
    """What one transaction did."""

    #: Rows that were deleted, or deliveries that became dead letters.
    count: int = 0
    #: Where the next batch begins; None at the end.
    cursor: PruneCursor | None = None


class RetentionRepository(Repository):
    """Each verb is one transaction, bounded by `limit` where it has one, and raises StoreUnavailable as a whole.

    `before_ms`: what happened before that is old. `cursor` is the last batch's, or `START`.
    """

    def __init__(self, engine: Engine, make_deliveries: Callable[[], Awaitable[object]]) -> None:
        """`make_deliveries` makes those of the next events that have none yet: only then an event may be deleted."""
        super().__init__(engine)
        self._make_deliveries = make_deliveries

    async def clear_expired_keys(self, cursor: PruneCursor, *, now_ms: int) -> PruneBatch:
        """Clear the previous secrets and signing keys of rotations that are over; counts subscriptions."""

        async def work(tx: Tx) -> PruneBatch:
            cleared = await tx.execute_and_count("clear_expired_keys", now_ms=now_ms)
            if cleared:
                await tx.execute("bump_subscriptions_version")
            return PruneBatch(count=cleared)

        return await self._engine.write(work)

    async def dead_letter_deleted(self, cursor: PruneCursor, *, limit: int, now_ms: int) -> PruneBatch:
        """Turn pending deliveries of a deleted subscription into dead letters, then delete its row and its endpoint.

        A delivery that is being posted ends first.
        """
        await self._make_deliveries()

        async def work(tx: Tx) -> PruneBatch:
            subscription = await tx.fetch_one("next_deleted_subscription", after=cursor[1])
            if subscription is None:
                return PruneBatch()
            name = subscription["id"]
            pending = await tx.fetch_all("unfinished_of_endpoint", endpoint_id=name, limit=limit)
            free = [row["id"] for row in pending if _is_free(row, now_ms)]
            await _dead_letter(tx, [(delivery, DELETED) for delivery in free], now_ms)
            if pending:
                return PruneBatch(count=len(free), cursor=cursor if free else (0, name))
            await tx.execute("remove_endpoint", id=name)
            await tx.execute("remove_subscription", id=name)
            return PruneBatch(cursor=(0, name))

        return await self._engine.write(work)

    async def dead_letter_stalled(self, cursor: PruneCursor, *, limit: int, before_ms: int, now_ms: int) -> PruneBatch:
        """Turn pending deliveries of old events into dead letters where nothing delivers them.

        That is where the subscription is disabled, or the host of a `notify` has only failed since `before_ms`.
        Without this they would hold retention up for ever.
        """
        await self._make_deliveries()

        async def work(tx: Tx) -> PruneBatch:
            found = await tx.fetch_all("unfinished_by_age", after_seq=cursor[0], after_id=cursor[1], limit=limit)
            old = list(takewhile(lambda row: row["event_ms"] < before_ms, found))
            stalled = [(row, why) for row in old if _is_free(row, now_ms) and (why := _stalled_for(row, before_ms))]
            endpoints = sorted({row["endpoint_id"] for row, _ in stalled})
            if not endpoints:
                return PruneBatch(cursor=_after_events(old, limit))
            await tx.fetch_all("endpoints_by_ids", ids=endpoints)  # locked before deliveries, as everywhere
            await _dead_letter(tx, [(row["id"], why) for row, why in stalled], now_ms)
            await tx.execute_many(
                "update_endpoint_due_time", [{"id": endpoint, "now_ms": now_ms} for endpoint in endpoints]
            )
            return PruneBatch(count=len(stalled), cursor=_after_events(old, limit))

        return await self._engine.write(work)

    async def remove_events(self, cursor: PruneCursor, *, limit: int, before_ms: int) -> PruneBatch:
        """Delete the oldest events, none of them at or after the oldest one with a pending delivery or without its own.

        An event is deleted with all its deliveries, so one with very many deliveries is a batch of its own.
        """
        await self._make_deliveries()

        async def work(tx: Tx) -> PruneBatch:
            found = await tx.fetch_all("oldest_events", limit=limit)
            unfinished = (await tx.fetch_one("oldest_unfinished") or {})["event_seq"]
            old = takewhile(lambda row: row["at_ms"] < before_ms and row["seq"] < unfinished, found)
            seqs = [row["seq"] for row in old]
            if not seqs:
                return PruneBatch()
            too_many = await tx.fetch_one("delivery_past", last=seqs[-1], number=limit)
            last = seqs[-1] if too_many is None else max(seqs[0], too_many["event_seq"] - 1)
            deliveries = await tx.fetch_all("deliveries_of_events", last=last)
            await tx.execute_many("remove_attempts_of_delivery", [{"delivery": row["id"]} for row in deliveries])
            await tx.execute("remove_deliveries_of_events", last=last)
            return PruneBatch(count=await tx.execute_and_count("remove_events", last=last), cursor=START)

        return await self._engine.write(work)

    async def remove_attempts(self, cursor: PruneCursor, *, limit: int, before_ms: int) -> PruneBatch:
        """Delete old attempts of finished deliveries."""

        async def work(tx: Tx) -> PruneBatch:
            found = await tx.fetch_all("old_attempts", **_after(cursor), before_ms=before_ms, limit=limit)
            removed = [row["id"] for row in found if row["due_ms"] is None]
            await tx.execute_many("remove_attempt", [{"id": name} for name in removed])
            return PruneBatch(count=len(removed), cursor=_after_rows(found, limit))

        return await self._engine.write(work)

    async def remove_observations(self, cursor: PruneCursor, *, limit: int, before_ms: int) -> PruneBatch:
        """Delete old observations of tasks that ended before `before_ms`; other tasks keep their whole timeline."""

        async def work(tx: Tx) -> PruneBatch:
            found = await tx.fetch_all("old_observations", **_after(cursor), before_ms=before_ms, limit=limit)
            removed = [row["id"] for row in found if row["state"] in ENDED and (row["final_ms"] or 0) < before_ms]
            await tx.execute_many("remove_observation", [{"id": name} for name in removed])
            return PruneBatch(count=len(removed), cursor=_after_rows(found, limit))

        return await self._engine.write(work)

    async def remove_idle_endpoints(
        self, cursor: PruneCursor, *, limit: int, before_ms: int, now_ms: int
    ) -> PruneBatch:
        """Delete endpoints of `notify` with nothing pending that are healthy, or were last used before `before_ms`."""

        async def work(tx: Tx) -> PruneBatch:
            found = await tx.fetch_all("endpoints_by_id", after=cursor[1], limit=limit)
            removed = [row["id"] for row in found if _is_idle(row, before_ms, now_ms)]
            await tx.execute_many("remove_idle_endpoint", [{"id": name} for name in removed])
            return PruneBatch(count=len(removed), cursor=(0, found[-1]["id"]) if len(found) == limit else None)

        return await self._engine.write(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What one run did."""

    #: Subscriptions whose previous keys were cleared.
    keys: int = 0
    #: Deliveries of deleted subscriptions that became dead letters.
    deleted: int = 0
    #: Deliveries of old events that became dead letters because nothing delivers them.
    stalled: int = 0
    events: int = 0
    attempts: int = 0
    observations: int = 0
    endpoints: int = 0
    #: The run ended before everything was done.
    has_more: bool = False


Step = Callable[[PruneCursor], Awaitable[PruneBatch]]


@dataclass(slots=True, kw_only=True, eq=False)
class Pruner:
    """One run at a time in a process; several processes may prune at the same time.

    Events, attempts and observations are deleted after that many days.
    """

    repository: RetentionRepository
    events_days: float
    attempts_days: float
    observations_days: float
    clock: Callable[[], int]
    #: None believes every clock.
    guard: LeapGuard | None
    _cursors: dict[str, PruneCursor] = field(default_factory=dict, init=False)

    async def prune_once(self) -> PruneReport:
        """Run each step for at most `BATCHES` batches. Return what was done; nothing while the clock is not believed.

        Raise StoreUnavailable; what was deleted before that stays deleted, and the next run goes on.
        """
        now_ms = self.clock()
        if self.guard is not None and not await self.guard.is_believed(now_ms):
            return PruneReport()
        counts = {kind: await self._run(kind, step) for kind, step in self._steps(now_ms).items()}
        report = PruneReport(**counts, has_more=bool(self._cursors))
        if done := {kind: count for kind, count in counts.items() if count}:
            log.info("pruned", **done)
        if report.stalled:
            log.warning("deliveries_given_up", deliveries=report.stalled)
        return report

    def _steps(self, now_ms: int) -> Mapping[str, Step]:
        """By the name of their count. Dead letters come first, because they no longer keep their events."""
        rows, events_ms = self.repository, _before(now_ms, self.events_days)
        attempts_ms, observations_ms = _before(now_ms, self.attempts_days), _before(now_ms, self.observations_days)
        return {
            "keys": partial(rows.clear_expired_keys, now_ms=now_ms),
            "deleted": partial(rows.dead_letter_deleted, limit=LIMIT, now_ms=now_ms),
            "stalled": partial(rows.dead_letter_stalled, limit=LIMIT, before_ms=events_ms, now_ms=now_ms),
            "events": partial(rows.remove_events, limit=LIMIT, before_ms=events_ms),
            "attempts": partial(rows.remove_attempts, limit=LIMIT, before_ms=attempts_ms),
            "observations": partial(rows.remove_observations, limit=LIMIT, before_ms=observations_ms),
            "endpoints": partial(rows.remove_idle_endpoints, limit=LIMIT, before_ms=_before(now_ms, 1), now_ms=now_ms),
        }

    async def _run(self, kind: str, step: Step) -> int:
        count, cursor = 0, self._cursors.pop(kind, START)
        for _ in range(BATCHES):
            batch = await step(cursor)
            count += batch.count
            if batch.cursor is None:
                return count
            cursor = batch.cursor
            await asyncio.sleep(PAUSE_BETWEEN_BATCHES_S)
        self._cursors[kind] = cursor
        return count


def _before(now_ms: int, days: float) -> int:
    return now_ms - round(days * DAY_MS)


async def _dead_letter(tx: Tx, deliveries: Iterable[tuple[str, str]], now_ms: int) -> None:
    """`deliveries`: each with the reason."""
    rows: list[dict[str, Value]] = [{"id": name, "reason": reason, "now_ms": now_ms} for name, reason in deliveries]
    await tx.execute_many("mark_delivery_dead", rows)


def _is_free(row: Row, now_ms: int) -> bool:
    return row["lease_until_ms"] is None or row["lease_until_ms"] <= now_ms


def _stalled_for(row: Row, before_ms: int) -> str | None:
    """Why nothing delivers it; None where something may."""
    if row["subscription"] is None:
        is_failing = row["failing_since_ms"] is not None and row["failing_since_ms"] < before_ms
        return FAILING_TOO_LONG if is_failing else None
    if row["subscription_state"] is None:
        return DELETED
    return DISABLED_TOO_LONG if row["subscription_state"] == "disabled" else None


def _is_idle(endpoint: Row, before_ms: int, now_ms: int) -> bool:
    if endpoint["subscription"] is not None or endpoint["next_due_ms"] is not None:
        return False
    is_paused = endpoint["paused_until_ms"] is not None and endpoint["paused_until_ms"] > now_ms
    is_healthy = not endpoint["failures"] and endpoint["throttled_rate_per_s"] is None and not is_paused
    return is_healthy or endpoint["last_leased_ms"] < before_ms


def _after(cursor: PruneCursor) -> dict[str, Any]:
    return {"after_ms": cursor[0], "after_id": cursor[1]}


def _after_events(old: Sequence[Row], limit: int) -> PruneCursor | None:
    return (old[-1]["event_seq"], old[-1]["id"]) if len(old) == limit else None


def _after_rows(found: Sequence[Row], limit: int) -> PruneCursor | None:
    return (found[-1]["at_ms"], found[-1]["id"]) if len(found) == limit else None
