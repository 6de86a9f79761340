"""`whenfinal submit`: task requests from a file or a pipe. All are checked before the first one is sent."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Annotated, Any, assert_never

import typer

from receiver.cli.commands.submit_file import RequestLine, check_requests, read_requests
from receiver.cli.console import USAGE, WRONG, CommandFailed, complain, emit, show
from receiver.cli.display.bars import progress
from receiver.cli.display.listing import Listing, state_cell, table
from receiver.cli.display.tables import task_sheet
from receiver.cli.options import Json, parsed_option, read_input
from receiver.cli.runner import with_services
from receiver.runtime.background import working
from receiver.runtime.clock import now_ms
from receiver.runtime.durations import parse_duration_s
from receiver.runtime.services import Services
from receiver.store.errors import StoreError
from receiver.tasks.model.submit_result import RefusedSubmit, Submitted
from receiver.tasks.model.task import IdempotencyMismatch, Task
from submitter import api
from submitter.model import ENDED, TaskState

MAX_IN_FLIGHT = 4  # submits; more meet the providers' limits on concurrent requests

LEFT_TO_OTHERS = 2.0 * MAX_IN_FLIGHT  # times as long as a task took to be queued: a third of the ledger is ours

LONGEST_LEFT_S = 0.25

READ_EVERY_S = 2.0  # an end is seen at once; a change without an event, as a settled submit, this late

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


_STARTED = frozenset(TaskState) - {TaskState.REFUSED, TaskState.UNCERTAIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """What a line of the file came to."""

    number: int
    #: None when the line made no task.
    task: Task | None = None
    #: An earlier submit with the same idempotency key made the task.
    replayed: bool = False
    #: Why the submit failed.
    error: str | None = None
    #: The secret of the task's webhooks, where the line does not hold it.
    secret: str | None = field(default=None, repr=False)
    #: With --wait: the time was up before the task had ended.
    timed_out: bool = False

    def is_success(self, *, waited: bool) -> bool:
        """With --wait only a succeeded task; without it everything that the provider accepted."""
        if self.error is not None or self.task is None:
            return False
        return self.task.state is TaskState.SUCCEEDED if waited else self.task.state in _STARTED

    @property
    def problem(self) -> str | None:
        """What is wrong with this line, in one sentence; None when nothing is."""
        task = self.task
        if self.error is not None or task is None:
            return self.error
        if task.state is TaskState.UNCERTAIN:
            return (
                f"{task.id} is uncertain: its reply was lost and it may be paid; see whenfinal tasks explain {task.id}"
            )
        if self.timed_out:
            return f"{task.id} is still {task.state} when the time is up; it continues under whenfinal serve"
        if task.state in ENDED - {TaskState.SUCCEEDED}:
            reason = f", {task.error.code}: {task.error.message}" if task.error else ""
            return f"{task.id} ended {task.state}{reason}"
        return None


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
    lines = read_requests(file, read_input(file), own_key=idempotency_key, key_prefix=key_prefix)

    def on_result(result: LineResult) -> None:
        if as_json:
            emit(_result_view(result))
        if result.problem is not None:
            complain([f"{file}:{result.number}: {result.problem}"])

    async def work(services: Services) -> list[LineResult]:
        check_requests(services.submission, file, lines)
        until_ms = None if timeout is None else services.clock() + round(timeout * 1000)
        run = _Run(services=services, wait=wait, until_ms=until_ms, on_result=on_result)
        return await run.submit_all(lines)

    results = with_services(work, creating=True)
    if not as_json:
        _show_results(results)
    if not all(result.is_success(waited=wait) for result in results):
        raise typer.Exit(WRONG)


def _show_results(results: Sequence[LineResult]) -> None:
    tasks = [result.task for result in results if result.task is not None]
    secrets = [f"webhook signing secret: {each.secret}" for each in results if each.secret is not None]
    queued = sum(task.state is TaskState.QUEUED for task in tasks)
    waits = [f"{queued} in the queue: sent as there is room, by whenfinal serve or worker"] if queued else []
    show(task_sheet(tasks[0], now_ms()) if len(results) == 1 and tasks else _results_table(results), *waits, *secrets)


def _result_view(result: LineResult) -> dict[str, Any]:
    """The task as in the API, with `line`, and `trouble` where something is wrong."""
    task = {} if result.task is None else api.Task.model_validate(result.task).json_values()
    replayed = {"replayed": True} if result.replayed else {}
    notify = {} if result.secret is None else {"notify": {"secret": result.secret}}
    trouble = {} if result.problem is None else {"trouble": result.problem}
    return {**task, **replayed, **notify, "line": result.number, **trouble}


def _results_table(results: Sequence[LineResult]) -> Listing:
    rows = [_row(result) for result in results]
    return table("line", "task", "provider", "state", "provider's id", rows=rows)


def _row(result: LineResult) -> tuple[object, ...]:
    task = result.task
    if task is None:
        return result.number, None, None, "none", None
    return result.number, task.id, task.provider, state_cell(task.state), task.provider_task_id


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """One run of the command over all its lines."""

    services: Services
    #: Wait until every task has ended, or `until_ms`.
    wait: bool
    until_ms: int | None
    #: Called with each result as soon as it is known.
    on_result: Callable[[LineResult], None]
    in_flight: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, MAX_IN_FLIGHT))

    async def submit_all(self, lines: Sequence[RequestLine]) -> list[LineResult]:
        """The results in the order of the lines. While it waits, this process polls and delivers as a worker does."""
        async with AsyncExitStack() as stack:
            if self.wait:
                await stack.enter_async_context(working(self.services))
            bar = stack.enter_context(progress())
            submitted = bar.add_task("submitted", total=len(lines), visible=len(lines) > 1)
            ended = bar.add_task("ended", total=len(lines), visible=self.wait)
            runs = [self._one(line, partial(bar.advance, submitted), partial(bar.advance, ended)) for line in lines]
            return await _all_of([asyncio.create_task(run) for run in runs])

    async def _one(self, line: RequestLine, on_submit: Callable[[], None], on_end: Callable[[], None]) -> LineResult:
        async with self.in_flight:
            started = monotonic()
            result = await self._submit(line)
            if result.task is not None and result.task.state is TaskState.QUEUED:
                # Nothing was sent, so only the ledger was busy. SQLite serves no process in turn: one that writes
                # without a pause would keep a running service from sending what has room.
                await asyncio.sleep(min(LEFT_TO_OTHERS * (monotonic() - started), LONGEST_LEFT_S))
        on_submit()
        if self.wait:
            result = await self._ended(result)
            on_end()
        self.on_result(result)
        return result

    async def _submit(self, line: RequestLine) -> LineResult:
        try:
            outcome = await self.services.submission.submit(line.request)
        except StoreError as error:
            return LineResult(number=line.number, error=f"not submitted: {error}")
        match outcome:
            case Submitted(task=task, replayed=replayed, notify_secret=secret):
                return LineResult(number=line.number, task=task, replayed=replayed, secret=secret)
            case RefusedSubmit(task=task, refused=refused, replayed=replayed):
                if outcome.is_without_room:
                    why = f"the account {task.provider} has no room, and nothing was sent: {refused.error.message}"
                    return LineResult(
                        number=line.number, task=task, error=f"{why}; with queue_for_s over 0 it waits in the queue"
                    )
                reason = (
                    f"{task.provider} refused it ({refused.refusal}): {refused.error.code}: {refused.error.message}"
                )
                again = "; its key gives this answer again: correct it and use a new one" if replayed else ""
                return LineResult(number=line.number, task=task, replayed=replayed, error=reason + again)
            case IdempotencyMismatch(task_id=task_id):
                return LineResult(number=line.number, error=f"its key was used for another request, {task_id}")
            case _:
                assert_never(outcome)

    async def _ended(self, result: LineResult) -> LineResult:
        """The same result with the ended task, or with the task as it is when the time is up."""
        task = result.task
        while task is not None and self._is_open(task):
            left_s = READ_EVERY_S if self.until_ms is None else (self.until_ms - self.services.clock()) / 1000
            if left_s <= 0:
                return replace(result, task=task, timed_out=True)
            await self.services.feed.wait_for_task(task.id, timeout_s=min(left_s, READ_EVERY_S))
            task = await self.services.store.tasks.task(task.id)
        return replace(result, task=task)

    def _is_open(self, task: Task) -> bool:
        """Whether to wait for it: not for an uncertain submit that only an operator or a callback can settle."""
        if task.state is TaskState.UNCERTAIN:
            return self.services.submission.is_repeatable(task, self.services.clock())
        return task.state not in ENDED


async def _all_of(works: Sequence[asyncio.Task[LineResult]]) -> list[LineResult]:
    """The first exception cancels the others, because none may outlive the ledger that it uses."""
    try:
        return await asyncio.gather(*works)
    finally:
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
