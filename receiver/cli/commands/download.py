"""`whenfinal tasks download`: the files of finished tasks, through the service."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from receiver.cli.console import CommandFailed, emit, show
from receiver.cli.display.bars import progress
from receiver.cli.each import do_each
from receiver.cli.ids import read_ids
from receiver.cli.named_tasks import TaskNames, find_task
from receiver.cli.options import Json
from submitter.client.client import Client
from submitter.errors import FileChanged

AT_ONCE = 2  # tasks; the service hands on a few files at a time

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    DownloadColumn(),
    TransferSpeedColumn(),
    TimeRemainingColumn(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A file of a task, as it was stored."""

    task: str
    type: str
    path: Path
    size: int


def download(
    names: TaskNames,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Created where it does not exist.")] = Path(),
    as_json: Json = False,
) -> None:
    with progress(*_COLUMNS) as bars:
        do_each(
            read_ids(names or ()),
            partial(_download, to, bars),
            partial(_print_stored, as_json=as_json),
            at_once=AT_ONCE,
        )


async def _download(folder: Path, bars: Progress, client: Client, name: str) -> list[_Stored]:
    """Raise CommandFailed for a task without files, and for a file that can not be stored."""
    task = await find_task(client, name)
    if not task.outputs:
        raise CommandFailed(f"{task.id} is {task.state.value} and has no files")
    stored: list[_Stored] = []
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        for number, output in enumerate(task.outputs):
            bar = bars.add_task(f"{task.id} {output.type}", total=None)
            path = await client.results.download(
                task.id, folder, number=number, on_bytes=partial(_show_bytes, bars, bar)
            )
            size = (await asyncio.to_thread(path.stat)).st_size
            stored.append(_Stored(task=task.id, type=output.type, path=path, size=size))
    except FileExistsError as error:
        raise CommandFailed(f"{error}, and is not overwritten") from error
    except FileChanged as error:
        raise CommandFailed(f"{task.id}: {error}; delete its .part in {folder} and try again") from error
    except OSError as error:
        raise CommandFailed(f"{error.filename or folder}: {error.strerror or error}") from error
    return stored


def _show_bytes(bars: Progress, bar: TaskID, received: int, size: int | None) -> None:
    bars.update(bar, completed=received, total=size)


def _print_stored(found: Sequence[list[_Stored]], *, as_json: bool) -> None:
    for each in (file for files in found for file in files):
        if as_json:
            emit({"task": each.task, "type": each.type, "path": str(each.path), "bytes": each.size})
        else:
            show(str(each.path))
