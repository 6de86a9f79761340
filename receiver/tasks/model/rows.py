"""Rows of tasks and of their observations. Pure."""

from operator import attrgetter
from typing import Any

from pydantic_core import to_json

from receiver.store.codec import RowCodec, json_object, readable
from receiver.tasks.model.task import Task, Verdict
from submitter.model import Observation, Refused, TaskId

_RENAMED = {"provider_task_id": "task_id", "idempotency_key": "request_key"}

#: Every column of `tasks` but the lease.
TASK_ROWS = RowCodec(Task, renamed=_RENAMED)

task_row, task_of = TASK_ROWS.to_row, TASK_ROWS.from_row

#: Without what only its opening and its submit read, of which the request can be long.
REPORTED_ROWS = RowCodec(
    Task, renamed=_RENAMED, excluded=["request", "request_hash", "notify_secret", "idempotency_key", "key_scope"]
)

reported_task_of = REPORTED_ROWS.from_row


#: What the statement `update_task` writes and `end_task` does not.
_UNCHANGED_BY_AN_END = attrgetter(
    "provider_task_id",
    "model",
    "submit_body",
    "acknowledged",
    "queued_ms",
    "queued_until_ms",
    "sent_ms",
    "refusal",
    "refusal_status",
    "settled",
    "submitted_ms",
    "deadline_ms",
    "overdue_ms",
    "missing_since_ms",
    "polls",
    "submits",
    "supersedes",
    "reports",
)


def is_only_ended(before: Task, after: Task) -> bool:
    """Whether `end_task` writes all that differs. So it does for nearly every end."""
    same: bool = _UNCHANGED_BY_AN_END(before) == _UNCHANGED_BY_AN_END(after)
    return same


def ended_row(task: Task) -> dict[str, Any]:
    """What `end_task` writes."""
    return {
        "id": task.id,
        "state": task.state.value,
        "raw_state": task.raw_state,
        "progress": task.progress,
        "outputs": _plain_json([json_object(output) for output in task.outputs]),
        "error": None if task.error is None else _plain_json(json_object(task.error)),
        "final_ms": task.final_ms,
        "result_expires_ms": task.result_expires_ms,
        "next_poll_ms": task.next_poll_ms,
        "final_event": task.final_event,
    }


def observation_row(
    observation_id: str, task_id: TaskId, observation: Observation, verdict: Verdict, now_ms: int
) -> dict[str, Any]:
    """A line of the timeline. Absent facts are left out of `detail`."""
    detail: dict[str, Any] = {}
    if observation.key.provider_task_id:
        detail["task_id"] = observation.key.provider_task_id
    if observation.progress is not None:
        detail["progress"] = observation.progress
    if observation.outputs:
        detail["outputs"] = [json_object(output) for output in observation.outputs]
    if observation.error is not None:
        detail["error"] = json_object(observation.error)
    if observation.completed_at_ms is not None:
        detail["completed_at_ms"] = observation.completed_at_ms
    if not observation.is_documented_state:
        detail["unknown_word"] = True
    if observation.without_result:
        detail["without_result"] = True
    return {
        "id": observation_id,
        "task": task_id,
        "at_ms": now_ms,
        "source": observation.source.value,
        "state": observation.state.value,
        "raw_state": observation.raw_state,
        "verdict": verdict.value,
        "detail": _plain_json(detail),
        "raw": readable(observation.raw),
    }


def reports_row(task: Task) -> dict[str, Any]:
    """What `count_reports` writes."""
    return {"id": task.id, "reports": _plain_json(task.reports)}


def _plain_json(value: object) -> str:
    """JSON of what an observation says: texts, whole numbers and flags. A quarter of the cost of `codec.to_json`."""
    return to_json(value).decode()


def refusal_detail(refused: Refused) -> dict[str, Any]:
    """What the line of a refused submit says."""
    return {"refusal": refused.refusal.value, "error": json_object(refused.error), "status": refused.status}
