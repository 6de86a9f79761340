"""Rows of tasks and of their observations. Pure."""

from typing import Any

from receiver.store.codec import RowCodec, json_object, readable, to_json
from receiver.tasks.model.task import Task, Verdict
from submitter.model import Observation, TaskId

#: Every column of `tasks` but the lease.
TASK_ROWS = RowCodec(Task, renamed={"provider_task_id": "task_id"}, flattened=["notify"])

task_row, task_of = TASK_ROWS.to_row, TASK_ROWS.from_row


def observation_row(name: str, task_id: TaskId, seen: Observation, verdict: Verdict, now_ms: int) -> dict[str, Any]:
    """`name` is the observation's own id."""
    detail: dict[str, Any] = {"task_id": seen.key.provider_task_id}
    if seen.progress is not None:
        detail["progress"] = seen.progress
    if seen.outputs:
        detail["outputs"] = [json_object(output) for output in seen.outputs]
    if seen.error is not None:
        detail["error"] = json_object(seen.error)
    if seen.completed_at_ms is not None:
        detail["completed_at_ms"] = seen.completed_at_ms
    if not seen.known_word:
        detail["unknown_word"] = True
    return {
        "id": name,
        "task": task_id,
        "at_ms": now_ms,
        "source": seen.source.value,
        "state": seen.state.value,
        "raw_state": seen.raw_state,
        "verdict": verdict.value,
        "detail": to_json(detail),
        "raw": readable(seen.raw),
    }
