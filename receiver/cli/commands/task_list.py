"""`whenfinal tasks list`. It reads the ledger without the services, so that it starts quickly."""

from typing import Annotated

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import emit, note_more, show
from receiver.cli.display.list_tables import tasks_table
from receiver.cli.options import (
    Json,
    Limit,
    OlderThan,
    Pair,
    Provider,
    enum_option,
    parse_pair,
    parsed_option,
)
from receiver.cli.provider_names import check_name, configured_names
from receiver.cli.reading import read_ledger
from receiver.cli.repositories import fan_out_on
from receiver.runtime.clock import now_ms
from receiver.store.engine import Engine
from receiver.store.repository import Page
from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.repository import TaskRepository
from submitter.model import TaskState

State = Annotated[TaskState | None, enum_option(TaskState, "--state", "Only in this state")]

Label = Annotated[Pair | None, parsed_option("--label", "NAME=VALUE", parse_pair, "Only with this label.")]


def list_tasks(
    *,
    state: State = None,
    provider: Provider = None,
    label: Label = None,
    older_than: OlderThan = None,
    limit: Limit = ROWS_SHOWN,
    as_json: Json = False,
) -> None:
    wanted = TaskFilter(
        state=state,
        provider=provider,
        label=None if label is None else (label.name, label.value),
        older_than_ms=None if older_than is None else now_ms() - round(older_than * 1000),
        limit=limit,
    )

    if state is TaskState.QUEUED:
        from receiver.cli.commands.tasks import list_queued

        list_queued(wanted, as_json=as_json)
        return

    async def work(engine: Engine) -> Page[Task]:
        tasks = TaskRepository(engine, fan_out_on(engine))
        page = await tasks.tasks(wanted)
        if provider is not None and not page.items:
            await check_name(provider, configured_names(), tasks)
        return page

    page = read_ledger(work)
    if as_json:
        from submitter import api

        for task in page.items:
            emit(api.Task.model_validate(task).json_values())
    else:
        show(tasks_table(page.items, now_ms()) if page.items else "no task matches")
    note_more(page)
