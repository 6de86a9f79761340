"""The only way a task changes after its receipt: observations go in, and events come out.

What a batch of observations changes (tasks, timeline, events) is one transaction. Intake, reconciler and manual
reconcile all call `record`; the submit itself is in `receiver.tasks.submission_repository`. Here is also what the clock
alone causes: `task.overdue`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from receiver.events.model.event import EventDraft, EventType
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, RetryTransaction, Tx
from receiver.store.ids import IdMaker
from receiver.tasks.model.event import task_draft
from receiver.tasks.model.lifecycle import Change, apply
from receiver.tasks.model.reports import Stored, counted
from receiver.tasks.model.rows import (
    ended_row,
    is_only_ended,
    observation_row,
    reported_task_of,
    reports_row,
    task_of,
    task_row,
)
from receiver.tasks.model.settle import (
    OperatorEnd,
    end_observation,
    is_correctable,
    key_of,
    uncertain_again,
    why_not_ended,
)
from receiver.tasks.model.task import (
    IncomingObservation,
    Recorded,
    RecordOutcome,
    SettleRefused,
    Task,
    TaskMismatch,
    UnknownTask,
    Verdict,
)
from receiver.webhooks.publisher import EventPublisher
from submitter.model import TERMINAL, Observation, Source, TaskId, TaskKey, TaskState


class Ledger:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        self._engine = engine
        self._new_id = new_id
        self._publisher = publisher

    async def record(
        self, incoming: Sequence[IncomingObservation], now_ms: int, *, waited_s: float = 0.0
    ) -> list[RecordOutcome]:
        """Judge the observations and store what follows from them. One outcome each, in their order.

        `Recorded` has the verdict and the task as stored, without its request; `TaskMismatch` and `UnknownTask` changed
        nothing. Several observations of one task are applied one after the other. Raise KeyError when a state is none
        that a provider reports; then nothing of the batch is stored. `waited_s` is as in `Engine.write`.
        """
        if not incoming:
            return []
        return await self._engine.write(lambda tx: self.record_in(tx, incoming, now_ms), waited_s=waited_s)

    async def record_in(self, tx: Tx, incoming: Sequence[IncomingObservation], now_ms: int) -> list[RecordOutcome]:
        """As `record`, in a transaction of the caller's, which has locked no task before."""
        batch = _Batch(await _load(tx, incoming), self._new_id, now_ms)
        outcomes = [batch.apply(each) for each in incoming]
        return await batch.write(tx, outcomes, self._publisher)

    async def record_by_operator(
        self, task_id: TaskId, end: OperatorEnd, *, actor: str, now_ms: int
    ) -> Task | SettleRefused:
        """End a task as an operator saw it end, and write that to the audit.

        It is judged and stored as any report of an end, but for the task with this id of ours, because the provider may
        not have named it. `SettleRefused` changed nothing. Raise KeyError when there is no such task.
        """

        async def work(tx: Tx) -> Task | SettleRefused:
            rows = await tx.fetch_all("tasks_by_ids", ids=[task_id])
            if not rows:
                message = f"no task {task_id}"
                raise KeyError(message)
            task = task_of(rows[0])
            if reason := why_not_ended(task, lease_until_ms=rows[0]["lease_until_ms"], now_ms=now_ms):
                return SettleRefused(reason=reason)
            entry = AuditEntry(actor=actor, action="settle", detail={"end": end.state.value}, task_id=task_id)
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            batch = _Batch({task_id: task}, self._new_id, now_ms)
            change = batch.change(task, IncomingObservation(observation=end_observation(task, end, actor=actor)))
            await batch.write(tx, [change], self._publisher)
            return change.task

        return await self._engine.write(work)

    async def mark_overdue(self, now_ms: int, *, limit: int = 200) -> int:
        """Publish `task.overdue` once for each unfinished task whose deadline has passed; polling goes on.

        At most `limit` of them. Return how many there were.
        """

        async def work(tx: Tx) -> int:
            late = [task_of(row) for row in await tx.fetch_all("overdue_tasks", now_ms=now_ms, limit=limit)]
            marked = [replace(task, overdue_ms=now_ms) for task in late]
            await tx.execute_many("update_task", [task_row(task) for task in marked])
            drafts = [task_draft(self._new_id("evt", now_ms), EventType.OVERDUE, task) for task in marked]
            await self._publisher.publish(tx, drafts, now_ms=now_ms)
            return len(marked)

        return await self._engine.write(work)

    async def make_due(self, task_ids: Sequence[TaskId], now_ms: int) -> None:
        """Let the reconciler poll these tasks in its next run; those that have ended stay as they are."""

        async def work(tx: Tx) -> None:
            await tx.execute_many("make_due", [{"id": task_id, "now_ms": now_ms} for task_id in sorted(task_ids)])

        await self._engine.write(work)


async def _load(tx: Tx, incoming: Sequence[IncomingObservation]) -> dict[TaskId, Task]:
    """Every task that the observations may be about, locked until the transaction ends."""
    found = await tx.fetch_all(
        "reported_tasks",
        provider_task_ids=[each.observation.key.provider_task_id for each in incoming],
        ids=[each.expected_task_id for each in incoming if each.expected_task_id is not None],
    )
    return {task.id: task for task in map(reported_task_of, found)}


class _Batch:
    """The state of one transaction in memory: everything was read before, and writes are gathered until `write`."""

    def __init__(self, tasks: dict[TaskId, Task], new_id: IdMaker, now_ms: int) -> None:
        self._stored = dict(tasks)
        self._tasks = tasks
        #: By the provider and its id, which cost less as a key than a `TaskKey` does.
        self._by_key = {(task.provider, task.provider_task_id): task.id for task in tasks.values()}
        self._new_id = new_id
        self._now_ms = now_ms
        self._adopted: set[TaskId] = set()
        self._changed: set[TaskId] = set()
        self._counted: set[TaskId] = set()
        self._losing_id: set[TaskId] = set()
        self._observation_rows: list[dict[str, Any]] = []
        self._drafts: list[EventDraft] = []

    def apply(self, incoming: IncomingObservation) -> RecordOutcome:
        found = self._find(incoming)
        return self.change(found, incoming) if isinstance(found, Task) else found

    def change(self, task: Task, incoming: IncomingObservation) -> Recorded:
        """Judge an observation that is about this task, and gather what follows from it."""
        may_end = incoming.observation.state in TERMINAL
        event_id = self._new_id("evt", self._now_ms) if may_end else None
        judged = apply(task, incoming, self._now_ms, event_id=event_id)
        change, stored = counted(judged)
        if change.event is not None and event_id is not None:
            self._drafts.append(task_draft(event_id, change.event, change.task))
        is_only_counted = judged.verdict is not Verdict.APPLIED and judged.task is task
        self._keep(task, change, incoming.observation, stored, is_only_counted=is_only_counted)
        return Recorded(task=change.task, verdict=change.verdict)

    def _find(self, incoming: IncomingObservation) -> Task | TaskMismatch | UnknownTask:
        """The task that an observation may change.

        Without an expected task (a poll, or a callback that only the provider signed) it is the task that the ledger
        knows by the provider's id. If the ledger knows none, a signed callback adopts it.

        With an expected task (a callback token) it is that task and no other: a token never works for another task.
        Its provider must be the token's, and the provider's id must be the one that is stored. If none is stored yet,
        because the receipt is late or was lost, the id must belong to no other task. An id that an operator gave counts
        as none, of this task and of another, because the token comes from the provider that was given it.
        """
        key = incoming.observation.key
        known = self._by_key.get((key.provider, key.provider_task_id)) if key.provider_task_id else None
        if incoming.expected_task_id is not None:
            return self._find_expected(incoming.expected_task_id, key, known)
        if known is not None:
            return self._tasks[known]
        if incoming.allow_adoption:
            return self._adopt(incoming)
        return UnknownTask()

    def _find_expected(self, task_id: TaskId, key: TaskKey, known: TaskId | None) -> Task | TaskMismatch | UnknownTask:
        expected = self._tasks.get(task_id)
        if expected is None:
            return UnknownTask()
        holder = self._tasks[known] if known is not None and known != task_id else None
        if expected.provider != key.provider or (holder is not None and not is_correctable(holder)):
            reason = "the token was made for another task than the one reported"
            return TaskMismatch(expected_task_id=task_id, reason=reason)
        if expected.provider_task_id not in {None, key.provider_task_id} and not is_correctable(expected):
            return TaskMismatch(expected_task_id=task_id, reason="the token's task has another id at the provider")
        if holder is not None:
            self._take_id(holder, task_id)
        return expected

    def _take_id(self, holder: Task, owner: TaskId) -> None:
        """An operator gave the id of one task to another. That one is uncertain again, and says why."""
        after = uncertain_again(holder, owner)
        observation = Observation(
            key=key_of(holder), state=after.state, source=Source.CALLBACK, raw_state="", error=after.error
        )
        change = Change(task=after, verdict=Verdict.CONTRADICTION, event=None, should_record=True)
        change, stored = counted(change)
        self._keep(holder, change, observation, stored, is_only_counted=False)

    def _adopt(self, incoming: IncomingObservation) -> Task:
        """A new task of ours for one that was submitted elsewhere."""
        observation = incoming.observation
        task = Task(
            id=TaskId(self._new_id("tsk", self._now_ms)),
            provider=observation.key.provider,
            provider_task_id=observation.key.provider_task_id,
            state=TaskState.SUBMITTED,
            model=observation.model,
            adopted=True,
            created_ms=self._now_ms,
            submitted_ms=self._now_ms,
        )
        self._adopted.add(task.id)
        self._tasks[task.id] = task
        self._by_key[task.provider, task.provider_task_id] = task.id
        return task

    def _keep(
        self, before: Task, change: Change, observation: Observation, stored: Stored, *, is_only_counted: bool
    ) -> None:
        after = change.task
        if is_only_counted:
            self._tasks[after.id] = after
            self._counted.add(after.id)
        elif change.event is not None or after != before:
            self._tasks[after.id] = after
            self._changed.add(after.id)
        if before.provider_task_id != after.provider_task_id:
            if before.provider_task_id is not None and after.id in self._stored:
                self._losing_id.add(after.id)
            self._by_key.pop((before.provider, before.provider_task_id), None)
            self._by_key[after.provider, after.provider_task_id] = after.id
        if stored is not Stored.COUNTED:
            observation_id = self._new_id("obs", self._now_ms)
            row = observation_row(observation_id, after.id, observation, change.verdict, self._now_ms)
            self._observation_rows.append(row if stored is Stored.WHOLE else row | {"raw": ""})

    async def write(self, tx: Tx, outcomes: list[RecordOutcome], publisher: EventPublisher) -> list[RecordOutcome]:
        """Write what was gathered. Return the outcomes with the numbers that their events got."""
        await self._release_ids(tx)
        await self._write_adopted(tx)
        await self._write_changed(tx)
        await tx.execute_many("insert_observation", self._observation_rows)
        events = await publisher.publish(tx, self._drafts, now_ms=self._now_ms)
        seqs = {event.id: event.seq for event in events}
        return [_with_seq(outcome, seqs) for outcome in outcomes] if seqs else outcomes

    async def _release_ids(self, tx: Tx) -> None:
        """Take from each task the provider's id that it loses.

        Before anything else is written, because another task, also an adopted one, may get it in the same transaction.
        """
        await tx.execute_many("release_provider_task_id", [{"id": task_id} for task_id in sorted(self._losing_id)])

    async def _write_changed(self, tx: Tx) -> None:
        """Write of each task only what may have changed, because a task has many columns and indexes."""
        changed = [self._tasks[task_id] for task_id in sorted(self._changed - self._adopted)]  # locked in this order
        keeping_id = [task for task in changed if task.id not in self._losing_id]
        only_ended = {task.id for task in keeping_id if is_only_ended(self._stored[task.id], task)}
        await tx.execute_many("end_task", [ended_row(task) for task in changed if task.id in only_ended])
        await tx.execute_many("update_task", [task_row(task) for task in changed if task.id not in only_ended])
        counted = sorted(self._counted - self._changed - self._adopted)
        await tx.execute_many("count_reports", [reports_row(self._tasks[task_id]) for task_id in counted])

    async def _write_adopted(self, tx: Tx) -> None:
        """Insert the adopted tasks. Raise RetryTransaction when another transaction has adopted one of them.

        Then this transaction runs again from its start and finds that task. The inserts are in the order of the keys,
        so that two transactions never wait for each other.
        """
        if not self._adopted:
            return
        tasks = sorted(
            (self._tasks[task_id] for task_id in self._adopted), key=lambda task: (task.provider_task_id, task.provider)
        )
        await tx.execute_many("insert_task", [task_row(task) for task in tasks])
        written = await tx.fetch_all("states_of_tasks", ids=[task.id for task in tasks])
        if len(written) < len(tasks):
            raise RetryTransaction


def _with_seq(outcome: RecordOutcome, seqs: dict[str, int]) -> RecordOutcome:
    if isinstance(outcome, Recorded) and outcome.verdict is Verdict.APPLIED and outcome.task.final_event in seqs:
        seq = seqs[outcome.task.final_event]
        return Recorded(task=outcome.task, verdict=outcome.verdict, event_seq=seq)
    return outcome
