"""`whenfinal events`: the one sequence of facts, from any number on, or live."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from receiver.commands.console import emit, show
from receiver.commands.options import Json, Limit, one_of
from receiver.commands.running import with_services
from receiver.records import Event, EventType
from receiver.services import Services
from receiver.tables import event_line, events_table
from receiver.views import event_view

FOLLOW_EVERY_S = 0.2  # how far a follower may be behind; reading never hinders a writer
BATCH = 500  # events read at once

After = Annotated[
    int | None,
    typer.Option("--after", min=0, metavar="SEQ", help="From the event after this number; none: the last ones."),
]
Types = Annotated[list[EventType] | None, one_of(EventType, "--type", "Only this type, may be repeated")]


def events(
    *,
    after: After = None,
    kinds: Types = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with each new event until Ctrl-C.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List events in their order. `--follow` goes on for ever."""
    types = tuple(kinds or ())
    if follow:
        with_services(lambda services: _follow(services, types, after, as_json=as_json))
        return
    found = with_services(lambda services: _some(services, types, after, limit))
    if as_json:
        for event in found:
            emit(event_view(event))
    else:
        show(events_table(found) if found else "no event matches")


async def _some(services: Services, types: Sequence[EventType], after: int | None, limit: int) -> list[Event]:
    """From `after` on, or the last ones, of which filtering by type may leave fewer."""
    reading = services.store.reading
    if after is not None:
        return await reading.events(after, types=types, limit=limit)
    start = max(0, await reading.last_seq() - limit)
    return await reading.events(start, types=types, limit=limit)


async def _follow(services: Services, types: Sequence[EventType], after: int | None, *, as_json: bool) -> None:
    reading = services.store.reading
    seq = await reading.last_seq() if after is None else after
    while True:
        found = await reading.events(seq, types=types, limit=BATCH)
        for event in found:
            emit(event_view(event)) if as_json else show(event_line(event))
        seq = found[-1].seq if found else seq
        if len(found) < BATCH:
            await asyncio.sleep(FOLLOW_EVERY_S)
