"""Every 15 seconds: read what is open in the ledger, and add what was counted to the counts by minute.

A scrape of `/metrics` and the dashboard read the result from memory, so neither waits for the ledger. While the ledger
cannot be read the last snapshot stays, with its time. `services.metrics.snapshot` is the newest one; counts by minute
are read by `services.store.minutes.since`, see `receiver.store.minutes`.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from receiver.metrics.counting import Labels, differences
from receiver.metrics.registry import BY_MINUTE, SPECS, Metrics
from receiver.metrics.snapshot import ProviderSnapshot, Snapshot
from receiver.store.errors import StoreError
from receiver.store.ledger_file import ledger_files, size_of
from receiver.store.minutes import MINUTE_MS, MinuteKey, MinuteRepository
from receiver.store.overview import OverviewRepository
from submitter.providers import schedule
from submitter.providers.contract import ConfiguredProvider

log = structlog.get_logger(__name__)

EVERY_S = 15.0

MOST_UNSTORED = 10_000  # counts by minute that wait for a ledger which cannot be written; more of them are dropped


@dataclass(slots=True, kw_only=True, eq=False)
class Snapshots:
    """One for a process."""

    metrics: Metrics
    overview: OverviewRepository
    minutes: MinuteRepository
    providers: Mapping[str, ConfiguredProvider]
    #: As in `submitter.providers.schedule`.
    speed: float
    #: Of the ledger; None on a server.
    path: Path | None
    #: What a poll of a provider must be worth now to be made; asked where polls are due.
    poll_price_s: Callable[[str], Awaitable[float]]
    #: Unix milliseconds.
    clock: Callable[[], int]
    _before: dict[str, dict[Labels, int]] = field(default_factory=dict, init=False)
    _unstored: Counter[MinuteKey] = field(default_factory=Counter, init=False)
    _is_failing: bool = field(default=False, init=False)
    _taking: asyncio.Task[Snapshot] | None = field(default=None, init=False)

    async def run(self) -> None:
        """Until cancelled, whatever fails."""
        while True:
            try:
                await self.run_once()
            except Exception:
                log.exception("snapshot_failed")  # the next one starts as usual
            await asyncio.sleep(EVERY_S)

    async def run_once(self) -> None:
        """Raise nothing because of the ledger: the last snapshot stays, and what was counted is added later."""
        try:
            await self.take()
            await self._store_counts()
        except StoreError as error:
            if not self._is_failing:
                log.warning("snapshot_not_taken", error=str(error))
            self._is_failing = True
        else:
            self._is_failing = False

    async def take(self) -> Snapshot:
        """Read a snapshot now. Raise StoreUnavailable."""
        now_ms = self.clock()
        read = await self.overview.snapshot(tuple(self.providers), now_ms=now_ms)
        sizes = [None, None] if self.path is None else [size_of(each) for each in ledger_files(self.path)[:2]]
        snapshot = replace(
            read,
            providers=tuple([await self._with_budget(each) for each in read.providers]),
            database_bytes=sizes[0],
            wal_bytes=sizes[1],
        )
        self.metrics.snapshot = snapshot
        self.metrics.tick_succeeded("snapshot", now_ms)
        return snapshot

    async def fresh(self, oldest_ms: int) -> Snapshot:
        """The last snapshot, or a new one where it is more than `oldest_ms` old. Raise StoreUnavailable.

        Callers share one that is being read, so that many viewers cost no more than one.
        """
        last = self.metrics.snapshot
        if last is not None and abs(self.clock() - last.at_ms) <= oldest_ms:
            return last
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self.take())
        # Shielded, because a caller that is cancelled must not cancel the reading of the others.
        return await asyncio.shield(self._taking)

    async def flush(self) -> None:
        """At a clean stop: add what was counted since the last run, if the ledger can still be written."""
        try:
            await self._store_counts()
        except StoreError as error:
            log.debug("counts_not_stored", error=str(error))

    async def _store_counts(self) -> None:
        now_ms = self.clock()
        self._count(now_ms - now_ms % MINUTE_MS)
        if not self._unstored:
            return
        counts, self._unstored = self._unstored, Counter()
        try:
            await self.minutes.add(counts, names=BY_MINUTE, now_ms=now_ms)
        except StoreError:
            if len(counts) <= MOST_UNSTORED:
                self._unstored.update(counts)
            raise

    def _count(self, minute_ms: int) -> None:
        """What was counted since the last run counts for the minute in which that is noticed."""
        for family in self.metrics.by_minute():
            has_provider = SPECS[family.name].labels[:1] == ("provider",)
            for labels, grown in differences(family.values(), self._before.setdefault(family.name, {})):
                provider, rest = (labels[0], labels[1:]) if has_provider else ("", labels)
                self._unstored[MinuteKey(family.name, minute_ms, provider, "/".join(rest))] += grown

    async def _with_budget(self, provider: ProviderSnapshot) -> ProviderSnapshot:
        configured = self.providers.get(provider.name)
        if configured is None:
            return provider
        budget = schedule.scaled(configured.adapter.CAPABILITIES.budget, self.speed)
        price_s = schedule.POLL_PRICE_S
        if provider.due_polls.number:
            price_s = await self.poll_price_s(provider.name)
        return replace(provider, budget_per_s=budget.per_s, poll_price_s=price_s)
