"""Tasks that a command names: one or many, as words or as the lines of standard input."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, TypeVar

import typer

from receiver.cli.console import CommandFailed
from receiver.cli.remote import is_missing
from submitter.api import TaskDetail
from submitter.client.client import Client
from submitter.errors import ReceiverRefused

T = TypeVar("T")

_OURS = re.compile(r"tsk_[0-9A-Za-z_]{1,40}")

TaskNames = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...", help="Our id tsk_…, or PROVIDER/ID with the provider's id; - reads them, one a line."
    ),
]

MaybeTaskNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...", help="Our id tsk_…, or PROVIDER/ID with the provider's id; - reads them, one a line."
    ),
]


async def find_task(client: Client, name: str) -> TaskDetail:
    """The task of our id, or of `provider/id` with the provider's. Raise CommandFailed when there is none."""
    return await existing(client.tasks.get, name, await find_id(client, name))


async def find_id(client: Client, name: str) -> str:
    """Our id of the task. Raise CommandFailed for what names none; of our own ids only the form is looked at."""
    provider, slash, rest = name.partition("/")
    if not slash and _OURS.fullmatch(name):
        return name
    if not provider or not rest:
        raise no_task(name)
    try:
        page = await client.tasks.list(provider=provider, task_id=rest, limit=1)
    except ReceiverRefused as error:
        if error.problem.status != HTTPStatus.BAD_REQUEST:
            raise
        raise no_task(name) from error  # no account has this name, or no provider such ids
    if not page.tasks:
        raise no_task(name)
    return page.tasks[0].id


async def existing(request: Callable[[str], Awaitable[T]], name: str, task_id: str) -> T:
    """What the request about a task is answered. Raise CommandFailed, which has the name as given, for no task."""
    try:
        return await request(task_id)
    except ReceiverRefused as error:
        raise no_task(name) if is_missing(error.problem) else error from error


def no_task(name: str) -> CommandFailed:
    return CommandFailed(f"there is no task {name}; see `whenfinal tasks list`")
