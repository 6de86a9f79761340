"""The list of queued tasks, each with its place. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueueDepth, QueuePlace
from receiver.tasks.model.rows import task_of
from receiver.tasks.model.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A queued task and how many tasks of its account are sent before it, itself included."""

    task: Task
    position: int

    def place(self, depth: QueueDepth | None, account: AccountStatus | None, now_ms: int) -> QueuePlace:
        """Where it stands. `depth` and `account` were read later, so the queue may have got shorter since."""
        held = account if account is not None and account.are_submits_held(now_ms) else None
        return QueuePlace(
            position=self.position,
            depth=max(self.position, 0 if depth is None else depth.depth),
            priority=self.task.priority,
            oldest_ms=self.task.waits_since_ms if depth is None else depth.oldest_ms,
            until_ms=self.task.queued_until_ms,
            held_until_ms=None if held is None else held.submits_paused_until_ms,
            held_reason=None if held is None else held.submits_paused_reason,
        )


def queued_task_of(row: Mapping[str, Any]) -> QueuedTask:
    return QueuedTask(task=task_of(dict(row)), position=row["position"])


def with_places(
    queued: Iterable[QueuedTask], depths: Sequence[QueueDepth], accounts: Sequence[AccountStatus], now_ms: int
) -> list[tuple[Task, QueuePlace]]:
    depth_of = {each.provider: each for each in depths}
    account_of = {each.provider: each for each in accounts}
    return [
        (each.task, each.place(depth_of.get(each.task.provider), account_of.get(each.task.provider), now_ms))
        for each in queued
    ]
