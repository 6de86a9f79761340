"""Work on runs: those that this process has started at once, those of others when their lease has ended."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from secrets import token_hex

import structlog

from receiver.runtime.operator_runs.acts import ACTS, Act
from receiver.runtime.operator_runs.model import ItemResult, LeasedRun, OperatorRun, RunState, after_page
from receiver.runtime.services import Services
from receiver.store.errors import StoreError

log = structlog.get_logger(__name__)

LEASE_MS = 300_000  # others go on with a dead process's run after it

RENEW_EVERY_S = 60.0  # while a page is worked on, because one may take longer than a lease

TAKE_ON_EVERY_S = 5.0  # a run begins at once in the process that was asked for it; this is for the others

AT_ONCE = 4  # runs that one process works on


@dataclass(slots=True, kw_only=True, eq=False)
class OperatorRuns:
    """One for each part of a process that works on runs; see `operating`."""

    services: Services
    acts: Mapping[str, Act] = field(default_factory=lambda: ACTS)
    renew_every_s: float = RENEW_EVERY_S
    _working: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    #: Ids. Their leases may have ended because the ledger or this process stood still; they are worked on still.
    _in_work: set[str] = field(default_factory=set, init=False)
    _is_closing: bool = field(default=False, init=False)

    async def start(self, draft: OperatorRun) -> OperatorRun:
        """Store a run and begin with it. The same nonce gives the same run, which is then not begun again."""
        runs, now_ms = self.services.store.runs, self.services.clock()
        stored = await runs.start(draft, now_ms=now_ms)
        if stored.id == draft.id:
            self._begin(stored.id)
        return stored

    async def claim(self, draft: OperatorRun) -> LeasedRun | None:
        """Store a run that the caller works on itself; None when the same nonce was used before."""
        stored = await self.services.store.runs.start(draft, now_ms=self.services.clock())
        return await self._lease(stored.id) if stored.id == draft.id else None

    async def end(self, claimed: LeasedRun, result: ItemResult) -> None:
        """End a run that was claimed, with what became of its only item."""
        ended = after_page(claimed.run, [result], None, self.services.clock())
        await self.services.store.runs.save(ended, claimed.owner, until_ms=None)

    async def take_on(self) -> None:
        """Go on with one run that nobody works on, as that of a process that has died."""
        if len(self._working) >= AT_ONCE:
            return
        if await self.services.store.runs.has_free(self.services.clock(), kinds=self.acts, in_work=self._in_work):
            leased = await self._lease(None)
            if leased is not None:
                self._add(asyncio.create_task(_logged(self._work(leased))))

    async def watch(self) -> None:
        """Take on runs until it is cancelled."""
        while True:
            await asyncio.sleep(TAKE_ON_EVERY_S)
            await _logged(self.take_on())

    def _begin(self, run_id: str) -> None:
        async def begin() -> None:
            leased = await self._lease(run_id)
            if leased is not None:
                await self._work(leased)

        self._add(asyncio.create_task(_logged(begin())))

    def _add(self, task: asyncio.Task[None]) -> None:
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _lease(self, run_id: str | None) -> LeasedRun | None:
        """Only of kinds that this version knows: a newer process works on the others."""
        owner, now_ms = f"runs-{token_hex(8)}", self.services.clock()
        run = await self.services.store.runs.lease(
            owner, now_ms=now_ms, lease_ms=LEASE_MS, kinds=self.acts, run_id=run_id, in_work=self._in_work
        )
        return None if run is None else LeasedRun(run=run, owner=owner)

    async def _work(self, leased: LeasedRun) -> None:
        self._in_work.add(leased.run.id)
        renewing = asyncio.create_task(self._renew(leased))
        try:
            await self._work_through(leased.run, leased.owner)
        finally:
            self._in_work.discard(leased.run.id)
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _renew(self, leased: LeasedRun) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self.renew_every_s)
            await _logged(self._renew_once(leased))

    async def _renew_once(self, leased: LeasedRun) -> None:
        until_ms = self.services.clock() + LEASE_MS
        await self.services.store.runs.renew(leased.run.id, leased.owner, until_ms=until_ms)

    async def _work_through(self, run: OperatorRun, owner: str) -> None:
        """Page after page, until its end, a stop, an error, or the end of this process."""
        while run.is_open and not self._is_closing:
            run = await self._page(run)
            if not await self.services.store.runs.save(run, owner, until_ms=self.services.clock() + LEASE_MS):
                return
        if run.is_open:
            await self.services.store.runs.save(run, owner, until_ms=None)
        else:
            log.info("run_ended", run=run.id, kind=run.kind, state=run.state.value, done=run.done, failed=run.failed)

    async def _page(self, run: OperatorRun) -> OperatorRun:
        try:
            act = self.acts[run.kind]
            page = await act.items(self.services, run.condition, run.cursor)
            results = await act.work(self.services, page.items, run.condition, run.actor) if page.items else ()
            return after_page(run, results, page.next_cursor, self.services.clock())
        except StoreError:
            raise  # the lease ends, and then somebody goes on
        except Exception as error:
            log.exception("run_failed", run=run.id, kind=run.kind)
            ended_ms = self.services.clock()
            words = f"{type(error).__name__}: this page could not be worked on; the log has the reason"
            return replace(run, state=RunState.FAILED, ended_ms=ended_ms, last_error=words)

    async def aclose(self) -> None:
        """Give every run free after the page that it is at."""
        self._is_closing = True
        while self._working:
            await asyncio.wait(self._working)


async def _logged(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except StoreError as error:
        log.warning("run_left", error=str(error))  # somebody goes on when the lease has ended
    except Exception:
        log.exception("run_broke")  # others are still taken on


@asynccontextmanager
async def operating(services: Services, *, takes_on: bool = True) -> AsyncIterator[OperatorRuns]:
    """On leaving, the pages in work come to their end, and others may go on with the rest.

    `takes_on`: runs of processes that have died are gone on with.
    """
    runs = OperatorRuns(services=services)
    watching = asyncio.create_task(runs.watch() if takes_on else asyncio.sleep(0))
    try:
        yield runs
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await runs.aclose()
