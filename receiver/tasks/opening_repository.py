"""A request becomes a task in the ledger: sent at once, queued, or the task that its idempotency key stands for."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from receiver.store.accounts import AccountStatus, refill_tokens, store_account
from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker
from receiver.tasks.model.lifecycle import opened_again, queued
from receiver.tasks.model.queue import (
    FREES_KEY,
    AccountLimits,
    NoRoom,
    NoRoomReason,
    find_room,
    in_flight_limit,
    no_room_refusal,
)
from receiver.tasks.model.rows import refusal_detail, task_of, task_row
from receiver.tasks.model.task import FreeKey, IdempotencyMismatch, Replayed, Task, Verdict
from receiver.tasks.model.unusable import NewLine
from receiver.tasks.queue_repository import count_in_flight, room_at
from receiver.tasks.timeline_repository import add_answer, line_row
from submitter.model import Source, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A task that is to be opened; see `OpeningRepository.open_task`."""

    task: Task
    limits: AccountLimits | None = None
    request_text: str = field(default="", repr=False)


Opened = Task | Replayed | FreeKey | IdempotencyMismatch


class OpeningRepository:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        self._engine = engine
        self._new_id = new_id

    async def open_task(
        self,
        task: Task,
        now_ms: int,
        *,
        limits: AccountLimits | None = None,
        request_text: str = "",
    ) -> Opened:
        """Commit the intent and return the task: submitting (send it now), queued, or refused for lack of room.

        Without `limits` there is always room. `request_text` is stored with a task that is queued. When the idempotency
        key was used before, return that task (Replayed), or IdempotencyMismatch if its request is another. But if that
        submit surely created nothing for a reason that passes, the key is free: return FreeKey, and open that task
        again when `task` has its id. A new one takes the key over where an event has told of the refusal.

        Raise ValueError for an id that is taken.
        """
        opening = Opening(task=task, limits=limits, request_text=request_text)
        return (await self.open_tasks([opening], now_ms))[0]

    async def open_tasks(self, openings: Sequence[Opening], now_ms: int, *, waited_s: float = 0.0) -> list[Opened]:
        """As `open_task`, for several in one transaction; what each comes to, in their order.

        Rows are locked in one order in every such transaction, so that two never wait for each other: the accounts by
        name, the tasks of known keys by id, and new tasks by key. `waited_s`: as in `Engine.write`.
        """

        async def work(tx: Tx) -> list[Opened]:
            sent = await self._take_rooms(tx, openings, now_ms)
            opened: dict[int, Opened] = {}
            unstored = Counter(task.provider for task in sent.values())
            for number in sorted(range(len(openings)), key=lambda number: _key_order(openings[number].task)):
                task = sent.get(number)
                if task is not None:
                    unstored[task.provider] -= 1
                if task is not None and await tx.execute_and_count("insert_task", **task_row(task)):
                    opened[number] = task
                else:
                    sent.pop(number, None)
                    opened[number] = await self._open(tx, openings[number], unstored, now_ms)
            await self._describe(tx, list(sent.values()), now_ms)
            return [opened[number] for number in range(len(openings))]

        return await self._engine.write(work, waited_s=waited_s)

    async def _take_rooms(self, tx: Tx, openings: Sequence[Opening], now_ms: int) -> dict[int, Task]:
        """Lock all accounts and known tasks. Return the tasks that are sent at once, by their place in `openings`.

        Left out are those that need a closer look: with an idempotency key that is known or given twice, or without
        room at once.
        """
        keys = Counter(each.task.idempotency_key for each in openings)
        given = [key for key, count in keys.items() if key is not None and count == 1]
        asked = [key for key in keys if key is not None]
        known = [row["request_key"] for row in await tx.fetch_all("known_request_keys", keys=asked)] if asked else []
        fresh = {None, *given}.difference(known)
        sent: dict[int, Task] = {}
        limited = {number: each for number, each in enumerate(openings) if each.limits is not None}
        for provider in sorted({each.task.provider for each in limited.values()}):
            own = {number: each for number, each in limited.items() if each.task.provider == provider}
            sent |= await _take_room(tx, own, lambda each: each.task.idempotency_key in fresh, now_ms)
        if known:
            await tx.execute("lock_request_keys", keys=known)
        return sent

    async def _describe(self, tx: Tx, tasks: Sequence[Task], now_ms: int) -> None:
        """Store the labels of new tasks that are sent at once, and the first line of each timeline."""
        labels = [
            {"task": task.id, "name": name, "value": value} for task in tasks for name, value in task.labels.items()
        ]
        await tx.execute_many("insert_label", labels)
        lines = [line_row(self._new_id, task, _line(_detail(task)), now_ms) for task in tasks]
        await tx.execute_many("insert_observation", lines)

    async def _open(self, tx: Tx, opening: Opening, unstored: Mapping[str, int], now_ms: int) -> Opened:
        """`unstored`: how many tasks of each provider have room and are stored after this one."""
        task = opening.task
        earlier = await self._earlier(tx, task)
        if earlier is not None:
            if not _is_key_free(earlier, task):
                return await self._repeated(tx, earlier, task)
            if earlier.final_event is None and earlier.id != task.id:
                return FreeKey(task=earlier)
            if earlier.final_event is None:
                return await self._open_again(tx, earlier, opening, unstored, now_ms)
            await tx.execute("free_request_key", id=earlier.id)
        if opened := await self._insert(tx, opening, unstored, now_ms):
            return opened
        earlier = await self._earlier(tx, task)
        if earlier is None:
            message = f"task {task.id} can not be opened twice"
            raise ValueError(message)
        return await self._repeated(tx, earlier, task)

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

    async def _open_again(
        self, tx: Tx, earlier: Task, opening: Opening, unstored: Mapping[str, int], now_ms: int
    ) -> Task:
        """What a new task would come to: submitting, queued, or refused for lack of room."""
        again = replace(opened_again(earlier, opening.task), queued_ms=now_ms)
        opened, room, detail = await self._placed(tx, replace(opening, task=again), {}, unstored, now_ms)
        await tx.execute("update_task", **task_row(opened))
        await self._observe(tx, opened, now_ms, {"again": True, **detail})
        await self._keep(tx, opened, room, opening.request_text)
        return opened

    async def _insert(self, tx: Tx, opening: Opening, unstored: Mapping[str, int], now_ms: int) -> Task | None:
        """Return the task as it was stored, None where its id or its key is taken."""
        task = opening.task
        opened, room, detail = await self._placed(tx, opening, _detail(task), unstored, now_ms)
        if not await tx.execute_and_count("insert_task", **task_row(opened)):
            return None
        labels = [{"task": task.id, "name": name, "value": value} for name, value in task.labels.items()]
        await tx.execute_many("insert_label", labels)
        await self._observe(tx, opened, now_ms, detail)
        await self._keep(tx, opened, room, opening.request_text)
        return opened

    async def _placed(
        self, tx: Tx, opening: Opening, sent: dict[str, Any], unstored: Mapping[str, int], now_ms: int
    ) -> tuple[Task, AccountStatus | NoRoom | None, dict[str, Any]]:
        """The task as it is with the room that there is, and the line of its timeline: `sent` for one that is sent."""
        task, limits = opening.task, opening.limits
        room = None if limits is None else await self._room(tx, task, limits, unstored[task.provider], now_ms)
        if isinstance(room, NoRoom):
            opened, detail = _without_room(task, room, now_ms)
            return opened, room, detail
        return task, room, sent

    async def _keep(self, tx: Tx, opened: Task, room: AccountStatus | NoRoom | None, request_text: str) -> None:
        """Store the token that it took, and the request of one that waits."""
        if isinstance(room, AccountStatus):
            await store_account(tx, room)
        if opened.state is TaskState.QUEUED:
            await tx.execute("insert_queued_request", task=opened.id, request=request_text)

    async def _room(
        self, tx: Tx, task: Task, limits: AccountLimits, unstored: int, now_ms: int
    ) -> AccountStatus | NoRoom:
        room = await room_at(tx, task.provider, limits, now_ms, unstored=unstored)
        if isinstance(room, NoRoom):
            return room
        ahead = await tx.fetch_one("any_queued", provider=task.provider, priority=task.priority)
        return room if ahead is None else NoRoom(reason=NoRoomReason.BEHIND)

    async def _observe(self, tx: Tx, task: Task, now_ms: int, detail: dict[str, Any]) -> None:
        await add_answer(tx, self._new_id, task, _line(detail), now_ms)


def _line(detail: Mapping[str, Any]) -> NewLine:
    return NewLine(source=Source.SUBMIT, verdict=Verdict.APPLIED, detail=detail)


def _detail(task: Task) -> dict[str, Any]:
    """What the first line of a task says that is sent at once."""
    return {"callback_expected": task.callback_expected}


async def _take_room(
    tx: Tx, openings: Mapping[int, Opening], is_plain: Callable[[Opening], bool], now_ms: int
) -> dict[int, Task]:
    """Lock the one account of `openings`.

    Return the plain ones for which there is room, in their order up to the first for which there is none.
    """
    plain = {number: each for number, each in openings.items() if is_plain(each)}
    provider, limits = next((each.task.provider, each.limits) for each in openings.values() if each.limits)
    account = before = await refill_tokens(tx, provider, limits.budget, now_ms)
    lowest = min((each.task.priority for each in plain.values()), default=None)
    if lowest is None or await tx.fetch_one("any_queued", provider=provider, priority=lowest) is not None:
        return {}
    in_flight = 0 if in_flight_limit(account, limits) is None else await count_in_flight(tx, provider, beside="")
    sent: dict[int, Task] = {}
    for number, opening in plain.items():
        room = find_room(account, limits, in_flight, now_ms)
        if isinstance(room, NoRoom):
            break
        account, in_flight = room, in_flight + 1
        sent[number] = opening.task
    if account != before:
        await store_account(tx, account)
    return sent


def _key_order(task: Task) -> tuple[str, str]:
    """Of inserts, because one waits for another transaction that inserts the same key."""
    return task.idempotency_key or "", task.key_scope


def _is_key_free(earlier: Task, task: Task) -> bool:
    """Whether the same request may try again under its key. A task without a refusal was settled as refused."""
    if earlier.state is not TaskState.REFUSED or earlier.request_hash != task.request_hash:
        return False
    return earlier.refusal is None or earlier.refusal in FREES_KEY


def _without_room(task: Task, room: NoRoom, now_ms: int) -> tuple[Task, dict[str, Any]]:
    """A new task for which there is no room, and the line of its timeline."""
    unsent = replace(queued(task), sent_ms=None)
    if task.queued_until_ms is not None:
        return unsent, {"queued": room.reason.value}
    refused = no_room_refusal(room, now_ms)
    after = replace(unsent, state=TaskState.REFUSED, acknowledged=False, error=refused.error, refusal=refused.refusal)
    return after, refusal_detail(refused)
