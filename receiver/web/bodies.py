"""Read request bodies within limits: of one body its size and its speed, of all bodies of a process their sum.

A body counts while it is read and parsed. What is large is parsed in a thread, because everybody else would wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from receiver.config.settings import Settings
from receiver.web.problems import FULL_RETRY_S, Kind, Problem, with_retry_after

T = TypeVar("T")

#: Seconds for a body, beside those that its bytes so far need at the lowest speed.
BODY_WITHIN_S = 10.0

#: The lowest speed, in bytes a second. A callback of 1 MiB, the largest by default, thus comes in less time than a stop
#: allows the requests in flight. A caller of the API has shown a key and may be on a slow line with its pictures.
SLOWEST_CALLBACK, SLOWEST_UPLOAD = 128 * 1024, 32 * 1024

FORM_BYTES = 64 * 1024  # a form of the dashboard: a filter, a nonce, and a few words of an operator

LARGE_BYTES = 1 << 20  # parsed in a thread; a smaller one takes a few milliseconds

LARGE_AT_ONCE = 2  # each takes several times its size in memory, and more threads would not be faster


@dataclass(eq=False, kw_only=True)
class BodyPool:
    """What bodies of one kind may be and hold. `held_bytes` are those of all connections now."""

    max_bytes: int
    slowest_bytes_s: int
    most_held_bytes: int
    held_bytes: int = 0


@dataclass(eq=False, kw_only=True)
class Bodies:
    """One for a process. Callers who have proved less get less, so that they cannot take what the others need."""

    #: Of callers with a key.
    api: BodyPool
    #: Of callbacks with a token of ours in their path.
    callbacks: BodyPool
    #: Of callbacks that only a signature over their body can prove.
    unproved: BodyPool
    #: Of forms of the dashboard, which anybody can post.
    forms: BodyPool
    _large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))

    @classmethod
    def of(cls, settings: Settings) -> "Bodies":
        most, callback_bytes = settings.api.bodies_max_bytes, settings.callbacks.max_bytes

        def pool(max_bytes: int, slowest_bytes_s: int, part: int) -> BodyPool:
            held = max(max_bytes, most // part)
            return BodyPool(max_bytes=max_bytes, slowest_bytes_s=slowest_bytes_s, most_held_bytes=held)

        return cls(
            api=pool(settings.api.max_bytes, SLOWEST_UPLOAD, 1),
            callbacks=pool(callback_bytes, SLOWEST_CALLBACK, 4),
            unproved=pool(callback_bytes, SLOWEST_CALLBACK, 16),
            forms=BodyPool(max_bytes=FORM_BYTES, slowest_bytes_s=SLOWEST_CALLBACK, most_held_bytes=16 * FORM_BYTES),
        )

    async def parsed(self, body: bytes, parse: Callable[[bytes], T]) -> T:
        """Return what `parse` makes of a body, or raise what it raises."""
        if len(body) <= LARGE_BYTES:
            return parse(body)
        async with self._large:
            return await asyncio.to_thread(parse, body)


class Reading:
    """Gives the whole body to an `async with`; it counts in the pool until the block ends.

    Entering raises a 413 problem when it is too large, a 408 problem when it comes too slowly, and a 503 problem when
    the bodies of all connections are too much together.
    """

    __slots__ = ("_headers", "_held_bytes", "_pool", "_receive")

    def __init__(self, receive: Receive, headers: Sequence[tuple[bytes, bytes]], pool: BodyPool) -> None:
        self._receive = receive
        self._headers = headers
        self._pool = pool
        self._held_bytes = 0

    async def __aenter__(self) -> bytes:
        if _declared_bytes(self._headers) > self._pool.max_bytes:
            raise _too_large(self._pool)
        try:
            return await self._read()
        except BaseException:
            self._pool.held_bytes -= self._held_bytes
            raise

    async def __aexit__(self, *_: object) -> None:
        self._pool.held_bytes -= self._held_bytes

    async def _read(self) -> bytes:
        until_s = asyncio.get_running_loop().time() + BODY_WITHIN_S
        chunks: list[bytes] = []
        is_whole = False
        try:
            async with asyncio.timeout_at(until_s) as timeout:
                while not is_whole:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    chunks.append(message.get("body", b""))
                    self._hold(len(chunks[-1]))
                    is_whole = not message.get("more_body", False)
                    if not is_whole:
                        timeout.reschedule(until_s + self._held_bytes / self._pool.slowest_bytes_s)
        except TimeoutError:
            raise _too_slow(self._pool) from None
        return b"".join(chunks)

    def _hold(self, more_bytes: int) -> None:
        pool = self._pool
        if self._held_bytes + more_bytes > pool.max_bytes:
            raise _too_large(pool)
        if pool.held_bytes + more_bytes > pool.most_held_bytes:
            problem = Problem(Kind.BODIES_FULL, headers={"Connection": "close"})
            raise with_retry_after(problem, FULL_RETRY_S)
        self._held_bytes += more_bytes
        pool.held_bytes += more_bytes


def _declared_bytes(headers: Sequence[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value[:19]) if value.isdigit() else 0
    return 0


def _too_large(pool: BodyPool) -> Problem:
    return Problem(Kind.TOO_LARGE, f"The body may have {pool.max_bytes} bytes at most.")


def _too_slow(pool: BodyPool) -> Problem:
    detail = f"After {BODY_WITHIN_S:.0f} s a body must come at {pool.slowest_bytes_s} bytes a second or more."
    return Problem(Kind.TOO_SLOW, detail, headers={"Connection": "close"})
