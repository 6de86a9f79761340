"""`whenfinal tasks download`: the files of a finished task."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from receiver.cli.commands.tasks import TaskName, configured_provider, find_task
from receiver.cli.console import CommandFailed, emit, show
from receiver.cli.display.bars import progress
from receiver.cli.options import Json
from receiver.cli.runner import with_services
from receiver.runtime.services import Services
from receiver.tasks.download import PlannedFile, plan
from receiver.tasks.download import download as download_file
from receiver.tasks.file_requests import FileRequests
from submitter.providers.registry import SERVES_FILES


def download(
    task_name: TaskName,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Created where it does not exist.")] = Path(),
    as_json: Json = False,
) -> None:
    async def work(services: Services) -> list[tuple[PlannedFile, int]]:
        task = await find_task(services, task_name)
        if not task.outputs:
            raise CommandFailed(f"{task.id} is {task.state.value} and has no files")
        account = configured_provider(services, task).account
        requests = FileRequests(
            account=account,
            files=SERVES_FILES.get(account.adapter),
            own=services.transport,
            guarded=services.webhook_transport,
        )
        description = TextColumn("{task.description}")
        columns = (description, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with progress(*columns) as bars:
            return [(each, await _with_bar(bars, requests, each)) for each in plan(task, to)]

    for planned, size in with_services(work):
        if as_json:
            emit({"type": planned.output.type, "path": str(planned.path), "bytes": size})
        else:
            show(str(planned.path))


async def _with_bar(bars: Progress, requests: FileRequests, planned: PlannedFile) -> int:
    bar = bars.add_task(planned.path.name, total=None)

    def update(received: int, size: int | None) -> None:
        bars.update(bar, completed=received, total=size)

    return await download_file(requests, planned, update)
