"""What of a provider's own list may be the task of a submit whose answer was lost.

Flow: one page of the provider's list, less what the ledger knows. It settles nothing: which one it is, if any, is for a
person to see, because two equal orders look alike there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, assert_never

from receiver import schedule
from receiver.accounts import ConfiguredProvider
from receiver.masking import masked_status
from receiver.records import AccountStatus, Task
from submitter.model import Denied, ListedTask, NotFound, Observation, StatusOutcome, Throttled, Unavailable
from submitter.providers.contract import Budget, ListsTasks
from submitter.wire import HttpCall, HttpReply

EARLY_MS = 300_000  # a provider's clock may be behind ours by that much
LATE_MS = 900_000  # the longest submit, and a provider's clock that is ahead


class Sends(Protocol):
    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply: ...


class FindsTasks(Protocol):
    async def task_by_key(self, provider: str, task_id: str) -> Task | None: ...


class Purses(Protocol):
    async def debit(self, provider: str, *, budget: Budget, count: int, now_ms: int) -> AccountStatus: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task of the provider's that the ledger does not know. `after_ms`: made that long after our intent."""

    listed: ListedTask
    after_ms: int | None
    same_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The likeliest first. `listed`: how many rows the provider showed; what is older than those was not seen."""

    found: tuple[Candidate, ...]
    listed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoList:
    """The provider documents no list of tasks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lookup:
    """`speed` as in `receiver.schedule`. `lists` holds the adapters that have a list."""

    lists: Mapping[str, ListsTasks]
    transport: Sends
    reading: FindsTasks
    purses: Purses
    clock: Callable[[], int]
    speed: float

    async def candidates(self, task: Task, configured: ConfiguredProvider) -> Candidates | NoList | StatusOutcome:
        """A StatusOutcome is what came in place of a list. Raise TransportError or StoreUnavailable."""
        account, can = configured.account, configured.adapter.CAPABILITIES
        adapter = self.lists.get(account.adapter)
        if adapter is None:
            return NoList()
        now_ms = self.clock()
        since_ms = task.created_ms - EARLY_MS
        # Under a key the submit may have been sent again at any time until now.
        until_ms = now_ms if can.idempotency_s else min(now_ms, task.created_ms + LATE_MS)
        budget = schedule.scaled(can.budget, self.speed)
        await self.purses.debit(task.provider, budget=budget, count=1, now_ms=now_ms)
        call = adapter.build_list(account, since_ms=since_ms, until_ms=until_ms)
        rows = adapter.parse_list(await self.transport.send(call))
        if not isinstance(rows, tuple):
            return masked_status(rows, (account.api_key,))
        near = [row for row in rows if row.created_at_ms is None or since_ms <= row.created_at_ms <= until_ms + LATE_MS]
        unknown = [row for row in near if await self.reading.task_by_key(task.provider, row.task_id) is None]
        return Candidates(found=rank(task, unknown), listed=len(rows))


def say_no_answer(outcome: StatusOutcome) -> str:
    """For a person: what a provider answered that was asked for something else than a status."""
    match outcome:
        case NotFound():
            return "the provider does not know the task"
        case Throttled():
            return "the provider is asked too fast; try again in a minute"
        case Denied():
            return f"the provider denies our key: {outcome.message}"
        case Unavailable():
            return f"the provider gives no usable answer: {outcome.reason}"
        case Observation():
            return f"the provider speaks of task {outcome.key.task_id}"
        case _:
            assert_never(outcome)


def rank(task: Task, rows: list[ListedTask]) -> tuple[Candidate, ...]:
    """Those of the same model first, and among them the nearest in time."""
    found = [
        Candidate(
            listed=row,
            after_ms=None if row.created_at_ms is None else row.created_at_ms - task.created_ms,
            same_model=task.model is not None and row.model == task.model,
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (not each.same_model, each.after_ms is None, abs(each.after_ms or 0))))
