"""JSON over plain HTTP, as a program in any language uses it: to the receiver's API, and to the simulator's control.

The demo uses `submitter.Client` only as one of the ways to submit and to follow the stream, so that a fault of the
client can not hide from the count.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from submitter.errors import WhenfinalError

TIMEOUT_S = 30.0  # of one call with its retries; longer than a restart of the receiver, and than a submit it repeats

PAUSE_S = 0.25  # between two tries

PAGE = 100


class DemoFailed(WhenfinalError):
    """A part of the demo did something unexpected, so that there is nothing to count."""


class Api:
    """Open it with `open_api`. While the server is down, each call is tried again."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Raise DemoFailed for any status but 200."""
        return _checked(await self.send("GET", path, params=query))

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, empty where it has no body. Raise DemoFailed for any status but 2xx."""
        return _checked(await self.send("POST", path, json=body))

    async def pages(self, path: str, member: str) -> list[dict[str, Any]]:
        """All items of a list with `next_cursor`."""
        found: list[dict[str, Any]] = []
        query: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self.get(path, **query)
            found += page[member]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The first answer, whatever its status. Raise DemoFailed when there is none in time."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    try:
                        return await self._client.request(method, path, params=params, json=json, headers=headers)
                    except httpx.TransportError:
                        await asyncio.sleep(PAUSE_S)
        except TimeoutError:
            raise DemoFailed(f"{method} {path}: no answer within {TIMEOUT_S:g} s") from None


def _checked(reply: httpx.Response) -> dict[str, Any]:
    if not reply.is_success:
        request = f"{reply.request.method} {reply.request.url.path}"
        raise DemoFailed(f"{request} was answered with status {reply.status_code}: {reply.text}")
    answer: dict[str, Any] = reply.json() if reply.content else {}
    return answer


@asynccontextmanager
async def open_api(origin: str, key: str | None = None) -> AsyncIterator[Api]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=origin, headers=headers, trust_env=False, timeout=TIMEOUT_S) as client:
        yield Api(client)
