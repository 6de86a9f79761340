"""A reply's body as it streams in: decompressed, and never more of it in memory than its cap.

Pure.
"""

import zlib

from submitter.errors import ExchangeBroken, ReplyTooLarge

GZIP = frozenset({"gzip", "x-gzip"})

_GZIP_WINDOW = 31  # zlib's largest window, with a gzip header and nothing else


class ReplyBody:
    """Feed it chunks until `is_full`. A coding other than gzip was not asked for and stays as it came.

    Over the cap, `cutting` keeps the first `cap_bytes`; else ReplyTooLarge is raised. What came over the wire counts
    as well as what it decompresses to.
    """

    def __init__(self, *, cap_bytes: int, cutting: bool, coding: str | None) -> None:
        self._cap_bytes = cap_bytes
        self._cutting = cutting
        self._inflater = zlib.decompressobj(_GZIP_WINDOW) if (coding or "").strip().lower() in GZIP else None
        self._kept = bytearray()
        self._received_bytes = 0
        self.is_full = False

    def feed(self, chunk: bytes) -> None:
        """Raise ReplyTooLarge, or ExchangeBroken for what claims to be gzip and is not."""
        self._received_bytes += len(chunk)
        if self._inflater is None:
            self._keep(chunk)
        else:
            self._inflate(chunk)
        if self._received_bytes > self._cap_bytes:
            self._overflow()

    def end(self) -> bytes:
        """All of it. Raise ExchangeBroken when the gzip stops in its middle."""
        if self._inflater is not None and self._received_bytes and not (self._inflater.eof or self.is_full):
            raise ExchangeBroken("the reply's gzip data ends too early")
        return bytes(self._kept)

    def _inflate(self, chunk: bytes) -> None:
        while chunk and not self.is_full:
            if self._inflater is None or self._inflater.eof:  # gzip may hold several members, one after the other
                self._inflater = zlib.decompressobj(_GZIP_WINDOW)
            try:
                # One byte beyond the cap tells that there is more; a limit of 0 would mean no limit.
                self._keep(self._inflater.decompress(chunk, self._cap_bytes + 1 - len(self._kept)))
            except zlib.error:
                raise ExchangeBroken("the reply's gzip data is damaged") from None
            chunk = self._inflater.unused_data

    def _keep(self, piece: bytes) -> None:
        self._kept += piece
        if len(self._kept) > self._cap_bytes:
            self._overflow()

    def _overflow(self) -> None:
        if not self._cutting:
            raise ReplyTooLarge(f"the reply is longer than {self._cap_bytes} bytes")
        del self._kept[self._cap_bytes :]
        self.is_full = True
