"""Poll the tasks that are due, by schedule.

Runs may overlap, because leases keep them apart. No provider may take all slots, so one that hangs delays only itself.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from receiver.config.sections import ReconcileSettings
from receiver.reconcile.lister import Lister
from receiver.reconcile.model.report import PollOutcome
from receiver.reconcile.poller import Poller
from receiver.reconcile.repository import PollRepository, Selection, singly
from receiver.reconcile.warm_up import WarmUp
from receiver.store.errors import StoreError
from receiver.tasks.model.task import Task
from receiver.webhooks.slots import Slots

log = structlog.get_logger(__name__)

GATHER_S = 0.01  # polls that end within so long are recorded together; the next poll of a task is seconds away


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """One run, from its first lease to its last record."""

    owner: str
    #: It leases no more from then on, unix milliseconds: `owner` would lease a task again whose poll is under way.
    until_ms: int
    #: How many tasks it may still lease, by provider. 0 as well once it has leased all that are due.
    left: dict[str, int]
    polls: set[asyncio.Task[list[PollOutcome]]] = field(default_factory=set)
    #: Polls that have ended and are not recorded yet.
    ended: list[PollOutcome] = field(default_factory=list)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    recorded: list[PollOutcome] = field(default_factory=list)
    #: Why polls failed or could not be recorded; raised at the end, because the others may still be recorded.
    failure: BaseException | None = None

    def end(self, poll: asyncio.Task[list[PollOutcome]]) -> None:
        self.polls.discard(poll)
        self.has_ended.set()
        if poll.cancelled():
            return
        error = poll.exception()
        if error is None:
            self.ended += poll.result()
        else:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Keep the first failure; the run goes on."""
        self.failure = self.failure or error


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
    _lister: Lister = field(init=False)
    _warm_up: WarmUp = field(init=False)

    def __post_init__(self) -> None:
        self._slots = Slots(self.settings.concurrency)
        self._lister = Lister(poller=self.poller, clock=self.clock)
        self._warm_up = WarmUp(accounts=self.poller.accounts, clock=self.clock)

    async def reconcile_once(self, *, limit: int) -> list[PollOutcome]:
        """Lease due tasks, at most `limit` of each provider, poll them, and record each poll as it ends.

        A slot that becomes free takes the next task that is due. Return the polls when all are recorded; return none
        while another run is still leasing.
        Raise StoreUnavailable when nothing could be leased or some polls could not be recorded, and what else failed,
        once the other polls are recorded. The leases of those that failed end by themselves, and their tasks are polled
        again.
        """
        # One owner for each run, so that a run that lost a lease to a later one of this process is refused as well.
        owner = f"{self.owner}.{next(self._runs)}"
        until_ms = self.clock() + self.poller.poll_lease_ms
        run = _Run(owner=owner, until_ms=until_ms, left=dict.fromkeys(self.poller.providers, limit))
        try:
            await self.poller.durations.refresh()
            await self._lease_more(run)
            while run.polls or run.ended:
                await run.has_ended.wait()
                if run.polls:
                    await asyncio.sleep(GATHER_S)
                run.has_ended.clear()
                await self._lease_more(run)  # first, so that the providers answer while the others are recorded
                await self._record_ended(run)
        finally:
            for poll in run.polls:
                poll.cancel()
        if run.failure is not None:
            raise run.failure
        return run.recorded

    async def _lease_more(self, run: _Run) -> None:
        """Start as many polls as there are tasks due and slots free.

        Raise StoreError if the run has no polls yet. Later it only leases no more, so that no answer is lost.
        """
        if self._leasing.locked() or not run.until_ms - self.poller.poll_lease_ms <= self.clock() < run.until_ms:
            return  # runs that wait for a busy database would only make callbacks wait behind them
        async with self._leasing:
            try:
                await self.poller.durations.refresh()
                await self._warm_up.look()
                for provider in [name for name, left in run.left.items() if left > 0]:
                    await self._lease_alone(run, provider)
            except StoreError as error:
                run.left.clear()
                if not (run.polls or run.ended or run.recorded):
                    raise
                log.warning("nothing_leased", error=str(error))

    async def _lease_alone(self, run: _Run, provider: str) -> None:
        """A fault of ours at one provider does not keep the others from being polled. Raise StoreError."""
        try:
            await self._lease(run, provider)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the run raises it once the polls under way are recorded
            run.left[provider] = 0
            run.fail(error)

    async def _lease(self, run: _Run, provider: str) -> None:
        slots = self._take_slots(provider, run.left[provider])
        if slots == 0:
            return
        used, plan, is_listing = 0, None, False

        def select(due: Sequence[Task], count: int) -> Selection:
            nonlocal plan, is_listing
            plan = self._lister.plan(provider, due)
            is_listing = plan is not None
            if plan is not None:
                if not self.poller.durations.is_turn_of_longest(provider):
                    return Selection(tasks=plan.tasks, tokens=1)
                plan, count = None, 1
            ended = self._lister.ended(due)[:count]
            others = [task for task in due if task not in ended]
            left = count - len(ended)
            return singly([*ended, *(self.poller.durations.most_urgent(others, left) if left else ())])

        try:
            leased = await self.polls.lease_due(
                provider,
                budget=self._warm_up.budget(provider, self.poller.rate_budget(provider)),
                owner=run.owner,
                now_ms=self.clock(),
                lease_ms=self.poller.poll_lease_ms,
                limit=slots,
                select=select,
                candidates=self._lister.most_listed(provider),
            )
            if plan is not None and leased != list(plan.tasks):
                plan = None  # of a transaction that ran again
            used = len(leased) if plan is None else 1
        finally:
            self._give_back(provider, slots - used)
        is_all = not is_listing and len(leased) < slots
        run.left[provider] = 0 if is_all else run.left[provider] - used
        for work in [self._lister.poll(plan)] if plan is not None else map(self._poll, leased):
            self._start(provider, work, run)

    async def _poll(self, task: Task) -> list[PollOutcome]:
        self._lister.polled(task)
        return [await self.poller.poll(task)]

    def _take_slots(self, provider: str, limit: int) -> int:
        """Take at most half of the slots that the other providers leave, counting those that this provider has.

        However many providers hang, the next one still gets a slot. The only provider may take all.
        """
        taken = self._taken[provider]
        left = self._slots.free + taken
        share = (left if len(self.poller.providers) == 1 else (left + 1) // 2) - taken
        slots = self._slots.take(max(0, min(limit, share)))
        self._taken[provider] += slots
        return slots

    def _give_back(self, provider: str, slots: int) -> None:
        self._taken[provider] -= slots
        self._slots.give_back(slots)

    def _start(self, provider: str, work: Coroutine[None, None, list[PollOutcome]], run: _Run) -> None:
        poll = asyncio.create_task(work)
        run.polls.add(poll)
        poll.add_done_callback(lambda _: self._give_back(provider, 1))
        poll.add_done_callback(run.end)

    async def _record_ended(self, run: _Run) -> None:
        ended, run.ended = run.ended, []
        if not ended:
            return
        try:
            run.recorded += await self.poller.record(ended, owner=run.owner)
        except Exception as error:  # noqa: BLE001 - the run raises it once the other polls are recorded
            run.fail(error)
