"""Unpack gzip and deflate in pieces of bounded size, as far as the bytes go. Pure.

Nothing here raises: bytes that are not what their header says pass as they are, and damaged data ends early.
"""

import zlib
from collections.abc import Iterator

GZIP = frozenset({"gzip", "x-gzip"})

DEFLATE = "deflate"

PIECE_BYTES = 64 * 1024

#: Packed bytes that zlib is given at once. It copies what is left of them at the end of each gzip member, so that many
#: small members in a long chunk would cost much.
_PACKED_BYTES = 4 * 1024

_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 31, 15, -15  # zlib's largest window, with one kind of header or none

_GZIP_MAGIC = b"\x1f\x8b"

#: Plain JSON, HTML and XML begin so. Text that somebody deflated without a header does not.
_TEXT_STARTS = b"{[<\"' \t\r\n"


class Unpacker:
    """Takes the chunks of a message by `pieces` and gives what they unpack to."""

    def __init__(self, coding: str | None) -> None:
        self._coding = (coding or "").strip().lower()
        self._is_packed = self._coding in GZIP or self._coding == DEFLATE
        self._inflater: zlib._Decompress | None = None  # none before the first two bytes tell the form
        self._held = b""  # the first byte of a form or of a member: the second one tells what it is
        self._has_ended = False
        #: The data is damaged behind what was given.
        self.is_damaged = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing at the end, as far as the packed data tells."""
        return not self.is_damaged and (self._inflater is None or self._inflater.eof)

    def pieces(self, chunk: bytes, most: int = PIECE_BYTES) -> Iterator[bytes]:
        """Give what a chunk unpacks to, in pieces of at most `most` bytes, each made only when it is asked for."""
        if self._is_packed and self._inflater is None:
            chunk, self._held = self._held + chunk, b""
            if len(chunk) < len(_GZIP_MAGIC):
                self._held = chunk
                return
            self._open(chunk)
        if not self._is_packed:
            yield chunk
            return
        for start in range(0, len(chunk), _PACKED_BYTES):
            packed, self._held = self._held + chunk[start : start + _PACKED_BYTES], b""
            while packed and not (self.is_damaged or self._has_ended):
                piece, packed = self._unpack(packed, most)
                yield piece

    def rest(self) -> bytes:
        """Give what is held back at the end of the message: a message too short to tell its form."""
        return self._held if self._inflater is None else b""

    def _open(self, start: bytes) -> None:
        window = _window(self._coding, start)
        self._is_packed = window is not None
        self._inflater = None if window is None else zlib.decompressobj(window)

    def _unpack(self, chunk: bytes, most: int) -> tuple[bytes, bytes]:
        """Return a piece and the bytes that are still to be unpacked."""
        if self._inflater is None or self._inflater.eof:  # gzip data may have several members, one after the other
            if chunk == _GZIP_MAGIC[:1]:
                self._held = chunk
                return b"", b""
            if not chunk.startswith(_GZIP_MAGIC) or self._coding == DEFLATE:
                self._has_ended = True  # bytes behind the data belong to nothing
                return b"", b""
            self._inflater = zlib.decompressobj(_GZIP_WINDOW)
        try:
            piece = self._inflater.decompress(chunk, most)
        except zlib.error:
            self.is_damaged = True
            return b"", b""
        return piece, self._inflater.unconsumed_tail or self._inflater.unused_data


def _window(coding: str, start: bytes) -> int | None:
    """Return the window that the first bytes call for, None for bytes that are not packed."""
    if start.startswith(_GZIP_MAGIC):
        return _GZIP_WINDOW
    if coding != DEFLATE or start[0] in _TEXT_STARTS:
        return None
    return _ZLIB_WINDOW if start[0] & 15 == 8 and int.from_bytes(start[:2]) % 31 == 0 else _RAW_WINDOW


def unpacked(body: bytes, coding: str | None, *, cap_bytes: int) -> bytes | None:
    """Unpack a whole body, as far as it goes. None when it unpacks to more than `cap_bytes`."""
    unpacker, whole = Unpacker(coding), bytearray()
    for piece in unpacker.pieces(body, cap_bytes + 1):
        whole += piece
        if len(whole) > cap_bytes:
            return None
    return bytes(whole + unpacker.rest())
