"""`whenfinal events`: list the events of the log from a cursor on, or follow them."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from receiver.cli.commands.task_list import check_name
from receiver.cli.console import USAGE, CommandFailed, emit, note, show
from receiver.cli.display.tables import event_line, events_table
from receiver.cli.ledger import fan_out_on, read_ledger
from receiver.cli.options import FilterOptions, Json, Limit, filter_of, options_from
from receiver.config.settings import Settings
from receiver.events.log import EventLog
from receiver.events.model.event import Event, event_view
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor
from receiver.store.engine import Engine
from receiver.tasks.repository import TaskRepository

FOLLOW_EVERY_S = 0.2  # between two reads; a read never blocks a writer

BATCH = 500  # events a read

After = Annotated[
    int | None,
    typer.Option("--after", min=0, metavar="SEQ", help="Events after this number. Without it, the last ones."),
]


@options_from(FilterOptions)
def events(
    *,
    given: FilterOptions,
    after: After = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new events until Ctrl-C.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    wanted = filter_of(given)

    async def work(engine: Engine, settings: Settings) -> Sequence[Event]:
        for name in sorted(wanted.providers):
            await check_name(
                name, [each.name for each in settings.providers.accounts], TaskRepository(engine, fan_out_on(engine))
            )
        if follow:
            await _follow(EventLog(engine), wanted, after, as_json=as_json)
        return await _list(EventLog(engine), wanted, after, limit)

    found = read_ledger(work)
    if as_json:
        for event in found:
            emit(event_view(event))
    else:
        show(events_table(found) if found else "no event matches")


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
    seq = await log.last_seq() if after is None else after
    while True:
        page = await _slice(log, seq, wanted, BATCH)
        for event in page.events:
            emit(event_view(event)) if as_json else show(event_line(event))
        seq = page.next_after
        if not page.has_more:
            await asyncio.sleep(FOLLOW_EVERY_S)


async def _slice(log: EventLog, after: int, wanted: EventFilter, limit: int) -> EventSlice:
    """Raise CommandFailed for a cursor that is expired or in the future."""
    found = await log.slice(after, wanted, limit=limit)
    if isinstance(found, EventSlice):
        return found
    if isinstance(found, ExpiredCursor):
        hint = f"the oldest stored ones follow --after {found.oldest_after}"
        raise CommandFailed(f"events after {after} are no longer stored; {hint}")
    raise CommandFailed(f"--after {after} is in the future; the newest event is {found.last_seq}", status=USAGE)
