"""`whenfinal endpoints`: what is wrong with the hosts that tasks name in `notify`, and how they are resumed."""

from typing import Annotated

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import CommandFailed, emit, note_more, show
from receiver.cli.display.repair_tables import endpoints_table, resumed_lines
from receiver.cli.hosts import read_host
from receiver.cli.options import Json, Limit
from receiver.cli.runner import with_services
from receiver.runtime.clock import now_ms
from receiver.runtime.services import Services
from receiver.store.repository import Page
from receiver.webhooks.model.endpoint_status import EndpointStatus, ResumedEndpoint
from receiver.webhooks.model.views import notify_endpoint_view, resumed_endpoint_view

Host = Annotated[str, typer.Argument(metavar="HOST", help="https://hooks.example.com, or any URL on that host.")]

Failing = Annotated[
    bool, typer.Option("--failing", help="Only hosts that fail, are paused or slowed, or have dead letters.")
]

DeadLetters = Annotated[bool, typer.Option("--dead-letters", help="Make its dead letters due again as well.")]


def list_endpoints(*, failing: Failing = False, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    async def work(services: Services) -> Page[EndpointStatus]:
        return await services.store.endpoints.notify_hosts(
            only_failing=failing, limit=limit, cursor=None, now_ms=services.clock()
        )

    page = with_services(work)
    if as_json:
        for each in page.items:
            emit(notify_endpoint_view(each, now_ms=now_ms()).json_values())
    else:
        show(endpoints_table(page.items, now_ms()) if page.items else "no host of notify matches")
    note_more(page)


def resume(host: Host, *, dead_letters: DeadLetters = False, as_json: Json = False) -> None:
    name = read_host(host)

    async def work(services: Services) -> tuple[ResumedEndpoint, EndpointStatus]:
        resumed = await services.endpoints.resume_host(name, actor=ACTOR, dead_letters=dead_letters)
        status = await services.store.endpoints.notify_host(name)
        if resumed is None or status is None:
            raise CommandFailed(f"no task has named {name} in notify; see `whenfinal endpoints list`")
        return resumed, status

    resumed, status = with_services(work)
    if as_json:
        emit(resumed_endpoint_view(status, resumed, now_ms=now_ms()).json_values())
        return
    show(*(resumed_lines(resumed) or [f"{name} has no trouble; nothing was changed"]))
    if status.dead and not dead_letters:
        show(f"dead letters stay: {status.dead}; send them again with --dead-letters")
