"""Writes in groups: what comes while one transaction is being written goes together into the next one.

There is no timer. A single item is written at once, many share a commit, and each caller goes on only after the commit
of its own item.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from receiver.store.errors import StoreUnavailable

T = TypeVar("T")

R = TypeVar("R")

T_contra = TypeVar("T_contra", contravariant=True)

R_co = TypeVar("R_co", covariant=True)

MAX_GROUP = 64  # items in one transaction; bounds how long the first of them waits


class Write(Protocol[T_contra, R_co]):
    """Stores items in one transaction. Return what each came to, in their order.

    `waited_s`: how long the first of them has waited for the groups before. It counts; see `Engine.write`.
    """

    def __call__(self, items: Sequence[T_contra], /, *, waited_s: float) -> Awaitable[Sequence[R_co]]: ...


#: With the time of the event loop at which it came.
_Waiting = tuple[T, asyncio.Future[R], float]


class WriteGroups(Generic[T, R]):
    """Of one kind of item, at most `most` of them in one transaction."""

    def __init__(self, write: Write[T, R], *, most: int = MAX_GROUP) -> None:
        self._write = write
        self._most = most
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._writer: asyncio.Task[Any] | None = None

    async def add(self, item: T) -> R:
        """What the item came to, once that is durable. Raise what `write` raised; then nothing of it is stored.

        A cancelled caller stops neither the others of its group nor its own item.
        """
        return await self.put(item)

    def put(self, item: T) -> asyncio.Future[R]:
        """As `add`, for a caller that goes on meanwhile."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, result, loop.time()))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return result

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._store([self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))])
        finally:
            self._writer = None

    async def _store(self, group: Sequence[_Waiting[T, R]]) -> None:
        waited_s = asyncio.get_running_loop().time() - group[0][2]
        try:
            results = await self._write([item for item, _, _ in group], waited_s=waited_s)
        except Exception as error:  # noqa: BLE001 - every waiting caller gets it, whatever it is
            if len(group) > 1 and not isinstance(error, StoreUnavailable):
                for alone in group:  # one that cannot be stored must not fail the others
                    await self._store([alone])
                return
            for _, waiter, _ in group:
                if not waiter.done():
                    waiter.set_exception(error)
            return
        for (_, waiter, _), result in zip(group, results, strict=True):
            if not waiter.done():
                waiter.set_result(result)

    async def drained(self) -> None:
        """Wait until nothing is left to write; for a clean stop."""
        while self._writer is not None:
            await asyncio.wait([self._writer])
