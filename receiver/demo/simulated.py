"""The simulator's control routes, as the demo uses them: plan faults, read the books."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from receiver.demo.service import DemoStuck
from receiver.demo.tally import Paid

_ENDS = frozenset({"succeeded", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEntry:
    """A task in the simulator's books. `awaits_callback`: a planned callback has not been heard to its end yet."""

    paid: Paid
    created_ms: int
    body: str = field(repr=False)
    awaits_contradiction: bool


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
        attempt["reported"] != task["state"] and attempt["status"] is not None and 200 <= attempt["status"] < 300
        for attempt in task["callbacks"]
    )
    paid = Paid(
        provider=task["platform"],
        task_id=task["task_id"],
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
