"""After the wall clock was set back: due times, queue times, pauses and leases that lie too far ahead are pulled back.

Nobody ever waits longer than the longest wait that this version sets. A time that lies further ahead was written by a
clock that was ahead; left alone, polls and retries would stand still until the old time comes again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from receiver.config.sections import DeliverySettings
from receiver.reconcile.repository import PollRepository
from receiver.store.accounts import ProviderAccountRepository
from receiver.tasks.model.queue import longest_hold_ms
from receiver.tasks.times_repository import TaskTimesRepository
from receiver.webhooks.outbox import Outbox
from submitter.providers import schedule
from submitter.providers.contract import ConfiguredProvider

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClockRepair:
    """One for a process."""

    polls: PollRepository
    accounts: ProviderAccountRepository
    task_times: TaskTimesRepository
    outbox: Outbox
    providers: Mapping[str, ConfiguredProvider]
    delivery: DeliverySettings
    #: As in `submitter.providers.schedule`.
    speed: float
    #: The longest leases that this process gives to a poll and to a delivery.
    poll_lease_ms: int
    delivery_lease_ms: int
    #: From the intent until a submit without an outcome must be dead.
    dead_submit_ms: int

    async def run(self, now_ms: int) -> int:
        """Pull back what lies too far ahead of `now_ms`; return how many rows that were. Raise StoreUnavailable."""
        count = 0
        for name, configured in self.providers.items():
            advice = configured.adapter.CAPABILITIES.poll
            count += await self.polls.pull_back(
                name,
                now_ms=now_ms,
                longest_wait_ms=schedule.longest_wait_ms(advice, speed=self.speed),
                dead_submit_ms=self.dead_submit_ms,
                lease_ms=self.poll_lease_ms,
            )
        count += await self.task_times.pull_back(now_ms=now_ms)
        count += await self.accounts.pull_back(
            now_ms=now_ms,
            longest_pause_ms=schedule.LONGEST_PAUSE_MS,
            longest_hold_ms=longest_hold_ms(self.speed),
        )
        count += await self.outbox.pull_back(
            now_ms=now_ms, backoff_s=self.delivery.backoff_s, lease_ms=self.delivery_lease_ms
        )
        if count:
            log.warning("due_times_pulled_back", rows=count)
        return count
