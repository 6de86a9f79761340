"""Follow a receiver's events over its stream, through lost connections.

Each connection begins at the cursor of the last one, so each event comes once. A connection that ends, breaks, is no
stream or is silent for too long is replaced after a pause. Only an error that another connection would not mend is
raised.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from submitter.api import AnyEvent, ResetNotice
from submitter.client.conversation import Call, Close, Give, NoReply, Now, Open, Pause, Read, Reply, Series, Step, Tell
from submitter.client.replies import error_of, read_event, read_problem, read_reply
from submitter.client.sse import Block, BlockReader, BlockTooLarge
from submitter.errors import ClientError, CursorExpired, ReceiverUnreachable
from submitter.http.messages import Headers, read_retry_after_s

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

_HEADERS = (("Accept", _STREAM_TYPE), ("Accept-Encoding", "identity"), ("Cache-Control", "no-store"))

_RESET = "reset"

_HELLO = "hello"  # tells the cursor and is no event

#: Statuses that the same request would get again.
_FINAL = frozenset({400, 401, 403, 404, 405, 410, 422})


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A connection failed or ended. `error` is what to raise when the tries are used up."""

    error: ClientError
    retry_after_s: float | None = None


@dataclass(eq=False, kw_only=True)
class EventFollower:
    """Follows from `cursor` on, None: from now on. `params` are the conditions as query parameters."""

    params: Headers
    cursor: int | None
    _retry_s: float | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _has_connected: bool = field(default=False, init=False)

    def events(self) -> Series[AnyEvent]:
        """Give events without end. Raise CursorExpired, ReceiverRefused or ReceiverUnreachable."""
        while True:
            began_s: float = yield Now()
            lost = yield from self._connection()
            yield Close()
            ended_s: float = yield Now()
            if self._has_connected and ended_s - began_s > LONGEST_PAUSE_S:
                self._failures = 0  # a long connection was a good one, even if no event came
            pause = self._pause(lost)
            text = f"not following the receiver's events: {lost.error}; next try in {pause.seconds:.1f} s or more"
            yield Tell(text=text, is_new=self._failures == 0)
            self._failures += 1
            yield pause

    def _connection(self) -> Generator[Step | Give[AnyEvent], Any, Lost]:
        reply: Reply | NoReply = yield Open(call=self._call(), silence_s=SILENCE_S)
        if isinstance(reply, NoReply):
            return lost_by(reply)
        refused = yield from _check(reply)
        if refused is not None:
            return refused
        self._has_connected = True
        reader = BlockReader(cap_bytes=BLOCK_CAP_BYTES)
        while True:
            chunk: bytes | NoReply | None = yield Read()
            if chunk is None:
                return Lost(error=ReceiverUnreachable("the stream ended"))
            if isinstance(chunk, NoReply):
                return lost_by(chunk)
            for block in _blocks(reader, chunk):
                event = self._take(block)
                if event is not None:
                    yield Give(event)

    def _call(self) -> Call[bytes]:
        after = () if self.cursor is None else (("after", str(self.cursor)),)
        return Call(
            method="GET",
            path="v1/events/stream",
            read=bytes,
            params=(*self.params, *after),
            headers=_HEADERS,
            may_be_repeated=True,
        )

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

    def _pause(self, lost: Lost) -> Pause:
        """The pause before the next try, longer after each failure until an event comes.

        Raise the error when there never was a connection. The pause has a random part, because many followers lose the
        same receiver at the same time.
        """
        if not self._has_connected and self._failures >= len(FIRST_PAUSES_S):
            raise lost.error
        if self._has_connected:
            base_s = RETRY_S if self._retry_s is None else self._retry_s
            pause_s = min(base_s * 2.0 ** min(self._failures, 16), LONGEST_PAUSE_S)
        else:
            pause_s = FIRST_PAUSES_S[self._failures]
        pause_s = max(pause_s, min(lost.retry_after_s or 0.0, RETRY_AFTER_CAP_S))
        return Pause(pause_s, jitter=JITTER)


def lost_by(broken: NoReply, what: str = "stream") -> Lost:
    return Lost(error=ReceiverUnreachable(f"no {what}: {broken.reason}"))


def _check(reply: Reply) -> Generator[Step, Any, Lost | None]:
    """Return None for a stream, and Lost when another try may give one. Raise a ClientError for anything else."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if reply.status == HTTPStatus.OK and kind == _STREAM_TYPE:
        return None
    lost = yield from lost_to(reply, "stream")
    if isinstance(lost.error, ReceiverUnreachable) or reply.status not in _FINAL:
        return lost
    raise lost.error


def lost_to(reply: Reply, what: str) -> Generator[Step, Any, Lost]:
    """What an opened reply says that is not what was wanted."""
    body = yield from start_of_body()
    if isinstance(body, NoReply):
        return lost_by(body, what)
    problem = read_problem(reply.status, reply.headers, body)
    if problem is None:
        error: ClientError = ReceiverUnreachable(f"status {reply.status}, and no {what} of whenfinal")
    else:
        error = error_of(problem)
    return Lost(error=error, retry_after_s=read_retry_after_s(reply.headers.get("retry-after")))


def start_of_body() -> Generator[Step, Any, bytes | NoReply]:
    """The body of what is open, as far as a problem may go."""
    body = b""
    while len(body) <= PROBLEM_CAP_BYTES:
        chunk: bytes | NoReply | None = yield Read()
        if chunk is None:
            break
        if isinstance(chunk, NoReply):
            return chunk
        body += chunk
    return body


def _blocks(reader: BlockReader, chunk: bytes) -> list[Block]:
    try:
        return list(reader.feed(chunk))
    except BlockTooLarge as error:
        raise ReceiverUnreachable(f"the stream cannot be read: {error}") from error
