"""Make a range of events due again for one subscription, slice by slice, giving way to everybody else in between.

Flow. A replay ends with the newest event of its beginning and never chases later ones. One that is cut short has made
due whole slices of events and leaves the rest; asked for again, it doubles nothing that is still due.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from receiver.webhooks.model.replay import NotActive, ReplayCount, ReplayRange
from receiver.webhooks.replay_repository import ReplayBatch, ReplayScope

log = structlog.get_logger(__name__)

LIMIT = 500  # events in one transaction

#: Told the events that have been looked through, and how many there are.
OnProgress = Callable[[int, int], None]


class ReplayRoom(Protocol):
    async def survey(self, name: str, wanted: ReplayRange) -> ReplayScope | NotActive | None: ...

    async def begin(
        self, name: str, wanted: ReplayRange, *, actor: str, now_ms: int
    ) -> ReplayScope | NotActive | None: ...

    async def batch(
        self, name: str, wanted: ReplayRange, scope: ReplayScope, *, limit: int, now_ms: int | None
    ) -> ReplayBatch | NotActive | None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class ReplayService:
    """`on_due` is called after each commit that made something due."""

    replays: ReplayRoom
    clock: Callable[[], int]
    on_due: Callable[[], None]

    async def replay(
        self, name: str, wanted: ReplayRange, *, dry_run: bool, actor: str, on_progress: OnProgress | None = None
    ) -> ReplayCount | NotActive | None:
        """Count, and unless `dry_run` make due, what the range owes; None when there is no such subscription.

        NotActive also when it is disabled half-way: what was made due by then waits with all else it is owed. Raise
        StoreUnavailable; the slices before stay made due.
        """
        scope = await (
            self.replays.survey(name, wanted)
            if dry_run
            else self.replays.begin(name, wanted, actor=actor, now_ms=self.clock())
        )
        if not isinstance(scope, ReplayScope):
            return scope
        count = await self._through(name, wanted, scope, dry_run=dry_run, on_progress=on_progress)
        if isinstance(count, ReplayCount) and not dry_run:
            log.info("replayed", subscription=name, matched=count.matched, made_due=count.made_due)
        return count

    async def _through(
        self, name: str, wanted: ReplayRange, scope: ReplayScope, *, dry_run: bool, on_progress: OnProgress | None
    ) -> ReplayCount | NotActive | None:
        count, rest = ReplayCount(oldest_seq=scope.oldest_seq), scope
        while rest.after_seq < rest.last_seq:
            now_ms = None if dry_run else self.clock()
            batch = await self.replays.batch(name, wanted, rest, limit=LIMIT, now_ms=now_ms)
            if not isinstance(batch, ReplayBatch):
                return batch
            count = replace(count, matched=count.matched + batch.matched, made_due=count.made_due + batch.made_due)
            rest = replace(rest, after_seq=batch.next_after)
            if batch.made_due and not dry_run:
                self.on_due()
            if on_progress is not None:
                on_progress(rest.after_seq - scope.after_seq, scope.last_seq - scope.after_seq)
            await asyncio.sleep(0)
        return count
