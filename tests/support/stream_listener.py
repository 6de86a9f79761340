"""A client of the event stream over a socket. It parses only what the tests need."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.service import KEYS

TIMEOUT_S = 30.0
PATH = "/v1/events/stream"
KEY = {"Authorization": f"Bearer {KEYS['read'][1]}"}


@dataclass(eq=False)
class StreamListener:
    """`greeting` is the first block."""

    reply: httpx.Response
    greeting: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lines = self.reply.aiter_lines()

    async def block(self) -> dict[str, str] | None:
        """Field to value; a comment between blocks alone, under the empty name; None at the end of the stream."""
        found: dict[str, str] = {}
        async with asyncio.timeout(TIMEOUT_S):
            async for line in self._lines:
                if not line:
                    return found
                name, _, value = line.partition(":")
                assert name not in found
                found[name] = value.removeprefix(" ")
                if found.keys() == {""}:
                    return found
        assert not found, "the stream broke off within a block"
        return None

    async def event(self) -> dict[str, str]:
        """The next event of ours; a hello and comments are skipped."""
        while (block := await self.block()) is not None:
            if "data" in block and block["event"] != "hello":
                return block
        raise AssertionError("the stream has ended")

    async def seqs(self, count: int) -> list[int]:
        return [int((await self.event())["id"]) for _ in range(count)]

    async def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await self.event())["data"])
        return found


@asynccontextmanager
async def open_stream(
    http: httpx.AsyncClient, query: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[StreamListener]:
    """Yields after the first block, so that it receives every event from now on."""
    async with http.stream("GET", f"{PATH}?{query}", headers={**KEY, **(headers or {})}) as reply:
        if reply.status_code != httpx.codes.OK:
            await reply.aread()
        assert reply.status_code == httpx.codes.OK, reply.text
        listener = StreamListener(reply)
        listener.greeting = await listener.block() or {}
        assert listener.greeting["retry"] == "3000"
        yield listener
