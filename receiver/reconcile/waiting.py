"""Polls that are due and wait for the rate budget of their provider, for an operator who asks why polls are late."""

from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.model.duration_report import MOST_COUNTED, WaitingPolls
from receiver.reconcile.model.provider import ProviderStatus
from receiver.reconcile.repository import CANDIDATES, PollRepository


async def waiting_polls(
    polls: PollRepository, durations: LearnedDurations, status: ProviderStatus, now_ms: int
) -> WaitingPolls:
    """Of a configured provider. The price is that of the tasks that the next run would choose from.

    Raise StoreUnavailable.
    """
    due = await polls.waiting(status.name, now_ms=now_ms, limit=CANDIDATES * max(1, status.burst))
    if not due:
        return WaitingPolls(count=0, since_ms=None, price_s=durations.price_s([], status.tokens))
    return WaitingPolls(
        count=await polls.count_waiting(status.name, now_ms=now_ms, limit=MOST_COUNTED),
        since_ms=due[0].next_poll_ms,
        price_s=round(durations.price_s(due, status.tokens), 1),
    )
