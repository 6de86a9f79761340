"""Follow a receiver's events over its stream, through lost connections.

Each connection begins at the cursor of the last one, so each event comes once. A connection that ends, breaks, is no
stream or is silent for too long is replaced after a pause. Only an error that another connection would not mend is
raised.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic

import httpx

from submitter.api import AnyEvent, ResetNotice
from submitter.client.replies import error_of, read_event, read_problem, read_reply
from submitter.client.sse import Block, BlockReader, BlockTooLarge
from submitter.errors import ClientError, CursorExpired, ReceiverUnreachable
from submitter.http.messages import read_retry_after_s

log = logging.getLogger(__name__)

#: After so long without a byte the connection is replaced. The receiver sends a comment every 15 s by default; a
#: receiver that is set to a longer interval than this only causes needless connections.
SILENCE_S = 60.0

#: Seconds before the second, third and fourth try of the first connection.
FIRST_PAUSES_S = (0.2, 1.0, 3.0)

RETRY_S = 3.0  # after a lost connection, unless the stream names another time (`retry:`)

SHORTEST_RETRY_S, LONGEST_PAUSE_S = 0.1, 60.0  # the bounds of `retry:`; pauses double up to the latter

RETRY_AFTER_CAP_S = 600.0

JITTER = 0.5  # the largest random part that is added to a pause

BLOCK_CAP_BYTES = 4 << 20  # far above any event of the receiver

PROBLEM_CAP_BYTES = 64 << 10

_STREAM_TYPE = "text/event-stream"

_HEADERS = {"Accept": _STREAM_TYPE, "Accept-Encoding": "identity", "Cache-Control": "no-store"}

_RESET = "reset"

_HELLO = "hello"  # tells the cursor and is no event

#: Statuses that the same request would get again.
_FINAL = frozenset({400, 401, 403, 404, 405, 410, 422})


class _Disconnected(Exception):
    """The connection failed or ended. `error` is what to raise when the tries are used up."""

    def __init__(self, error: ClientError, *, retry_after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_s = retry_after_s


@dataclass(eq=False, kw_only=True)
class EventFollower:
    """Follows from `cursor` on, None: from now on. `params` are the conditions as query parameters."""

    http: httpx.AsyncClient
    params: Sequence[tuple[str, str]]
    cursor: int | None
    timeout_s: float
    random: Callable[[], float] = field(default_factory=lambda: secrets.SystemRandom().random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _retry_s: float | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _has_connected: bool = field(default=False, init=False)

    async def events(self) -> AsyncGenerator[AnyEvent]:
        """Yield events without end. Raise CursorExpired, ReceiverRefused or ReceiverUnreachable."""
        while True:
            began_s = monotonic()
            try:
                async with aclosing(self._connection()) as blocks:
                    async for block in blocks:
                        event = self._take(block)
                        if event is not None:
                            yield event
                lost = _Disconnected(ReceiverUnreachable("the stream ended"))
            except _Disconnected as error:
                lost = error
            if self._has_connected and monotonic() - began_s > LONGEST_PAUSE_S:
                self._failures = 0  # a long connection was a good one, even if no event came
            await self._pause(lost)

    def _take(self, block: Block) -> AnyEvent | None:
        """Return the block's event if it is new. A hello, or a block without data, only moves the cursor."""
        if block.retry_ms is not None:
            self._retry_s = max(SHORTEST_RETRY_S, min(block.retry_ms / 1000, LONGEST_PAUSE_S))
        if block.data is None or block.event == _HELLO:
            self._advance(block.id)
            return None
        if block.event == _RESET:
            raise CursorExpired(read_reply(ResetNotice, block.data.encode()).oldest_after)
        event = read_event(block.data.encode())
        self._failures = 0
        if self.cursor is not None and event.seq <= self.cursor:
            return None
        self.cursor = event.seq
        return event

    def _advance(self, event_id: str | None) -> None:
        if event_id is not None and event_id.isascii() and event_id.isdecimal() and len(event_id) < 19:
            self.cursor = max(self.cursor or 0, int(event_id))

    async def _connection(self) -> AsyncGenerator[Block]:
        after = () if self.cursor is None else (("after", str(self.cursor)),)
        request = self.http.stream(
            "GET",
            "v1/events/stream",
            params=httpx.QueryParams([*self.params, *after]),
            headers=_HEADERS,
            timeout=httpx.Timeout(self.timeout_s, read=SILENCE_S),
        )
        try:
            async with request as reply:
                await _check(reply)
                self._has_connected = True
                async for block in _blocks(reply):
                    yield block
        except httpx.RequestError as error:
            raise _Disconnected(ReceiverUnreachable(f"no stream from the receiver: {type(error).__name__}")) from error

    async def _pause(self, lost: _Disconnected) -> None:
        """Wait, longer after each failure until an event comes. Raise the error when there never was a connection.

        A random part is added, because many followers lose the same receiver at the same time.
        """
        if not self._has_connected and self._failures >= len(FIRST_PAUSES_S):
            raise lost.error
        if self._has_connected:
            base_s = RETRY_S if self._retry_s is None else self._retry_s
            pause_s = min(base_s * 2.0 ** min(self._failures, 16), LONGEST_PAUSE_S)
        else:
            pause_s = FIRST_PAUSES_S[self._failures]
        pause_s = max(pause_s, min(lost.retry_after_s or 0.0, RETRY_AFTER_CAP_S)) * (1 + JITTER * self.random())
        level = logging.DEBUG if self._failures else logging.WARNING
        log.log(level, "not following the receiver's events: %s; next try in %.1f s", lost, pause_s)
        self._failures += 1
        await self.sleep(pause_s)


async def _check(reply: httpx.Response) -> None:
    """Return for a stream. Raise _Disconnected when another try may give one, else a ClientError."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if reply.status_code == HTTPStatus.OK and kind == _STREAM_TYPE:
        return
    problem = read_problem(reply.status_code, reply.headers, await _start_of_body(reply))
    if problem is None:
        error: ClientError = ReceiverUnreachable(f"status {reply.status_code}, and no stream of the receiver")
    else:
        error = error_of(problem)
    if problem is not None and problem.status in _FINAL:
        raise error
    raise _Disconnected(error, retry_after_s=read_retry_after_s(reply.headers.get("retry-after")))


async def _start_of_body(reply: httpx.Response) -> bytes:
    body = b""
    async for chunk in reply.aiter_bytes():
        body += chunk
        if len(body) > PROBLEM_CAP_BYTES:
            break
    return body


async def _blocks(reply: httpx.Response) -> AsyncIterator[Block]:
    reader = BlockReader(cap_bytes=BLOCK_CAP_BYTES)
    try:
        async for chunk in reply.aiter_bytes():
            for block in reader.feed(chunk):
                yield block
    except BlockTooLarge as error:
        raise ReceiverUnreachable(f"the stream cannot be read: {error}") from error
