"""Name lookups by the system's resolver, with a thread for each lookup.

A lookup can hang as long as the slowest name server and cannot be cancelled. The event loop's own thread pool has only
a few threads, so a few names that hang would block all other lookups.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

T = TypeVar("T")

_LITERAL = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class ThreadedResolver(AbstractResolver):
    """Resolves any number of names at once; the number of connections limits it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raise OSError when there are none, UnicodeError when it cannot be a name."""
        kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
        found = await in_own_thread(partial(socket.getaddrinfo, host, port, family, kind, 0, flags))
        return [
            ResolveResult(hostname=host, host=_address(where), port=port, family=kin, proto=proto, flags=_LITERAL)
            for kin, _, proto, _, where in found
        ]

    async def close(self) -> None:
        """Does nothing: the threads of lookups that hang end with the process."""


async def in_own_thread(work: Callable[[], T]) -> T:
    """Run `work` in a new thread and return its result. Cancellation does not stop the thread."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            finish(partial(outcome.set_exception, error))
        else:
            finish(partial(outcome.set_result, value))

    def finish(settle: Callable[[], None]) -> None:
        def settle_once() -> None:
            if not outcome.done():
                settle()

        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle_once)

    threading.Thread(target=run, name="lookup", daemon=True).start()
    return await outcome


def _address(where: Sequence[object]) -> str:
    """Return the address, with the zone of a link-local one, without which it cannot be reached."""
    zone = where[3] if len(where) == 4 else 0
    return f"{where[0]}%{zone}" if zone else str(where[0])
