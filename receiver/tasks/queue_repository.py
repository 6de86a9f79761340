"""The queue before each provider account, in the ledger, so that all processes share it and a crash loses nothing.

A task leaves the queue in one transaction, which finds room at the account, takes the token and marks the task as
submitting: the intent is durable before the POST, and no two processes send the same task. A process that dies after
that leaves a task that is submitting, which the reconciler finds.

Lock order: the account before its tasks, and both before what `receiver.webhooks.publisher` locks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from receiver.events.model.event import EventDraft, EventType
from receiver.store.accounts import AccountStatus, account_of, refill_tokens, store_account
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.codec import RowCodec
from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker
from receiver.store.leap import is_doubted
from receiver.store.repository import Repository
from receiver.tasks.model.event import task_draft
from receiver.tasks.model.lifecycle import ended_by_us, queued
from receiver.tasks.model.queue import (
    AccountLimits,
    NoRoom,
    PreparedSubmit,
    QueueDepth,
    QueuePlace,
    after_refusal,
    find_room,
    in_flight_limit,
    is_concurrency,
    queue_time_over,
    unsendable,
)
from receiver.tasks.model.queue_list import QueuedTask
from receiver.tasks.model.request import LARGE_CHARACTERS
from receiver.tasks.model.rows import refusal_detail, task_of, task_row
from receiver.tasks.model.task import Task, Verdict
from receiver.tasks.model.unusable import NewLine
from receiver.tasks.timeline_repository import add_answer
from receiver.webhooks.model.provider_events import began
from receiver.webhooks.publisher import EventPublisher
from receiver.webhooks.reporter import tell_began
from submitter.model import Refused, Source, TaskError, TaskId, TaskState

_DEPTHS = RowCodec(QueueDepth)

_NEEDS_REQUEST = frozenset({TaskState.QUEUED, TaskState.SUBMITTING})  # states in which the whole request stays stored

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeRequest:
    """The next task of the queue has room, and is not claimed yet: its POST is prepared outside the transaction."""

    task: Task
    request_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The POST of a task as it was read, or why there is none."""

    task: Task
    submit: PreparedSubmit | ValueError


def prepared_from(request: LargeRequest, prepare: Prepare) -> Prepared:
    try:
        return Prepared(task=request.task, submit=prepare(request.task, request.request_text))
    except ValueError as error:
        return Prepared(task=request.task, submit=error)


class QueueRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._publisher = publisher

    async def waiting(self) -> list[str]:
        """The accounts with queued tasks."""
        return [row["provider"] for row in await self._all("queued_providers", dict)]

    async def depths(self) -> list[QueueDepth]:
        """Of each account with queued tasks, by name."""
        return await self._all("queue_depths", _DEPTHS.from_row)

    async def place(self, task: Task, now_ms: int) -> QueuePlace | None:
        """Where a task stands; None for one that is not queued."""
        if task.state is not TaskState.QUEUED:
            return None
        own = {"provider": task.provider}
        order: dict[str, Any] = {"priority": task.priority, "queued_ms": task.waits_since_ms, "id": task.id}
        before = await self._one("queued_before", dict, **own, **order) or {"number": 0}
        depth = await self._one("queue_of_account", _DEPTHS.from_row, **own)
        account = await self._one("account_unlocked", account_of, **own)
        return QueuedTask(task=task, position=before["number"] + 1).place(depth, account, now_ms)

    async def claim_next(
        self,
        provider: str,
        *,
        limits: AccountLimits,
        prepare: Prepare,
        start: Start,
        now_ms: int,
        prepared: Prepared | None = None,
    ) -> Claimed | Unsendable | LargeRequest | NoRoom | None:
        """Take the next task of an account out of the queue, to be sent by the caller and nobody else.

        Return None when nothing is queued, NoRoom when it has to wait, LargeRequest when its POST is to be `prepared`
        first; that counts only while the task is unchanged.
        """

        async def work(tx: Tx) -> Claimed | Unsendable | LargeRequest | NoRoom | None:
            room = await room_at(tx, provider, limits, now_ms)
            task = await _next_queued(tx, provider, now_ms)
            if task is None:
                return None
            if _is_over(task, now_ms):
                refused = queue_time_over(now_ms - task.waits_since_ms, task.error)
                return Unsendable(task=await self._refuse(tx, task, refused, now_ms))
            if isinstance(room, NoRoom):
                return room
            ready = prepared if prepared is not None and prepared.task == task else None
            if ready is None:
                stored = await tx.fetch_one("queued_request", task=task.id)
                request = LargeRequest(task=task, request_text=(stored or {}).get("request", ""))
                if len(request.request_text) > LARGE_CHARACTERS:
                    return request
                ready = prepared_from(request, prepare)
            submit = ready.submit
            if isinstance(submit, ValueError):
                return Unsendable(task=await self._refuse(tx, task, unsendable(str(submit)), now_ms))
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

        async def put_back(tx: Tx) -> Task:
            (row,) = await tx.fetch_all("tasks_by_ids", ids=[sent.id])
            task = task_of(row)
            if task.state is not TaskState.SUBMITTING:
                return task
            waiting = replace(queued(task), error=refused.error, submits=task.submits + 1)
            await self._observe(tx, waiting, now_ms, _refusal_line(refused), raw=refused.raw)
            does_wait = waiting.queued_until_ms is not None
            if not does_wait or (_is_over(waiting, now_ms) and not await is_doubted(tx, now_ms)):
                over = queue_time_over(now_ms - task.waits_since_ms, refused.error)
                return await self._refuse(tx, waiting, over, now_ms)
            await tx.execute("update_task", **task_row(waiting))
            if request_text is not None:
                await tx.execute("insert_queued_request", task=task.id, request=request_text)
            return waiting

        async def work(tx: Tx) -> tuple[Task, list[EventDraft]]:
            before, after = await _hold_submits(tx, sent, refused, limits, now_ms)
            return await put_back(tx), await self._publish_began(tx, before, after, now_ms)

        task, drafts = await self._engine.write(work)
        tell_began(drafts)
        return task

    async def hold_submits(self, sent: Task, refused: Refused, *, limits: AccountLimits, now_ms: int) -> None:
        """What a refusal that does not put its task back, one of `HOLDING`, means for the account's next submits."""

        async def work(tx: Tx) -> list[EventDraft]:
            before, after = await _hold_submits(tx, sent, refused, limits, now_ms)
            return await self._publish_began(tx, before, after, now_ms)

        tell_began(await self._engine.write(work))

    async def refuse_overdue(self, now_ms: int, *, limit: int = 200) -> list[Task]:
        """Refuse the tasks that have waited as long as they may, at most `limit`. Return them as refused.

        It only reads when there is none. None is refused after the clock has leaped ahead; see `receiver.store.leap`.
        """
        if await self._one("any_queue_time_over", dict, now_ms=now_ms) is None:
            return []

        async def work(tx: Tx) -> list[Task]:
            found = await tx.fetch_all("queue_time_over", now_ms=now_ms, limit=limit)
            if found and await is_doubted(tx, now_ms):
                found = []
            refused = []
            for task in map(task_of, found):
                over = queue_time_over(now_ms - task.waits_since_ms, task.error)
                refused.append(await self._refuse(tx, task, over, now_ms))
            return refused

        return await self._engine.write(work)

    async def remove_left_requests(self, after: str, *, limit: int = 200) -> str:
        """Delete stored requests of tasks that are not to be sent any more: a callback came before the receipt.

        Look at `limit` requests after a task id, and return after which one to go on: "" once all were looked at. It
        only reads when there is none.
        """
        rows = await self._all("stored_requests", dict, after=after, limit=limit)
        left = [row["task"] for row in rows if row["state"] not in _NEEDS_REQUEST]

        async def work(tx: Tx) -> None:
            locked = await tx.fetch_all("tasks_by_ids", ids=left)  # one may have been queued again meanwhile
            needed = {row["id"] for row in locked if row["state"] in _NEEDS_REQUEST}
            gone = [{"task": task} for task in left if task not in needed]
            await tx.execute_many("remove_queued_request", gone)

        if left:
            await self._engine.write(work)
        return max(row["task"] for row in rows) if len(rows) == limit else ""

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

    async def _publish_began(
        self, tx: Tx, before: AccountStatus, after: AccountStatus, now_ms: int
    ) -> list[EventDraft]:
        """Last in its transaction, because the counter of events is the last row that one locks."""
        drafts = list(began(before, after, new_id=self._new_id, now_ms=now_ms))
        await self._publisher.publish(tx, drafts, now_ms=now_ms)
        return drafts

    async def _refuse(self, tx: Tx, task: Task, refused: Refused, now_ms: int) -> Task:
        """End a task that a caller was answered 202 for."""
        known = replace(task, refusal=refused.refusal, refusal_status=refused.status)
        ended = await self._end(tx, known, TaskState.REFUSED, EventType.REFUSED, refused.error, now_ms)
        await self._observe(tx, ended, now_ms, refusal_detail(refused))
        return ended

    async def _end(self, tx: Tx, task: Task, state: TaskState, event: EventType, error: TaskError, now_ms: int) -> Task:
        ended = ended_by_us(task, state, error, self._new_id("evt", now_ms), now_ms)
        await tx.execute("update_task", **task_row(ended))
        await tx.execute("remove_queued_request", task=task.id)
        await self._publisher.publish(tx, [task_draft(ended.final_event or "", event, ended)], now_ms=now_ms)
        return ended

    async def _observe(
        self,
        tx: Tx,
        task: Task,
        now_ms: int,
        detail: dict[str, Any],
        *,
        source: Source = Source.SUBMIT,
        raw: bytes = b"",
    ) -> None:
        line = NewLine(source=source, verdict=Verdict.APPLIED, detail=detail, raw=raw)
        await add_answer(tx, self._new_id, task, line, now_ms)


def _refusal_line(refused: Refused) -> dict[str, Any]:
    """With a reason, so that the same refusal of the next try is counted and makes no line of its own."""
    return {"reason": f"{refused.error.code}: {refused.error.message}", **refusal_detail(refused)}


async def room_at(
    tx: Tx, provider: str, limits: AccountLimits, now_ms: int, *, unstored: int = 0
) -> AccountStatus | NoRoom:
    """The account as it is once one more task is sent, to be stored with that task; its row stays locked.

    `unstored`: tasks that have room already, and that this transaction stores afterwards.
    """
    account = await refill_tokens(tx, provider, limits.budget, now_ms)
    in_flight = 0 if in_flight_limit(account, limits) is None else await count_in_flight(tx, provider, beside="")
    return find_room(account, limits, in_flight + unstored, now_ms)


def _is_over(task: Task, now_ms: int) -> bool:
    return task.queued_until_ms is not None and task.queued_until_ms <= now_ms


async def _next_queued(tx: Tx, provider: str, now_ms: int) -> Task | None:
    """What may have waited too long is neither sent nor refused while the clock is doubted; others go before it."""
    row = await tx.fetch_one("next_queued", provider=provider, after_ms=0)
    if row is not None and _is_over(task_of(row), now_ms) and await is_doubted(tx, now_ms):
        row = await tx.fetch_one("next_queued", provider=provider, after_ms=now_ms)
    return None if row is None else task_of(row)


async def count_in_flight(tx: Tx, provider: str, *, beside: str) -> int:
    """How many tasks an account has in flight beside one."""
    row = await tx.fetch_one("in_flight", provider=provider, beside=beside)
    return int((row or {})["number"])


async def _hold_submits(
    tx: Tx, sent: Task, refused: Refused, limits: AccountLimits, now_ms: int
) -> tuple[AccountStatus, AccountStatus]:
    """Return the account before and after."""
    account = await refill_tokens(tx, sent.provider, limits.budget, now_ms)
    others = await count_in_flight(tx, sent.provider, beside=sent.id) if is_concurrency(refused) else 0
    after = after_refusal(account, refused, limits, others_in_flight=others, now_ms=now_ms)
    if after != account:
        await store_account(tx, after)
    return account, after
