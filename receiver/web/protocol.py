"""What a connection may send before a request is one: uvicorn's protocol with limits and plain refusals.

The head of a request has a size, a number of fields and a time. Trailer fields after a chunked body are no headers and
are left out. Bytes that are no HTTP are answered with a problem; a connection that was refused is read no further.
"""

import asyncio
import secrets
from http import HTTPStatus
from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from receiver.web.problems import Kind, Problem, to_response

log = structlog.get_logger(__name__)

HEAD_MAX_BYTES = 64 * 1024

HEAD_MAX_FIELDS = 256

HEAD_WITHIN_S = 30.0  # from the first byte of a head to its end

#: A connection may be open for so long before its first byte; proxies open some ahead.
FIRST_BYTE_WITHIN_S = 75.0

MOST_PIPELINED = 16  # requests that wait for the answer to the one before

#: How long a refused connection is still read, so that its client gets the answer and not a reset.
LINGER_S = 2.0

_FIELD_MARKS = 4  # bytes: the colon, a blank and the line end


class _Refused(Exception):
    """Ends the parser's work at this byte."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn names and changes its own
        super().__init__(*args, **kwargs)
        self._is_refused = False
        self._refusal = Kind.MALFORMED
        self._is_in_head = self._is_in_body = False
        self._head_bytes = 0
        #: Bytes since the parser last got to the end of a head, a piece of a body or the end of a message. It keeps
        #: them until then.
        self._unread_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows the type of asyncio as well
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(FIRST_BYTE_WITHIN_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > HEAD_MAX_BYTES:
            self._refuse(Kind.HEAD_TOO_LARGE)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._refuse, Kind.HEAD_TOO_SLOW)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_in_head:
            return  # a trailer field
        self._count_head(len(name) + len(value) + _FIELD_MARKS)
        if len(self.headers) >= HEAD_MAX_FIELDS:
            self._refusal = Kind.HEAD_TOO_LARGE
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        self._stop_head_timer()
        if len(self.pipeline) >= MOST_PIPELINED:
            raise _Refused
        self._is_in_head, self._is_in_body = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body, self._unread_bytes = False, 0
        super().on_message_complete()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_MAX_BYTES:
            self._refusal = Kind.HEAD_TOO_LARGE
            raise _Refused

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # Refusals

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read; uvicorn calls this."""
        self._refuse(self._refusal)

    def _refuse(self, kind: Kind) -> None:
        """Answer with a problem and close; where an answer is due or under way, only close, after or amid it."""
        if self._is_refused:
            return
        self._is_refused, self._unread_bytes = True, 0
        self._stop_head_timer()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._is_in_body and cycle is not None:
            self._refuse_body(cycle, kind)
        elif cycle is None or cycle.response_complete:
            self._answer(kind)
        else:
            cycle.keep_alive = False  # this is a later request: the earlier ones get their answers

    def _refuse_body(self, cycle: RequestResponseCycle, kind: Kind) -> None:
        """The request is with the application already, or waits for the answer to another one."""
        if cycle.response_started or self.pipeline:
            self.transport.close()
            return
        cycle.disconnected = True
        cycle.message_event.set()
        self._answer(kind)

    def _answer(self, kind: Kind) -> None:
        request_id = f"req_{secrets.token_hex(12)}"
        log.info("request_refused", status=kind.status, problem=kind.value[0], request_id=request_id)
        response = to_response(Problem(kind), request_id)
        lines = [f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}".encode()]
        own = ((b"x-request-id", request_id.encode()), (b"connection", b"close"))
        headers = (*self.server_state.default_headers, *response.raw_headers, *own)
        lines += [name + b": " + value for name, value in headers]
        self.transport.write(b"\r\n".join((*lines, b"", bytes(response.body))))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)
