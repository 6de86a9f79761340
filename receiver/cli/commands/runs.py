"""`whenfinal runs`: acts on many tasks or deliveries, which go on in the service."""

from collections.abc import Awaitable, Sequence
from typing import Annotated

import typer

from receiver.cli.bulk import print_run
from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import emit, show
from receiver.cli.display.run_tables import runs_table
from receiver.cli.each import do_each
from receiver.cli.ids import existing, read_ids
from receiver.cli.options import Json, Limit
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.runtime.clock import now_ms
from submitter.api_runs import Run, RunsPage
from submitter.client.client import Client

RunIds = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of runs, run_…; - reads them from stdin, one a line.")
]

MISSING = "there is no run {}; see `whenfinal runs list`"


def list_runs(*, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    async def work(client: Client) -> Listed[Run]:
        def page_after(most: int, cursor: str | None) -> Awaitable[RunsPage]:
            return client.runs.list(limit=most, cursor=cursor)

        return await listed(page_after, lambda page: page.runs, limit)

    found = with_client(work)
    if as_json:
        for each in found.rows:
            emit(each.json_values())
    else:
        show(runs_table(found.rows, now_ms()) if found.rows else "there is no run")
    note_left_out(found)


def show_run(run_ids: RunIds, *, as_json: Json = False) -> None:
    async def work(client: Client, name: str) -> Run:
        return await existing(client.runs.get, name, missing=MISSING)

    do_each(read_ids(run_ids), work, lambda found: _print(found, as_json=as_json))


def stop_run(run_ids: RunIds, *, as_json: Json = False) -> None:
    async def work(client: Client, name: str) -> Run:
        return await existing(client.runs.stop, name, missing=MISSING)

    do_each(read_ids(run_ids), work, lambda found: _print(found, as_json=as_json))


def _print(found: Sequence[Run], *, as_json: bool) -> None:
    for each in found:
        if not as_json:
            show(runs_table([each], now_ms()))
        print_run(each, "item", as_json=as_json)
