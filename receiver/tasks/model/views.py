"""How tasks, events and deliveries look to an outsider: the one shape that the API, events and the command line share.

Pure. Secrets, stored bodies and leases have no place here.
"""

from typing import Any

from receiver.events.model.event import EventDraft, EventFacts, EventType
from receiver.tasks.model.task import Task
from submitter.model import Output
from submitter.timestamps import rfc3339


def output_view(output: Output) -> dict[str, Any]:
    return {
        "type": output.type,
        "url": output.url,
        "expires_at": rfc3339(output.expires_at_ms),
        "needs_key": output.needs_key,
    }


def task_view(task: Task) -> dict[str, Any]:
    """JSON values only; times RFC 3339."""
    return {
        "id": task.id,
        "provider": task.provider,
        "task_id": task.provider_task_id,
        "model": task.model,
        "state": task.state.value,
        "raw_state": task.raw_state,
        "progress": task.progress,
        "labels": dict(task.labels),
        "created_at": rfc3339(task.created_ms),
        "submitted_at": rfc3339(task.submitted_ms),
        "final_at": rfc3339(task.final_ms),
        "deadline_at": rfc3339(task.deadline_ms),
        "outputs": [output_view(output) for output in task.outputs],
        "error": None if task.error is None else {"code": task.error.code, "message": task.error.message},
        "supersedes": task.supersedes,
        "callback_expected": task.callback_expected,
        "polls": task.polls,
    }


def task_draft(event_id: str, event_type: EventType, task: Task) -> EventDraft:
    """An event about a task as it is after the change."""
    return EventDraft(
        id=event_id,
        facts=EventFacts(type=event_type, provider=task.provider, model=task.model, labels=task.labels),
        subject=task.id,
        data={"supersedes": task.supersedes, "task": task_view(task)},
        notify_url=task.notify.url if task.notify else None,
    )
