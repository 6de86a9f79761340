"""The queue before each provider account, in the ledger, so that all processes share it and a crash loses nothing.

A task leaves the queue in one transaction, which finds room at the account, takes the token and marks the task as
submitting: the intent is durable before the POST, and no two processes send the same task. A process that dies after
that leaves a task that is submitting, which the reconciler finds.

Lock order: the account before its tasks, and both before what `receiver.webhooks.publisher` locks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from receiver.events.model.event import EventType
from receiver.store.accounts import AccountStatus, refill_tokens, store_account
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.codec import RowCodec, json_object
from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker
from receiver.store.leap import is_doubted
from receiver.store.repository import Repository
from receiver.tasks.model.event import task_draft
from receiver.tasks.model.lifecycle import ended_by_us
from receiver.tasks.model.queue import (
    AccountLimits,
    NoRoom,
    NoRoomReason,
    PreparedSubmit,
    QueueDepth,
    QueuePlace,
    after_refusal,
    find_room,
    in_flight_limit,
    queue_time_over,
    unsendable,
)
from receiver.tasks.model.rows import submit_row, task_of, task_row
from receiver.tasks.model.task import Task
from receiver.webhooks.publisher import EventPublisher
from submitter.model import Refused, Source, TaskError, TaskId, TaskState

_DEPTHS = RowCodec(QueueDepth)

#: Makes the POST of a task from its stored request. Raises ValueError with the reason when that is not possible now.
Prepare = Callable[[Task, str], PreparedSubmit]

#: The task as it is sent: with the times that count from now.
Start = Callable[[Task], Task]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A task that only this process sends now; its intent is stored."""

    task: Task
    submit: PreparedSubmit


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsendable:
    """The next task of the queue could not be built any more, and was refused."""

    task: Task


class QueueRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._publisher = publisher

    async def depths(self) -> list[QueueDepth]:
        """Of each account with queued tasks, by name."""
        return await self._all("queue_depths", _DEPTHS.from_row)

    async def place(self, task: Task, now_ms: int) -> QueuePlace | None:
        """Where a task stands; None for one that is not queued."""
        if task.state is not TaskState.QUEUED:
            return None
        before = await self._one("queued_before", dict, provider=task.provider, priority=task.priority, id=task.id)
        depths = {each.provider: each for each in await self.depths()}
        account = await self._one("account_unlocked", dict, provider=task.provider) or {}
        held_ms = account.get("submits_paused_until_ms")
        is_held = held_ms is not None and held_ms > now_ms
        own = depths.get(task.provider)
        position = (before or {}).get("number", 0) + 1
        return QueuePlace(
            position=position,
            depth=max(position, 0 if own is None else own.depth),
            priority=task.priority,
            oldest_ms=task.created_ms if own is None else own.oldest_ms,
            until_ms=task.queued_until_ms,
            held_until_ms=held_ms if is_held else None,
            held_reason=account.get("submits_paused_reason") if is_held else None,
        )

    async def claim_next(
        self,
        provider: str,
        *,
        limits: AccountLimits,
        prepare: Prepare,
        start: Start,
        now_ms: int,
        only: TaskId | None = None,
    ) -> Claimed | Unsendable | NoRoom | None:
        """Take the next task of an account out of the queue, to be sent by the caller and nobody else.

        `only`: this task, if it is the next. Return None when nothing is queued, NoRoom when it has to wait.
        """

        async def work(tx: Tx) -> Claimed | Unsendable | NoRoom | None:
            room = await room_at(tx, provider, limits, now_ms)
            row = await tx.fetch_one("next_queued", provider=provider)
            if row is not None and await _is_over_in_doubt(tx, task_of(row), now_ms):
                row = await tx.fetch_one("next_queued_in_time", provider=provider, now_ms=now_ms)
            if row is None:
                return None
            task = task_of(row)
            if only not in {None, task.id}:
                return NoRoom(reason=NoRoomReason.BEHIND)
            if _is_over(task, now_ms):
                refused = queue_time_over(now_ms - task.created_ms, task.error)
                return Unsendable(task=await self._refuse(tx, task, refused, now_ms))
            if isinstance(room, NoRoom):
                return room
            stored = await tx.fetch_one("queued_request", task=task.id)
            try:
                submit = prepare(task, (stored or {}).get("request", ""))
            except ValueError as error:
                return Unsendable(task=await self._refuse(tx, task, unsendable(str(error)), now_ms))
            await store_account(tx, room)
            begun = start(
                replace(task, state=TaskState.SUBMITTING, error=None, sent_ms=now_ms, submit_body=submit.submit_body)
            )
            await tx.execute("update_task", **task_row(begun))
            await self._observe(tx, begun, now_ms, {"from_queue": True})
            return Claimed(task=begun, submit=submit)

        return await self._engine.write(work)

    async def requeue(
        self, sent: Task, refused: Refused, *, limits: AccountLimits, request_text: str | None, now_ms: int
    ) -> Task:
        """The provider refused a submit for the moment: hold its account back, and put the task into the queue again.

        Return the task as stored: unchanged if the provider has reported on it already, refused if its time in the
        queue is over. `request_text` is None where the request is stored already.
        """

        async def work(tx: Tx) -> Task:
            await _hold_submits(tx, sent, refused, limits, now_ms)
            (row,) = await tx.fetch_all("tasks_by_ids", ids=[sent.id])
            task = task_of(row)
            if task.state is not TaskState.SUBMITTING:
                return task
            waiting = replace(
                task,
                state=TaskState.QUEUED,
                acknowledged=True,
                error=refused.error,
                next_poll_ms=None,
                deadline_ms=None,
                submit_body=None,
                submits=task.submits + 1,
            )
            does_wait = waiting.queued_until_ms is not None
            if not does_wait or (_is_over(waiting, now_ms) and not await is_doubted(tx, now_ms)):
                over = queue_time_over(now_ms - task.created_ms, refused.error)
                return await self._refuse(tx, waiting, over, now_ms)
            await tx.execute("update_task", **task_row(waiting))
            if request_text is not None:
                await tx.execute("insert_queued_request", task=task.id, request=request_text)
            detail = {"refusal": refused.refusal.value, "error": json_object(refused.error), "status": refused.status}
            await self._observe(tx, waiting, now_ms, detail)
            return waiting

        return await self._engine.write(work)

    async def hold_submits(self, sent: Task, refused: Refused, *, limits: AccountLimits, now_ms: int) -> None:
        """What a refusal that does not put its task back means for the account's next submits."""

        async def work(tx: Tx) -> None:
            await _hold_submits(tx, sent, refused, limits, now_ms)

        await self._engine.write(work)

    async def refuse_overdue(self, now_ms: int, *, limit: int = 200) -> int:
        """Refuse the tasks that have waited as long as they may, at most `limit`. Return how many there were.

        None is refused after the clock has leaped ahead; see `receiver.store.leap`. Requests that are no longer needed
        are deleted as well.
        """
        most = min(limit, self._publisher.events_at_once)

        async def work(tx: Tx) -> int:
            found = await tx.fetch_all("queue_time_over", now_ms=now_ms, limit=most)
            if found and await is_doubted(tx, now_ms):
                found = []
            for task in map(task_of, found):
                await self._refuse(tx, task, queue_time_over(now_ms - task.created_ms, task.error), now_ms)
            left = await tx.fetch_all("left_requests", limit=limit)
            await tx.execute_many("remove_queued_request", [{"task": row["task"]} for row in left])
            return len(found)

        return await self._engine.write(work)

    async def cancel(self, task_id: TaskId, *, actor: str, now_ms: int) -> Task | None:
        """Take a task out of the queue for good. Return None if it is not queued (any more)."""

        async def work(tx: Tx) -> Task | None:
            found = await tx.fetch_all("tasks_by_ids", ids=[task_id])
            if not found or found[0]["state"] != TaskState.QUEUED:
                return None
            error = TaskError(code="canceled", message=f"taken out of the queue by {actor}; nothing was created")
            canceled = await self._end(tx, task_of(found[0]), TaskState.CANCELED, EventType.CANCELED, error, now_ms)
            detail = {"queued": True}
            entry = AuditEntry(actor=actor, action="cancel", detail=detail, task_id=task_id)
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            await self._observe(tx, canceled, now_ms, detail, source=Source.OPERATOR)
            return canceled

        return await self._engine.write(work)

    async def _refuse(self, tx: Tx, task: Task, refused: Refused, now_ms: int) -> Task:
        """End a task that a caller was answered 202 for."""
        known = replace(task, refusal=refused.refusal, refusal_status=refused.status)
        ended = await self._end(tx, known, TaskState.REFUSED, EventType.REFUSED, refused.error, now_ms)
        detail = {"refusal": refused.refusal.value, "error": json_object(refused.error), "status": refused.status}
        await self._observe(tx, ended, now_ms, detail)
        return ended

    async def _end(self, tx: Tx, task: Task, state: TaskState, event: EventType, error: TaskError, now_ms: int) -> Task:
        ended = ended_by_us(task, state, error, self._new_id("evt", now_ms), now_ms)
        await tx.execute("update_task", **task_row(ended))
        await tx.execute("remove_queued_request", task=task.id)
        await self._publisher.publish(tx, [task_draft(ended.final_event or "", event, ended)], now_ms=now_ms)
        return ended

    async def _observe(
        self, tx: Tx, task: Task, now_ms: int, detail: dict[str, Any], *, source: Source = Source.SUBMIT
    ) -> None:
        row = submit_row(self._new_id("obs", now_ms), task, now_ms, detail=detail, source=source)
        await tx.execute("insert_observation", **row)


async def room_at(tx: Tx, provider: str, limits: AccountLimits, now_ms: int) -> AccountStatus | NoRoom:
    """The account as it is once one more task is sent, to be stored with that task; its row stays locked."""
    account = await refill_tokens(tx, provider, limits.budget, now_ms)
    in_flight = 0 if in_flight_limit(account, limits) is None else await _in_flight(tx, provider, beside="")
    return find_room(account, limits, in_flight, now_ms)


def _is_over(task: Task, now_ms: int) -> bool:
    return task.queued_until_ms is not None and task.queued_until_ms <= now_ms


async def _is_over_in_doubt(tx: Tx, task: Task, now_ms: int) -> bool:
    """It may have waited too long, so it is neither sent nor refused until the clock is believed; others go on."""
    return _is_over(task, now_ms) and await is_doubted(tx, now_ms)


async def _in_flight(tx: Tx, provider: str, *, beside: str) -> int:
    row = await tx.fetch_one("in_flight", provider=provider, beside=beside)
    return int((row or {})["number"])


async def _hold_submits(tx: Tx, sent: Task, refused: Refused, limits: AccountLimits, now_ms: int) -> None:
    account = await refill_tokens(tx, sent.provider, limits.budget, now_ms)
    others = await _in_flight(tx, sent.provider, beside=sent.id)
    after = after_refusal(account, refused, limits, others_in_flight=others, now_ms=now_ms)
    if after != account:
        await store_account(tx, after)
