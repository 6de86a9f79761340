"""The event about a task. Pure."""

from typing import Any

from receiver.events.model.event import EventDraft, EventType
from receiver.tasks.model.task import Task
from submitter.timestamps import rfc3339


def task_draft(event_id: str, event_type: EventType, task: Task) -> EventDraft:
    """Return the event, without its number, about a task as it is after the change."""
    return EventDraft(
        id=event_id,
        type=event_type,
        subject=task.id,
        data={"supersedes": task.supersedes, "task": _task_values(task)},
    )


def _task_values(task: Task) -> dict[str, Any]:
    """The JSON values of `submitter.api.Task`, without the model, because that costs several times as much."""
    return {
        "id": task.id,
        "provider": task.provider,
        "task_id": task.provider_task_id,
        "model": task.model,
        "state": task.state.value,
        "raw_state": task.raw_state,
        "progress": task.progress,
        "labels": task.labels,
        "created_at": rfc3339(task.created_ms),
        "submitted_at": rfc3339(task.submitted_ms),
        "final_at": rfc3339(task.final_ms),
        "deadline_at": rfc3339(task.deadline_ms),
        "outputs": [
            {
                "type": output.type,
                "url": output.url,
                "expires_at": rfc3339(output.expires_at_ms),
                "needs_key": output.needs_key,
            }
            for output in task.outputs
        ],
        "error": None if task.error is None else {"code": task.error.code, "message": task.error.message},
        "supersedes": task.supersedes,
        "callback_expected": task.callback_expected,
        "polls": task.polls,
    }
