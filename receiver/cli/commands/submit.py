"""`whenfinal submit`: orders from a file or a pipe, checked all together before the first of them is paid."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, assert_never

import typer

from receiver.cli.commands.submit_file import ReadOrder, read_orders, refusal, violations_of
from receiver.cli.commands.submit_results import LineResult, complaint, is_fine, result_view, results_table
from receiver.cli.console import USAGE, WRONG, CommandFailed, complain, emit, progress, show
from receiver.cli.display.durations import parse_duration_s
from receiver.cli.display.tables import task_sheet
from receiver.cli.options import Json, told
from receiver.cli.runner import with_services
from receiver.runtime.services import Services
from receiver.runtime.wiring import working
from receiver.store.errors import StoreError
from receiver.tasks.model.task import Task
from receiver.tasks.submission import MismatchedKey, RefusedSubmit, Submission, Submitted
from submitter.model import ENDED, TaskState

AT_ONCE = 4  # submits in flight; more meet the providers' limits on concurrent requests

LOOK_EVERY_S = 2.0  # ends wake us at once; what makes no event, as a settled submit, is seen this late

Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SPAN", parser=told(parse_duration_s), help="With --wait: give up after 90s, 10m, 2h."
    ),
]

OwnKey = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="One order only: the same key is never paid twice."),
]

Prefix = Annotated[
    str | None, typer.Option("--key-prefix", metavar="TEXT", help="Many orders: the key of line 7 is TEXT-7.")
]


def submit(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON as POST /v1/tasks takes it, or JSON lines; - is stdin.")
    ],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until the tasks have ended; works without a server.")] = False,
    timeout: Timeout = None,
    idempotency_key: OwnKey = None,
    key_prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Submit one order or many. Exit 1 when one is refused, uncertain or, with --wait, does not succeed."""
    if timeout is not None and not wait:
        raise CommandFailed("--timeout goes with --wait", status=USAGE)
    orders = read_orders(file, _content(file), own_key=idempotency_key, key_prefix=key_prefix)
    told = partial(_emit_result, file) if as_json else partial(_complain_of, file)

    async def work(services: Services) -> tuple[list[LineResult], int]:
        _must_pass(services.submission, file, orders)
        run = _Run(services=services, wait=wait, until_ms=_until_ms(services, timeout), told=told)
        return await run.submit_all(orders), services.clock()

    results, now_ms = with_services(work, making=True)
    if not as_json:
        _show_results(results, now_ms)
    if not all(is_fine(result, waited=wait) for result in results):
        raise typer.Exit(WRONG)


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} can not be read: {error.strerror}", status=USAGE) from error


def _emit_result(file: str, result: LineResult) -> None:
    emit(result_view(result))
    _complain_of(file, result)


def _complain_of(file: str, result: LineResult) -> None:
    words = complaint(result)
    if words is not None:
        complain([f"{file}:{result.number}: {words}"])


def _show_results(results: Sequence[LineResult], now_ms: int) -> None:
    tasks = [result.task for result in results if result.task is not None]
    secrets = [f"webhook signing secret, shown only now: {each.secret}" for each in results if each.secret is not None]
    show(task_sheet(tasks[0], now_ms) if len(results) == 1 and tasks else results_table(results), *secrets)


def _must_pass(submission: Submission, file: str, orders: Sequence[ReadOrder]) -> None:
    problems = [
        f"{file}:{read.number}: {violation}" for read in orders for violation in violations_of(submission, read.order)
    ]
    if problems:
        raise refusal(problems)


def _until_ms(services: Services, timeout_s: float | None) -> int | None:
    return None if timeout_s is None else services.clock() + round(timeout_s * 1000)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """`wait`: until every task has ended, or `until_ms`. `told` hears of each line as soon as it is finished with."""

    services: Services
    wait: bool
    until_ms: int | None
    told: Callable[[LineResult], None]
    gate: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, AT_ONCE))

    async def submit_all(self, orders: Sequence[ReadOrder]) -> list[LineResult]:
        """In the order of the lines. While it waits, this process does the worker's work."""
        async with AsyncExitStack() as stack:
            if self.wait:
                await stack.enter_async_context(working(self.services))
            bar = stack.enter_context(progress())
            submitted = bar.add_task("submitted", total=len(orders), visible=len(orders) > 1)
            ended = bar.add_task("ended", total=len(orders), visible=self.wait)
            lines = [self._one(read, partial(bar.advance, submitted), partial(bar.advance, ended)) for read in orders]
            return await _gathered([asyncio.create_task(line) for line in lines])

    async def _one(self, read: ReadOrder, on_submitted: Callable[[], None], on_ended: Callable[[], None]) -> LineResult:
        async with self.gate:
            result = await self._submit(read)
        on_submitted()
        if self.wait:
            result = await self._ended(result)
            on_ended()
        self.told(result)
        return result

    async def _submit(self, read: ReadOrder) -> LineResult:
        try:
            outcome = await self.services.submission.submit(read.order)
        except StoreError as error:
            return LineResult(number=read.number, trouble=f"not submitted: {error}")
        match outcome:
            case Submitted(task=task, replayed=replayed, notify_secret=secret):
                return LineResult(number=read.number, task=task, replayed=replayed, secret=secret)
            case RefusedSubmit(task=task, refused=refused, replayed=replayed):
                words = f"{task.provider} refused it ({refused.refusal}): {refused.error.code}: {refused.error.message}"
                return LineResult(number=read.number, task=task, replayed=replayed, trouble=words)
            case MismatchedKey(task_id=task_id):
                return LineResult(number=read.number, trouble=f"its key was used for another order, {task_id}")
            case _:
                assert_never(outcome)

    async def _ended(self, result: LineResult) -> LineResult:
        """The same result with the task as it is in the end, or when the time is up."""
        task = result.task
        while task is not None and self._goes_on(task):
            left_s = LOOK_EVERY_S if self.until_ms is None else (self.until_ms - self.services.clock()) / 1000
            if left_s <= 0:
                return replace(result, task=task, timed_out=True)
            await self.services.feed.wait_for_task(task.id, timeout_s=min(left_s, LOOK_EVERY_S))
            task = await self.services.store.tasks.task(task.id)
        return replace(result, task=task)

    def _goes_on(self, task: Task) -> bool:
        """Not for an uncertain submit that only a person or a callback can settle."""
        if task.state is TaskState.UNCERTAIN:
            return self.services.submission.is_repeatable(task, self.services.clock())
        return task.state not in ENDED


async def _gathered(works: Sequence[asyncio.Task[LineResult]]) -> list[LineResult]:
    """The first surprise ends them all, so that none of them outlives the ledger it uses."""
    try:
        return await asyncio.gather(*works)
    finally:
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
