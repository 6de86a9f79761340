"""Reading tasks and their timelines."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from receiver.config.api_keys import NO_LIMITS, Limits
from receiver.store.engine import NEVER_MS, NEWEST, Engine, Row
from receiver.store.repository import Page, Repository
from receiver.tasks.model.queue_list import QueuedTask, queued_task_of
from receiver.tasks.model.rows import task_of
from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.model.timeline import TimelineEntry, build_timeline
from receiver.webhooks.fan_out import FanOut
from submitter.model import ProviderTaskId, TaskId, TaskState

STATES_AT_ONCE = 512


class TaskRepository(Repository):
    """Reads tasks. A task changes through `receiver.tasks.ledger` and `receiver.tasks.submission_repository` only."""

    def __init__(self, engine: Engine, fan_out: FanOut) -> None:
        super().__init__(engine)
        self._fan_out = fan_out

    async def task(self, task_id: TaskId) -> Task | None:
        return await self._one("task_by_id", task_of, id=task_id)

    async def states(self, task_ids: Sequence[TaskId]) -> Mapping[TaskId, TaskState]:
        """Of those of these tasks that are there."""
        batches = [task_ids[start : start + STATES_AT_ONCE] for start in range(0, len(task_ids), STATES_AT_ONCE)]
        found = [row for batch in batches for row in await self._all("states_of_tasks", dict, ids=batch)]
        return {TaskId(row["id"]): TaskState(row["state"]) for row in found}

    async def task_by_key(self, provider: str, provider_task_id: ProviderTaskId) -> Task | None:
        return await self._one("task_by_key", task_of, provider=provider, provider_task_id=provider_task_id)

    async def known_ids(self, provider: str, provider_task_ids: Sequence[ProviderTaskId]) -> set[ProviderTaskId]:
        """Those of these ids that tasks in the ledger have."""
        starts = range(0, len(provider_task_ids), STATES_AT_ONCE)
        batches = [provider_task_ids[start : start + STATES_AT_ONCE] for start in starts]
        found = [
            row
            for batch in batches
            for row in await self._all("known_tasks", dict, provider=provider, provider_task_ids=batch)
        ]
        return {ProviderTaskId(row["task_id"]) for row in found}

    async def tasks(self, wanted: TaskFilter) -> Page[Task]:
        statement, params = _page_of_tasks(wanted)
        return await self._page(statement, task_of, lambda task: task.id, wanted.limit, params)

    async def queued(self, wanted: TaskFilter, limits: Limits = NO_LIMITS) -> Page[QueuedTask]:
        """Queued tasks within, account by account, in the order in which they are sent. `wanted` has no cursor."""
        name, value = wanted.label or (None, None)
        params = {**_common_params(wanted), "name": name, "value": value, **limits.conditions()}
        return await self._page("queued_page", queued_task_of, lambda each: each.task.id, wanted.limit, params)

    async def timeline(self, task_id: TaskId, *, owners: Collection[str] | None = None) -> list[TimelineEntry]:
        """Everything that happened to a task, in order; empty for a task that is not there.

        `owners`: the subscriptions whose deliveries are shown, beside those of the task's own `notify`; None for all.
        """
        await self._fan_out.try_advance()
        return build_timeline(
            {
                "observation": await self._all("observations_of_task", dict, task=task_id),
                "event": await self._all("events_of_task", dict, task=task_id),
                "delivery": _shown(await self._all("deliveries_of_task", dict, task=task_id), owners),
                "attempt": _shown(await self._all("attempts_of_task", dict, task=task_id), owners),
                "audit": await self._all("audit_of_task", dict, task=task_id),
            }
        )

    async def counts(self) -> Mapping[tuple[str, TaskState], int]:
        """Tasks by provider and state."""
        found = await self._all("count_tasks", dict)
        return {(row["provider"], TaskState(row["state"])): row["number"] for row in found}


def _shown(rows: Sequence[Row], owners: Collection[str] | None) -> Sequence[Row]:
    return [row for row in rows if owners is None or row["subscription"] is None or row["subscription"] in owners]


def _page_of_tasks(wanted: TaskFilter) -> tuple[str, dict[str, Any]]:
    params = {**_common_params(wanted), "cursor": wanted.cursor or NEWEST}
    state = None if wanted.state is None else wanted.state.value
    if wanted.label is not None:
        return "tasks_page_with_label", {**params, "state": state, "name": wanted.label[0], "value": wanted.label[1]}
    if state is not None:
        return "tasks_page_in_state", {**params, "state": state}
    return "tasks_page", params


def _common_params(wanted: TaskFilter) -> dict[str, Any]:
    return {
        "created_before_ms": NEVER_MS if wanted.older_than_ms is None else wanted.older_than_ms,
        "provider": wanted.provider,
    }
