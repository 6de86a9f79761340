"""What looks at the providers' lists have found for uncertain tasks, and which of it is clear. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.runtime.operator_runs.model import OperatorRun
from receiver.tasks.model.task import Task

LOOK_OLD_MS = 1_800_000  # an older look is no ground to accept anything in bulk


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the newest look found for one task."""

    run: str
    actor: str
    at_ms: int
    found: Mapping[str, Any]

    @property
    def clear(self) -> str | None:
        """The id of the one candidate that it can be."""
        found: str | None = self.found.get("clear")
        return found


def seen_by_task(looks: Sequence[OperatorRun]) -> dict[str, Seen]:
    """`looks` are the newest first."""
    found: dict[str, Seen] = {}
    for look in looks:
        for note in look.notes:
            if note.found:
                at_ms = look.created_ms if look.ended_ms is None else look.ended_ms
                found.setdefault(
                    note.item, Seen(run=look.id, actor=look.actor, at_ms=at_ms, found=json.loads(note.found))
                )
    return found


def accepted(tasks: Sequence[Task], seen: Mapping[str, Seen], now_ms: int) -> dict[str, dict[str, str]]:
    """The tasks with exactly one candidate, and that one. An id that two of them would get is given to neither.

    A submit that was sent after a look cannot have created what the look saw, so no new one makes it less clear.
    """
    clear = [(task, seen[task.id]) for task in tasks if task.id in seen and now_ms - seen[task.id].at_ms <= LOOK_OLD_MS]
    claims = Counter((task.provider, each.clear) for task, each in clear if each.clear is not None)
    return {
        task.id: {"id": each.clear, "found": f"the only candidate in {task.provider}'s list"}
        for task, each in clear
        if each.clear is not None and claims[task.provider, each.clear] == 1
    }
