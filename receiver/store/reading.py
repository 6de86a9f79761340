"""Looking without changing anything; never waits for a writer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from receiver.records import (
    Attempt,
    Delivery,
    DeliveryState,
    Event,
    EventType,
    Note,
    Page,
    Task,
    TaskFilter,
    Verdict,
)
from receiver.store import rows
from receiver.store.engine import Engine, Param, Reader, Row
from receiver.timeline import tell
from submitter.model import TaskState

T = TypeVar("T")

_BEFORE_ALL = "~"  # sorts after every id, so a first page starts at the newest
_FOR_EVER_MS = 2**62


class Reading:
    """Pages are newest first and stable while rows are added; `next_cursor` is the last id of the page."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def task(self, name: str) -> Task | None:
        return await self._one("task_by_id", rows.task_of, id=name)

    async def task_by_key(self, provider: str, task_id: str) -> Task | None:
        return await self._one("task_by_key", rows.task_of, provider=provider, task_id=task_id)

    async def tasks(self, wanted: TaskFilter) -> Page[Task]:
        statement, params = _page_of_tasks(wanted)
        return await self._page(statement, rows.task_of, lambda task: task.id, wanted.limit, params)

    async def events(self, after: int, *, types: Sequence[EventType] = (), limit: int = 100) -> list[Event]:
        """Events with a greater `seq`, in order; no types means all."""
        if not types:
            return await self._all("events_after", rows.event_of, after=after, limit=limit)
        words = [kind.value for kind in types]
        return await self._all("events_after_of_types", rows.event_of, after=after, limit=limit, types=words)

    async def last_seq(self) -> int:
        return await self._one("last_seq", lambda row: int(row["value"])) or 0

    async def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        subscription: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        params: dict[str, Any] = {"cursor": cursor or _BEFORE_ALL}
        statement = "deliveries_page"
        if subscription is not None:
            statement = "deliveries_page_of_subscription"
            params |= {"subscription": subscription, "state": state.value if state else None}
        elif state is not None:
            statement, params["state"] = "deliveries_page_in_state", state.value
        return await self._page(statement, rows.delivery_of, lambda delivery: delivery.id, limit, params)

    async def delivery(self, name: str) -> Delivery | None:
        return await self._one("delivery_by_id", rows.delivery_of, id=name)

    async def attempts(self, delivery: str) -> list[Attempt]:
        return await self._all("attempts_of_delivery", rows.attempt_of, delivery=delivery)

    async def counts(self) -> Mapping[tuple[str, TaskState], int]:
        """Tasks by provider and state."""
        found = await self._all("count_tasks", dict)
        return {(row["provider"], TaskState(row["state"])): row["number"] for row in found}

    async def verdict_counts(self) -> Mapping[Verdict, int]:
        found = await self._all("count_verdicts", dict)
        return {Verdict(row["verdict"]): row["number"] for row in found}

    async def _one(self, statement: str, make: Callable[[Row], T], **params: Param) -> T | None:
        row = await self._engine.read(lambda reader: reader.fetch_one(statement, **params))
        return None if row is None else make(row)

    async def _all(self, statement: str, make: Callable[[Row], T], **params: Param) -> list[T]:
        found = await self._engine.read(lambda reader: reader.fetch_all(statement, **params))
        return [make(row) for row in found]

    async def _page(
        self, statement: str, make: Callable[[Row], T], name: Callable[[T], str], limit: int, params: Mapping[str, Any]
    ) -> Page[T]:
        """One row more than asked for tells whether there is a next page."""
        found = await self._all(statement, make, **params, limit=limit + 1)
        items = tuple(found[:limit])
        return Page(items=items, next_cursor=name(items[-1]) if len(found) > limit else None)

    async def timeline(self, name: str) -> list[Note]:
        """Everything that happened to a task, in order; empty for a task that is not there."""

        async def work(reader: Reader) -> dict[str, list[Row]]:
            return {
                "observation": await reader.fetch_all("observations_of_task", task=name),
                "event": await reader.fetch_all("events_of_task", task=name),
                "delivery": await reader.fetch_all("deliveries_of_task", task=name),
                "attempt": await reader.fetch_all("attempts_of_task", task=name),
                "audit": await reader.fetch_all("audit_of_task", task=name),
            }

        return tell(await self._engine.read(work))


def _page_of_tasks(wanted: TaskFilter) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {
        "cursor": wanted.cursor or _BEFORE_ALL,
        "created_before_ms": _FOR_EVER_MS if wanted.older_than_ms is None else wanted.older_than_ms,
        "provider": wanted.provider,
    }
    state = None if wanted.state is None else wanted.state.value
    if wanted.label is not None:
        return "tasks_page_with_label", {**params, "state": state, "name": wanted.label[0], "value": wanted.label[1]}
    if state is not None:
        return "tasks_page_in_state", {**params, "state": state}
    return "tasks_page", params
