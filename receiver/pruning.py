"""Retention: what is old enough goes, a little at a time, giving way to everybody else in between.

Flow. One turn is bounded; a ledger with much to prune takes several, and each goes on where the last one stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from receiver.store.pruning import START, Mark, Swept

log = structlog.get_logger(__name__)

LIMIT = 500  # rows in one transaction
BATCHES = 20  # transactions of one kind in one turn
BREATH_S = 0.005  # between transactions, so that other processes on the ledger get the writer too
DAY_MS = 86_400_000


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
