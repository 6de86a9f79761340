"""Acts on the tasks that a filter finds: reconcile and cancel."""

from collections.abc import Sequence
from dataclasses import replace

from receiver.reconcile.model.decisions import PollResult
from receiver.reconcile.model.report import ReconcileItem
from receiver.runtime.canceling import cancel_task
from receiver.runtime.operator_runs.acts.act import LEFT, PAGE, Condition, Work
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services
from receiver.tasks.model.search import TaskSearch, search_of
from receiver.tasks.operator import NotCanceled
from submitter.errors import TransportError
from submitter.model import ENDED, UNRESOLVED, TaskId, TaskState

#: A poll can say something about these.
TO_RECONCILE = frozenset(TaskState) - ENDED - {TaskState.QUEUED}

#: These run on until somebody cancels them, and their provider's id is known, or they are still ours.
TO_CANCEL = frozenset(TaskState) - ENDED - UNRESOLVED

#: Polls that say nothing about the task, because of the provider or of us.
_NO_ANSWER = frozenset({PollResult.DENIED, PollResult.FORBIDDEN, PollResult.THROTTLED, PollResult.UNAVAILABLE})

#: Each is one request, which may take as long as the provider's timeout; a stop waits for no second one.
CANCELED_AT_ONCE = 1


def narrowed(search: TaskSearch, states: frozenset[TaskState]) -> TaskSearch | None:
    """The search within these states; None when it asks for others only."""
    wanted = search.states & states if search.states else states
    return replace(search, states=wanted) if wanted else None


async def tasks_to_reconcile(services: Services, condition: Condition, cursor: str | None) -> RunItems:
    search = narrowed(search_of(condition["search"]), TO_RECONCILE)
    if search is None:
        return RunItems(items=())
    page = await services.store.task_search.page(search, cursor=cursor, limit=PAGE)
    return RunItems(items=tuple(task.id for task in page.tasks), next_cursor=page.next_cursor)


async def previewed_tasks(_services: Services, condition: Condition, cursor: str | None) -> RunItems:
    """The tasks that the preview showed, and no other one that has come to fit the search since then."""
    return _previewed(condition["tasks"], int(cursor or 0), PAGE)


async def previewed_tasks_to_cancel(_services: Services, condition: Condition, cursor: str | None) -> RunItems:
    """The same, in pages of CANCELED_AT_ONCE."""
    return _previewed(condition["tasks"], int(cursor or 0), CANCELED_AT_ONCE)


def _previewed(tasks: Sequence[str], start: int, limit: int) -> RunItems:
    after = start + limit
    return RunItems(items=tuple(tasks[start:after]), next_cursor=str(after) if after < len(tasks) else None)


def on_fitting(work: Work) -> Work:
    """Work on the tasks that the search still finds when their turn comes, and leave the others alone."""

    async def work_on_fitting(
        services: Services, items: Sequence[str], condition: Condition, actor: str
    ) -> Sequence[ItemResult]:
        found = await services.store.task_search.fitting(search_of(condition["search"]), items)
        fitting = {str(task.id) for task in found}
        left = [ItemResult(item=item, is_done=False, words=LEFT) for item in items if item not in fitting]
        return [*await work(services, [item for item in items if item in fitting], condition, actor), *left]

    return work_on_fitting


async def reconcile(services: Services, items: Sequence[str], condition: Condition, actor: str) -> Sequence[ItemResult]:
    """Poll the providers about these tasks, within the rate budget; no more where one throttles or denies us."""
    since_ms = int(condition["search"].get("until_ms") or 0)  # when the preview was made, at the latest
    wanted = [TaskId(item) for item in items]
    summary = await services.manual_reconcile.run_tasks(wanted, actor=actor, since_ms=since_ms)
    found = {each.task_id: each for each in summary.tasks}
    return [_reconciled(task_id, found.get(task_id)) for task_id in wanted]


def _reconciled(item: TaskId, found: ReconcileItem | None) -> ItemResult:
    if found is None:
        return ItemResult(item=item, words="it has ended meanwhile")
    if found.skipped is not None:
        return ItemResult(item=item, is_done=False, words=found.skipped)
    after = found.after or found.state
    said = "unchanged" if after is found.state else f"{found.state.value}, now {after.value}"
    words = f"{said}: {found.finding.value}" if found.finding else said
    return ItemResult(item=item, is_done=found.finding not in _NO_ANSWER, words=words)


async def cancel(services: Services, items: Sequence[str], _condition: Condition, actor: str) -> Sequence[ItemResult]:
    """Take tasks out of the queue, or ask their providers to cancel them. Their next poll shows what came of it."""
    return [await _cancel(services, TaskId(item), actor) for item in items]


async def _cancel(services: Services, task_id: TaskId, actor: str) -> ItemResult:
    try:
        outcome = await cancel_task(services, task_id, actor=actor)
    except TransportError as error:
        words = f"the provider does not answer: {type(error).__name__}; its state is polled now"
        return ItemResult(item=task_id, is_done=False, words=words)
    if isinstance(outcome, NotCanceled):
        return ItemResult(item=task_id, is_done=False, words=outcome.reason)
    if outcome.was_queued:
        return ItemResult(item=task_id, words="taken out of the queue; its provider never got it")
    return ItemResult(item=task_id, words="the provider accepted the request; the next poll shows the end")
