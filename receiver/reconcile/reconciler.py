"""Poll the tasks that are due, by schedule.

Runs may overlap, because leases keep them apart. No provider may take all slots, so one that hangs delays only itself.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog

from receiver.config.sections import ReconcileSettings
from receiver.reconcile.model.report import PollOutcome
from receiver.reconcile.poller import Poller
from receiver.reconcile.repository import PollRepository
from receiver.store.errors import StoreError
from receiver.tasks.model.task import Task
from receiver.webhooks.slots import Slots

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Reconciler:
    """One for a process; its runs together never poll more than `settings.concurrency` tasks at once."""

    poller: Poller
    polls: PollRepository
    settings: ReconcileSettings
    #: Names this process and no other.
    owner: str
    #: Unix milliseconds.
    clock: Callable[[], int]
    _runs: Iterator[int] = field(default_factory=itertools.count, init=False)
    _slots: Slots = field(init=False)
    #: Slots taken, by provider.
    _taken: Counter[str] = field(default_factory=Counter, init=False)
    _leasing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self._slots = Slots(self.settings.concurrency)

    async def reconcile_once(self, *, limit: int) -> list[PollOutcome]:
        """Lease due tasks, at most `limit` of each provider, poll them at once, and record each poll as it ends.

        Return the polls when all are recorded; return none while another run is still leasing.
        Raise StoreUnavailable when nothing could be leased or some polls could not be recorded. The leases of those
        end by themselves, and their tasks are polled again.
        """
        # One owner for each run, so that a run that lost a lease to a later one of this process is refused as well.
        owner = f"{self.owner}.{next(self._runs)}"
        return await self._record_as_ready(await self._start_polls(owner, limit), owner)

    async def _start_polls(self, owner: str, limit: int) -> set[asyncio.Task[PollOutcome]]:
        if self._leasing.locked():
            return set()  # runs that wait for a busy database would only make callbacks wait behind them
        polls: set[asyncio.Task[PollOutcome]] = set()
        async with self._leasing:
            for provider in self.poller.providers:
                try:
                    leased = await self._lease(provider, owner, limit)
                except StoreError as error:
                    if not polls:
                        raise
                    log.warning("nothing_leased", provider=provider, error=str(error))
                    break
                polls |= {self._start(task) for task in leased}
        return polls

    async def _lease(self, provider: str, owner: str, limit: int) -> list[Task]:
        slots = self._take_slots(provider, limit)
        if slots == 0:
            return []
        leased: list[Task] = []
        try:
            leased = await self.polls.lease_due(
                provider,
                budget=self.poller.rate_budget(provider),
                owner=owner,
                now_ms=self.clock(),
                lease_ms=self.poller.poll_lease_ms,
                limit=slots,
            )
        finally:
            self._give_back(provider, slots - len(leased))
        return leased

    def _take_slots(self, provider: str, limit: int) -> int:
        """Take at most half of the slots that the other providers leave, counting those that this provider has.

        However many providers hang, the next one still gets a slot.
        """
        taken = self._taken[provider]
        share = (self._slots.free + taken + 1) // 2 - taken
        slots = self._slots.take(max(0, min(limit, share)))
        self._taken[provider] += slots
        return slots

    def _give_back(self, provider: str, slots: int) -> None:
        self._taken[provider] -= slots
        self._slots.give_back(slots)

    def _start(self, task: Task) -> asyncio.Task[PollOutcome]:
        poll = asyncio.create_task(self.poller.poll(task))
        poll.add_done_callback(lambda _: self._give_back(task.provider, 1))
        return poll

    async def _record_as_ready(self, polls: set[asyncio.Task[PollOutcome]], owner: str) -> list[PollOutcome]:
        """Record polls in groups: what ends while one group is being written makes the next."""
        recorded: list[PollOutcome] = []
        failure: StoreError | None = None
        pending = polls
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                try:
                    recorded += await self.poller.record([poll.result() for poll in done], owner=owner)
                except StoreError as error:
                    failure = error  # raised at the end, because the other polls may still be recorded
        finally:
            for poll in pending:
                poll.cancel()
        if failure is not None:
            raise failure
        return recorded
