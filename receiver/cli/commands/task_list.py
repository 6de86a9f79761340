"""`whenfinal tasks list`."""

from collections.abc import Awaitable

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.commands.tasks import print_tasks
from receiver.cli.console import emit, note_rest, show
from receiver.cli.display.tables import queue_lines, queued_table
from receiver.cli.options import Json, Limit, options_from
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.cli.task_filters import TaskFilterOptions
from receiver.runtime.clock import now_ms
from submitter.api import Task, TasksPage
from submitter.api_queue import QueueAnswer
from submitter.client.client import Client
from submitter.model import TaskState


@options_from(TaskFilterOptions)
def list_tasks(*, given: TaskFilterOptions, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    if _is_queue(given):
        _list_queue(given, limit, as_json=as_json)
        return
    found = with_client(lambda client: _first(client, given, limit))
    if found.rows or as_json:
        print_tasks(found.rows, as_json=as_json, is_many=True)
    else:
        show("no task matches")
    note_left_out(found)


async def _first(client: Client, given: TaskFilterOptions, limit: int) -> Listed[Task]:
    filters = given.filters

    def page_after(count: int, cursor: str | None) -> Awaitable[TasksPage]:
        return client.tasks.list(limit=count, cursor=cursor, **filters)

    return await listed(page_after, lambda page: page.tasks, limit)


def _is_queue(given: TaskFilterOptions) -> bool:
    """Whether queued tasks alone are asked for, which stand in the order in which they are sent."""
    plain = TaskFilterOptions(states=[TaskState.QUEUED], provider=given.provider, labels=given.labels)
    return given.filters == plain.filters and len(given.labels or ()) <= 1


def _list_queue(given: TaskFilterOptions, limit: int, *, as_json: bool) -> None:
    """Each with its place, and below how long each queue is."""
    answer = with_client(lambda client: _queue(client, given, limit))
    if as_json:
        for task in answer.tasks:
            emit(task.json_values())
    else:
        at_ms = now_ms()
        show(
            queued_table(answer.tasks, at_ms) if answer.tasks else "no task matches", *queue_lines(answer.queues, at_ms)
        )
    if answer.has_more:
        note_rest(len(answer.tasks), which="first")


async def _queue(client: Client, given: TaskFilterOptions, limit: int) -> QueueAnswer:
    labels = given.filters.get("labels")
    return await client.tasks.queue(provider=given.provider, labels=labels, limit=limit)
