"""A request that may be left before its time, when nobody is there any more to read the answer, or on a stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive


class Exit:
    """Ends the block of `watched` early and without an error, however often and whenever it is taken."""

    def __init__(self) -> None:
        self._scope: asyncio.Timeout | None = None
        self._is_taken = False

    def take(self) -> None:
        if not self._is_taken and self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
        self._is_taken = True

    @asynccontextmanager
    async def watched(self, receive: Receive) -> AsyncIterator[None]:
        """The exit is taken when the client has gone. `receive` belongs to the block: the body has been read."""
        watcher = asyncio.create_task(self._watch(receive))
        try:
            async with asyncio.timeout(0 if self._is_taken else None) as self._scope:
                yield
        except TimeoutError:
            if self._scope is None or not self._scope.expired():
                raise
        finally:
            self._scope = None
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.take()
