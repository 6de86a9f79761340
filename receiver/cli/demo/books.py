"""The demo's operator: settles uncertain submits by what the provider's console shows, as a person would.

Pure. The console is the simulator's books; an entry belongs to a task when it is the same provider's, not known to us,
made about when we sent, and with our prompt in it.
"""

import base64
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from receiver.cli.demo.api import DemoStuck
from receiver.cli.demo.tally import Paid
from submitter.http.messages import is_success

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
    provider_task_id: str | None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `whenfinal`."""
        found = ("--refused",) if self.provider_task_id is None else ("--task-id", self.provider_task_id)
        return ("tasks", "settle", self.task, *found)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEntry:
    """A task in the simulator's books. `awaits_callback`: a planned callback has not been heard to its end yet."""

    paid: Paid
    created_ms: int
    body: str = field(repr=False)
    awaits_contradiction: bool


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
        settlements.append(
            Settlement(task=task.task, provider_task_id=None if entry is None else entry.paid.provider_task_id)
        )
    return settlements


def _key(entry: BookEntry) -> tuple[str, str]:
    return entry.paid.provider, entry.paid.provider_task_id


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


_ENDS = frozenset({"succeeded", "failed"})


class Simulated:
    """The control side of a running simulator."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def plan(self, provider: str, faults: Sequence[Sequence[str]]) -> None:
        """For its next submits, in order of arrival."""
        body = {"platform": provider, "faults": [list(names) for names in faults]}
        await self._call("POST", "/_simulator/plan", json=body)

    async def books(self) -> list[BookEntry]:
        """Every task that was made, hence paid, oldest first."""
        return [read_entry(task) for task in (await self._read())["tasks"]]

    async def troubles(self) -> dict[str, int]:
        """How often each fault was met, and how often a submit was refused for each reason."""
        books = await self._read()
        faults = Counter(fault for task in books["tasks"] for fault in task["faults"])
        refusals = Counter(f"submit refused ({refusal['reason']})" for refusal in books["refused"])
        return dict(sorted((faults + refusals).items()))

    async def _read(self) -> Any:  # noqa: ANN401 - JSON
        return (await self._call("GET", "/_simulator/books")).json()

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - passed on to httpx
        try:
            return (await self._client.request(method, path, **options)).raise_for_status()
        except httpx.HTTPError as error:
            raise DemoStuck(f"{method} {path}: the simulator did not do it: {type(error).__name__}") from error


def read_entry(task: Mapping[str, Any]) -> BookEntry:
    is_contradicted = any(
        attempt["reported"] != task["state"] and is_success(attempt["status"]) for attempt in task["callbacks"]
    )
    paid = Paid(
        provider=task["platform"],
        provider_task_id=task["task_id"],
        state=task["state"],
        is_ended=task["state"] in _ENDS,
        contradicted=is_contradicted,
    )
    return BookEntry(
        paid=paid,
        created_ms=task["created_ms"],
        body=base64.b64decode(task["raw_body_base64"]).decode(errors="replace"),
        awaits_contradiction="callback_contradicting" in task["faults"] and not is_contradicted,
    )
