"""Collect a reply's body from its chunks, unpacked, without ever holding more than its size cap in memory. Pure."""

from submitter.http.unpacking import Unpacker


class ReplyBody:
    """Takes chunks by `feed` until `is_full` or the end of the reply, then tells by `end` what there is.

    Above `cap_bytes` the body is cut there. The cap applies to the bytes received and to the bytes after unpacking.
    Nothing raises: damaged data ends the body early.
    """

    def __init__(self, *, cap_bytes: int, coding: str | None) -> None:
        self._cap_bytes = cap_bytes
        self._unpacker = Unpacker(coding)
        self._body = bytearray()
        self._received_bytes = 0
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Whether more chunks would change nothing."""
        return self._is_over or self._unpacker.is_damaged

    def feed(self, chunk: bytes) -> None:
        """Add a chunk."""
        self._received_bytes += len(chunk)
        # One byte above the cap shows that the body is longer.
        for piece in self._unpacker.pieces(chunk, self._cap_bytes + 1):
            self._body += piece
            if len(self._body) > self._cap_bytes:
                self._is_over = True
                break
        self._is_over = self._is_over or self._received_bytes > self._cap_bytes

    def end(self) -> tuple[bytes, bool]:
        """Return the body, and whether nothing of it was cut or damaged."""
        body = bytes(self._body[: self._cap_bytes]) + self._unpacker.rest()
        return body, not self._is_over and self._unpacker.is_complete
