"""Replay a range of events to one subscription, batch by batch; other work goes on in between.

A replay ends with the event that was the newest when it began. One that is interrupted has requeued whole batches;
repeating it requeues nothing twice that is still pending.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from receiver.webhooks.model.replay import ReplayCount, ReplayRange
from receiver.webhooks.replay_repository import ReplayBatch, ReplayRepository, ReplayScope

log = structlog.get_logger(__name__)

LIMIT = 500  # events in one transaction

#: Receives how many events were scanned, and how many there are.
OnProgress = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True, eq=False)
class ReplayService:
    replays: ReplayRepository
    clock: Callable[[], int]
    #: Called after each commit that requeued deliveries.
    on_due: Callable[[], None]

    async def replay(
        self,
        subscription_id: str,
        wanted: ReplayRange,
        *,
        dry_run: bool,
        actor: str,
        on_progress: OnProgress | None = None,
    ) -> ReplayCount:
        """Requeue the events of the range, or with `dry_run` only count them.

        Raise SubscriptionNotFound or SubscriptionNotActive. The latter also when the subscription is disabled halfway:
        what was requeued by then waits with its other deliveries. Raise StoreUnavailable; earlier batches stay
        requeued.
        """
        if dry_run:
            scope = await self.replays.plan(subscription_id, wanted)
        else:
            scope = await self.replays.begin(subscription_id, wanted, actor=actor, now_ms=self.clock())
        count, rest = ReplayCount(oldest_seq=scope.oldest_seq), scope
        while rest.after_seq < rest.last_seq:
            batch = await self._batch(subscription_id, wanted, rest, dry_run=dry_run)
            count = replace(count, matched=count.matched + batch.matched, requeued=count.requeued + batch.requeued)
            rest = replace(rest, after_seq=batch.next_after)
            if on_progress is not None:
                on_progress(rest.after_seq - scope.after_seq, scope.last_seq - scope.after_seq)
            await asyncio.sleep(0)
        if not dry_run:
            log.info("replayed", subscription=subscription_id, matched=count.matched, requeued=count.requeued)
        return count

    async def _batch(
        self, subscription_id: str, wanted: ReplayRange, scope: ReplayScope, *, dry_run: bool
    ) -> ReplayBatch:
        if dry_run:
            return await self.replays.count_batch(subscription_id, wanted, scope, limit=LIMIT)
        batch = await self.replays.requeue_batch(subscription_id, wanted, scope, limit=LIMIT, now_ms=self.clock())
        if batch.requeued:
            self.on_due()
        return batch
