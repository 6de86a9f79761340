"""Retention: what is old enough goes, a little at a time, giving way to everybody else in between.

Flow. One turn is bounded; a ledger with much to prune takes several, and each goes on where the last one stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any, Protocol

import structlog

from receiver.store.engine import Engine, Row, Tx
from submitter.model import ENDED

log = structlog.get_logger(__name__)

#: Where the next batch of one kind goes on, as (number, id).
Mark = tuple[int, str]

LIMIT = 500  # rows in one transaction

BATCHES = 20  # transactions of one kind in one turn

BREATH_S = 0.005  # between transactions, so that other processes on the ledger get the writer too

DAY_MS = 86_400_000

DELETED = "the subscription was deleted"

DISABLED_TOO_LONG = "kept for too long while the subscription was disabled"

FAILING_TOO_LONG = "kept for too long while the endpoint did nothing but fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many rows went (or became dead letters). `mark` None: the end was reached."""

    gone: int = 0
    mark: Mark | None = None


class Pruning:
    """Each verb is one transaction over at most `limit` rows, and raises StoreUnavailable as a whole.

    `before_ms`: what happened before that is old. `mark` is the last batch's, or `START`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def wipe_keys(self, mark: Mark, *, now_ms: int) -> Swept:
        """The previous secrets and signing keys of rotations that are over; one for each subscription."""

        async def work(tx: Tx) -> Swept:
            wiped = await tx.execute("wipe_previous_keys", now_ms=now_ms)
            if wiped:
                await tx.execute("bump_subscriptions_version")
            return Swept(gone=wiped)

        return await self._engine.write(work)

    async def bury_deleted(self, mark: Mark, *, limit: int, now_ms: int) -> Swept:
        """What a deleted subscription is owed becomes dead letters; once nothing is, its row and lane go.

        One that is being posted this moment comes to its end first.
        """

        async def work(tx: Tx) -> Swept:
            subscription = await tx.fetch_one("next_deleted_subscription", after=mark[1])
            if subscription is None:
                return Swept()
            name = subscription["id"]
            owed = await tx.fetch_all("unfinished_of_endpoint", endpoint_id=name, limit=limit)
            free = [row["id"] for row in owed if _is_free(row, now_ms)]
            await _bury(tx, [(delivery, DELETED) for delivery in free], now_ms)
            if owed:
                return Swept(gone=len(free), mark=mark if free else (0, name))
            await tx.execute("remove_endpoint", id=name)
            await tx.execute("remove_subscription", id=name)
            return Swept(mark=(0, name))

        return await self._engine.write(work)

    async def bury_held(self, mark: Mark, *, limit: int, before_ms: int, now_ms: int) -> Swept:
        """Old events that wait for nobody become dead letters, so that they do not hold retention up for ever.

        For nobody: the subscription is disabled, or the host of a `notify` has only failed for as long.
        """

        async def work(tx: Tx) -> Swept:
            found = await tx.fetch_all("unfinished_by_age", after_seq=mark[0], after_id=mark[1], limit=limit)
            old = list(takewhile(lambda row: row["event_ms"] < before_ms, found))
            held = [(row, reason) for row in old if _is_free(row, now_ms) and (reason := _held_for(row, before_ms))]
            lanes = sorted({row["endpoint_id"] for row, _ in held})
            if not lanes:
                return Swept(mark=_aged(old, limit))
            await tx.fetch_all("endpoints_by_ids", ids=lanes)  # before deliveries, as everywhere
            await _bury(tx, [(row["id"], reason) for row, reason in held], now_ms)
            await tx.execute_many("update_endpoint_due_time", [{"id": lane, "now_ms": now_ms} for lane in lanes])
            return Swept(gone=len(held), mark=_aged(old, limit))

        return await self._engine.write(work)

    async def remove_events(self, mark: Mark, *, limit: int, before_ms: int) -> Swept:
        """The oldest events, never at or beyond one that is still owed to somebody.

        An event goes with all its deliveries, so one that was sent to very many goes alone.
        """

        async def work(tx: Tx) -> Swept:
            found = await tx.fetch_all("oldest_events", limit=limit)
            owed = (await tx.fetch_one("oldest_unfinished") or {}).get("event_seq")
            seqs = [
                row["seq"]
                for row in takewhile(
                    lambda row: row["at_ms"] < before_ms and (owed is None or row["seq"] < owed), found
                )
            ]
            if not seqs:
                return Swept()
            crowd = await tx.fetch_one("delivery_past", last=seqs[-1], number=limit)
            last = seqs[-1] if crowd is None else max(seqs[0], crowd["event_seq"] - 1)
            owed_once = await tx.fetch_all("deliveries_of_events", last=last)
            await tx.execute_many("remove_attempts_of_delivery", [{"delivery": row["id"]} for row in owed_once])
            await tx.execute("remove_deliveries_of_events", last=last)
            return Swept(gone=await tx.execute("remove_events", last=last), mark=START)

        return await self._engine.write(work)

    async def remove_attempts(self, mark: Mark, *, limit: int, before_ms: int) -> Swept:
        """Old attempts of finished deliveries."""

        async def work(tx: Tx) -> Swept:
            found = await tx.fetch_all("old_attempts", **_after(mark), before_ms=before_ms, limit=limit)
            gone = [row["id"] for row in found if row["due_ms"] is None]
            await tx.execute_many("remove_attempt", [{"id": name} for name in gone])
            return Swept(gone=len(gone), mark=_mark(found, limit))

        return await self._engine.write(work)

    async def remove_observations(self, mark: Mark, *, limit: int, before_ms: int) -> Swept:
        """The timeline of tasks that ended before; a task that lives, or ended lately, keeps all of its own."""

        async def work(tx: Tx) -> Swept:
            found = await tx.fetch_all("old_observations", **_after(mark), before_ms=before_ms, limit=limit)
            gone = [row["id"] for row in found if row["state"] in ENDED and (row["final_ms"] or 0) < before_ms]
            await tx.execute_many("remove_observation", [{"id": name} for name in gone])
            return Swept(gone=len(gone), mark=_mark(found, limit))

        return await self._engine.write(work)

    async def remove_lanes(self, mark: Mark, *, limit: int, before_ms: int, now_ms: int) -> Swept:
        """Lanes of `notify` that owe nothing and are well, or were last posted to before."""

        async def work(tx: Tx) -> Swept:
            found = await tx.fetch_all("endpoints_by_id", after=mark[1], limit=limit)
            gone = [row["id"] for row in found if _is_idle(row, before_ms, now_ms)]
            await tx.execute_many("remove_idle_endpoint", [{"id": name} for name in gone])
            return Swept(gone=len(gone), mark=(0, found[-1]["id"]) if len(found) == limit else None)

        return await self._engine.write(work)


class PruningRoom(Protocol):
    async def wipe_keys(self, mark: Mark, *, now_ms: int) -> Swept: ...

    async def bury_deleted(self, mark: Mark, *, limit: int, now_ms: int) -> Swept: ...

    async def bury_held(self, mark: Mark, *, limit: int, before_ms: int, now_ms: int) -> Swept: ...

    async def remove_events(self, mark: Mark, *, limit: int, before_ms: int) -> Swept: ...

    async def remove_attempts(self, mark: Mark, *, limit: int, before_ms: int) -> Swept: ...

    async def remove_observations(self, mark: Mark, *, limit: int, before_ms: int) -> Swept: ...

    async def remove_lanes(self, mark: Mark, *, limit: int, before_ms: int, now_ms: int) -> Swept: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """In days."""

    events: float
    attempts: float
    observations: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What went in one turn; `has_more`: the turn ended before the work did.

    `keys` are rotations that ended, and with them the previous keys. `deleted` and `held` are deliveries that became
    dead letters: of deleted subscriptions, and too old to wait longer.
    """

    keys: int = 0
    deleted: int = 0
    held: int = 0
    events: int = 0
    attempts: int = 0
    observations: int = 0
    lanes: int = 0
    has_more: bool = False


Sweep = Callable[[Mark], Awaitable[Swept]]


@dataclass(slots=True, kw_only=True, eq=False)
class Pruner:
    """One turn at a time in a process; processes may prune side by side."""

    pruning: PruningRoom
    retention: Retention
    clock: Callable[[], int]
    _marks: dict[str, Mark] = field(default_factory=dict, init=False)

    async def prune_once(self) -> PruneReport:
        """Raise StoreUnavailable; what went before that is gone, and the next turn goes on."""
        counts = {kind: await self._sweep(kind, sweep) for kind, sweep in self._sweeps(self.clock()).items()}
        report = PruneReport(**counts, has_more=bool(self._marks))
        _tell(report, counts)
        return report

    def _sweeps(self, now_ms: int) -> Mapping[str, Sweep]:
        """By the name of their count, in their order: what is given up no longer keeps its event."""
        room, kept = self.pruning, self.retention
        events_ms = _before(now_ms, kept.events)
        return {
            "keys": partial(room.wipe_keys, now_ms=now_ms),
            "deleted": partial(room.bury_deleted, limit=LIMIT, now_ms=now_ms),
            "held": partial(room.bury_held, limit=LIMIT, before_ms=events_ms, now_ms=now_ms),
            "events": partial(room.remove_events, limit=LIMIT, before_ms=events_ms),
            "attempts": partial(room.remove_attempts, limit=LIMIT, before_ms=_before(now_ms, kept.attempts)),
            "observations": partial(
                room.remove_observations, limit=LIMIT, before_ms=_before(now_ms, kept.observations)
            ),
            "lanes": partial(room.remove_lanes, limit=LIMIT, before_ms=_before(now_ms, 1), now_ms=now_ms),
        }

    async def _sweep(self, kind: str, sweep: Sweep) -> int:
        gone, mark = 0, self._marks.pop(kind, START)
        for _ in range(BATCHES):
            swept = await sweep(mark)
            gone += swept.gone
            if swept.mark is None:
                return gone
            mark = swept.mark
            await asyncio.sleep(BREATH_S)
        self._marks[kind] = mark
        return gone


def _before(now_ms: int, days: float) -> int:
    return now_ms - round(days * DAY_MS)


def _tell(report: PruneReport, counts: Mapping[str, int]) -> None:
    went = {kind: count for kind, count in counts.items() if count}
    if went:
        log.info("pruned", **went)
    if report.held:
        log.warning("deliveries_given_up", deliveries=report.held)


START: Mark = (-(2**62), "")


async def _bury(tx: Tx, deliveries: Iterable[tuple[str, str]], now_ms: int) -> None:
    await tx.execute_many(
        "mark_delivery_dead", [{"id": name, "reason": reason, "now_ms": now_ms} for name, reason in deliveries]
    )


def _is_free(row: Row, now_ms: int) -> bool:
    return row["lease_until_ms"] is None or row["lease_until_ms"] <= now_ms


def _held_for(row: Row, before_ms: int) -> str | None:
    """Why nobody waits for it; None while somebody may."""
    if row["subscription"] is None:
        is_failing = row["failing_since_ms"] is not None and row["failing_since_ms"] < before_ms
        return FAILING_TOO_LONG if is_failing else None
    if row["subscription_state"] is None:
        return DELETED
    return DISABLED_TOO_LONG if row["subscription_state"] == "disabled" else None


def _is_idle(lane: Row, before_ms: int, now_ms: int) -> bool:
    if lane["subscription"] is not None or lane["next_due_ms"] is not None:
        return False
    is_paused = lane["paused_until_ms"] is not None and lane["paused_until_ms"] > now_ms
    is_well = not lane["failures"] and lane["throttled_rate_per_s"] is None and not is_paused
    return is_well or lane["last_leased_ms"] < before_ms


def _after(mark: Mark) -> dict[str, Any]:
    return {"after_ms": mark[0], "after_id": mark[1]}


def _aged(old: Sequence[Row], limit: int) -> Mark | None:
    return (old[-1]["event_seq"], old[-1]["id"]) if len(old) == limit else None


def _mark(found: Sequence[Row], limit: int) -> Mark | None:
    return (found[-1]["at_ms"], found[-1]["id"]) if len(found) == limit else None
