"""The event about a task. Pure."""

from receiver.events.model.event import TASK_EVENTS, EventDraft, EventFacts, EventType
from receiver.tasks.model.task import Task
from submitter import api


def task_draft(event_id: str, event_type: EventType, task: Task) -> EventDraft:
    """Return the event, without its number, about a task as it is after the change."""
    return EventDraft(
        id=event_id,
        facts=EventFacts(type=event_type, provider=task.provider, model=task.model, labels=task.labels),
        subject=task.id,
        data={"supersedes": task.supersedes, "task": api.Task.model_validate(task)},
        notify_url=task.notify_url if event_type in TASK_EVENTS else None,
    )
