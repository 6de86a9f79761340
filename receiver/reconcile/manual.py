"""Reconcile by hand: the same looks, chosen by a filter and not by the clock.

Three ways: say what would be asked; ask and say what would change, changing nothing; or do it, with an audit line for
each task. Due times and pauses are no hindrance, but every request is debited, nobody's lease is broken, and a provider
that throttles or denies is asked no further.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol, TypeVar

from receiver.reconcile.model.decisions import Finding, Plan
from receiver.reconcile.model.report import (
    ManualRequest,
    ReconcileFilter,
    ReconcileItem,
    ReconcileMode,
    ReconcileSummary,
)
from receiver.reconcile.poller import Poller
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.audit import AuditEntry, AuditLog
from receiver.tasks.model.lifecycle import verdict_on
from receiver.tasks.model.task import Task
from submitter.model import TaskState
from submitter.providers import schedule
from submitter.providers.contract import ConfiguredProvider

T = TypeVar("T")

LIMIT = 200  # tasks an order; more is a second order, so that a request for it ends in reasonable time

_STOPS = frozenset({Finding.THROTTLED, Finding.DENIED})


class HandPolls(Protocol):
    """The verbs that an order uses beside those of a look."""

    async def find_by_filter(self, condition: ReconcileFilter, *, now_ms: int, limit: int) -> list[Task]: ...

    async def lease_by_filter(
        self, condition: ReconcileFilter, *, owner: str, now_ms: int, lease_ms: int, limit: int
    ) -> list[Task]: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManualReconcile:
    """Carries out orders. `at_once`: looks at one provider at the same time."""

    asking: Poller
    polls: HandPolls
    accounts: ProviderAccountRepository
    audit: AuditLog
    providers: Mapping[str, ConfiguredProvider]
    clock: Callable[[], int]
    lease_ms: int
    at_once: int

    async def carry_out(self, order: ManualRequest) -> ReconcileSummary:
        """Raise StoreUnavailable; what was booked before that stays."""
        found = await self.polls.find_by_filter(order.condition, now_ms=self.clock(), limit=LIMIT)
        by_provider = groupby(sorted(found, key=lambda task: task.provider), key=lambda task: task.provider)
        rounds = [self._round(name, list(tasks), order) for name, tasks in by_provider]
        return _report([line for lines in await _all(rounds) for line in lines])

    async def _round(self, provider: str, tasks: Sequence[Task], order: ManualRequest) -> list[ReconcileItem]:
        lines: list[ReconcileItem] = []
        for group in _groups(tasks, self.at_once):
            if any(line.finding in _STOPS for line in lines):
                lines += [self._line(task, skipped="the provider throttles or denies us now") for task in group]
            else:
                lines += await self._group(provider, group, order)
        return lines

    async def _group(self, provider: str, group: Sequence[Task], order: ManualRequest) -> list[ReconcileItem]:
        reasons = {task.id: self._reason_to_skip(task) for task in group}
        open_tasks = [task for task in group if reasons[task.id] is None]
        skipped = [self._line(task, skipped=reasons[task.id]) for task in group if reasons[task.id] is not None]
        if order.mode is ReconcileMode.SAY or not open_tasks:
            return skipped + [self._line(task) for task in open_tasks]
        budget = schedule.scaled(self.providers[provider].adapter.CAPABILITIES.budget, self.asking.speed)
        await self.accounts.consume(provider, budget=budget, count=len(open_tasks), now_ms=self.clock())
        work = self._do if order.mode is ReconcileMode.DO else self._preview
        return skipped + await _all([work(task, order) for task in open_tasks])

    def _reason_to_skip(self, task: Task) -> str | None:
        if task.provider not in self.providers:
            return "the provider is not configured"
        if task.state is TaskState.SUBMITTING and (task.next_poll_ms or 0) > self.clock():
            return "its submit is still under way"
        if task.state is TaskState.UNCERTAIN and self.asking.plan(task) is Plan.DOUBT:
            return "only a callback or a person can settle it"
        return None

    async def _do(self, task: Task, order: ManualRequest) -> ReconcileItem:
        held = await self.polls.lease_by_filter(
            ReconcileFilter(task=task.id), owner=order.owner, now_ms=self.clock(), lease_ms=self.lease_ms, limit=1
        )
        if not held:
            return self._line(task, skipped="somebody else is asking about it, or it has just ended")
        line = self._line(held[0])
        booked = (await self.asking.book([await self.asking.look(held[0])], owner=order.owner))[0]
        finding = booked.looked.follow_up.finding
        detail = {"finding": finding.value, "before": line.state.value, "after": booked.state.value}
        entry = AuditEntry(actor=order.actor, action="reconcile", detail=detail, task_id=task.id)
        await self.audit.record(entry, now_ms=self.clock())
        return replace(line, finding=finding, after=booked.state)

    async def _preview(self, task: Task, order: ManualRequest) -> ReconcileItem:
        """Only a status can be asked for without effects; a submit that would be repeated is left as it is."""
        line = self._line(task)
        if line.plan is not Plan.ASK:
            return line
        follow_up = (await self.asking.look(task)).follow_up
        after = task.state
        if follow_up.report is not None:
            after = verdict_on(task.state, follow_up.report.observation.state)[1]
        return replace(line, finding=follow_up.finding, after=after)

    def _line(self, task: Task, *, skipped: str | None = None) -> ReconcileItem:
        plan = Plan.LEAVE if skipped is not None else self.asking.plan(task)
        return ReconcileItem(
            task_id=task.id,
            provider=task.provider,
            provider_task_id=task.provider_task_id,
            state=task.state,
            plan=plan,
            skipped=skipped,
        )


def _groups(tasks: Sequence[Task], size: int) -> Iterator[Sequence[Task]]:
    return (tasks[start : start + size] for start in range(0, len(tasks), size))


async def _all(works: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """Every one comes to its end, also when another fails; then the first failure is raised."""
    results = await asyncio.gather(*works, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]


def _report(lines: Sequence[ReconcileItem]) -> ReconcileSummary:
    return ReconcileSummary(
        asked=sum(line.finding is not None and line.plan is not Plan.DOUBT for line in lines),
        changed=sum(line.after not in {None, line.state} for line in lines),
        skipped=sum(line.skipped is not None for line in lines),
        tasks=tuple(lines),
    )
