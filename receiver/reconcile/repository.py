"""The leases of polls.

A task may be leased when it is due, nobody else leases it, its provider is not paused and the rate budget has a token.
A lease ends by itself; after that its former owner can no longer change it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from receiver.reconcile.model.decisions import PollResult
from receiver.reconcile.model.report import PollOutcome, ReconcileFilter
from receiver.store.accounts import refill_tokens, set_tokens
from receiver.store.engine import NEVER_MS, Engine, Param, Tx, Value
from receiver.store.ids import IdMaker
from receiver.store.leap import is_doubted
from receiver.store.repository import Repository
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.rows import task_of
from receiver.tasks.model.task import RecordOutcome, Task
from receiver.tasks.timeline_repository import add_answer
from submitter.model import TaskId
from submitter.providers.contract import Budget
from submitter.providers.schedule import latest_ms

CANDIDATES = 8  # due tasks for each that can be polled


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Tasks that are polled now, and how many requests that takes."""

    tasks: Sequence[Task]
    tokens: int


#: Of the tasks that are due, in the order of their times, those that are polled now with so many tokens at most.
SelectTasks = Callable[[Sequence[Task], int], Selection]


def singly(tasks: Sequence[Task]) -> Selection:
    """A request for each."""
    return Selection(tasks=tasks, tokens=len(tasks))


class PollRepository(Repository):
    """Each method is one transaction, and raises StoreUnavailable when nothing of it was stored."""

    def __init__(self, engine: Engine, new_id: IdMaker, ledger: Ledger) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._ledger = ledger

    async def lease_due(  # noqa: PLR0913 - one transaction needs all of them, and all but one are given by name
        self,
        provider: str,
        *,
        budget: Budget,
        owner: str,
        now_ms: int,
        lease_ms: int,
        limit: int,
        select: SelectTasks = lambda due, count: singly(due[:count]),
        candidates: int = 0,
    ) -> list[Task]:
        """Lease due tasks: at most `limit`, and no more than the rate budget has tokens.

        Where the budget has too few for all, `select` gets those that have been due for longest, `CANDIDATES` for each
        token or `candidates` in all, whichever is more. The tokens are taken in the same transaction. Return the leased
        tasks, none while the provider is paused.
        """
        # Most runs find nothing due; a read does not wait for the writer.
        if await self._one("any_due", dict, provider=provider, now_ms=now_ms) is None:
            return []

        async def work(tx: Tx) -> list[Task]:
            account = await refill_tokens(tx, provider, budget, now_ms)
            tokens = int(account.tokens)
            count = min(limit, tokens)
            if count < 1 or (account.paused_until_ms or 0) > now_ms:
                return []
            most = max(count * CANDIDATES, candidates) if tokens < limit else count
            due = [
                task_of(row) for row in await tx.fetch_all("due_tasks", provider=provider, now_ms=now_ms, limit=most)
            ]
            selection = singly(due) if len(due) <= count else select(due, count)
            await tx.execute_many("lease_task", _leases([task.id for task in selection.tasks], owner, now_ms, lease_ms))
            await set_tokens(tx, account, account.tokens - selection.tokens)
            return list(selection.tasks)

        return await self._engine.write(work)

    async def waiting(self, provider: str, *, now_ms: int, limit: int) -> list[Task]:
        """Tasks that are due and that nobody leases, those that have been due for longest first."""
        return await self._all("waiting_polls", task_of, provider=provider, now_ms=now_ms, limit=limit)

    async def count_waiting(self, provider: str, *, now_ms: int, limit: int) -> int:
        """How many there are, `limit` at most."""
        found = await self._one("count_waiting_polls", dict, provider=provider, now_ms=now_ms, limit=limit)
        return 0 if found is None else int(found["number"])

    async def lease_by_filter(
        self, condition: ReconcileFilter, *, owner: str, now_ms: int, lease_ms: int, limit: int
    ) -> list[Task]:
        """Lease unfinished tasks for a manual run, due or not, paused or not. Tasks that others lease are left out."""

        async def work(tx: Tx) -> list[Task]:
            found = await tx.fetch_all("unfinished_tasks", **_params_of(condition, now_ms, limit))
            ids = [row["id"] for row in found]
            await tx.execute_many("lease_task", _leases(ids, owner, now_ms, lease_ms))
            return [task_of(row) for row in await tx.fetch_all("leased_tasks", ids=ids, owner=owner)]

        return await self._engine.write(work)

    async def find_by_filter(self, condition: ReconcileFilter, *, now_ms: int, limit: int) -> list[Task]:
        """The tasks that `lease_by_filter` would lease, and those that others lease. Changes nothing."""
        return await self._all("unfinished_tasks", task_of, **_params_of(condition, now_ms, limit))

    async def pull_back(
        self, provider: str, *, now_ms: int, longest_wait_ms: int, dead_submit_ms: int, lease_ms: int
    ) -> int:
        """Pull back the polls and leases of a provider's tasks that lie too far ahead; return how many.

        Polls become due at once, and forget when they found their tasks open. A submit that may be under way, and a
        lease, end as late as a new one would.
        """
        polls, submits, leases = (latest_ms(now_ms, each) for each in (longest_wait_ms, dead_submit_ms, lease_ms))

        async def work(tx: Tx) -> int:
            changed = await tx.execute_and_count(
                "pull_back_polls", provider=provider, now_ms=now_ms, latest_ms=polls, ahead_ms=latest_ms(now_ms, 0)
            )
            changed += await tx.execute_and_count(
                "pull_back_submits", provider=provider, dead_ms=now_ms + dead_submit_ms, latest_ms=submits
            )
            return changed + await tx.execute_and_count(
                "pull_back_task_leases", provider=provider, until_ms=now_ms + lease_ms, latest_ms=leases
            )

        return await self._engine.write(work)

    async def is_clock_doubted(self, now_ms: int) -> bool:
        """Whether no task may end by this time alone, because the clock may have leaped ahead."""
        return await self._engine.read(lambda reader: is_doubted(reader, now_ms))

    async def count_without_result(self, task_id: TaskId) -> int:
        """How many polls have found the task succeeded without its result: the lines that they left in its timeline."""
        return await self._one("count_without_result", lambda row: int(row["number"]), task=task_id) or 0

    async def record(self, polls: Sequence[PollOutcome], *, owner: str, now_ms: int) -> list[RecordOutcome]:
        """Record what the polls observed and release them, in one transaction; one outcome for each observation.

        See `Ledger.record` and `release`. Raise what they raise; then nothing of it is stored.
        """
        incoming = [poll.decision.observation for poll in polls if poll.decision.observation is not None]
        rows = _releases(polls, owner, now_ms)

        async def work(tx: Tx) -> list[RecordOutcome]:
            outcomes = await self._ledger.record_in(tx, incoming, now_ms)
            await tx.execute_many("release_task", rows)
            return outcomes

        return await self._engine.write(work)

    async def release(self, polls: Sequence[PollOutcome], *, owner: str, now_ms: int) -> None:
        """Count the polls, set the times of the next ones, end the leases, and keep the answers that were unusable.

        A task that `owner` no longer leases is not changed, and a decision without a time never ends the polls of a
        task that is submitted or running.
        """
        rows = _releases(polls, owner, now_ms)
        unusable = [(poll.stored, poll.unusable.line()) for poll in polls if poll.unusable is not None]

        async def work(tx: Tx) -> None:
            await tx.execute_many("release_task", rows)
            for task, line in unusable:
                await add_answer(tx, self._new_id, task, line, now_ms)

        await self._engine.write(work)


def _releases(polls: Sequence[PollOutcome], owner: str, now_ms: int) -> list[dict[str, Value]]:
    """In the order of the ids, in which all transactions lock tasks."""
    return [
        {
            "id": poll.task.id,
            "owner": owner,
            "next_poll_ms": poll.decision.next_poll_ms,
            "not_found": int(poll.decision.not_found),
            "seen_open": int(poll.decision.result is PollResult.OBSERVED),
            "now_ms": now_ms,
        }
        for poll in sorted(polls, key=lambda poll: poll.task.id)
    ]


def _leases(ids: Sequence[str], owner: str, now_ms: int, lease_ms: int) -> list[dict[str, Value]]:
    return [{"id": each, "owner": owner, "now_ms": now_ms, "until_ms": now_ms + lease_ms} for each in ids]


def _params_of(condition: ReconcileFilter, now_ms: int, limit: int) -> dict[str, Param]:
    return {
        "provider": condition.provider,
        "task": condition.task,
        "created_before_ms": _created_before_ms(condition, now_ms),
        "limit": limit,
        **condition.limits.conditions(),
    }


def _created_before_ms(condition: ReconcileFilter, now_ms: int) -> int:
    """A task that is named has any age, and so has every task without a limit: the clock may have been set back."""
    if condition.task is not None or not condition.older_than_s:
        return NEVER_MS
    return now_ms - int(condition.older_than_s * 1000)
