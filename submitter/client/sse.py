"""Read server-sent events from bytes as they arrive, with a cap on memory.

Pure. Source: html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 and 9.2.6, read 2026-11-21.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_RETRY = re.compile(rb"[0-9]{1,9}")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # allowed at the start of the stream

_NEWLINES = (b"\n", b"\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The lines between two empty lines; None for a field that they do not have.

    A block without `data` is no event, but its `id` moves the cursor.
    """

    event: str = "message"
    data: str | None = None
    id: str | None = None
    retry_ms: int | None = None


class BlockTooLarge(ValueError):
    """A line, or the data of a block, is longer than the cap."""


class BlockReader:
    """Reads one connection. A block that is not complete when the connection ends is dropped."""

    def __init__(self, *, cap_bytes: int) -> None:
        self._cap_bytes = cap_bytes
        self._line = bytearray()
        self._fields: dict[bytes, bytes] = {}
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_return = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[Block]:
        """Yield the blocks that end in this chunk. Raise BlockTooLarge; then the reader must not be used again."""
        for piece in self._without_half_newline(chunk).splitlines(keepends=True):
            self._line += piece
            if len(self._line) + self._data_bytes > self._cap_bytes:
                raise BlockTooLarge(f"more than {self._cap_bytes} bytes")
            if piece.endswith(_NEWLINES):
                yield from self._end_line()

    def _without_half_newline(self, chunk: bytes) -> bytes:
        """Drop a line feed whose carriage return ended the last chunk: together they are one line end."""
        rest = chunk.removeprefix(b"\n") if self._after_return else chunk
        self._after_return = rest.endswith(b"\r") or (self._after_return and not chunk)
        return rest

    def _end_line(self) -> Iterator[Block]:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._at_start:
            line, self._at_start = line.removeprefix(_BYTE_ORDER_MARK), False
        if line:
            self._take(line)
        elif self._fields:
            yield self._end_block()

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
        if name in {b"data", b"event"} or (name == b"id" and b"\0" not in value) or _is_retry(name, value):
            self._fields[name] = value

    def _end_block(self) -> Block:
        fields, data = self._fields, b"\n".join(self._data)
        self._fields, self._data, self._data_bytes = {}, [], 0
        return Block(
            event=_text(fields.get(b"event", b"")) or "message",
            data=_text(data) if b"data" in fields else None,
            id=_text(fields[b"id"]) if b"id" in fields else None,
            retry_ms=int(fields[b"retry"]) if b"retry" in fields else None,
        )


def _is_retry(name: bytes, value: bytes) -> bool:
    return name == b"retry" and _RETRY.fullmatch(value) is not None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
