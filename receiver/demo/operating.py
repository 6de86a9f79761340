"""The demo's operator: settles uncertain submits by what the provider's console shows, as a person would.

Pure. The console is the simulator's books; an entry belongs to a task when it is the same provider's, not known to us,
made about when we sent, and with our prompt in it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from receiver.demo.simulated import BookEntry

EARLIEST_S = 1  # two clocks of one machine, read a moment apart
LATEST_S = 30  # a submit that was repeated with pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """A task of ours whose submit got no clear answer."""

    task: str
    provider: str
    created_ms: int
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What the operator says of a task; `task_id` None: nothing was created."""

    task: str
    task_id: str | None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `whenfinal`."""
        found = ("--refused",) if self.task_id is None else ("--task-id", self.task_id)
        return ("tasks", "settle", self.task, *found)


def decide(
    uncertain: Sequence[Uncertain], books: Sequence[BookEntry], *, known: Collection[tuple[str, str]]
) -> list[Settlement]:
    """One settlement for each. `known` are (provider, task_id) that stand in our ledger; none is given out twice."""
    taken = set(known)
    settlements: list[Settlement] = []
    for task in sorted(uncertain, key=lambda each: each.created_ms):
        entry = next((entry for entry in books if _fits(task, entry) and _key(entry) not in taken), None)
        if entry is not None:
            taken.add(_key(entry))
        settlements.append(Settlement(task=task.task, task_id=None if entry is None else entry.paid.task_id))
    return settlements


def _key(entry: BookEntry) -> tuple[str, str]:
    return entry.paid.provider, entry.paid.task_id


def _fits(task: Uncertain, entry: BookEntry) -> bool:
    late_s = (entry.created_ms - task.created_ms) / 1000
    is_near = -EARLIEST_S <= late_s <= LATEST_S
    return entry.paid.provider == task.provider and is_near and task.prompt in _prompts(entry.body)


def _prompts(body: str) -> set[str]:
    """Every `prompt` in a JSON body, however deep."""
    try:
        return set(_found(json.loads(body)))
    except ValueError:
        return set()


def _found(value: object) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    own = [value["prompt"]] if isinstance(value.get("prompt"), str) else []
    return own + [prompt for inner in value.values() for prompt in _found(inner)]
