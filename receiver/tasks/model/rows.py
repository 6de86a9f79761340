"""Rows of tasks and of their observations. Pure."""

from typing import Any

from receiver.store.codec import RowCodec, json_object, readable, to_json
from receiver.tasks.model.task import Task, Verdict
from submitter.model import Observation, Refused, TaskId

#: Every column of `tasks` but the lease.
TASK_ROWS = RowCodec(Task, renamed={"provider_task_id": "task_id", "idempotency_key": "request_key"})

task_row, task_of = TASK_ROWS.to_row, TASK_ROWS.from_row


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
        "detail": to_json(detail),
        "raw": readable(observation.raw),
    }


def refusal_detail(refused: Refused) -> dict[str, Any]:
    """What the line of a refused submit says."""
    return {"refusal": refused.refusal.value, "error": json_object(refused.error), "status": refused.status}
