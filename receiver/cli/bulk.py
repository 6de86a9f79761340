"""Acts on all that a filter finds: counted first, confirmed, done in a run of the service, and followed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import typer

from receiver.cli.console import WRONG, confirm, emit, note, show
from receiver.cli.display.bars import progress
from receiver.cli.display.run_tables import counted, nothing_fits, preview_parts, run_parts
from receiver.cli.remote import with_client
from submitter.api_runs import Run, RunPreview
from submitter.client.client import Client
from submitter.errors import ReceiverUnreachable

#: By the state of a run that is left: what to do next.
_LEFT = {
    "running": "the run goes on in the service, as far as is known; stop it with whenfinal runs stop",
    "stopped": "the items in work still come to their end; see whenfinal runs show",
}

READ_EVERY_S = 0.2  # how far a run is

READ_EVERY_MOST_S = 2.0

_SEE_LIST = "see whenfinal runs list"

_SLOWER = 1.3  # each pause is longer than the one before, because most runs are short


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is done to all that a filter finds."""

    #: As in `Cancel 12 tasks?`.
    verb: str
    #: One of the things: `task`.
    what: str
    #: The filter.
    which: Mapping[str, Any]
    preview: Callable[[Client], Awaitable[RunPreview]]
    #: Called with the filter as it was previewed.
    start: Callable[[Client, Mapping[str, Any]], Awaitable[Run]]


def act_on_all(act: Act, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Count, ask for confirmation, do it, and print what came of it. With `dry_run` only count.

    Raise CommandFailed where it was not confirmed, typer.Exit where an item failed.
    """
    preview = with_client(lambda client: _preview(client, act))
    if dry_run:
        show_preview(preview, act.what, as_json=as_json)
        return
    if preview.count == 0:
        note(nothing_fits(act.what))
        return
    for each in preview.sample:
        note(f"{each.id}: {each.note}")
    confirm(f"{act.verb} {counted(preview, act.what)}?", yes=yes)
    which = _as_previewed(act.which, preview)
    run_to_end(lambda client: act.start(client, which), act.what, as_json=as_json)


def _as_previewed(which: Mapping[str, Any], preview: RunPreview) -> dict[str, Any]:
    """The filter without what came after the preview; a final act is done with the previewed ids alone."""
    found = {name: value for name, value in which.items() if name != "all"}
    return {**found, "until": preview.until, **({"ids": preview.ids} if preview.ids else {})}


async def _preview(client: Client, act: Act) -> RunPreview:
    return await act.preview(client)


def show_preview(preview: RunPreview, what: str, *, as_json: bool) -> None:
    if as_json:
        emit(preview.json_values())
    else:
        show(*preview_parts(preview, what))


def run_to_end(start: Callable[[Client], Awaitable[Run]], what: str, *, as_json: bool) -> None:
    """Start a run, wait for its end, and print it. After Ctrl-C the run is stopped, and what was done is printed.

    Raise typer.Exit where an item failed, and where the run did not come to its end.
    """
    followed = Followed()
    try:
        with_client(lambda client: followed.follow(client, start))
    finally:
        if followed.run is not None:
            print_run(followed.run, what, as_json=as_json)
            if followed.run.state in _LEFT:
                note(f"{_LEFT[followed.run.state]} {followed.run.id}")
    if followed.run is not None and not is_all_done(followed.run):
        raise typer.Exit(WRONG)


def is_all_done(run: Run) -> bool:
    return run.state == "finished" and not run.failed


def print_run(run: Run, what: str, *, as_json: bool) -> None:
    if as_json:
        emit(run.json_values())
    else:
        show(*run_parts(run, what))


async def _start(client: Client, start: Callable[[Client], Awaitable[Run]]) -> Run:
    try:
        return await start(client)
    except ReceiverUnreachable:
        note(f"it is not known whether a run was started; {_SEE_LIST}")
        raise


class Followed:
    """A run, as it was last read."""

    def __init__(self) -> None:
        self.run: Run | None = None

    async def follow(self, client: Client, start: Callable[[Client], Awaitable[Run]]) -> Run:
        """Start the run and return it when it has ended. One that is left early is stopped, also while it starts."""
        starting = asyncio.create_task(_start(client, start))
        try:
            self.run = await asyncio.shield(starting)
            return await self._until_end(client, self.run.id)
        except asyncio.CancelledError:
            run = await self._started(starting)
            self.run = await client.runs.stop(run.id)
            self.run = await self._until_end(client, run.id)
            raise

    async def _started(self, starting: asyncio.Task[Run]) -> Run:
        if not starting.done():
            note(f"waiting for the start of the run, to stop it; Ctrl-C again gives that up: then {_SEE_LIST}")
        self.run = await starting
        return self.run

    async def _until_end(self, client: Client, run_id: str) -> Run:
        pause_s = READ_EVERY_S
        with progress() as bars:
            bar = bars.add_task("done", total=None)
            while True:
                run = self.run = await client.runs.get(run_id)
                bars.update(bar, completed=run.done + run.failed, total=run.expected)
                if run.is_ended:
                    return run
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * _SLOWER, READ_EVERY_MOST_S)
