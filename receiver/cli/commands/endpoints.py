"""`whenfinal endpoints`: what is wrong with the hosts that tasks name in `notify`, and how they are resumed."""

from collections.abc import Awaitable
from typing import Annotated

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import CommandFailed, emit, show
from receiver.cli.display.endpoint_tables import endpoints_table
from receiver.cli.display.subscription_tables import resumed_lines
from receiver.cli.hosts import read_host
from receiver.cli.options import Json, Limit
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import is_missing, with_client
from receiver.runtime.clock import now_ms
from submitter.api_operations import NotifyEndpoint, NotifyEndpointsPage, ResumedEndpoint
from submitter.client.client import Client
from submitter.errors import ReceiverRefused

Host = Annotated[str, typer.Argument(metavar="HOST", help="https://hooks.example.com, or any URL on that host.")]

Failing = Annotated[
    bool, typer.Option("--failing", help="Only hosts that fail, are paused or slowed, or have dead letters.")
]

DeadLetters = Annotated[bool, typer.Option("--dead-letters", help="Make its dead letters due again as well.")]


def list_endpoints(*, failing: Failing = False, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    async def work(client: Client) -> Listed[NotifyEndpoint]:
        def page_after(most: int, cursor: str | None) -> Awaitable[NotifyEndpointsPage]:
            return client.endpoints.list(which="failing" if failing else "all", limit=most, cursor=cursor)

        return await listed(page_after, lambda page: page.endpoints, limit)

    found = with_client(work)
    if as_json:
        for each in found.rows:
            emit(each.json_values())
    else:
        show(endpoints_table(found.rows, now_ms()) if found.rows else "no host of notify matches")
    note_left_out(found, which="first")


def resume(host: Host, *, dead_letters: DeadLetters = False, as_json: Json = False) -> None:
    name = read_host(host)

    async def work(client: Client) -> ResumedEndpoint:
        try:
            return await client.endpoints.resume(name, dead_letters=dead_letters)
        except ReceiverRefused as error:
            if is_missing(error.problem):
                message = f"no task has named {name} in notify; see `whenfinal endpoints list`"
                raise CommandFailed(message) from error
            raise

    resumed = with_client(work)
    if as_json:
        emit(resumed.json_values())
        return
    lines = resumed_lines(
        was_failing=resumed.was_failing,
        made_due=resumed.made_due,
        redelivered=resumed.redelivered,
        has_more=resumed.has_more,
    )
    show(*(lines or [f"{resumed.endpoint} has no trouble; nothing was changed"]))
    if resumed.dead and not dead_letters:
        show(f"dead letters stay: {resumed.dead}; send them again with --dead-letters")
