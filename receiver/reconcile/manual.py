"""Reconcile when a person asks for it: the same polls, chosen by a filter instead of the schedule.

Due times and pauses do not matter, but each request takes a token of the rate budget, no lease is broken, and a
provider that throttles or denies us is not polled further.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, groupby
from typing import TypeVar

from receiver.config.sections import ReconcileSettings
from receiver.reconcile.model.decisions import PollAction, PollResult
from receiver.reconcile.model.report import (
    ManualRequest,
    ReconcileFilter,
    ReconcileItem,
    ReconcileMode,
    ReconcileSummary,
)
from receiver.reconcile.poller import Poller
from receiver.reconcile.repository import PollRepository
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditEntry, AuditLog
from receiver.tasks.model.lifecycle import verdict_on
from receiver.tasks.model.task import Task
from submitter.model import TaskId, TaskState

T = TypeVar("T")

MAX_TASKS = 200  # of one run, so that its HTTP request ends in reasonable time; a second run takes the next ones

WAIT_MOST_S = 60.0  # before a group of polls, for tokens of the rate budget to come back

#: Results after which a provider is not polled further.
_STOPS = frozenset({PollResult.THROTTLED, PollResult.DENIED})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManualReconcile:
    """One for a process."""

    poller: Poller
    polls: PollRepository
    accounts: ProviderAccountRepository
    audit: AuditLog
    settings: ReconcileSettings
    #: Names this process and no other.
    owner: str
    #: Unix milliseconds.
    clock: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _leases: Iterator[int] = field(default_factory=count, init=False)

    async def run(self, request: ManualRequest) -> ReconcileSummary:
        """Poll the matching unfinished tasks, at most MAX_TASKS, each provider's tasks in groups of a few at once.

        Return a line for each task: what was done, or why it was skipped. Raise StoreUnavailable; what was recorded
        before that stays.
        """
        await self.poller.durations.refresh()
        tasks = await self.polls.find_by_filter(request.condition, now_ms=self.clock(), limit=MAX_TASKS)
        return await self._run_all(tasks, request, ())

    async def run_tasks(self, task_ids: Sequence[TaskId], *, actor: str, since_ms: int) -> ReconcileSummary:
        """Poll these tasks as `run` does, which are a part of many; one that has ended gets no line.

        Polls wait while the rate budget is empty, so that regular ones get half of it. A provider that has throttled
        or denied us since `since_ms`, and still holds us back, is not polled. Raise StoreUnavailable.
        """
        await self.poller.durations.refresh()
        tasks: list[Task] = []
        for task_id in task_ids:
            found = await self.polls.find_by_filter(ReconcileFilter(task=task_id), now_ms=self.clock(), limit=MAX_TASKS)
            tasks += [task for task in found if task.id == task_id]  # one with this id at its provider is none of them
        held = [
            account.provider
            for account in await self.accounts.all()
            if (account.paused_since_ms or 0) >= since_ms and (account.paused_until_ms or 0) > self.clock()
        ]
        request = ManualRequest(condition=ReconcileFilter(), mode=ReconcileMode.APPLY, actor=actor, waits=True)
        return await self._run_all(tasks, request, held)

    async def _run_all(self, tasks: Sequence[Task], request: ManualRequest, held: Collection[str]) -> ReconcileSummary:
        by_provider = groupby(sorted(tasks, key=lambda task: task.provider), key=lambda task: task.provider)
        runs = [self._run_provider(list(own), request, is_held=name in held) for name, own in by_provider]
        return ReconcileSummary.of([item for items in await _finish_all(runs) for item in items])

    async def _run_provider(
        self, tasks: Sequence[Task], request: ManualRequest, *, is_held: bool
    ) -> list[ReconcileItem]:
        provider = tasks[0].provider
        items: list[ReconcileItem] = []
        size = max(1, self.settings.concurrency // max(1, len(self.poller.providers)))
        for group in (tasks[start : start + size] for start in range(0, len(tasks), size)):
            if is_held or any(item.plan is PollAction.QUERY and item.finding in _STOPS for item in items):
                items += [_skipped(task, "the provider throttles or denies us now") for task in group]
            else:
                items += await self._run_group(provider, group, request)
        return items

    async def _run_group(self, provider: str, group: Sequence[Task], request: ManualRequest) -> list[ReconcileItem]:
        reasons = {task.id: self._reason_to_skip(task) for task in group}
        skipped = [_skipped(task, reason) for task in group if (reason := reasons[task.id]) is not None]
        tasks = [task for task in group if reasons[task.id] is None]
        if request.mode is ReconcileMode.PLAN or not tasks:
            return skipped + [self._planned(task) for task in tasks]
        budget, polls = self.poller.rate_budget(provider), len(tasks)
        account = await self.accounts.consume(provider, budget=budget, count=polls, now_ms=self.clock())
        if request.waits and account.tokens < 0:
            # As many again, because regular polls wait for tokens and would get none of them.
            await self.sleep(min((polls - account.tokens) / budget.per_s, WAIT_MOST_S))
        if request.mode is ReconcileMode.DRY_RUN:
            return skipped + await _finish_all([self._preview(task) for task in tasks])
        return skipped + await _finish_all([self._apply(task, request.actor) for task in tasks])

    def _reason_to_skip(self, task: Task) -> str | None:
        if task.provider not in self.poller.providers:
            return "the provider is not configured"
        if task.state is TaskState.SUBMITTING and (task.next_poll_ms or 0) > self.clock():
            return "its submit is still under way"
        if task.state is TaskState.UNCERTAIN and self.poller.plan(task) is PollAction.MARK_UNCERTAIN:
            return "only a callback or a person can settle it"
        return None

    async def _apply(self, task: Task, actor: str) -> ReconcileItem:
        owner = f"{self.owner}.manual.{next(self._leases)}"
        leased = await self.polls.lease_by_filter(
            ReconcileFilter(task=task.id),
            owner=owner,
            now_ms=self.clock(),
            lease_ms=self.poller.poll_lease_ms,
            limit=1,
        )
        if not leased:
            return _skipped(task, "another run is polling it, or it has just ended")
        item = self._planned(leased[0])
        (poll,) = await self.poller.record([await self.poller.poll(leased[0])], owner=owner)
        finding, after = poll.decision.result, poll.stored.state
        detail = {"finding": finding.value, "before": item.state.value, "after": after.value}
        entry = AuditEntry(actor=actor, action="reconcile", detail=detail, task_id=task.id)
        await self.audit.record(entry, now_ms=self.clock())
        return replace(item, finding=finding, after=after)

    async def _preview(self, task: Task) -> ReconcileItem:
        """Poll without recording. Only a status query has no effect, so a submit is not repeated here."""
        item = self._planned(task)
        if item.plan is not PollAction.QUERY:
            return item
        decision = (await self.poller.poll(task)).decision
        after = task.state
        if decision.observation is not None:
            after = verdict_on(task.state, decision.observation.observation.state)[1]
        return replace(item, finding=decision.result, after=after)

    def _planned(self, task: Task) -> ReconcileItem:
        return _item(task, self.poller.plan(task))


def _item(task: Task, plan: PollAction) -> ReconcileItem:
    return ReconcileItem(
        task_id=task.id,
        provider=task.provider,
        provider_task_id=task.provider_task_id,
        state=task.state,
        plan=plan,
    )


def _skipped(task: Task, reason: str) -> ReconcileItem:
    return replace(_item(task, PollAction.SKIP), skipped=reason)


async def _finish_all(works: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """The results, once every coroutine has ended. Raise the first failure, after the others have ended too."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
