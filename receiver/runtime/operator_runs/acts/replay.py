"""Replay: post a range of events again to one subscription. An item is the number of an event."""

from collections.abc import Sequence

from receiver.runtime.operator_runs.acts.act import Condition
from receiver.runtime.operator_runs.acts.subscriptions import GONE
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services
from receiver.webhooks.model.replay import ReplayRange, ReplayRefused, ReplayWhich, SubscriptionNotActive
from receiver.webhooks.replay_repository import ReplayScope

EVENTS_AT_ONCE = 500  # looked at in one read, and requeued in one transaction

READS_AT_ONCE = 10  # of a range in which nothing is to be posted, for one page of a run


async def events_to_replay(services: Services, condition: Condition, cursor: str | None) -> RunItems:
    """The next events that pass the subscription's filter and are not pending already.

    The subscription itself is the only item when nothing can be posted to it.
    """
    wanted, subscription = range_of(condition), str(condition["subscription"])
    replays, last_seq, seqs = services.store.replays, int(condition["last_seq"]), tuple[int, ...]()
    try:
        after = (await replays.plan(subscription, wanted)).after_seq if cursor is None else int(cursor)
        for _ in range(READS_AT_ONCE):
            if seqs or after >= last_seq:
                break
            scope = ReplayScope(after_seq=after, last_seq=last_seq)
            batch = await replays.count_batch(subscription, wanted, scope, limit=EVENTS_AT_ONCE)
            seqs, after = batch.seqs, batch.next_after
    except ReplayRefused:
        return RunItems(items=(subscription,))
    return RunItems(items=tuple(map(str, seqs)), next_cursor=str(after) if after < last_seq else None)


async def replay(services: Services, items: Sequence[str], condition: Condition, _actor: str) -> Sequence[ItemResult]:
    """Make the deliveries of these events due. One that has become pending meanwhile stays as it is."""
    subscription = str(condition["subscription"])
    seqs = [int(item) for item in items if item != subscription]
    now_ms, which = services.clock(), range_of(condition).which
    try:
        requeued = set(await services.store.replays.requeue(subscription, which, seqs, now_ms=now_ms))
    except SubscriptionNotActive:
        return _left(items, "it is disabled; enable it first")
    except ReplayRefused:
        return _left(items, GONE)
    if requeued:
        services.commit_notifier.notify()
    return [
        ItemResult(item=str(seq), words="" if seq in requeued else "it was pending already, or is no longer stored")
        for seq in seqs
    ]


def range_of(condition: Condition) -> ReplayRange:
    return ReplayRange(
        first_seq=int(condition["first_seq"]),
        last_seq=int(condition["last_seq"]),
        which=ReplayWhich(condition["which"]),
    )


def _left(items: Sequence[str], words: str) -> Sequence[ItemResult]:
    """Said once, because it is the same for all."""
    return [ItemResult(item=item, is_done=False, words="" if place else words) for place, item in enumerate(items)]
