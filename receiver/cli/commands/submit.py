"""`whenfinal submit`: task requests from a file or a pipe. All are checked before the first one is sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Annotated, Any

import typer

from receiver.cli.commands.submit_file import RequestLine, read_requests
from receiver.cli.console import USAGE, WRONG, CommandFailed, complain, emit, show
from receiver.cli.display.listing import Listing, state_cell, table
from receiver.cli.display.tables import task_sheet
from receiver.cli.options import Json, parsed_option, read_input
from receiver.cli.remote import find_service, with_client
from receiver.cli.submitting import LineResult, SubmitRun, check_lines, with_keys
from receiver.runtime.clock import now_ms
from receiver.runtime.durations import parse_duration_s
from submitter.client.client import Client
from submitter.model import TaskState

Timeout = Annotated[
    float | None,
    parsed_option("--timeout", "SPAN", parse_duration_s, "With --wait: give up after 90s, 10m, 2h."),
]

OwnKey = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="For one request: the same key is never paid twice."),
]

Prefix = Annotated[
    str | None, typer.Option("--key-prefix", metavar="TEXT", help="For many requests: the key of line 7 is TEXT-7.")
]


def submit(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON as POST /v1/tasks takes it, or JSON lines; - is stdin.")
    ],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the tasks have ended; needs no server.")] = False,
    timeout: Timeout = None,
    idempotency_key: OwnKey = None,
    key_prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    if timeout is not None and not wait:
        raise CommandFailed("--timeout goes with --wait", status=USAGE)
    lines = with_keys(read_requests(file, read_input(file), own_key=idempotency_key, key_prefix=key_prefix))
    told = _Told(file=file, as_json=as_json)

    async def work(client: Client) -> None:
        until_s = None if timeout is None else monotonic() + timeout
        await check_lines(client, file, lines)
        run = SubmitRun(client=client, wait=wait, until_s=until_s, on_result=told.add, is_inside=find_service() is None)
        await run.submit_all(lines)

    try:
        with_client(work, creating=True, polling=wait)
    finally:
        told.end(lines)
    if not all(result.is_success(waited=wait) for result in told.results.values()):
        raise typer.Exit(WRONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Prints the results: as JSON each as soon as it is known, as a table at the end. Problems are named at once."""

    file: str
    as_json: bool
    results: dict[int, LineResult] = field(default_factory=dict)

    def add(self, result: LineResult) -> None:
        self.results[result.number] = result
        if self.as_json:
            emit(_result_view(result))
        if result.problem is not None:
            complain([f"{self.file}:{result.number}: {result.problem}"])

    def end(self, lines: Sequence[RequestLine]) -> None:
        """Also where the rest was given up."""
        known = [self.results[line.number] for line in lines if line.number in self.results]
        if known and not self.as_json:
            _show_results(known, is_one=len(lines) == 1)
        if known and len(known) < len(lines):
            complain([f"{len(lines) - len(known)} of {len(lines)} lines were not submitted, or not waited for"])


def _show_results(results: Sequence[LineResult], *, is_one: bool) -> None:
    tasks = [result.task for result in results if result.task is not None]
    secrets = [f"webhook signing secret: {each.secret}" for each in results if each.secret is not None]
    queued = sum(task.state is TaskState.QUEUED for task in tasks)
    waits = [f"{queued} in the queue: sent as there is room, by whenfinal serve or worker"] if queued else []
    show(task_sheet(tasks[0], now_ms()) if is_one and tasks else results_table(results), *waits, *secrets)


def _result_view(result: LineResult) -> dict[str, Any]:
    """The task as in the API, with `line`, and `trouble` where something is wrong."""
    task = {} if result.task is None else result.task.json_values()
    if task.get("notify") is None:
        task.pop("notify", None)
    replayed = {"replayed": True} if result.replayed else {}
    notify = {} if result.secret is None else {"notify": {"secret": result.secret}}
    trouble = {} if result.problem is None else {"trouble": result.problem}
    return {**task, **replayed, **notify, "line": result.number, **trouble}


def results_table(results: Sequence[LineResult]) -> Listing:
    rows = [_row(result) for result in results]
    return table("line", "task", "state", "provider", "provider's id", rows=rows)


def _row(result: LineResult) -> tuple[object, ...]:
    task = result.task
    if task is None:
        return result.number, None, "none", None, None
    return result.number, task.id, state_cell(task.state), task.provider, task.provider_task_id
