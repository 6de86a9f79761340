"""The receiver's API, as any program in any language would use it: plain HTTP and JSON.

While the receiver is away every call is tried again; a submit under the same `Idempotency-Key`, so that it is never
paid for twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from receiver.cli.demo.tally import Story
from submitter.errors import WhenfinalError

PATIENCE_S = 30.0  # with one call; longer than a restart of the receiver, and than a submit that it repeats

PAUSE_S = 0.25  # between tries

PAGE = 100

_ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})


class DemoStuck(WhenfinalError):
    """A part of the demo did what it must not, so that there is nothing to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the API with a status below 600; `body` is its JSON."""

    status: int
    body: Mapping[str, Any]


class Service:
    """Open it with `open_service`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def submit(self, body: Mapping[str, Any], *, key: str) -> Reply:
        return await self._call("POST", "/v1/tasks", json=body, headers={"Idempotency-Key": key})

    async def tasks(self) -> list[dict[str, Any]]:
        """All of them."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = await self._get("/v1/tasks", query)
            found += page["tasks"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def subscribe(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """The subscription with its secret."""
        return await self._post("/v1/subscriptions", order, wanted=httpx.codes.CREATED)

    async def rotate_secret(self, name: str) -> Mapping[str, Any]:
        """The subscription with its new secret."""
        return await self._post(f"/v1/subscriptions/{name}/rotate-secret", {}, wanted=httpx.codes.OK)

    async def events(self, after: int) -> tuple[list[dict[str, Any]], int]:
        """The events after that number, and the number to go on from."""
        page = await self._get("/v1/events", {"after": after, "limit": PAGE})
        return page["events"], page["next_after"]

    async def story(self, task: Mapping[str, Any]) -> Story:
        """What the ledger has on record of a task."""
        page = await self._get(f"/v1/tasks/{task['id']}/timeline", {})
        story = Story(task=task["id"], provider=task["provider"], provider_task_id=task["task_id"])
        return with_notes(story, [note["detail"] for note in page["timeline"] if note["kind"] == "observation"])

    async def _post(self, path: str, body: Mapping[str, Any], *, wanted: int) -> Mapping[str, Any]:
        reply = await self._call("POST", path, json=body)
        if reply.status != wanted:
            raise DemoStuck(f"POST {path} was answered with status {reply.status}: {reply.body}")
        return reply.body

    async def _get(self, path: str, query: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        reply = await self._call("GET", path, params=query)
        if reply.status != httpx.codes.OK:
            raise DemoStuck(f"GET {path} was answered with status {reply.status}: {reply.body}")
        return reply.body

    async def _call(self, method: str, path: str, **options: Any) -> Reply:  # noqa: ANN401 - passed on to httpx
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._until_answered(method, path, options)
        except TimeoutError:
            raise DemoStuck(f"{method} {path}: no answer from the receiver within {PATIENCE_S:g} s") from None

    async def _until_answered(self, method: str, path: str, options: Mapping[str, Any]) -> Reply:
        while True:
            try:
                reply = await self._client.request(method, path, **options)
            except httpx.TransportError:
                await asyncio.sleep(PAUSE_S)
            else:
                return Reply(status=reply.status_code, body=reply.json())


@asynccontextmanager
async def open_service(url: str, key: str) -> AsyncIterator[Service]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30.0) as client:
        yield Service(client)


def with_notes(story: Story, observations: Sequence[Mapping[str, Any]]) -> Story:
    """The story with what its observations say: who ended it, and how often it was contradicted."""
    for seen in observations:
        if seen["verdict"] == "applied" and seen["state"] in _ENDS and story.ended_by is None:
            story = replace(story, ended_by=seen["source"])
        if seen["verdict"] == "contradiction":
            story = replace(story, contradictions=story.contradictions + 1)
    return story
