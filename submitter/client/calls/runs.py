"""Act on all that a filter finds: runs, which go on in the service, and previews, which change nothing.

Without any condition an act needs `all=True`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Unpack

from submitter.api_runs import Run, RunPreview, RunsPage
from submitter.client.calls.deliveries import DeliveryFilters
from submitter.client.calls.tasks import TaskFilters, as_query
from submitter.client.conversation import Call, Conversation, NewKey, Series, answered, every
from submitter.client.requests import api_path, as_object, get, post
from submitter.client.waiting import until_ended


class TasksToActOn(TaskFilters, total=False):
    """The filters of a list, and ids of ours; all conditions must hold."""

    ids: Sequence[str]
    all: bool


class DeliveriesToActOn(DeliveryFilters, total=False):
    """The filters of a list, and ids; all conditions must hold. Without a `state` only dead letters."""

    ids: Sequence[str]
    all: bool


Act = Literal["cancel", "settle", "reconcile", "look", "redeliver"]

#: Conditions that may have several values, and are a list in a body.
_LISTS = frozenset({"state", "label", "ended_by", "error", "ids"})


def cancel_tasks(*, run_key: str | None = None, **which: Unpack[TasksToActOn]) -> Conversation[Run]:
    """Start to cancel tasks. The same `run_key` starts it once."""
    return _started("tasks", "cancel", _task_body(which), run_key)


def refuse_tasks(*, run_key: str | None = None, **which: Unpack[TasksToActOn]) -> Conversation[Run]:
    """Start to settle uncertain submits as refused: they created nothing. The same `run_key` starts it once."""
    return _started("tasks", "settle", {**_task_body(which), "refused": True}, run_key)


def accept_candidates(look: str, /, *, run_key: str | None = None, **which: Unpack[TasksToActOn]) -> Conversation[Run]:
    """Start to settle uncertain submits of which the run `look` found exactly one candidate, with its id."""
    return _started("tasks", "settle", {**_task_body(which), "look": look}, run_key)


def reconcile_tasks(*, run_key: str | None = None, **which: Unpack[TasksToActOn]) -> Conversation[Run]:
    """Start to poll the providers about tasks. The same `run_key` starts it once."""
    return _started("tasks", "reconcile", _task_body(which), run_key)


def look_at_tasks(*, run_key: str | None = None, **which: Unpack[TasksToActOn]) -> Conversation[Run]:
    """Start to compare lost submits with their providers' lists; the notes of the run have what was found."""
    return _started("tasks", "look", _task_body(which), run_key)


def redeliver_of_tasks(*, run_key: str | None = None, **which: Unpack[TasksToActOn]) -> Conversation[Run]:
    """Start to send the dead letters of tasks again. The same `run_key` starts it once."""
    return _started("tasks", "redeliver", _task_body(which), run_key)


def redeliver(*, run_key: str | None = None, **which: Unpack[DeliveriesToActOn]) -> Conversation[Run]:
    """Start to send deliveries again. The same `run_key` starts it once."""
    return _started("deliveries", "redeliver", _as_body(which), run_key)


def preview(act: Act, /, **which: Unpack[TasksToActOn]) -> Call[RunPreview]:
    """Return what an act on tasks would work on now; `settle` as it is for refused submits.

    Its `until` and `ids`, given to the act in place of `all`, leave alone what came after the preview.
    """
    way = {"refused": True} if act == "settle" else {}
    return _previewed("tasks", act, {**_task_body(which), **way})


def preview_redeliver(**which: Unpack[DeliveriesToActOn]) -> Call[RunPreview]:
    """Return which deliveries would be sent again now. Its `until`, given to `redeliver`, leaves alone later ones."""
    return _previewed("deliveries", "redeliver", _as_body(which))


def list_runs(*, limit: int | None = None, cursor: str | None = None) -> Call[RunsPage]:
    """Return a page of runs, the newest first. The next page begins at `next_cursor`."""
    return get(api_path("runs"), RunsPage, {"limit": limit, "cursor": cursor})


def all_runs() -> Series[Run]:
    """Give every run, the newest first, page by page."""
    return every(lambda cursor: list_runs(limit=200, cursor=cursor), lambda page: page.runs)


def get_run(run_id: str, /) -> Call[Run]:
    """Return a run as it is now."""
    return get(api_path("runs", run_id), Run)


def wait(run_id: str, /, *, timeout_s: float | None = None) -> Conversation[Run]:
    """Return the run when it has ended; None waits for ever. Raise NotEnded when the time is over."""
    where = api_path("runs", run_id)
    return until_ended(lambda wait_s: get(where, Run, {"wait": wait_s}, extra_wait_s=wait_s), timeout_s)


def stop(run_id: str, /) -> Call[Run]:
    """Stop a run after the item that it works on."""
    return post(api_path("runs", run_id, "stop"), Run, may_be_repeated=True)


def _started(things: str, act: str, body: Mapping[str, object], run_key: str | None) -> Conversation[Run]:
    key: str = run_key or (yield NewKey())
    call = post(api_path(things, act), Run, body, may_be_repeated=True)
    return (yield from answered(replace(call, headers=(("Idempotency-Key", key),))))


def _previewed(things: str, act: str, body: Mapping[str, object]) -> Call[RunPreview]:
    return post(api_path(things, act), RunPreview, {**body, "dry_run": True}, may_be_repeated=True)


def _task_body(which: TasksToActOn) -> dict[str, object]:
    return _as_body(as_query(which))


def _as_body(which: Mapping[str, object]) -> dict[str, object]:
    return {name: _listed(value) if name in _LISTS else value for name, value in as_object(which).items()}


def _listed(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [f"{name}={text}" for name, text in value.items()]
    return value
