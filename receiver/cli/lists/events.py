"""`whenfinal events`: the events of the log from a cursor on, once or as they come."""

from collections.abc import Sequence
from typing import NoReturn

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import USAGE, CommandFailed, emit, note, show
from receiver.cli.display.list_tables import event_line, events_table
from receiver.cli.reading import read_ledger
from receiver.events.log import ALL_EVENTS, EventLog
from receiver.events.model.event import Event, event_view
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor
from receiver.store.engine import Engine

FOLLOW_EVERY_S = 0.2  # between two reads; a read never blocks a writer

BATCH = 500  # events a read


def list_events(
    wanted: EventFilter = ALL_EVENTS,
    *,
    after: int | None = None,
    follow: bool = False,
    limit: int = ROWS_SHOWN,
    as_json: bool = False,
) -> None:
    async def work(engine: Engine) -> Sequence[Event]:
        if wanted.providers:
            await _check_providers(wanted, engine)
        if follow:
            await _follow(EventLog(engine), wanted, after, as_json=as_json)
        return await _list(EventLog(engine), wanted, after, limit)

    found = read_ledger(work, follows=follow)
    if as_json:
        for event in found:
            emit(event_view(event))
    else:
        show(events_table(found) if found else "no event matches")


async def _check_providers(wanted: EventFilter, engine: Engine) -> None:
    from receiver.cli.provider_names import check_name, configured_names
    from receiver.cli.repositories import fan_out_on
    from receiver.tasks.repository import TaskRepository

    for name in sorted(wanted.providers):
        await check_name(name, configured_names(), TaskRepository(engine, fan_out_on(engine)))


async def _list(log: EventLog, wanted: EventFilter, after: int | None, limit: int) -> Sequence[Event]:
    """The events after `after`, or those of the last `limit` ones that match."""
    if after is None:
        after = max(await log.oldest_after(), await log.last_seq() - limit)
    found: list[Event] = []
    while True:
        page = await _slice(log, after, wanted, limit - len(found))
        found += page.events
        if not page.has_more:
            return found
        if len(found) == limit:
            note(f"more come after event {page.next_after}; see more with --limit or --after {page.next_after}")
            return found
        after = page.next_after


async def _follow(log: EventLog, wanted: EventFilter, after: int | None, *, as_json: bool) -> NoReturn:
    from asyncio import sleep

    seq = await log.last_seq() if after is None else after
    while True:
        page = await _slice(log, seq, wanted, BATCH)
        for event in page.events:
            emit(event_view(event)) if as_json else show(event_line(event))
        seq = page.next_after
        if not page.has_more:
            await sleep(FOLLOW_EVERY_S)


async def _slice(log: EventLog, after: int, wanted: EventFilter, limit: int) -> EventSlice:
    """Raise CommandFailed for a cursor that is expired or in the future."""
    found = await log.slice(after, wanted, limit=limit)
    if isinstance(found, EventSlice):
        return found
    if isinstance(found, ExpiredCursor):
        hint = f"the oldest stored ones follow --after {found.oldest_after}"
        raise CommandFailed(f"events after {after} are no longer stored; {hint}")
    raise CommandFailed(f"--after {after} is in the future; the newest event is {found.last_seq}", status=USAGE)
