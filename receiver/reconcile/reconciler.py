"""Ask the providers about tasks that have been silent: by the clock here, by hand through `receiver.by_hand`.

Flow: lease what is due, look at all of it at once, book what is ready, in groups as they finish. Turns may overlap:
leases keep them apart, and no provider may take all the places, so one that hangs slows only itself.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from receiver.reconcile.manual import HandPolls, ManualReconcile
from receiver.reconcile.model.decisions import Finding
from receiver.reconcile.model.report import (
    ManualRequest,
    ReconcileFilter,
    ReconcileMode,
    ReconcileSummary,
)
from receiver.reconcile.poller import Doubts, Finishes, Poller, PollOutcome, RecordedPoll, Records, Repeats, Sends
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditLog
from receiver.store.errors import StoreError
from receiver.tasks.model.task import Task
from submitter.providers import schedule
from submitter.providers.contract import Budget, ConfiguredProvider

__all__ = ["ReconcileManners", "ReconcileReport", "ReconcileRooms", "Reconciler"]

log = structlog.get_logger(__name__)

BOOKING_MS = 15_000  # from the last byte of an answer to its place in a ledger that is locked for a while


class ReconcilePolls(Finishes, HandPolls, Protocol):
    async def lease_due(
        self, provider: str, *, budget: Budget, owner: str, now_ms: int, lease_ms: int, limit: int
    ) -> list[Task]: ...


class ReconcileRooms(Protocol):
    """The rooms of the store that a turn enters."""

    @property
    def ledger(self) -> Records: ...

    @property
    def submissions(self) -> Doubts: ...

    @property
    def polls(self) -> ReconcilePolls: ...

    @property
    def accounts(self) -> ProviderAccountRepository: ...

    @property
    def audit(self) -> AuditLog: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileManners:
    """`owner` names this process and no other, `speed` is as in `receiver.schedule`.

    `concurrency`: looks at the same time. `timeout_s` bounds the one request of a look; a shorter lease is stretched.
    """

    owner: str
    speed: float = 1.0
    lease_ms: int = 60_000
    concurrency: int = 32
    timeout_s: float = 60.0

    @property
    def poll_lease_ms(self) -> int:
        """A lease that ends before its look would let a hanging provider be asked again and again, without back-off."""
        return max(self.lease_ms, round(self.timeout_s * 1000) + BOOKING_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """`changed`: tasks whose state changed by what was learned. `missed`: looks without a usable answer."""

    asked: int
    changed: int
    missed: int
    paused: tuple[str, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Reconciler:
    """`on_events` is called after a commit that made events. `dice` gives numbers in [0, 1)."""

    store: ReconcileRooms
    providers: Mapping[str, ConfiguredProvider]
    submission: Repeats
    transport: Sends
    clock: Callable[[], int]
    random: Callable[[], float]
    on_events: Callable[[], None]
    manners: ReconcileManners
    _asking: Poller = field(init=False)
    _taken: Counter[str] = field(default_factory=Counter, init=False)
    _leasing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _turns: Iterator[int] = field(default_factory=itertools.count, init=False)

    def __post_init__(self) -> None:
        self._asking = Poller(
            providers=self.providers,
            submission=self.submission,
            transport=self.transport,
            ledger=self.store.ledger,
            submits=self.store.submissions,
            polls=self.store.polls,
            accounts=self.store.accounts,
            clock=self.clock,
            random=self.random,
            on_events=self.on_events,
            speed=self.manners.speed,
            timeout_s=self.manners.timeout_s,
        )

    async def reconcile_once(self, *, limit: int) -> ReconcileReport:
        """One turn; at most `limit` tasks of each provider. Empty while another turn is still leasing.

        Raise StoreUnavailable when nothing could be leased or some looks could not be booked; their leases run out, and
        they are asked again.
        """
        owner = self._new_owner()
        return _report(await self._book_as_ready(await self._start_looks(owner, limit), owner))

    async def by_hand(self, condition: ReconcileFilter, /, *, dry_run: bool, ask: bool, actor: str) -> ReconcileSummary:
        """At most `receiver.by_hand.LIMIT` tasks; with `dry_run` nothing changes, and providers are asked if `ask`.

        Raise StoreUnavailable; what was booked before that stays.
        """
        work = ManualReconcile(
            asking=self._asking,
            polls=self.store.polls,
            accounts=self.store.accounts,
            audit=self.store.audit,
            providers=self.providers,
            clock=self.clock,
            lease_ms=self.manners.poll_lease_ms,
            at_once=max(1, self.manners.concurrency // max(1, len(self.providers))),
        )
        mode = ReconcileMode.DO if not dry_run else ReconcileMode.ASK if ask else ReconcileMode.SAY
        return await work.carry_out(ManualRequest(condition=condition, mode=mode, actor=actor, owner=self._new_owner()))

    def _new_owner(self) -> str:
        """One for each turn, so that a turn which lost a lease to a later one of this process is refused as well."""
        return f"{self.manners.owner}.{next(self._turns)}"

    async def _start_looks(self, owner: str, limit: int) -> set[asyncio.Task[PollOutcome]]:
        if self._leasing.locked():
            return set()  # turns that queue for a busy ledger would only keep callbacks waiting behind them
        async with self._leasing:
            return await self._lease_and_start(owner, limit)

    async def _lease_and_start(self, owner: str, limit: int) -> set[asyncio.Task[PollOutcome]]:
        looks: set[asyncio.Task[PollOutcome]] = set()
        for name in self.providers:
            try:
                leased = await self._lease(name, owner, limit)
            except StoreError as error:
                if not looks:
                    raise
                log.warning("nothing_leased", provider=name, error=str(error))
                break
            looks |= {self._start(task) for task in leased}
        return looks

    async def _lease(self, provider: str, owner: str, limit: int) -> list[Task]:
        share = min(limit, self._share(provider))
        if share < 1:
            return []
        leased: list[Task] = []
        self._taken[provider] += share  # before the wait, because another turn may count places meanwhile
        try:
            leased = await self.store.polls.lease_due(
                provider,
                budget=schedule.scaled(self.providers[provider].adapter.CAPABILITIES.budget, self.manners.speed),
                owner=owner,
                now_ms=self.clock(),
                lease_ms=self.manners.poll_lease_ms,
                limit=share,
            )
        finally:
            self._taken[provider] -= share - len(leased)
        return leased

    def _share(self, provider: str) -> int:
        """Half of what the others leave, less what it has: however many hang, the next one still gets a place."""
        mine = self._taken[provider]
        left_by_others = self.manners.concurrency - (self._taken.total() - mine)
        return (left_by_others + 1) // 2 - mine

    def _start(self, task: Task) -> asyncio.Task[PollOutcome]:
        look = asyncio.create_task(self._asking.look(task))
        look.add_done_callback(lambda _: self._taken.subtract([task.provider]))
        return look

    async def _book_as_ready(self, looks: set[asyncio.Task[PollOutcome]], owner: str) -> list[RecordedPoll]:
        """What finishes while one group is being written makes the next group."""
        booked: list[RecordedPoll] = []
        failure: Exception | None = None
        pending = looks
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                try:
                    booked += await self._asking.book([look.result() for look in done], owner=owner)
                except StoreError as error:
                    failure = error  # the others may still be booked, and the leases of these run out
        finally:
            for look in pending:
                look.cancel()
        if failure is not None:
            raise failure
        return booked


def _report(booked: Sequence[RecordedPoll]) -> ReconcileReport:
    follow_ups = [entry.looked.follow_up for entry in booked]
    paused = {entry.looked.task.provider for entry in booked if entry.looked.follow_up.pause is not None}
    return ReconcileReport(
        asked=sum(follow_up.finding is not Finding.LEFT for follow_up in follow_ups),
        changed=sum(entry.changed for entry in booked),
        missed=sum(follow_up.finding is Finding.UNAVAILABLE for follow_up in follow_ups),
        paused=tuple(sorted(paused)),
    )
