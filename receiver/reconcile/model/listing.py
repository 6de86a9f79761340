"""Which due tasks one page of a provider's task list is to answer for, and what follows from the page. Pure.

A page costs one request, as a poll does, and tells the states of many tasks; it shows no results. So it can only say
that a task still runs. A task that has ended by the page, or is not on it, is polled singly, and that poll decides.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from operator import itemgetter
from types import MappingProxyType

from receiver.reconcile.model.poll_times import began_ms
from receiver.tasks.model.task import Task
from submitter.model import ListPage, Observation, ProviderTaskId, Source, TaskId, TaskKey, TaskState
from submitter.providers.contract import Account, ListsTasks

MARGIN_MS = 15_000  # by which the provider's clock may differ from ours when it says when a task was created

FURTHER_PAGES = 3  # behind the last page that was read, of which the one that is worth most may be next

LAST_PAGE = 10  # of a list that is read further

FRESH_MS = 60_000  # after which a list is read from its first page again

_OPEN = frozenset({TaskState.SUBMITTED, TaskState.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlan:
    """One page, and the tasks that it is to answer for."""

    tasks: tuple[Task, ...]
    #: The span of time within which they were submitted.
    since_ms: int
    until_ms: int
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A list that goes on behind the last page that was read, the newest tasks first."""

    since_ms: int
    until_ms: int
    #: The last page that was read, and when.
    page: int
    at_ms: int
    #: When the oldest task on it was created, by the provider.
    oldest_ms: int
    #: How much time lies between the newest and the oldest task on it; the next pages are taken to be like it.
    page_ms: int
    #: How old the oldest task on the first page was.
    first_reaches_ms: int


class Listed(Enum):
    """What pages have said of a task since its last poll."""

    RUNNING = auto()
    ENDED = auto()
    #: It should have been on a page, and was not, or was on it twice with two states.
    MISSING = auto()
    #: It was not on the page, and is old enough for a further one.
    BEHIND = auto()


def plan_list(  # noqa: PLR0913 - a pure function of eight facts, six of them given by name
    tasks: Sequence[Task],
    adapter: ListsTasks,
    *,
    worth: Callable[[Task], float],
    share: float,
    oldest_ms: int,
    now_ms: int,
    listed: Mapping[TaskId, Listed] = MappingProxyType({}),
    reading: Reading | None = None,
) -> ListPlan | None:
    """The page whose tasks' polls are worth most together; None where a single poll is worth more.

    `share`: how many of the tasks that pages were to answer for were on them. Tasks from before `oldest_ms` are on no
    page. With a `reading` that is fresh it may be a further page of that list. A task that was `listed` is on none, but
    one that is behind the last page may be on a further one.
    """
    known = [(start_ms, task) for task in tasks if _is_listed(task) and (start_ms := began_ms(task)) is not None]
    by_age = [task for start_ms, task in sorted(known, key=lambda each: each[0]) if start_ms >= oldest_ms]
    new = [task for task in by_age if task.id not in listed]
    behind = [task for task in by_age if listed.get(task.id, Listed.BEHIND) is Listed.BEHIND]
    fresh = reading if reading is not None and 0 <= now_ms - reading.at_ms < FRESH_MS else None
    # Of two that are worth the same it is the further one, because the first has just been read.
    plans = [*_further_pages(behind, adapter, fresh, now_ms), *_first_pages(new, adapter, fresh, now_ms)]
    if not plans:
        return None
    worths = {task.id: worth(task) for task in tasks}
    covered, best = max(((sum(worths[task.id] for task in plan.tasks), plan) for plan in plans), key=itemgetter(0))
    return best if share * covered > max(worths.values()) else None


def _first_pages(
    by_age: Sequence[Task], adapter: ListsTasks, reading: Reading | None, now_ms: int
) -> Iterator[ListPlan]:
    """The newest tasks; where the provider lists spans of time, any tasks that follow each other."""
    size = adapter.LIST_PAGE
    if adapter.LISTS_SPANS:
        pages = [by_age[first : first + size] for first in range(max(1, len(by_age) - size + 1))]
    else:
        reached_ms = 0 if reading is None else now_ms - reading.first_reaches_ms
        pages = [[task for task in by_age[-size:] if (began_ms(task) or 0) >= reached_ms]]
    for page in pages:
        if len(page) > 1:
            since_ms, until_ms = (began_ms(page[0]) or 0) - MARGIN_MS, (began_ms(page[-1]) or 0) + MARGIN_MS
            yield ListPlan(tasks=tuple(page), since_ms=since_ms, until_ms=until_ms)


def _further_pages(
    by_age: Sequence[Task], adapter: ListsTasks, reading: Reading | None, now_ms: int
) -> Iterator[ListPlan]:
    """Pages behind the last one, each with the tasks that are old enough to be on it."""
    if reading is None:
        return
    # Without a span new tasks push the others back; taken to come as fast as before, a page keeps its age.
    moved_ms = 0 if adapter.LISTS_SPANS else now_ms - reading.at_ms
    until_ms = reading.oldest_ms + moved_ms
    for page in range(reading.page + 1, min(reading.page + FURTHER_PAGES, LAST_PAGE) + 1):
        since_ms = until_ms - reading.page_ms
        tasks = [
            task
            for task in by_age
            if since_ms <= (start_ms := began_ms(task) or 0) <= until_ms + MARGIN_MS and start_ms >= reading.since_ms
        ]
        if len(tasks) > 1:
            yield ListPlan(
                tasks=tuple(tasks[-adapter.LIST_PAGE :]),
                since_ms=reading.since_ms,
                until_ms=reading.until_ms,
                page=page,
            )
        until_ms = since_ms


def reading_of(plan: ListPlan, page: ListPage, before: Reading | None, now_ms: int) -> Reading | None:
    """The list after this page of it; None where it ends there, or says neither ages nor page numbers."""
    created = [row.created_at_ms for row in page.rows if row.created_at_ms is not None]
    if not page.has_more or not created or page.older_than_ms is not None:
        return None  # a list without page numbers has no further page that could be planned
    oldest_ms = min(*created, now_ms)
    reaches_ms = before.first_reaches_ms if plan.page > 1 and before is not None else now_ms - oldest_ms
    return Reading(
        since_ms=plan.since_ms,
        until_ms=plan.until_ms,
        page=plan.page,
        at_ms=now_ms,
        oldest_ms=oldest_ms,
        page_ms=max(1000, min(max(created), now_ms) - oldest_ms),  # lists tell whole seconds
        first_reaches_ms=reaches_ms,
    )


def listed(task: Task, page: ListPage, running: Container[ProviderTaskId | None], reading: Reading | None) -> Listed:
    """What the page says of a task that it was to answer for. `reading`: the list after it."""
    if task.provider_task_id in running:
        return Listed.RUNNING
    words = {row.raw_state for row in page.rows if row.provider_task_id == task.provider_task_id}
    if words:
        return Listed.ENDED if len(words) == 1 else Listed.MISSING
    is_older = reading is not None and (began_ms(task) or 0) <= reading.oldest_ms + MARGIN_MS
    return Listed.BEHIND if is_older else Listed.MISSING


def _is_listed(task: Task) -> bool:
    return task.state in _OPEN and task.provider_task_id is not None


def open_by_page(
    plan: ListPlan, page: ListPage, adapter: ListsTasks, account: Account
) -> Mapping[ProviderTaskId | None, Observation]:
    """What the page says of tasks that still run. A task with two rows that differ, or an odd word, is left out."""
    words: dict[ProviderTaskId, set[str]] = {}
    for row in page.rows:
        words.setdefault(row.provider_task_id, set()).add(row.raw_state)
    wanted = {task.provider_task_id for task in plan.tasks}
    found: dict[ProviderTaskId | None, Observation] = {}
    for row in page.rows:
        state, is_documented = adapter.listed_state(row, account)
        is_clear = row.provider_task_id in wanted and len(words[row.provider_task_id]) == 1
        if is_clear and state in _OPEN and is_documented:
            key = TaskKey(provider=account.name, provider_task_id=row.provider_task_id)
            found[row.provider_task_id] = Observation(
                key=key, state=state, source=Source.POLL, raw_state=row.raw_state, model=row.model
            )
    return found
