"""The one door: how news about a task gets in, whoever brings it.

Everything that one batch of reports changes (tasks, timeline, events, deliveries) is one transaction. Here too:
what the clock alone makes happen (`task.overdue`), and the note that a task should be looked at.
Submits are in `submits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from receiver.events.model.event import EventDraft, EventType
from receiver.store.engine import Engine, OtherWasFaster, Tx
from receiver.store.ids import IdMaker
from receiver.tasks.model.event import task_draft
from receiver.tasks.model.lifecycle import Change, apply
from receiver.tasks.model.rows import observation_row, task_of, task_row
from receiver.tasks.model.task import (
    Conflicting,
    IncomingObservation,
    Recorded,
    RecordOutcome,
    Task,
    UnknownTask,
    Verdict,
)
from receiver.webhooks.publisher import EventPublisher
from submitter.model import TaskId, TaskKey, TaskState


class Ledger:
    """Verbs that change tasks after their receipt; each is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, emitter: EventPublisher) -> None:
        self._engine = engine
        self._new_id = new_id
        self._emitter = emitter

    @property
    def reports_at_once(self) -> int:
        """How many reports a batch should hold at most: the more subscribe to each event, the fewer."""
        return self._emitter.events_at_once

    async def record(self, reports: Sequence[IncomingObservation], now_ms: int) -> list[RecordOutcome]:
        """One outcome a report, in their order; several reports on one task are taken one after the other."""
        if not reports:
            return []

        async def work(tx: Tx) -> list[RecordOutcome]:
            batch = _Batch(await _load(tx, reports), self._new_id, now_ms)
            outcomes = [batch.take(report) for report in reports]
            return await batch.write(tx, outcomes, self._emitter)

        return await self._engine.write(work)

    async def mark_overdue(self, now_ms: int, *, limit: int = 200) -> int:
        """Say `task.overdue` once for every unfinished task whose deadline has passed; polling goes on.

        At most `limit` of them, and fewer where very many subscribe; how many there were.
        """
        most = min(limit, self._emitter.events_at_once)

        async def work(tx: Tx) -> int:
            late = [task_of(row) for row in await tx.fetch_all("overdue_tasks", now_ms=now_ms, limit=most)]
            marked = [replace(task, overdue_ms=now_ms) for task in late]
            await tx.execute_many("update_task", [task_row(task) for task in marked])
            drafts = [task_draft(self._new_id("evt", now_ms), EventType.OVERDUE, task) for task in marked]
            await self._emitter.emit(tx, drafts, now_ms=now_ms)
            return len(marked)

        return await self._engine.write(work)

    async def make_due(self, task_ids: Sequence[TaskId], now_ms: int) -> None:
        """The reconciler looks at these unfinished tasks at its next turn."""

        async def work(tx: Tx) -> None:
            await tx.execute_many("make_due", [{"id": task_id, "now_ms": now_ms} for task_id in sorted(task_ids)])

        await self._engine.write(work)


async def _load(tx: Tx, reports: Sequence[IncomingObservation]) -> dict[TaskId, Task]:
    """Every task that the reports may speak of, by our id."""
    found = await tx.fetch_all(
        "tasks_by_keys_or_ids",
        provider_task_ids=[report.observation.key.provider_task_id for report in reports],
        ids=[report.claim for report in reports if report.claim is not None],
    )
    return {row["id"]: task_of(row) for row in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """A line for the timeline."""

    task_id: TaskId
    report: IncomingObservation
    verdict: Verdict


class _Batch:
    """The state of one transaction in memory: reads are done, writes are gathered."""

    def __init__(self, tasks: dict[TaskId, Task], new_id: IdMaker, now_ms: int) -> None:
        self._tasks = tasks
        self._by_key = {
            TaskKey(provider=t.provider, provider_task_id=t.provider_task_id): t.id
            for t in tasks.values()
            if t.provider_task_id
        }
        self._new_id = new_id
        self._now_ms = now_ms
        self._adopted: set[TaskId] = set()
        self._changed: set[TaskId] = set()
        self._notes: list[_Noted] = []
        self._drafts: list[EventDraft] = []

    def take(self, report: IncomingObservation) -> RecordOutcome:
        found = self._find(report)
        if not isinstance(found, Task):
            return found
        change = apply(found, report, self._now_ms)
        if change.event is not None:
            change = self._with_event(change, change.event)
        self._keep(found, change, report)
        return Recorded(task=change.task, verdict=change.verdict)

    def _find(self, report: IncomingObservation) -> Task | Conflicting | UnknownTask:
        key = report.observation.key
        known = self._by_key.get(key)
        if report.claim is None:
            return self._tasks[known] if known else self._adopt(report) if report.adopt else UnknownTask()
        claimed = self._tasks.get(report.claim)
        if claimed is None:
            return UnknownTask()
        if claimed.provider != key.provider or known not in {None, claimed.id}:
            return Conflicting(claim=report.claim, reason="the token was made for another task than the one reported")
        if claimed.provider_task_id not in {None, key.provider_task_id}:
            return Conflicting(claim=report.claim, reason="the token's task has another id at the provider")
        return claimed

    def _adopt(self, report: IncomingObservation) -> Task:
        """A task that was submitted elsewhere; from now on it is ours to remember."""
        task = Task(
            id=TaskId(self._new_id("tsk", self._now_ms)),
            provider=report.observation.key.provider,
            provider_task_id=report.observation.key.provider_task_id,
            state=TaskState.SUBMITTED,
            model=report.observation.model,
            adopted=True,
            created_ms=self._now_ms,
            submitted_ms=self._now_ms,
        )
        self._adopted.add(task.id)
        self._tasks[task.id] = task
        return task

    def _with_event(self, change: Change, event: EventType) -> Change:
        name = self._new_id("evt", self._now_ms)
        task = replace(change.task, final_event=name)
        self._drafts.append(task_draft(name, event, task))
        return replace(change, task=task)

    def _keep(self, before: Task, change: Change, report: IncomingObservation) -> None:
        after = change.task
        if after != before:
            self._tasks[after.id] = after
            self._changed.add(after.id)
        if after.provider_task_id is not None:
            self._by_key[TaskKey(provider=after.provider, provider_task_id=after.provider_task_id)] = after.id
        if change.noteworthy:
            self._notes.append(_Noted(task_id=after.id, report=report, verdict=change.verdict))

    async def write(self, tx: Tx, outcomes: list[RecordOutcome], emitter: EventPublisher) -> list[RecordOutcome]:
        """The gathered writes; the outcomes with the numbers that their events got."""
        await self._write_adopted(tx)
        changed = sorted(self._changed - self._adopted)
        await tx.execute_many("update_task", [task_row(self._tasks[name]) for name in changed])
        lines = [
            observation_row(self._new_id("obs", self._now_ms), n.task_id, n.report.observation, n.verdict, self._now_ms)
            for n in self._notes
        ]
        await tx.execute_many("insert_observation", lines)
        events = await emitter.emit(tx, self._drafts, now_ms=self._now_ms)
        seqs = {event.id: event.seq for event in events}
        return [_numbered(outcome, seqs) for outcome in outcomes]

    async def _write_adopted(self, tx: Tx) -> None:
        """Of two that adopt a task at once, one goes again and finds it. In the order of keys, so that none cross."""
        if not self._adopted:
            return
        tasks = sorted(
            (self._tasks[name] for name in self._adopted), key=lambda task: (task.provider_task_id, task.provider)
        )
        await tx.execute_many("insert_task", [task_row(task) for task in tasks])
        written = await tx.fetch_all("states_of_tasks", ids=[task.id for task in tasks])
        if len(written) < len(tasks):
            raise OtherWasFaster


def _numbered(outcome: RecordOutcome, seqs: dict[str, int]) -> RecordOutcome:
    if isinstance(outcome, Recorded) and outcome.verdict is Verdict.APPLIED and outcome.task.final_event in seqs:
        return replace(outcome, event_seq=seqs[outcome.task.final_event])
    return outcome
