"""Submit the requests of a file in batches, and wait for their ends. Every line comes to a result."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any

from receiver.cli.commands.submit_file import RequestLine, refusal
from receiver.cli.console import note
from receiver.cli.display.bars import progress
from receiver.cli.remote import words_of
from submitter.api import Problem, Task, TaskDetail
from submitter.api_tasks import BatchOutcome
from submitter.client.calls.tasks import TaskRequest
from submitter.client.client import Client
from submitter.errors import NotEnded, ReceiverProblem, ReceiverRefused, ReceiverUnreachable, Violation
from submitter.model import ENDED, TaskState

BATCH = 20  # lines of one request, so that results are soon known

CHECKED_AT_ONCE = 100

BATCH_BYTES = 1 << 20  # of one request with more than one line

REPEAT_PAUSES_S = (2.0, 5.0, 10.0, 20.0)  # after a batch whose answer did not come

WAITERS = 16  # requests that wait for ends

WAIT_S = 20.0  # of one such request

WAIT_IN_TURN_S = 1.0  # where more tasks are open than requests wait

LOST_MOST = 5  # waits in a row without an answer, each tried several times

LEFT_TO_OTHERS = 2.0  # times as long as a batch took to be queued: a third of the ledger is ours

LONGEST_LEFT_S = 1.0

_FAILED = 500  # the first status by which the service says that it failed

_KEY_REUSED = ":idempotency-key-reused"

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
    #: With --wait: why it is not waited for any longer, although the task has not ended.
    left: str | None = None

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
        if self.left is not None:
            return f"{task.id} is still {task.state} {self.left}"
        if task.state in ENDED - {TaskState.SUCCEEDED}:
            reason = f", {task.error.code}: {task.error.message}" if task.error else ""
            return f"{task.id} ended {task.state}{reason}"
        return None


def with_keys(lines: Sequence[RequestLine]) -> list[RequestLine]:
    """Each line has a key, so that a batch whose answer is lost can be sent again."""
    return [line if line.key is not None else replace(line, key=secrets.token_urlsafe(18)) for line in lines]


def batches(lines: Sequence[RequestLine], most: int) -> Iterator[list[RequestLine]]:
    """The lines in their order, `most` at a time, and fewer where they are large."""
    batch: list[RequestLine] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == most or size + line.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.size
    if batch:
        yield batch


async def check_lines(client: Client, file: str, lines: Sequence[RequestLine]) -> None:
    """Raise CommandFailed for every line that would be refused before anything is sent to a provider."""
    problems: list[str] = []
    for batch in batches(lines, CHECKED_AT_ONCE):
        answer = await client.tasks.submit_many([_request(line) for line in batch], dry_run=True)
        for line, outcome in zip(batch, answer.outcomes, strict=False):
            if outcome.problem is not None:
                problems += [f"{file}:{line.number}: {words}" for words in _lines_of(outcome.problem)]
    if problems:
        raise refusal(problems)


def _request(line: RequestLine) -> TaskRequest:
    request: Any = {**line.body, "idempotency_key": line.key}
    checked: TaskRequest = request
    return checked


def _lines_of(problem: Problem) -> list[str]:
    """A line for each broken rule, its field named as in the file."""
    if not problem.errors:
        return [words_of(_problem(problem))]
    return [str(Violation(field=_field(each.field), rule=each.rule, accepted=each.accepted)) for each in problem.errors]


def _field(name: str) -> str:
    """`tasks[3].video.prompt` of a batch is `video.prompt` of its line."""
    place, dot, rest = name.partition("].")
    return rest if dot and place.startswith("tasks[") else name


def _problem(problem: Problem) -> ReceiverProblem:
    return ReceiverProblem(
        status=problem.status, type=problem.type, title=problem.title, detail=problem.detail, task=problem.task
    )


@dataclass(slots=True, kw_only=True, eq=False)
class SubmitRun:
    """One run of the command over all its lines."""

    client: Client
    #: Wait until every task has ended, or until `until_s` of the monotonic clock.
    wait: bool
    until_s: float | None
    #: Called with each result as soon as it is known.
    on_result: Callable[[LineResult], None]
    #: Whether other processes that use the ledger have to be left room.
    is_inside: bool
    results: dict[int, LineResult] = field(default_factory=dict)
    #: Results whose task has not ended.
    _open: asyncio.Queue[tuple[LineResult, Task]] = field(default_factory=asyncio.Queue)
    _is_stopping: bool = False

    async def submit_all(self, lines: Sequence[RequestLine]) -> None:
        """Leave the results in `results`. When it is cancelled, the answer to what was sent is awaited first."""
        with progress() as bars:
            submitted = bars.add_task("submitted", total=len(lines), visible=len(lines) > 1)
            ended = bars.add_task("ended", total=len(lines), visible=self.wait)
            works = [asyncio.create_task(self._submit(lines, partial(bars.advance, submitted)))]
            if self.wait:
                works += [
                    asyncio.create_task(self._wait_in_turn(partial(bars.advance, ended)))
                    for _ in range(min(WAITERS, len(lines)))
                ]
            try:
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._is_stopping = True
                for work in works:
                    work.cancel()
                outcomes = await asyncio.gather(*works, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _submit(self, lines: Sequence[RequestLine], on_submit: Callable[[], None]) -> None:
        """Return when every line has its result."""
        for batch in batches(lines, BATCH):
            began_s = monotonic()
            for result in await self._sent(batch):
                on_submit()
                await self._store(result)
            queued = any(self._is_queued(line) for line in batch)
            if self.is_inside and queued:
                # Nothing was sent, so only the ledger was busy. SQLite serves no process in turn: one that writes
                # without a pause would keep a running service from sending what has room.
                await asyncio.sleep(min(LEFT_TO_OTHERS * (monotonic() - began_s), LONGEST_LEFT_S))
        await self._open.join()

    def _is_queued(self, line: RequestLine) -> bool:
        result = self.results.get(line.number)
        return result is not None and result.task is not None and result.task.state is TaskState.QUEUED

    async def _sent(self, batch: Sequence[RequestLine]) -> list[LineResult]:
        work = asyncio.create_task(self._answered(batch))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not work.done():
                note(f"waiting for the answer to {len(batch)} lines that were sent; Ctrl-C again gives it up")
            for result in await work:
                self._keep(result)
            raise

    async def _answered(self, batch: Sequence[RequestLine]) -> list[LineResult]:
        """Repeated under the same keys where no answer comes. Raise ReceiverRefused where surely nothing was done."""
        may_be_done = False
        for pause_s in (*REPEAT_PAUSES_S, None):
            try:
                answer = await self.client.tasks.submit_many([_request(line) for line in batch])
            except (ReceiverUnreachable, ReceiverRefused) as error:
                may_be_done = may_be_done or isinstance(error, ReceiverUnreachable) or error.may_be_done
                if not may_be_done:
                    raise
                why = words_of(error.problem) if isinstance(error, ReceiverRefused) else str(error)
                if pause_s is None or self._is_stopping or _is_final(error):
                    return [_unsure(line, why) for line in batch]
                note(f"{why}; the lines {batch[0].number} to {batch[-1].number} are sent again under their keys")
                await asyncio.sleep(pause_s)
            else:
                by_place = {each.index: each for each in answer.outcomes}
                return [await self._result(line, by_place.get(place)) for place, line in enumerate(batch)]
        raise AssertionError  # the last try returns

    async def _result(self, line: RequestLine, outcome: BatchOutcome | None) -> LineResult:
        if outcome is None:
            return _unsure(line, "the answer leaves it out")
        task, problem = outcome.task, outcome.problem
        if task is not None:
            secret = task.notify_secret
            return LineResult(number=line.number, task=task, replayed=outcome.replayed, secret=secret)
        if problem is None:
            return _unsure(line, "the answer has neither a task nor a problem")
        if outcome.status >= _FAILED and problem.provider is None and problem.task is None:
            return _unsure(line, words_of(_problem(problem)))
        refused = None if problem.task is None or problem.type.endswith(_KEY_REUSED) else await self._task(problem.task)
        return LineResult(
            number=line.number,
            task=refused,
            replayed=outcome.replayed,
            error=_refused(problem, replayed=outcome.replayed),
        )

    async def _task(self, task_id: str) -> Task | None:
        """None where the key may not read it."""
        try:
            return await self.client.tasks.get(task_id)
        except ReceiverRefused:
            return None

    async def _store(self, result: LineResult) -> None:
        if self.wait and result.error is None and result.task is not None and await self._is_open(result.task):
            self._open.put_nowait((result, result.task))
        else:
            self._keep(result)

    def _keep(self, result: LineResult) -> None:
        self.results[result.number] = result
        self.on_result(result)

    async def _is_open(self, task: Task) -> bool:
        """Whether to wait for it: not for an uncertain submit that only an operator or a callback can settle."""
        if task.state is not TaskState.UNCERTAIN:
            return not task.is_ended
        now = await self._task(task.id)
        return isinstance(now, TaskDetail) and not now.is_ended and now.next_poll_at is not None

    async def _wait_in_turn(self, on_end: Callable[[], None]) -> None:
        """Wait for the open tasks, one after the other, until it is cancelled."""
        lost = 0
        while True:
            result, task = await self._open.get()
            left_s = WAIT_S if self.until_s is None else self.until_s - monotonic()
            wait_s = max(0.0, min(left_s, WAIT_S if self._open.empty() else WAIT_IN_TURN_S))
            now = await self._seen(task, wait_s)
            lost = lost + 1 if now is None else 0
            task = task if now is None else now
            after = replace(result, task=task)
            if left_s <= 0 and not task.is_ended:
                after = replace(after, left="when the time is up; it continues under whenfinal serve")
            elif lost >= LOST_MOST:
                after = replace(after, left="as far as is known: the service does not answer any more")
            elif await self._is_open(task):
                self._open.put_nowait((after, task))
                self._open.task_done()
                continue
            self._keep(after)
            on_end()
            self._open.task_done()

    async def _seen(self, task: Task, wait_s: float) -> Task | None:
        """The task after a wait; None without an answer."""
        try:
            return await self.client.tasks.wait(task.id, timeout_s=wait_s)
        except NotEnded:
            return await self._task(task.id)
        except ReceiverUnreachable:
            return None


def _is_final(error: ReceiverUnreachable | ReceiverRefused) -> bool:
    """Whether the same request gets the same answer again."""
    return isinstance(error, ReceiverRefused) and error.problem.status < _FAILED


def _unsure(line: RequestLine, why: str) -> LineResult:
    hint = f"submit it again with the idempotency key {line.key}, and it is never paid twice"
    return LineResult(number=line.number, error=f"it is not known whether it was submitted, {why}; {hint}")


def _refused(problem: Problem, *, replayed: bool) -> str:
    """Why the submit failed. What the provider said has its name before it."""
    if problem.type.endswith(_KEY_REUSED):
        return f"its key was used for another request, {problem.task}"
    if problem.provider is None:
        return "; ".join(_lines_of(problem))
    again = "; its key gives this answer again: correct it and use a new one" if replayed else ""
    return f"{problem.provider.name} refused it: {problem.provider.code}: {problem.provider.message}{again}"
