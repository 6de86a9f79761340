"""The event about a task. Pure."""

from receiver.events.model.event import EventDraft, EventType
from receiver.tasks.model.task import Task
from submitter import api


def task_draft(event_id: str, event_type: EventType, task: Task) -> EventDraft:
    """Return the event, without its number, about a task as it is after the change."""
    return EventDraft(
        id=event_id,
        type=event_type,
        subject=task.id,
        data={"supersedes": task.supersedes, "task": api.Task.model_validate(task)},
    )
