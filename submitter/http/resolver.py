"""Where names lead: the system's resolver, one thread for each look-up.

A look-up can hang as long as the slowest name server in question, and nothing can end it. Event loops share a few
threads between all of them, so a handful of such names would keep everybody else from being looked up.
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


class Names(AbstractResolver):
    """As many at once as are asked for: bounded by the connections that ask."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raise OSError when the name leads nowhere, UnicodeError when it can not be one."""
        kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
        found = await in_own_thread(partial(socket.getaddrinfo, host, port, family, kind, 0, flags))
        return [
            ResolveResult(hostname=host, host=_address(where), port=port, family=kin, proto=proto, flags=_LITERAL)
            for kin, _, proto, _, where in found
        ]

    async def close(self) -> None:
        """Nobody waits for look-ups that hang: their threads end with the process."""


async def in_own_thread(work: Callable[[], T]) -> T:
    """Whoever stops waiting leaves the thread to its end, and what it brings is dropped."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            tell(outcome.set_result, work())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever waits
            tell(outcome.set_exception, error)

    def tell(say: Callable[[T], None] | Callable[[Exception], None], what: T | Exception) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: outcome.done() or say(what))  # type: ignore[arg-type]  # they fit

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return await outcome


def _address(where: Sequence[object]) -> str:
    """With the zone of a link-local address, without which it leads nowhere."""
    zone = where[3] if len(where) == 4 else 0
    return f"{where[0]}%{zone}" if zone else str(where[0])
