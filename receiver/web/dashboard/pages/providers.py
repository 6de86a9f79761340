"""Providers: whether they take our requests, how much of the budget is used, whether their callbacks come."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from receiver.config.accounts import prefix_of
from receiver.metrics.snapshot import ProviderSnapshot
from receiver.reconcile.model.duration_report import MOST_COUNTED
from receiver.reconcile.model.provider import ProviderStatus
from receiver.reconcile.waiting import waiting_polls
from receiver.runtime.services import Services
from receiver.store.accounts import AccountStatus
from receiver.store.minutes import HOUR_MS, SpanCount
from receiver.tasks.model.search import TaskSearch
from receiver.web.dashboard.model.figures import DAY_MS, SPAN_MS, DayCounts, first_span_ms, rate_rows
from receiver.web.dashboard.model.provider_sheet import (
    TASKS_MOST,
    WORDS_MOST,
    Known,
    ProviderRow,
    callbacks_of,
    limit_of,
    poll_outcomes,
    row_of,
    troubles_of,
    words_of,
)
from receiver.web.dashboard.page import Page, View
from receiver.web.problems import not_found
from submitter.providers.schedule import POLL_PRICE_S

OLDEST_MS = 2_000  # of the snapshot, as for the first page


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What both pages are made of."""

    statuses: Mapping[str, ProviderStatus]
    accounts: Mapping[str, AccountStatus]
    snapshots: Mapping[str, ProviderSnapshot]
    #: Unfinished tasks by state, of every provider.
    open_tasks: Mapping[str, Mapping[str, int]]
    last_callbacks_ms: Mapping[str, int]
    hour_ends: Sequence[SpanCount]
    day_ends: Sequence[SpanCount]

    def names(self) -> list[str]:
        """The configured ones in their order, and behind them those that are in the ledger alone."""
        others = sorted((self.accounts.keys() | self.open_tasks.keys()) - self.statuses.keys())
        return [*self.statuses, *others]

    def row(self, name: str, now_ms: int) -> ProviderRow:
        known = Known(
            status=self.statuses.get(name),
            snapshot=self.snapshots.get(name),
            account=self.accounts.get(name),
            unfinished=sum(self.open_tasks.get(name, {}).values()),
            callbacks=callbacks_of(name, self.last_callbacks_ms, self.hour_ends, self.day_ends),
        )
        return row_of(name, known, now_ms)


async def show_providers(view: View) -> Page:
    read = await _read(view.services, view.now_ms)
    rows = [read.row(name, view.now_ms) for name in read.names()]
    return Page(template="providers.html", title="Providers", values={"rows": rows, "usual_price_s": POLL_PRICE_S})


async def show_provider(view: View) -> Page:
    """Raise a 404 problem for a name that is neither configured nor in the ledger."""
    name, services = view.param("name"), view.services
    read = await _read(services, view.now_ms)
    if name not in read.names() and not await _has_tasks(services, name):
        raise not_found("provider")
    status = read.statuses.get(name)
    await services.durations.refresh()
    minutes, day_ms = services.store.minutes, first_span_ms(view.now_ms)
    words, submits, durations, polls = await asyncio.gather(
        services.store.overview.unknown_words(name, now_ms=view.now_ms),
        minutes.since("whenfinal_submits", since_ms=day_ms, span_ms=SPAN_MS),
        minutes.since("whenfinal_task_duration_seconds", since_ms=view.now_ms - HOUR_MS, span_ms=HOUR_MS),
        minutes.since("whenfinal_polls", since_ms=view.now_ms - DAY_MS, span_ms=DAY_MS),
    )
    counts = DayCounts(ends=read.day_ends, submits=submits, durations=durations)
    values = {
        "row": read.row(name, view.now_ms),
        "status": status,
        "limit": limit_of(status),
        "troubles": troubles_of(read.accounts.get(name), view.now_ms),
        "open_tasks": [(state, number) for state, number in read.open_tasks.get(name, {}).items() if number],
        "waiting": None
        if status is None
        else await waiting_polls(services.store.polls, services.durations, status, view.now_ms),
        "waiting_most": MOST_COUNTED,
        "snapshot": read.snapshots.get(name),
        "usual_price_s": POLL_PRICE_S,
        "learned": services.durations.report(name),
        "rate": rate_rows([name], counts, view.now_ms)[0],
        "polls": poll_outcomes(name, polls),
        "words": words_of(words),
        "words_left": max(0, len(words) - WORDS_MOST),
        "tasks_most": TASKS_MOST,
        "setting": f"{prefix_of(name)}STATE_WORDS",
    }
    return Page(template="provider.html", title=f"Provider {name}", values=values)


async def _read(services: Services, now_ms: int) -> Read:
    store, minutes = services.store, services.store.minutes
    statuses, accounts, snapshot, open_tasks = await asyncio.gather(
        store.providers.statuses(services.providers, speed=services.settings.providers.speed, now_ms=now_ms),
        store.accounts.all(),
        services.snapshots.fresh(OLDEST_MS),
        store.overview.open_tasks(),
    )
    last_ms, hour_ends, day_ends = await asyncio.gather(
        minutes.last("whenfinal_callbacks", since_ms=now_ms - DAY_MS, but="rejected"),
        minutes.since("whenfinal_tasks_final", since_ms=now_ms - HOUR_MS, span_ms=HOUR_MS),
        minutes.since("whenfinal_tasks_final", since_ms=first_span_ms(now_ms), span_ms=SPAN_MS),
    )
    return Read(
        statuses={each.name: each for each in statuses},
        accounts={each.provider: each for each in accounts},
        snapshots={each.name: each for each in snapshot.providers if each.name in services.providers},
        open_tasks=open_tasks,
        last_callbacks_ms=last_ms,
        hour_ends=hour_ends,
        day_ends=day_ends,
    )


async def _has_tasks(services: Services, name: str) -> bool:
    found = await services.store.task_search.page(TaskSearch(provider=name), limit=1)
    return bool(found.tasks)
