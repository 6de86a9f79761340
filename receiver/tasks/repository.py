"""Looking without changing anything; never waits for a writer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from receiver.events.log import event_of
from receiver.events.model.event import Event
from receiver.events.model.query import (
    SCANNED,
    EventFilter,
    ExpiredCursor,
    FutureCursor,
    SliceOutcome,
    asks_bodies,
    cut,
)
from receiver.store.engine import Engine, Param, Reader, Row
from receiver.store.repository import Page
from receiver.tasks.model.rows import task_of
from receiver.tasks.model.task import Task, TaskFilter, Verdict
from receiver.tasks.model.timeline import Note, tell
from receiver.webhooks.model.delivery import Attempt, Delivery, DeliveryState, Owed
from receiver.webhooks.outbox import attempt_of, delivery_of
from submitter.model import TaskState

T = TypeVar("T")

ALL_EVENTS = EventFilter()

STATES_AT_ONCE = 512

_BEFORE_ALL = "~"  # sorts after every id, so a first page starts at the newest

_FOR_EVER_MS = 2**62


class Reading:
    """Pages are newest first and stable while rows are added; `next_cursor` is the last id of the page."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def task(self, name: str) -> Task | None:
        return await self._one("task_by_id", task_of, id=name)

    async def states(self, names: Sequence[str]) -> Mapping[str, TaskState]:
        """Of those of these tasks that are there."""

        async def work(reader: Reader) -> dict[str, TaskState]:
            batches = [names[start : start + STATES_AT_ONCE] for start in range(0, len(names), STATES_AT_ONCE)]
            found = [row for batch in batches for row in await reader.fetch_all("states_of_tasks", ids=batch)]
            return {row["id"]: TaskState(row["state"]) for row in found}

        return await self._engine.read(work)

    async def task_by_key(self, provider: str, task_id: str) -> Task | None:
        return await self._one("task_by_key", task_of, provider=provider, task_id=task_id)

    async def tasks(self, wanted: TaskFilter) -> Page[Task]:
        statement, params = _page_of_tasks(wanted)
        return await self._page(statement, task_of, lambda task: task.id, wanted.limit, params)

    async def events(self, after: int, *, limit: int = 100) -> list[Event]:
        """Events with a greater `seq`, in order."""
        return await self._all("events_after", event_of, after=after, limit=limit)

    async def slice(self, after: int | None, wanted: EventFilter = ALL_EVENTS, *, limit: int = 100) -> SliceOutcome:
        """Wanted events with a greater `seq`, in order; `after` None: from the oldest that is kept.

        Looks through `SCANNED` events at most, so that what a rare filter costs is bounded.
        """
        return await self._engine.read(lambda reader: _slice(reader, after, wanted, limit))

    async def oldest_after(self) -> int:
        """The smallest cursor that misses no event that was ever there and is kept no longer."""
        return await self._one("cursor_bounds", lambda row: int(row["oldest_after"])) or 0

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
        if subscription is not None and state is DeliveryState.DEAD:
            statement, params["subscription"] = "dead_page_of_subscription", subscription
        elif subscription is not None:
            statement = "deliveries_page_of_subscription"
            params |= {"subscription": subscription, "state": state.value if state else None}
        elif state is not None:
            statement, params["state"] = "deliveries_page_in_state", state.value
        return await self._page(statement, delivery_of, lambda delivery: delivery.id, limit, params)

    async def delivery(self, name: str) -> Delivery | None:
        return await self._one("delivery_by_id", delivery_of, id=name)

    async def attempts(self, delivery: str) -> list[Attempt]:
        return await self._all("attempts_of_delivery", attempt_of, delivery=delivery)

    async def owed(self, subscription: str) -> Owed:
        """Nothing for one that is not there."""

        async def work(reader: Reader) -> Owed:
            async def one(statement: str) -> Row | None:
                return await reader.fetch_one(statement, subscription=subscription)

            pending, dead = await one("count_pending_of_subscription"), await one("count_dead_of_subscription")
            newest = await one("failing_of_subscription") or await one("dead_of_subscription")
            return Owed(
                pending=pending["number"] if pending else 0,
                dead=dead["number"] if dead else 0,
                failed=delivery_of(newest) if newest else None,
            )

        return await self._engine.read(work)

    async def dead_letters(self) -> int:
        """How many there are, of whomever."""
        return await self._one("count_dead", lambda row: int(row["number"])) or 0

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


async def _slice(reader: Reader, after: int | None, wanted: EventFilter, limit: int) -> SliceOutcome:
    last_seq, oldest_after = await _bounds(reader)
    start = oldest_after if after is None else after
    if start > last_seq:
        return FutureCursor(last_seq=last_seq)
    until = min(start + SCANNED, last_seq)
    found = await _scan(reader, start, until, wanted, SCANNED if asks_bodies(wanted) else limit)
    # Asked once more after the look: what was taken away meanwhile must not pass for what was never there.
    _, oldest_after = await _bounds(reader)
    if after is not None and after < oldest_after:
        return ExpiredCursor(oldest_after=oldest_after)
    return cut(found, wanted, limit=limit, until=until, last_seq=last_seq)


async def _bounds(reader: Reader) -> tuple[int, int]:
    row = await reader.fetch_one("cursor_bounds")
    return (0, 0) if row is None else (row["last_seq"], row["oldest_after"])


async def _scan(reader: Reader, after: int, until: int, wanted: EventFilter, most: int) -> list[Event]:
    params: dict[str, Any] = {"after": after, "until": until, "limit": most}
    if wanted.types:
        params["types"] = sorted(kind.value for kind in wanted.types)
    found = await reader.fetch_all("events_up_to_of_types" if wanted.types else "events_up_to", **params)
    return [event_of(row) for row in found]


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
