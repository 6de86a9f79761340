"""Submit tasks, wait for them, find them and repair them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Required, TypedDict, TypeVar, Unpack

from submitter.api import ReconcileSummary, SubmittedTask, Task, TaskDetail, TasksPage, Timeline
from submitter.api_queue import QueueAnswer
from submitter.api_tasks import BatchAnswer, CanceledTask, Explanation, FoundTasks, Identification, Look
from submitter.client.conversation import Call, Conversation, NewKey, Now, Series, answered, every
from submitter.client.replies import read_reply
from submitter.client.requests import Moment, api_path, as_object, get, post
from submitter.client.waiting import slice_s, until_ended
from submitter.errors import ClientError
from submitter.request import Notify, Raw, Video

AnyTask = TypeVar("AnyTask", bound=Task)

#: The longest that each task adds to the answer to a batch.
BATCH_WAIT_S = 3.0


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
    ended_by: str | Sequence[str] | None


def submit(*, wait_s: float | None = None, **request: Unpack[TaskRequest]) -> Conversation[SubmittedTask]:
    """Submit a task and return it; with `wait_s` as it is when it has ended, or when so many seconds are over.

    `video` is a `Video`, or a mapping with its members; the same goes for `raw` and `notify`.

    A task in the state `queued` waits for room at its account and is sent by the receiver; `priority` and
    `queue_for_s` decide how it waits. A task in the state `uncertain` may exist at the provider: do not submit it
    again. Raise ReceiverRefused when the receiver or the provider refused, and ReceiverUnreachable when the
    outcome is unknown: submit again with the same `idempotency_key`, and it is not paid for twice.
    """
    began_s: float = yield Now()
    key = yield from _key_of(request)
    task = yield from answered(_submit_call(request, key, slice_s(wait_s or 0)))
    now_s: float = yield Now()
    left_s = began_s + (wait_s or 0) - now_s
    if left_s <= 0 or task.is_ended:
        return task
    try:
        ended = yield from until_ended(lambda slice_s: _waiting(task.id, SubmittedTask, slice_s), left_s)
    except ClientError:  # it was submitted, and that is what the caller must know
        return task
    return ended.model_copy(update={"notify": task.notify})


def submit_many(requests: Sequence[TaskRequest], /, *, dry_run: bool = False) -> Conversation[BatchAnswer]:
    """Submit up to 100 tasks, each to its own outcome; a bad one does not hold up the others.

    `dry_run` only checks them: the outcome of a task that would be taken has the status 200 and no task.

    A task without an idempotency key gets one, so nothing is paid for twice when the answer is lost.
    """
    bodies: list[dict[str, object]] = []
    for request in requests:
        key = yield from _key_of(request)
        bodies.append({**as_object(request), "idempotency_key": key})
    body = {"tasks": bodies, **({"dry_run": True} if dry_run else {})}
    call = post(api_path("tasks", "batch"), BatchAnswer, body, may_be_repeated=True)
    return (yield from answered(replace(call, extra_wait_s=BATCH_WAIT_S * len(bodies))))


def _key_of(request: TaskRequest) -> Conversation[str]:
    """The given key as it is, so that a bad one is refused; a new one where none is given."""
    given = request.get("idempotency_key")
    if given is not None:
        return given
    made: str = yield NewKey()
    return made


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
    return until_ended(lambda wait_s: _waiting(task_id, Task, wait_s), timeout_s)


def _waiting(task_id: str, model: type[AnyTask], wait_s: int) -> Call[AnyTask]:
    return Call(
        method="GET",
        path=api_path("tasks", task_id),
        read=partial(read_reply, model),
        headers=(("Prefer", f"wait={wait_s}"),),  # a receiver with a shorter longest wait shortens it
        extra_wait_s=wait_s,
        may_be_repeated=True,
    )


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


def queue(
    *, provider: str | None = None, labels: Mapping[str, str] | None = None, limit: int | None = None
) -> Call[QueueAnswer]:
    """Return queued tasks in the order in which they are sent, and how long each queue is. At most one label."""
    return get(api_path("queue"), QueueAnswer, {"provider": provider, "label": labels, "limit": limit})


def find(text: str, /, *, limit: int | None = None, cursor: str | None = None) -> Call[FoundTasks]:
    """Return the tasks that a text names, the newest first.

    It is an id of ours or its beginning, the provider's id, an idempotency key, the id of an event or of a delivery, or
    a label as `name=value`.
    """
    return get(api_path("find"), FoundTasks, {"text": text, "limit": limit, "cursor": cursor})


def explain(task_id: str, /) -> Call[Explanation]:
    """Return what happened to the task, what comes next, and what an operator can do."""
    return get(api_path("tasks", task_id, "explain"), Explanation)


def cancel(task_id: str, /) -> Call[CanceledTask]:
    """Take a queued task out, or have its provider cancel it. Raise ReceiverRefused where that is not possible."""
    return post(api_path("tasks", task_id, "cancel"), CanceledTask)


def look(task_id: str, /) -> Call[Look]:
    """Compare a lost submit with the tasks in its provider's list. Nothing changes; `settle` takes the id."""
    return post(api_path("tasks", task_id, "look"), Look, may_be_repeated=True)


def identify(task_id: str, provider_task_id: str, /) -> Call[Identification]:
    """Return what the provider answers about an id, before a task is settled with it. Nothing changes."""
    body = {"task_id": provider_task_id}
    return post(api_path("tasks", task_id, "identify"), Identification, body, may_be_repeated=True)


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
