"""The first page: what is wrong and how it is cured, what is open, and how it went in the last 24 hours.

While the ledger cannot be read it shows the last snapshot and says so.
"""

import asyncio
from dataclasses import dataclass

from receiver.runtime.explaining import has_list
from receiver.runtime.services import Services
from receiver.store.errors import StoreError
from receiver.store.minutes import HOUR_MS
from receiver.web.dashboard.model.alarm import Facts
from receiver.web.dashboard.model.alarms import alarms_of
from receiver.web.dashboard.model.figures import (
    SPAN_MS,
    DayCounts,
    first_span_ms,
    open_rows,
    rate_rows,
    tiles_of,
)
from receiver.web.dashboard.model.provider_alarms import UNANSWERED_MS
from receiver.web.dashboard.page import Page, View
from receiver.webhooks.model.endpoint_health import FAILURES_TO_OPEN

READ_S = 5.0  # what the ledger is waited for

OLDEST_MS = 2_000  # of a snapshot, where a person asks for the page: what was cured just now is gone

OLDEST_LIVE_MS = 30_000  # where the page asks for itself again


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read for the page, or what was known before where it could not be read."""

    facts: Facts
    counts: DayCounts


async def show_now(view: View) -> Page:
    services = view.services
    try:
        async with asyncio.timeout(READ_S):
            read = await _read(services, view.now_ms, OLDEST_LIVE_MS if view.is_fragment else OLDEST_MS)
    except (StoreError, TimeoutError):
        facts = Facts(
            now_ms=view.now_ms,
            snapshot=services.metrics.snapshot,
            ticks_ms=services.metrics.ticks_ms(),
            lists_tasks=_listing(services),
            stepped_back=services.store.stepped_back,
            is_unreadable=True,
        )
        read = Read(facts=facts, counts=DayCounts())
    snapshot = read.facts.snapshot
    values = {
        "alarms": alarms_of(read.facts),
        "snapshot_ms": None if snapshot is None else snapshot.at_ms,
        "is_unreadable": read.facts.is_unreadable,
        "tiles": [] if snapshot is None else tiles_of(snapshot),
        "open_rows": [] if snapshot is None else open_rows(snapshot),
        "rate_rows": [] if read.facts.is_unreadable else rate_rows(list(services.providers), read.counts, view.now_ms),
    }
    return Page(template="now.html", title="Now", values=values)


def _listing(services: Services) -> frozenset[str]:
    return frozenset(name for name in services.providers if has_list(services, name))


async def _read(services: Services, now_ms: int, oldest_ms: int) -> Read:
    """Raise StoreUnavailable."""
    minutes, hour_ms, day_ms = services.store.minutes, now_ms - HOUR_MS, first_span_ms(now_ms)
    snapshot, troubles, ends, callbacks, submits = await asyncio.gather(
        services.snapshots.fresh(oldest_ms),
        services.store.troubles.now(failures_to_open=FAILURES_TO_OPEN, now_ms=now_ms),
        minutes.since("whenfinal_tasks_final", since_ms=hour_ms),
        minutes.since("whenfinal_callbacks", since_ms=hour_ms),
        minutes.since("whenfinal_submits", since_ms=hour_ms),
    )
    processes, polls, day_ends, day_submits, durations = await asyncio.gather(
        services.store.processes.all(),
        minutes.since("whenfinal_polls", since_ms=now_ms - UNANSWERED_MS),
        minutes.since("whenfinal_tasks_final", since_ms=day_ms, span_ms=SPAN_MS),
        minutes.since("whenfinal_submits", since_ms=day_ms, span_ms=SPAN_MS),
        minutes.since("whenfinal_task_duration_seconds", since_ms=hour_ms, span_ms=HOUR_MS),
    )
    facts = Facts(
        now_ms=now_ms,
        snapshot=snapshot,
        troubles=troubles,
        ends=ends,
        callbacks=callbacks,
        submits=submits,
        polls=polls,
        processes=processes,
        ticks_ms=services.metrics.ticks_ms(),
        lists_tasks=_listing(services),
        stepped_back=services.store.stepped_back,
    )
    return Read(facts=facts, counts=DayCounts(ends=day_ends, submits=day_submits, durations=durations))
