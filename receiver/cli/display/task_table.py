"""The table of `whenfinal tasks list`."""

from collections.abc import Sequence

from rich.table import Table

from receiver.cli.display.listing import format_labels, state_cell, table
from receiver.runtime.durations import format_duration
from receiver.tasks.model.task import Task


def tasks_table(tasks: Sequence[Task], now_ms: int) -> Table:
    rows = [
        (
            task.id,
            task.provider,
            state_cell(task.state),
            percent(task),
            format_duration(now_ms - task.created_ms),
            task.provider_task_id,
            task.model,
            format_labels(task.labels),
        )
        for task in tasks
    ]
    return table("task", "provider", "state", "progress", "age", "provider's id", "model", "labels", rows=rows)


def percent(task: Task) -> str | None:
    return None if task.progress is None else f"{task.progress} %"
