"""What became of each line of a submit, for people and for programs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from receiver.cli.display.tables import cell, state_cell, table
from receiver.tasks.model.task import Task
from submitter import api
from submitter.model import ENDED, TaskState

_STARTED = frozenset(TaskState) - {TaskState.REFUSED, TaskState.UNCERTAIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """`task` is None when there is none of this line. `secret` was made for its webhooks and is shown only now."""

    number: int
    task: Task | None = None
    replayed: bool = False
    trouble: str | None = None
    secret: str | None = field(default=None, repr=False)
    timed_out: bool = False


def is_fine(result: LineResult, *, waited: bool) -> bool:
    """Waited for, only success is; else everything that the provider has taken."""
    if result.trouble is not None or result.task is None:
        return False
    return result.task.state is TaskState.SUCCEEDED if waited else result.task.state in _STARTED


def complaint(result: LineResult) -> str | None:
    """What a person should know of this line; None when there is nothing to say."""
    task = result.task
    if result.trouble is not None or task is None:
        return result.trouble
    if task.state is TaskState.UNCERTAIN:
        return f"{task.id} is uncertain, its reply was lost; it may be paid. See: whenfinal tasks explain {task.id}"
    if result.timed_out:
        return f"{task.id} is still {task.state} when the time is up; it goes on by itself under whenfinal serve"
    if task.state in ENDED - {TaskState.SUCCEEDED}:
        words = f", {task.error.code}: {task.error.message}" if task.error else ""
        return f"{task.id} ended {task.state}{words}"
    return None


def result_view(result: LineResult) -> dict[str, Any]:
    """The task as the API shows it, and the line's number; `trouble` where something is wrong."""
    task = {} if result.task is None else api.Task.model_validate(result.task).json_values()
    extra: dict[str, Any] = {"replayed": True} if result.replayed else {}
    if result.secret is not None:
        extra["notify"] = {"secret": result.secret}
    words = complaint(result)
    return {**task, **extra, "line": result.number} | ({} if words is None else {"trouble": words})


def results_table(results: Sequence[LineResult]) -> Table:
    rows = [
        (
            cell(result.number),
            cell(result.task.id if result.task else None),
            cell(result.task.provider if result.task else None),
            state_cell(result.task.state) if result.task else cell("none"),
            cell(result.task.provider_task_id if result.task else None),
        )
        for result in results
    ]
    return table("line", "task", "provider", "state", "provider's id", rows=rows)
