"""The result of each line of a submit: whether it succeeded, its problem, as JSON and as a table."""

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
    """What a line of the file came to."""

    number: int
    #: None when the line made no task.
    task: Task | None = None
    #: An earlier submit with the same idempotency key made the task.
    replayed: bool = False
    #: Why the submit failed.
    error: str | None = None
    #: The new secret of the task's webhooks, which is shown only now.
    secret: str | None = field(default=None, repr=False)
    #: With --wait: the time was up before the task had ended.
    timed_out: bool = False

    def is_success(self, *, waited: bool) -> bool:
        """With --wait only a succeeded task; without it everything that the provider accepted."""
        if self.error is not None or self.task is None:
            return False
        return self.task.state is TaskState.SUCCEEDED if waited else self.task.state in _STARTED

    @property
    def problem(self) -> str | None:
        """What is wrong with this line, in one sentence; None when nothing is."""
        task = self.task
        if self.error is not None or task is None:
            return self.error
        if task.state is TaskState.UNCERTAIN:
            return (
                f"{task.id} is uncertain: its reply was lost and it may be paid; see whenfinal tasks explain {task.id}"
            )
        if self.timed_out:
            return f"{task.id} is still {task.state} when the time is up; it continues under whenfinal serve"
        if task.state in ENDED - {TaskState.SUCCEEDED}:
            reason = f", {task.error.code}: {task.error.message}" if task.error else ""
            return f"{task.id} ended {task.state}{reason}"
        return None


def result_view(result: LineResult) -> dict[str, Any]:
    """The task as in the API, with `line`, and `trouble` where something is wrong."""
    task = {} if result.task is None else api.Task.model_validate(result.task).json_values()
    replayed: dict[str, Any] = {"replayed": True} if result.replayed else {}
    notify: dict[str, Any] = {} if result.secret is None else {"notify": {"secret": result.secret}}
    trouble = {} if result.problem is None else {"trouble": result.problem}
    return {**task, **replayed, **notify, "line": result.number, **trouble}


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
