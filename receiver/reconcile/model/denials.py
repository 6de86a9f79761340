"""Tasks that a provider denies one by one. Pure.

A 403 to a poll may be about that task alone, so it pauses nothing. Where task after task is denied and no good answer
comes between, the account is likely to be the reason, and an operator should hear of it.
"""

from dataclasses import dataclass, field

from submitter.model import TaskId

#: So many different tasks in a row raise the alarm.
TASKS_OF_AN_ALARM = 3


@dataclass(slots=True, kw_only=True, eq=False)
class Denials:
    """The row of each provider, as one process has seen it."""

    _rows: dict[str, set[TaskId]] = field(default_factory=dict, init=False)

    def add(self, provider: str, task_id: TaskId) -> bool:
        """Add a denied task. Return whether it is the one that makes the row long enough for the alarm."""
        row = self._rows.setdefault(provider, set())
        if len(row) >= TASKS_OF_AN_ALARM or task_id in row:
            return False
        row.add(task_id)
        return len(row) == TASKS_OF_AN_ALARM

    def end(self, provider: str) -> None:
        """The provider gave a good answer."""
        self._rows.pop(provider, None)
