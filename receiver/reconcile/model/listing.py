"""Which due tasks one page of a provider's task list is to answer for, and what follows from the page. Pure.

A page costs one request, as a poll does, and tells the states of many tasks; it shows no results. So it can only say
that a task still runs. A task that has ended by the page, or is not on it, is polled singly, and that poll decides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from receiver.reconcile.model.poll_times import began_ms
from receiver.tasks.model.task import Task
from submitter.model import ListPage, Observation, ProviderTaskId, Source, TaskKey, TaskState
from submitter.providers.contract import Account, ListsTasks

MARGIN_MS = 15_000  # by which the provider's clock may differ from ours when it says when a task was created

_OPEN = frozenset({TaskState.SUBMITTED, TaskState.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlan:
    """One page, and the tasks that it is to answer for."""

    tasks: tuple[Task, ...]
    #: The span of time within which they were submitted.
    since_ms: int
    until_ms: int


def plan_list(
    tasks: Sequence[Task], adapter: ListsTasks, *, worth: Callable[[Task], float], share: float, oldest_ms: int
) -> ListPlan | None:
    """The page whose tasks' polls are worth most together; None where a single poll is worth more.

    `share`: how many of the tasks that pages were to answer for were on them. Tasks from before `oldest_ms` are on no
    page.
    """
    known = [(start_ms, task) for task in tasks if _is_listed(task) and (start_ms := began_ms(task)) is not None]
    by_age = [task for start_ms, task in sorted(known, key=lambda each: each[0]) if start_ms >= oldest_ms]
    size = adapter.LIST_PAGE
    firsts = range(max(1, len(by_age) - size + 1)) if adapter.LISTS_SPANS else (max(0, len(by_age) - size),)
    pages = [by_age[first : first + size] for first in firsts]
    worths = {task.id: worth(task) for task in tasks}
    covered, best = max(((sum(worths[task.id] for task in page), page) for page in pages), key=itemgetter(0))
    if len(best) < 2 or share * covered <= max(worths.values()):
        return None
    return ListPlan(
        tasks=tuple(best),
        since_ms=(began_ms(best[0]) or 0) - MARGIN_MS,
        until_ms=(began_ms(best[-1]) or 0) + MARGIN_MS,
    )


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
