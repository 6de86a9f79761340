"""Writes in groups: what comes while one transaction is being written goes together into the next one.

There is no timer. A single item is written at once, many share a commit, and each caller goes on only after the commit
of its own item.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from receiver.store.errors import StoreUnavailable

T = TypeVar("T")

R = TypeVar("R")

MAX_GROUP = 64  # items in one transaction; bounds how long the first of them waits


class WriteGroups(Generic[T, R]):
    """Of one kind of item. `write` stores some in one transaction, and returns what each came to, in their order."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._write = write
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._writer: asyncio.Task[Any] | None = None

    async def add(self, item: T) -> R:
        """What the item came to, once that is durable. Raise what `write` raised; then nothing of it is stored.

        A cancelled caller stops neither the others of its group nor its own item.
        """
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await result

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._store([self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))])
        finally:
            self._writer = None

    async def _store(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._write([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - every waiting caller gets it, whatever it is
            if len(group) > 1 and not isinstance(error, StoreUnavailable):
                for alone in group:  # one that cannot be stored must not fail the others
                    await self._store([alone])
                return
            for _, waiter in group:
                if not waiter.done():
                    waiter.set_exception(error)
            return
        for (_, waiter), result in zip(group, results, strict=True):
            if not waiter.done():
                waiter.set_result(result)
