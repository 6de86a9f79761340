"""Both clients behind one face, so that a test says once what each of them does. The plain one runs in a thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, Literal

from submitter import Client, SyncClient

Kind = Literal["async", "sync"]


@dataclass(frozen=True)
class Either:
    """One of the two; methods are named as a user names them: `tasks.get`."""

    client: Client | SyncClient

    async def do(self, name: str, /, *arguments: Any, **named: Any) -> Any:
        """What the method returns."""
        method = attrgetter(name)(self.client)
        if isinstance(self.client, Client):
            return await method(*arguments, **named)
        return await asyncio.to_thread(method, *arguments, **named)

    async def items(self, name: str, /, *arguments: Any, first: int | None = None, **named: Any) -> list[Any]:
        """What the method gives, or the first of it, after which it is left."""
        series = attrgetter(name)(self.client)(*arguments, **named)
        if isinstance(self.client, SyncClient):
            return await asyncio.to_thread(_first, series, first)
        found: list[Any] = []
        async for item in series:
            found.append(item)
            if len(found) == first:
                break
        await series.aclose()
        return found


def _first(series: Any, count: int | None) -> list[Any]:
    found = list(islice(series, count))
    series.close()
    return found


@asynccontextmanager
async def either(kind: Kind, url: str, key: str, **settings: Any) -> AsyncIterator[Either]:
    if kind == "async":
        async with Client(url, key, **settings) as client:
            yield Either(client)
        return
    with SyncClient(url, key, **settings) as plain:
        yield Either(plain)
