"""A task until its receipt: store the intent and the outcome of the POST, and settle what stayed uncertain.

The row of a task is committed before the POST (intent before money). A receipt goes through the same lifecycle as any
other observation, because a callback may have come before the receipt.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from receiver.events.model.event import EventType
from receiver.store.accounts import AccountStatus, store_account
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.codec import json_object, to_json
from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker
from receiver.tasks.model.event import task_draft
from receiver.tasks.model.lifecycle import apply, ended_by_us
from receiver.tasks.model.queue import FREES_KEY, AccountLimits, NoRoom, NoRoomReason, no_room_refusal
from receiver.tasks.model.rows import task_of, task_row
from receiver.tasks.model.task import IdempotencyMismatch, IncomingObservation, Replayed, SettleRefused, Task, Verdict
from receiver.tasks.queue_repository import room_at
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

SOON_MS = 5_000  # for a repeated request that does not wait in the queue: until its caller has sent it


class SubmissionRepository:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        self._engine = engine
        self._new_id = new_id
        self._publisher = publisher

    async def open_task(
        self,
        task: Task,
        now_ms: int,
        *,
        limits: AccountLimits | None = None,
        request_text: Callable[[], str] = str,
    ) -> Task | Replayed | IdempotencyMismatch:
        """Commit the intent and return the task: submitting (send it now), queued, or refused for lack of room.

        Without `limits` there is always room. `request_text` is stored with a task that is queued. When the idempotency
        key was used before, return that task (Replayed), or IdempotencyMismatch if its request is another. But if that
        submit surely created nothing for a reason that passes, the key is free: the same task goes back to the queue,
        or a new one takes the key over where an event has told of the refusal.

        Raise ValueError for an id that is taken.
        """

        async def work(tx: Tx) -> Task | Replayed | IdempotencyMismatch:
            earlier = await self._earlier(tx, task)
            if earlier is not None:
                if not _is_key_free(earlier, task):
                    return await self._repeated(tx, earlier, task)
                if earlier.final_event is None:
                    return await self._queue_again(tx, earlier, task, request_text(), now_ms)
                await tx.execute("free_request_key", id=earlier.id)
            if opened := await self._insert(tx, task, limits, request_text, now_ms):
                return opened
            earlier = await self._earlier(tx, task)
            if earlier is None:
                message = f"task {task.id} can not be opened twice"
                raise ValueError(message)
            return await self._repeated(tx, earlier, task)

        return await self._engine.write(work)

    async def _earlier(self, tx: Tx, task: Task) -> Task | None:
        if task.idempotency_key is None:
            return None
        row = await tx.fetch_one("task_by_request_key", request_key=task.idempotency_key, key_scope=task.key_scope)
        return None if row is None else task_of(row)

    async def _repeated(self, tx: Tx, earlier: Task, task: Task) -> Replayed | IdempotencyMismatch:
        if earlier.request_hash != task.request_hash:
            return IdempotencyMismatch(task_id=earlier.id)
        if earlier.state is TaskState.SUBMITTING and not earlier.acknowledged:
            # The answer to this repeat is a 202, while the first request is still waiting for its own.
            earlier = replace(earlier, acknowledged=True)
            await tx.execute("update_task", **task_row(earlier))
        return Replayed(task=earlier)

    async def _queue_again(self, tx: Tx, earlier: Task, task: Task, request_text: str, now_ms: int) -> Task:
        queued = _queued(
            replace(
                earlier,
                queued_until_ms=task.queued_until_ms or now_ms + SOON_MS,
                error=None,
                refusal=None,
                refusal_status=None,
            )
        )
        await tx.execute("insert_queued_request", task=queued.id, request=request_text)
        return await self._save(tx, queued, now_ms, {"again": True})

    async def _insert(
        self, tx: Tx, task: Task, limits: AccountLimits | None, request_text: Callable[[], str], now_ms: int
    ) -> Task | None:
        """Return the task as it was stored, None where its id or its key is taken."""
        room = None if limits is None else await self._room(tx, task, limits, now_ms)
        opened, detail = task, {"callback_expected": task.callback_expected}
        if isinstance(room, NoRoom):
            opened, detail = _without_room(task, room, now_ms)
        if not await tx.execute("insert_task", **task_row(opened)):
            return None
        labels = [{"task": task.id, "name": name, "value": value} for name, value in task.labels.items()]
        await tx.execute_many("insert_label", labels)
        await self._add_observation(tx, opened, now_ms, detail=detail)
        if isinstance(room, AccountStatus):
            await store_account(tx, room)
        if opened.state is TaskState.QUEUED:
            await tx.execute("insert_queued_request", task=task.id, request=request_text())
        return opened

    async def _room(self, tx: Tx, task: Task, limits: AccountLimits, now_ms: int) -> AccountStatus | NoRoom:
        room = await room_at(tx, task.provider, limits, now_ms)
        if isinstance(room, NoRoom):
            return room
        ahead = await tx.fetch_one("any_queued", provider=task.provider, priority=task.priority)
        return room if ahead is None else NoRoom(reason=NoRoomReason.BEHIND)

    async def store_receipt(self, task_id: TaskId, receipt: Receipt, *, next_poll_ms: int, now_ms: int) -> Task:
        """The provider named the task. Return it as stored; a state that a callback brought earlier stays.

        An id that the ledger knows as another task's is believed for neither: the task stays uncertain and says why.
        """

        async def work(tx: Tx, task: Task) -> Task:
            if not await self._is_free(tx, task, receipt.provider_task_id):
                return await self._contradicted(tx, task, receipt.provider_task_id, now_ms)
            observation = Observation(
                key=TaskKey(provider=task.provider, provider_task_id=receipt.provider_task_id),
                state=receipt.state,
                source=Source.SUBMIT,
                raw_state=receipt.raw_state,
            )
            change = apply(task, IncomingObservation(observation=observation, next_poll_ms=next_poll_ms), now_ms)
            after = replace(change.task, submits=task.submits + 1)
            detail = {"task_id": receipt.provider_task_id, "receipt": True, "replayed": receipt.replayed}
            await tx.execute("remove_queued_request", task=task_id)
            if receipt.may_be_second:
                detail["may_be_paid_twice"] = True
            return await self._save(tx, after, now_ms, detail, verdict=change.verdict)

        return await self._on_task(task_id, work)

    async def store_refused(self, task_id: TaskId, refused: Refused, now_ms: int, *, tell: bool = False) -> Task:
        """Surely nothing was created. Return the task as stored, unchanged if the provider has reported on it already.

        Refusal and status are stored with the task, so that a repeated idempotency key gets the same answer. Publish
        `task.refused` if a caller was answered 202, or to `tell` where no caller waits for the answer.
        """
        detail = {"refusal": refused.refusal.value, "error": json_object(refused.error), "status": refused.status}

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
            return await self._save(tx, after, now_ms, detail)

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
            return await self._save(tx, after, now_ms, {"reason": uncertain.reason, **named, **accepted})

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
        self, task_id: TaskId, provider_task_id: ProviderTaskId, *, next_poll_ms: int, actor: str, now_ms: int
    ) -> Task | SettleRefused:
        """A person has found that the uncertain submit did create this task of the provider."""

        async def work(tx: Tx, task: Task) -> Task | SettleRefused:
            if refused := await self._reason_not_to_settle(tx, task, now_ms):
                return refused
            if not await self._is_free(tx, task, provider_task_id):
                return SettleRefused(reason=f"{provider_task_id} belongs to another task of {task.provider}")
            after = replace(
                task,
                state=TaskState.SUBMITTED,
                provider_task_id=provider_task_id,
                error=None,
                submitted_ms=now_ms,
                next_poll_ms=next_poll_ms,
                submit_body=None,
            )
            return await self._settle(tx, after, actor, now_ms, {"task_id": provider_task_id})

        return await self._on_task(task_id, work)

    async def settle_refuse(self, task_id: TaskId, *, actor: str, now_ms: int) -> Task | SettleRefused:
        """A person has found that the uncertain submit created nothing."""

        async def work(tx: Tx, task: Task) -> Task | SettleRefused:
            if refused := await self._reason_not_to_settle(tx, task, now_ms):
                return refused
            error = TaskError(code="settled_refused", message=f"settled by {actor}: nothing was created")
            after = await self._publish_refused(tx, replace(task, state=TaskState.REFUSED), error, now_ms)
            return await self._settle(tx, after, actor, now_ms, {"refused": True})

        return await self._on_task(task_id, work)

    async def _reason_not_to_settle(self, tx: Tx, task: Task, now_ms: int) -> SettleRefused | None:
        """A leased task is not settled, because its POST may be repeated right now and create it after all."""
        if task.state is not TaskState.UNCERTAIN:
            return SettleRefused(reason=f"only an uncertain task can be settled; this one is {task.state.value}")
        (row,) = await tx.fetch_all("tasks_by_ids", ids=[task.id])
        if task.submit_body is not None and (row["lease_until_ms"] or 0) > now_ms:
            return SettleRefused(reason="the provider is being polled about it right now; try again in a minute")
        return None

    async def _on_task(self, task_id: TaskId, work: Callable[[Tx, Task], Awaitable[T]]) -> T:
        async def transaction(tx: Tx) -> T:
            found = await tx.fetch_all("tasks_by_ids", ids=[task_id])
            if not found:
                message = f"no task {task_id}"
                raise KeyError(message)
            return await work(tx, task_of(found[0]))

        return await self._engine.write(transaction)

    async def _is_free(self, tx: Tx, task: Task, provider_task_id: ProviderTaskId) -> bool:
        """Whether the provider's id is this task's already, or no task's."""
        owner = await tx.fetch_one("task_by_key", provider=task.provider, provider_task_id=provider_task_id)
        return task.provider_task_id in {None, provider_task_id} and (owner is None or owner["id"] == task.id)

    async def _contradicted(self, tx: Tx, task: Task, provider_task_id: ProviderTaskId, now_ms: int) -> Task:
        if task.state not in UNRESOLVED:
            await self._add_observation(
                tx, task, now_ms, verdict=Verdict.CONTRADICTION, detail={"task_id": provider_task_id, "receipt": True}
            )
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
        await self._add_observation(tx, task, now_ms, detail=detail, source=source, verdict=verdict)
        return task

    async def _settle(self, tx: Tx, task: Task, actor: str, now_ms: int, detail: dict[str, Any]) -> Task:
        entry = AuditEntry(actor=actor, action="settle", detail=detail, task_id=task.id)
        await record_audit(tx, self._new_id, entry, now_ms=now_ms)
        return await self._save(tx, task, now_ms, detail, source=Source.OPERATOR)

    async def _add_observation(
        self,
        tx: Tx,
        task: Task,
        now_ms: int,
        *,
        detail: dict[str, Any],
        source: Source = Source.SUBMIT,
        verdict: Verdict = Verdict.APPLIED,
    ) -> None:
        await tx.execute(
            "insert_observation",
            id=self._new_id("obs", now_ms),
            task=task.id,
            at_ms=now_ms,
            source=source.value,
            state=task.state.value,
            raw_state=task.raw_state,
            verdict=verdict.value,
            detail=to_json(detail),
            raw="",
        )


def _is_key_free(earlier: Task, task: Task) -> bool:
    """Whether the same request may try again under its key. A task without a refusal was settled as refused."""
    if earlier.state is not TaskState.REFUSED or earlier.request_hash != task.request_hash:
        return False
    return earlier.refusal is None or earlier.refusal in FREES_KEY


def _queued(task: Task) -> Task:
    return replace(
        task,
        state=TaskState.QUEUED,
        acknowledged=True,
        next_poll_ms=None,
        deadline_ms=None,
        sent_ms=None,
        submit_body=None,
    )


def _without_room(task: Task, room: NoRoom, now_ms: int) -> tuple[Task, dict[str, Any]]:
    """A new task for which there is no room, and the line of its timeline."""
    if task.queued_until_ms is not None:
        return _queued(task), {"queued": room.reason.value}
    refused = no_room_refusal(room, now_ms)
    after = replace(
        _queued(task), state=TaskState.REFUSED, acknowledged=False, error=refused.error, refusal=refused.refusal
    )
    return after, {"refusal": refused.refusal.value, "error": json_object(refused.error), "status": refused.status}
