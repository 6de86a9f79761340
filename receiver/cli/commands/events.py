"""`whenfinal events`: list the events of the log from a cursor on, or follow them."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import USAGE, CommandFailed, emit, note, show
from receiver.cli.display.list_tables import event_line, events_table
from receiver.cli.event_numbers import stored_numbers
from receiver.cli.options import FilterOptions, Json, Limit, conditions_of, options_from
from receiver.cli.remote import with_client
from receiver.runtime.clock import now_ms
from submitter.api import EVENT_TYPES, AnyEvent
from submitter.client.client import Client

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
    limit: Limit = ROWS_SHOWN,
    as_json: Json = False,
) -> None:
    conditions = {"types": EVENT_TYPES, **conditions_of(given)}

    async def work(client: Client) -> Sequence[AnyEvent]:
        if follow:
            await _follow(client, conditions, after, as_json=as_json)
        return await _list(client, conditions, after, limit)

    found = with_client(work)
    if as_json:
        for event in found:
            emit(event.json_values())
    else:
        show(events_table(found, now_ms()) if found else "no event matches")


async def _list(client: Client, conditions: Mapping[str, Any], after: int | None, limit: int) -> Sequence[AnyEvent]:
    """The events after `after`, or those of the last `limit` ones that match."""
    start = await _start(client, after, limit)
    found: list[AnyEvent] = []
    while True:
        page = await client.events.list(after=start, limit=limit - len(found), **conditions)
        found += page.events
        if not page.has_more:
            return found
        if len(found) == limit:
            note(f"more come after event {page.next_after}; see more with --limit or --after {page.next_after}")
            return found
        start = page.next_after


async def _follow(client: Client, conditions: Mapping[str, Any], after: int | None, *, as_json: bool) -> None:
    start = await _start(client, after, 0)
    async with aclosing(client.events.follow(after=start, **conditions)) as found:
        async for event in found:
            emit(event.json_values()) if as_json else show(event_line(event))


async def _start(client: Client, after: int | None, last: int) -> int:
    """The cursor that was given, or else that of the `last` events.

    Raise CommandFailed for one after which events are no longer stored, and for one in the future.
    """
    stored = await stored_numbers(client)
    if after is None:
        return max(stored.oldest_after, stored.newest - last)
    if after < stored.oldest_after:
        hint = f"the oldest stored ones follow --after {stored.oldest_after}"
        raise CommandFailed(f"events after {after} are no longer stored; {hint}")
    if after > stored.newest:
        raise CommandFailed(f"--after {after} is in the future; the newest event is {stored.newest}", status=USAGE)
    return after
