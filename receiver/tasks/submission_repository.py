"""A task until its receipt: store the intent and the outcome of the POST, and settle what stayed uncertain.

The row of a task is committed before the POST (intent before money). A receipt goes through the same lifecycle as any
other observation, because a callback may have come before the receipt.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from receiver.events.model.event import EventType
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker
from receiver.tasks.model.event import task_draft
from receiver.tasks.model.lifecycle import apply, ended_by_us
from receiver.tasks.model.rows import refusal_detail, task_of, task_row
from receiver.tasks.model.settle import (
    OperatorId,
    belongs_to_another,
    is_correctable,
    settled_meanwhile,
    uncertain_again,
    why_not_settled,
    without_wrong_id,
)
from receiver.tasks.model.task import IncomingObservation, SettleRefused, Task, Verdict
from receiver.tasks.model.unusable import NewLine
from receiver.tasks.opening_repository import OpeningRepository
from receiver.tasks.timeline_repository import add_answer, add_line, line_row
from receiver.webhooks.publisher import EventPublisher
from submitter.model import (
    UNRESOLVED,
    Observation,
    ProviderTaskId,
    Receipt,
    Refused,
    Source,
    TaskError,
    TaskId,
    TaskKey,
    TaskState,
    Uncertain,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A receipt that is to be stored; see `SubmissionRepository.store_receipt`."""

    task_id: TaskId
    receipt: Receipt
    next_poll_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A task after its receipt, and the line of its timeline."""

    task: Task
    line: NewLine


class SubmissionRepository(OpeningRepository):
    """Opens tasks, and stores what becomes of their submits.

    Each verb is one transaction and raises StoreUnavailable as a whole.
    """

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        super().__init__(engine, new_id)
        self._publisher = publisher

    async def store_receipt(self, task_id: TaskId, receipt: Receipt, *, next_poll_ms: int, now_ms: int) -> Task:
        """The provider named the task. Return it as stored; a state that a callback brought earlier stays.

        An id that the ledger knows as another task's is believed for neither: the task stays uncertain and says why.
        """
        stored = StoredReceipt(task_id=task_id, receipt=receipt, next_poll_ms=next_poll_ms)
        return (await self.store_receipts([stored], now_ms))[0]

    async def store_receipts(
        self, receipts: Sequence[StoredReceipt], now_ms: int, *, waited_s: float = 0.0
    ) -> list[Task]:
        """As `store_receipt`, for several in one transaction; the tasks as stored, in the order of `receipts`.

        `waited_s`: as in `Engine.write`.
        """

        async def work(tx: Tx) -> list[Task]:
            found = await tx.fetch_all(
                "tasks_by_keys_or_ids",
                provider_task_ids=[each.receipt.provider_task_id for each in receipts],
                ids=[each.task_id for each in receipts],
            )
            tasks = {task.id: task for task in map(task_of, found)}
            holders = Counter(each.provider_task_id for each in tasks.values() if each.provider_task_id is not None)
            holders.update(each.receipt.provider_task_id for each in receipts)
            changes: list[_Received] = []
            stored: list[Task] = []
            for each in receipts:
                task = tasks[each.task_id]
                # Once: only by this receipt. Anything else needs a closer look.
                is_plain = task.provider_task_id is None and holders[each.receipt.provider_task_id] == 1
                if is_plain:
                    changes.append(_received(task, each, now_ms))
                    stored.append(changes[-1].task)
                else:
                    stored.append(await self._take_receipt(tx, task, each, now_ms))
            await self._write_received(tx, changes, now_ms)
            return stored

        return await self._engine.write(work, waited_s=waited_s)

    async def _take_receipt(self, tx: Tx, task: Task, receipt: StoredReceipt, now_ms: int) -> Task:
        named = receipt.receipt.provider_task_id
        if not await self._may_take(tx, task, named, now_ms):
            return await self._contradicted(tx, task, named, now_ms)
        change = _received(task, receipt, now_ms)
        await self._write_received(tx, [change], now_ms)
        return change.task

    async def _write_received(self, tx: Tx, changes: Sequence[_Received], now_ms: int) -> None:
        # Whoever was queued was told so, and only those have a whole request stored.
        await tx.execute_many("remove_queued_request", [{"task": e.task.id} for e in changes if e.task.acknowledged])
        await tx.execute_many("update_task", [task_row(each.task) for each in changes])
        lines = [line_row(self._new_id, each.task, each.line, now_ms) for each in changes]
        await tx.execute_many("insert_observation", lines)

    async def store_refused(self, task_id: TaskId, refused: Refused, now_ms: int, *, tell: bool = False) -> Task:
        """Surely nothing was created. Return the task as stored, unchanged if the provider has reported on it already.

        Refusal and status are stored with the task, so that a repeated idempotency key gets the same answer. Publish
        `task.refused` if a caller was answered 202, or to `tell` where no caller waits for the answer.
        """

        async def work(tx: Tx, task: Task) -> Task:
            if task.state not in UNRESOLVED:
                return task
            after = replace(
                task,
                state=TaskState.REFUSED,
                error=refused.error,
                refusal=refused.refusal,
                refusal_status=refused.status,
                next_poll_ms=None,
                deadline_ms=None,
                submit_body=None,
                submits=task.submits + 1,
            )
            await tx.execute("remove_queued_request", task=task_id)
            if tell or task.acknowledged:
                after = await self._publish_refused(tx, after, refused.error, now_ms)
            return await self._save_answer(tx, after, now_ms, refusal_detail(refused), refused.raw)

        return await self._on_task(task_id, work)

    async def store_uncertain(
        self, task_id: TaskId, uncertain: Uncertain, *, next_poll_ms: int | None, now_ms: int
    ) -> Task:
        """The task may exist and may have been paid.

        Return the task as stored, unchanged if the provider has reported on it already. The first time, publish
        `task.uncertain` for those who name the type.
        """

        async def work(tx: Tx, task: Task) -> Task:
            if task.state not in UNRESOLVED:
                return task
            error = TaskError(code="uncertain", message=uncertain.reason)
            after = replace(
                task, state=TaskState.UNCERTAIN, error=error, next_poll_ms=next_poll_ms, submits=task.submits + 1
            )
            after = await self._publish_uncertain(tx, task, after, now_ms)
            named = {"task_id": uncertain.provider_task_id} if uncertain.provider_task_id else {}
            accepted = {"accepted": True} if uncertain.was_accepted else {}
            detail = {"reason": uncertain.reason, **named, **accepted}
            return await self._save_answer(tx, after, now_ms, detail, uncertain.raw)

        return await self._on_task(task_id, work)

    async def earlier_answer(self, task_id: TaskId) -> Uncertain:
        """What the answers to the earlier POSTs of an open submit prove together: acceptance, and the last id named."""
        rows = await self._engine.read(lambda reader: reader.fetch_all("observations_of_task", task=task_id))
        details = [json.loads(row["detail"]) for row in rows]
        named = [detail["task_id"] for detail in details if detail.get("reason") and detail.get("task_id")]
        return Uncertain(
            reason="an earlier POST got no clear answer",
            provider_task_id=ProviderTaskId(named[-1]) if named else None,
            was_accepted=any(detail.get("accepted") for detail in details),
        )

    async def settle_adopt(
        self, task_id: TaskId, given: OperatorId, *, actor: str, now_ms: int
    ) -> Task | SettleRefused:
        """A person has found that the uncertain submit did create this task of the provider, which is due now.

        An id that a person gave before is replaced.
        """
        provider_task_id = given.provider_task_id

        async def work(tx: Tx, task: Task) -> Task | SettleRefused:
            if refused := await self._reason_not_to_settle(tx, task, now_ms):
                return refused
            if task.provider_task_id != given.instead_of:
                return settled_meanwhile(task)
            owner = await self._owner(tx, task.provider, provider_task_id)
            if refused := belongs_to_another(task, provider_task_id, owner):
                return refused
            after = replace(
                without_wrong_id(task),
                state=TaskState.SUBMITTED,
                provider_task_id=provider_task_id,
                settled=True,
                error=None,
                submitted_ms=now_ms,
                next_poll_ms=now_ms,
                submit_body=None,
            )
            detail = {"task_id": provider_task_id, "instead_of": given.instead_of, "found": given.found}
            present = {name: value for name, value in detail.items() if value}
            stored = await self._settle(tx, after, actor, now_ms, present)
            await tx.execute("make_due", id=task.id, now_ms=now_ms)  # a poll under way is about the id before
            return stored

        return await self._on_task(task_id, work)

    async def settle_refuse(
        self, task_id: TaskId, *, actor: str, now_ms: int, seen: str | None = None
    ) -> Task | SettleRefused:
        """A person has found that the uncertain submit created nothing.

        `seen` is the provider's id that the task had when the person saw it, empty for none; None takes any.
        """

        async def work(tx: Tx, task: Task) -> Task | SettleRefused:
            if refused := await self._reason_not_to_settle(tx, task, now_ms):
                return refused
            if seen is not None and (task.provider_task_id or "") != seen:
                return settled_meanwhile(task)
            error = TaskError(code="settled_refused", message=f"settled by {actor}: nothing was created")
            after = await self._publish_refused(
                tx, replace(without_wrong_id(task), state=TaskState.REFUSED), error, now_ms
            )
            return await self._settle(tx, after, actor, now_ms, {"refused": True})

        return await self._on_task(task_id, work)

    async def _reason_not_to_settle(self, tx: Tx, task: Task, now_ms: int) -> SettleRefused | None:
        (row,) = await tx.fetch_all("tasks_by_ids", ids=[task.id])
        reason = why_not_settled(task, lease_until_ms=row["lease_until_ms"], now_ms=now_ms)
        return None if reason is None else SettleRefused(reason=reason)

    async def _on_task(self, task_id: TaskId, work: Callable[[Tx, Task], Awaitable[T]]) -> T:
        async def transaction(tx: Tx) -> T:
            found = await tx.fetch_all("tasks_by_ids", ids=[task_id])
            if not found:
                message = f"no task {task_id}"
                raise KeyError(message)
            return await work(tx, task_of(found[0]))

        return await self._engine.write(transaction)

    async def _owner(self, tx: Tx, provider: str, provider_task_id: ProviderTaskId) -> Task | None:
        row = await tx.fetch_one("task_by_key", provider=provider, provider_task_id=provider_task_id)
        return None if row is None else task_of(row)

    async def _may_take(self, tx: Tx, task: Task, provider_task_id: ProviderTaskId, now_ms: int) -> bool:
        """Whether the provider's id is this task's already, or no task's and a receipt may give it to this one.

        Another task that has it from an operator loses it.
        """
        owner = await self._owner(tx, task.provider, provider_task_id)
        if owner is not None and owner.id != task.id and is_correctable(owner):
            after = uncertain_again(owner, task.id)
            detail = {"reason": after.error.message if after.error else ""}
            await self._save(tx, after, now_ms, detail, verdict=Verdict.CONTRADICTION)
            owner = None
        is_open = task.provider_task_id in {None, provider_task_id} or is_correctable(task)
        return is_open and (owner is None or owner.id == task.id)

    async def _contradicted(self, tx: Tx, task: Task, provider_task_id: ProviderTaskId, now_ms: int) -> Task:
        if task.state not in UNRESOLVED:
            detail = {"task_id": provider_task_id, "receipt": True}
            line = NewLine(source=Source.SUBMIT, verdict=Verdict.CONTRADICTION, detail=detail)
            await add_line(tx, self._new_id, task, line, now_ms)
            return task
        reason = f"the provider's receipt names {provider_task_id}, which belongs to another task"
        after = replace(
            task, state=TaskState.UNCERTAIN, error=TaskError(code="uncertain", message=reason), next_poll_ms=None
        )
        after = await self._publish_uncertain(tx, task, after, now_ms)
        return await self._save(tx, after, now_ms, {"reason": reason})

    async def _publish_refused(self, tx: Tx, task: Task, error: TaskError, now_ms: int) -> Task:
        """The end of a task for which a caller was answered 202."""
        ended = ended_by_us(task, TaskState.REFUSED, error, self._new_id("evt", now_ms), now_ms)
        draft = task_draft(ended.final_event or "", EventType.REFUSED, ended)
        await self._publisher.publish(tx, [draft], now_ms=now_ms)
        return ended

    async def _publish_uncertain(self, tx: Tx, before: Task, after: Task, now_ms: int) -> Task:
        await tx.execute("remove_queued_request", task=after.id)
        if before.state is not TaskState.UNCERTAIN:
            draft = task_draft(self._new_id("evt", now_ms), EventType.UNCERTAIN, after)
            await self._publisher.publish(tx, [draft], now_ms=now_ms)
        return replace(after, acknowledged=True)

    async def _save(
        self,
        tx: Tx,
        task: Task,
        now_ms: int,
        detail: dict[str, Any],
        *,
        source: Source = Source.SUBMIT,
        verdict: Verdict = Verdict.APPLIED,
    ) -> Task:
        await tx.execute("update_task", **task_row(task))
        line = NewLine(source=source, verdict=verdict, detail=detail)
        await add_line(tx, self._new_id, task, line, now_ms)
        return task

    async def _save_answer(self, tx: Tx, task: Task, now_ms: int, detail: dict[str, Any], raw: bytes) -> Task:
        """An answer that is no receipt. The same one to a repeated POST is counted in the line of the first."""
        await tx.execute("update_task", **task_row(task))
        line = NewLine(source=Source.SUBMIT, verdict=Verdict.APPLIED, detail=detail, raw=raw)
        await add_answer(tx, self._new_id, task, line, now_ms)
        return task

    async def _settle(self, tx: Tx, task: Task, actor: str, now_ms: int, detail: dict[str, Any]) -> Task:
        entry = AuditEntry(actor=actor, action="settle", detail=detail, task_id=task.id)
        await record_audit(tx, self._new_id, entry, now_ms=now_ms)
        return await self._save(tx, task, now_ms, detail, source=Source.OPERATOR)


def _received(task: Task, stored: StoredReceipt, now_ms: int) -> _Received:
    receipt = stored.receipt
    observation = Observation(
        key=TaskKey(provider=task.provider, provider_task_id=receipt.provider_task_id),
        state=receipt.state,
        source=Source.SUBMIT,
        raw_state=receipt.raw_state,
    )
    incoming = IncomingObservation(observation=observation, expected_task_id=task.id, next_poll_ms=stored.next_poll_ms)
    change = apply(task, incoming, now_ms)
    detail = {"task_id": receipt.provider_task_id, "receipt": True, "replayed": receipt.replayed}
    if receipt.may_be_second:
        detail["may_be_paid_twice"] = True
    line = NewLine(source=Source.SUBMIT, verdict=change.verdict, detail=detail)
    return _Received(task=replace(change.task, submits=task.submits + 1), line=line)
