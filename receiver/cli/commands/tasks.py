"""`whenfinal tasks`: show tasks, explain them, find them, cancel them."""

from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from typing import Annotated

import typer

from receiver.cli.bulk import Act, act_on_all
from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import CommandFailed, emit, show
from receiver.cli.display.list_tables import tasks_table
from receiver.cli.display.tables import explanation_parts, task_sheet
from receiver.cli.each import do_each
from receiver.cli.ids import read_ids
from receiver.cli.named_tasks import MaybeTaskNames, TaskNames, existing, find_id, find_task
from receiver.cli.options import Json, Limit, options_from
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.cli.task_filters import BulkOptions, check_choice
from receiver.runtime.clock import now_ms
from submitter.api import Task
from submitter.api_tasks import CanceledTask, Explanation, FoundTasks
from submitter.client.client import Client

CANCELED_AT_ONCE = 2  # each is one request to a provider


def show_task(names: TaskNames, *, as_json: Json = False) -> None:
    found = read_ids(names or ())
    do_each(found, find_task, partial(print_tasks, as_json=as_json, is_many=len(found) > 1))


def print_tasks(tasks: Sequence[Task], *, as_json: bool, is_many: bool) -> None:
    """All of one task, or a row of a table for each of many."""
    if as_json:
        for task in tasks:
            emit(task.json_values())
    elif is_many:
        show(tasks_table(tasks, now_ms()))
    else:
        show(task_sheet(tasks[0], now_ms()))


def explain(names: TaskNames, *, as_json: Json = False) -> None:
    async def explain_one(client: Client, name: str) -> Explanation:
        return await existing(client.tasks.explain, name, await find_id(client, name))

    do_each(read_ids(names or ()), explain_one, partial(_print_explained, as_json=as_json))


def _print_explained(found: Sequence[Explanation], *, as_json: bool) -> None:
    for number, each in enumerate(found):
        if as_json:
            emit(each.json_values())
        else:
            show(*([""] if number else []), *explanation_parts(each, now_ms()))


def find(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Any id, an idempotency key, or a label as name=value.")],
    *,
    limit: Limit = ROWS_SHOWN,
    as_json: Json = False,
) -> None:
    found = with_client(lambda client: _found(client, text, limit))
    if not found.rows:
        raise CommandFailed(f"no task is found by {text}; give a whole id or key, or a label as name=value")
    print_tasks(found.rows, as_json=as_json, is_many=True)
    note_left_out(found)


async def _found(client: Client, text: str, limit: int) -> Listed[Task]:
    def page_after(count: int, cursor: str | None) -> Awaitable[FoundTasks]:
        return client.tasks.find(text, limit=count, cursor=cursor)

    return await listed(page_after, lambda page: page.tasks, limit)


@options_from(BulkOptions)
def cancel(names: MaybeTaskNames = None, *, given: BulkOptions, as_json: Json = False) -> None:
    found = read_ids(names or ())
    check_choice(found, given)
    if found:
        do_each(found, _cancel, partial(_print_canceled, as_json=as_json), at_once=CANCELED_AT_ONCE)
        return
    chosen = given.chosen
    act = Act(
        verb="Cancel",
        what="task",
        which=chosen,
        preview=lambda client: client.runs.preview("cancel", **chosen),
        start=lambda client, which: client.runs.cancel_tasks(**which),
    )
    act_on_all(act, dry_run=given.dry_run, yes=given.yes, as_json=as_json)


async def _cancel(client: Client, name: str) -> CanceledTask:
    return await existing(client.tasks.cancel, name, await find_id(client, name))


def _print_canceled(found: Sequence[CanceledTask], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            emit(each.json_values())
    else:
        show(*(line for each in found for line in _canceled_lines(each)))


def _canceled_lines(canceled: CanceledTask) -> Iterator[str]:
    task = canceled.task
    if canceled.was_queued:
        yield f"{task.id} is taken out of the queue; {task.provider} never got it"
        return
    yield f"{task.provider} accepted the cancellation request for {task.id}; the next poll shows its end:"
    yield f"whenfinal reconcile {task.id}"
