"""Submit tasks, wait for them, find them and repair them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Required, TypedDict, TypeVar, Unpack

from submitter.api import ReconcileSummary, SubmittedTask, Task, TaskDetail, TasksPage, Timeline
from submitter.client.conversation import RETRYABLE, Call, Conversation, NewKey, Now, Series, answered, every
from submitter.client.replies import read_reply
from submitter.client.requests import Moment, api_path, as_object, get, post
from submitter.errors import NotEnded, ReceiverRefused, ReceiverUnreachable
from submitter.request import Notify, Raw, Video

AnyTask = TypeVar("AnyTask", bound=Task)

#: One wait at the receiver: shorter than the 60 s and 50 s after which nginx and HAProxy end a request.
WAIT_S = 25


class TaskRequest(TypedDict, total=False):
    """What to submit: exactly one of `video` and `raw`. None is as if it were not there."""

    provider: Required[str]
    video: Video | Mapping[str, Any] | None
    raw: Raw | Mapping[str, Any] | None
    labels: Mapping[str, str] | None
    notify: Notify | Mapping[str, Any] | None
    deadline_s: int | None
    priority: int | None
    queue_for_s: int | None
    idempotency_key: str | None


class TaskFilters(TypedDict, total=False):
    """Which tasks: conditions joined by "and". `key` is an idempotency key, `task_id` the provider's id."""

    state: str | Sequence[str] | None
    provider: str | None
    model: str | None
    labels: Mapping[str, str] | None
    key: str | None
    task_id: str | None
    since: Moment | None
    until: Moment | None
    older_than_s: int | None
    overdue: bool | None
    contradicted: bool | None
    ended_by: str | None


def submit(*, wait_s: float | None = None, **request: Unpack[TaskRequest]) -> Conversation[SubmittedTask]:
    """Submit a task and return it; with `wait_s` as it is when it has ended, or when so many seconds are over.

    `video` is a `Video`, or a mapping with its members; the same goes for `raw` and `notify`.

    A task in the state `queued` waits for room at its account and is sent by the receiver; `priority` and
    `queue_for_s` decide how it waits. A task in the state `uncertain` may exist at the provider: do not submit it
    again. Raise ReceiverRefused when the receiver or the provider refused, and ReceiverUnreachable when the
    outcome is unknown: submit again with the same `idempotency_key`, and it is not paid for twice.
    """
    began_s: float = yield Now()
    key: str = request.get("idempotency_key") or (yield NewKey())
    task = yield from answered(_submit_call(request, key, _slice_s(wait_s or 0)))
    if not wait_s or task.is_ended:
        return task
    try:
        ended = yield from _wait(task.id, SubmittedTask, began_s + wait_s)
    except NotEnded:
        return task
    return ended.model_copy(update={"notify": task.notify})


def _submit_call(request: TaskRequest, key: str, wait_s: int) -> Call[SubmittedTask]:
    body = as_object(request)
    body.pop("idempotency_key", None)
    prefer = (("Prefer", f"wait={wait_s}"),) if wait_s else ()
    return Call(
        method="POST",
        path=api_path("tasks"),
        read=partial(read_reply, SubmittedTask),
        json=body,
        headers=(("Idempotency-Key", key), *prefer),
        extra_wait_s=wait_s,
        may_be_repeated=True,
    )


def get_task(task_id: str, /) -> Call[TaskDetail]:
    """Return the task as it is now, with its place in the queue. Raise ReceiverRefused for an unknown id."""
    return get(api_path("tasks", task_id), TaskDetail)


def wait(task_id: str, /, *, timeout_s: float | None = None) -> Conversation[Task]:
    """Return the task when it has ended; None waits for ever. Raise NotEnded when the time is over.

    Once the receiver has answered, the wait survives times when it is away.
    """
    if timeout_s is None:
        return (yield from _wait(task_id, Task, None))
    now_s: float = yield Now()
    return (yield from _wait(task_id, Task, now_s + timeout_s))


def _wait(task_id: str, model: type[AnyTask], end_s: float | None) -> Conversation[AnyTask]:
    last: AnyTask | None = None
    while True:
        now_s: float = yield Now()
        last = yield from _task_or_last(task_id, model, WAIT_S if end_s is None else _slice_s(end_s - now_s), last)
        if last.is_ended:
            return last
        now_s = yield Now()
        if end_s is not None and now_s >= end_s:
            raise NotEnded(last.id, last.state.value)


def _task_or_last(task_id: str, model: type[AnyTask], wait_s: int, last: AnyTask | None) -> Conversation[AnyTask]:
    """Return the task after a wait, or `last` while the receiver is away."""
    call = Call(
        method="GET",
        path=api_path("tasks", task_id),
        read=partial(read_reply, model),
        headers=(("Prefer", f"wait={wait_s}"),),  # a receiver with a shorter longest wait shortens it
        extra_wait_s=wait_s,
        may_be_repeated=True,
    )
    try:
        return (yield from answered(call))
    except ReceiverUnreachable:
        if last is None:
            raise
        return last
    except ReceiverRefused as error:
        if last is None or error.problem.status not in RETRYABLE:
            raise
        return last


def _slice_s(left_s: float) -> int:
    return max(0, min(WAIT_S, round(left_s)))


def list_tasks(
    *, limit: int | None = None, cursor: str | None = None, **filters: Unpack[TaskFilters]
) -> Call[TasksPage]:
    """Return a page of tasks, the newest first. The next page begins at `next_cursor`."""
    return get(api_path("tasks"), TasksPage, {**as_query(filters), "limit": limit, "cursor": cursor})


def as_query(filters: TaskFilters) -> dict[str, object]:
    """The filters as the API names them in a query."""
    return {"label" if name == "labels" else name: value for name, value in filters.items()}


def all_tasks(**filters: Unpack[TaskFilters]) -> Series[Task]:
    """Give every task, the newest first, page by page."""
    return every(lambda cursor: list_tasks(limit=200, cursor=cursor, **filters), lambda page: page.tasks)


def timeline(task_id: str, /) -> Call[Timeline]:
    """Return everything that happened to the task, in order."""
    return get(api_path("tasks", task_id, "timeline"), Timeline)


def reconcile_task(task_id: str, /, *, dry_run: bool = False, ask: bool = False) -> Call[ReconcileSummary]:
    """Poll the provider about this task now. `dry_run` changes nothing; with `ask` it polls all the same."""
    return post(api_path("tasks", task_id, "reconcile"), ReconcileSummary, {"dry_run": dry_run, "ask": ask})


def reconcile(
    *,
    provider: str | None = None,
    older_than_s: float | None = None,
    task_id: str | None = None,
    dry_run: bool = False,
    ask: bool = False,
) -> Call[ReconcileSummary]:
    """Poll the providers about the unfinished tasks that match. `task_id` is ours or the provider's.

    `dry_run` changes nothing; with `ask` it polls all the same, to report what would change.
    """
    given = {"provider": provider, "older_than_s": older_than_s, "task_id": task_id}
    return post(api_path("reconcile"), ReconcileSummary, as_object({**given, "dry_run": dry_run, "ask": ask}))


class SettleWay(TypedDict, total=False):
    """Exactly one of `task_id`, `refused`, `succeeded`, `failed` and `canceled`; `force` goes with `task_id`."""

    task_id: str | None
    refused: bool | None
    succeeded: Sequence[str] | None
    failed: str | None
    canceled: bool | None
    force: bool | None


def settle(task_id: str, /, **way: Unpack[SettleWay]) -> Call[Task]:
    """Say what an uncertain submit came to, or end an unfinished task whose end the provider never reports.

    `task_id`: it created this task of the provider, which is polled about it first, unless `force`. `refused`: it
    created none. `succeeded` has the URLs of the files, `failed` a reason.
    """
    body = as_object({name: value or None if isinstance(value, bool) else value for name, value in way.items()})
    return post(api_path("tasks", task_id, "settle"), Task, body)
