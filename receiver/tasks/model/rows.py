"""Between rows and values. Pure: JSON is text, booleans are 0 or 1, and no engine's types come through."""

import json
from typing import Any

from receiver.store.codec import Row, readable, to_json
from receiver.tasks.model.task import Notify, Task, Verdict
from receiver.tasks.model.timeline import StoredObservation
from submitter.model import Observation, Output, Source, TaskError, TaskId, TaskState

_PLAIN_TASK_FIELDS = (
    "id",
    "provider",
    "provider_task_id",
    "model",
    "raw_state",
    "progress",
    "request_hash",
    "submit_body",
    "idempotency_key",
    "created_ms",
    "submitted_ms",
    "final_ms",
    "deadline_ms",
    "overdue_ms",
    "result_expires_ms",
    "next_poll_ms",
    "missing_since_ms",
    "polls",
    "submits",
    "final_event",
    "supersedes",
)


def error_values(error: TaskError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": error.message}


def output_values(output: Output) -> dict[str, Any]:
    return {
        "url": output.url,
        "type": output.type,
        "expires_at_ms": output.expires_at_ms,
        "needs_key": output.needs_key,
    }


def task_row(task: Task) -> dict[str, Any]:
    """Every column of `tasks` but the lease."""
    return {
        **{name: getattr(task, name) for name in _PLAIN_TASK_FIELDS},
        "state": task.state.value,
        "request": to_json(dict(task.request)),
        "labels": to_json(dict(task.labels)),
        "notify_url": task.notify.url if task.notify else None,
        "notify_secret": task.notify.secret if task.notify else None,
        "outputs": to_json([output_values(output) for output in task.outputs]),
        "error": None if task.error is None else to_json(error_values(task.error)),
        "adopted": int(task.adopted),
        "callback_expected": int(task.callback_expected),
    }


def task_of(row: Row) -> Task:
    notify = None if row["notify_url"] is None else Notify(url=row["notify_url"], secret=row["notify_secret"])
    return Task(
        **{name: row[name] for name in _PLAIN_TASK_FIELDS if name != "provider_task_id"},
        provider_task_id=row["task_id"],
        state=TaskState(row["state"]),
        request=json.loads(row["request"]),
        labels=json.loads(row["labels"]),
        notify=notify,
        outputs=tuple(Output(**output) for output in json.loads(row["outputs"])),
        error=None if row["error"] is None else TaskError(**json.loads(row["error"])),
        adopted=bool(row["adopted"]),
        callback_expected=bool(row["callback_expected"]),
    )


def observation_row(name: str, task_id: TaskId, seen: Observation, verdict: Verdict, now_ms: int) -> dict[str, Any]:
    """`name` is the observation's own id."""
    detail: dict[str, Any] = {"task_id": seen.key.provider_task_id}
    if seen.progress is not None:
        detail["progress"] = seen.progress
    if seen.outputs:
        detail["outputs"] = [output_values(output) for output in seen.outputs]
    if seen.error is not None:
        detail["error"] = error_values(seen.error)
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


def observation_of(row: Row) -> StoredObservation:
    return StoredObservation(
        id=row["id"],
        task=row["task"],
        at_ms=row["at_ms"],
        source=Source(row["source"]),
        state=TaskState(row["state"]),
        raw_state=row["raw_state"],
        verdict=Verdict(row["verdict"]),
        detail=json.loads(row["detail"]),
        raw=row["raw"],
    )
