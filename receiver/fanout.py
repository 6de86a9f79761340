"""Who is owed an event. Pure.

Today a task's own `notify` endpoint is; subscriptions join here.
"""

from receiver.records import Task


def endpoints_for(task: Task) -> tuple[str, ...]:
    """Endpoint URLs that are owed this task's events, none twice."""
    return () if task.notify is None else (task.notify.url,)
