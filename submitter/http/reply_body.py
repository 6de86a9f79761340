"""Collect a reply's body from its chunks, decompressed, without ever holding more than its size cap in memory. Pure."""

import zlib

from submitter.errors import ExchangeBroken, ReplyTooLarge

GZIP = frozenset({"gzip", "x-gzip"})

_GZIP_WINDOW = 31  # zlib's largest window, with a gzip header and nothing else


class ReplyBody:
    """Takes chunks by `feed` until `is_full` or the end of the reply, then returns the body by `end`.

    Above `cap_bytes` the body is cut there if `cutting`; else `feed` raises ReplyTooLarge. The cap applies to the bytes
    received and to the bytes after decompression. A coding other than gzip was not requested and is not decoded.
    """

    def __init__(self, *, cap_bytes: int, cutting: bool, coding: str | None) -> None:
        self._cap_bytes = cap_bytes
        self._cutting = cutting
        self._inflater = zlib.decompressobj(_GZIP_WINDOW) if (coding or "").strip().lower() in GZIP else None
        self._body = bytearray()
        self._received_bytes = 0
        self.is_full = False

    def feed(self, chunk: bytes) -> None:
        """Add a chunk. Raise ReplyTooLarge, or ExchangeBroken for a body that is not the declared gzip."""
        self._received_bytes += len(chunk)
        if self._inflater is None:
            self._append(chunk)
        else:
            self._inflate(chunk)
        if self._received_bytes > self._cap_bytes:
            self._overflow()

    def end(self) -> bytes:
        """Return the body. Raise ExchangeBroken when its gzip data is incomplete."""
        if self._inflater is not None and self._received_bytes and not (self._inflater.eof or self.is_full):
            raise ExchangeBroken("the reply's gzip data ends too early")
        return bytes(self._body)

    def _inflate(self, chunk: bytes) -> None:
        while chunk and not self.is_full:
            if self._inflater is None or self._inflater.eof:  # gzip data may have several members, one after the other
                self._inflater = zlib.decompressobj(_GZIP_WINDOW)
            try:
                # One byte above the cap shows that the body is longer. A limit of 0 would mean no limit.
                self._append(self._inflater.decompress(chunk, self._cap_bytes + 1 - len(self._body)))
            except zlib.error:
                raise ExchangeBroken("the reply's gzip data is damaged") from None
            chunk = self._inflater.unused_data

    def _append(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._cap_bytes:
            self._overflow()

    def _overflow(self) -> None:
        if not self._cutting:
            raise ReplyTooLarge(f"the reply is longer than {self._cap_bytes} bytes")
        del self._body[self._cap_bytes :]
        self.is_full = True
