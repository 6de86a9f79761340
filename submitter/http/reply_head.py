"""Read the head of a reply as it comes, and write it again in a form that a strict parser takes. Pure.

Servers, proxies and frameworks send heads that are longer or odder than parsers accept: a header of 9 KB, the same
Content-Length twice, a length beside chunks. None of that may cost a reply that was paid for.
"""

import re

from submitter.errors import WhenfinalError

#: All heads of one reply together, the interim ones included.
HEAD_CAP_BYTES = 1024 * 1024

LINES_CAP = 10_000

INTERIM_MOST = 100  # 1xx responses before the final one

_SWITCHING_PROTOCOLS = 101

#: Statuses whose reply has no body, whatever its headers say.
_BODILESS = frozenset({204, 304})

#: Those of the framing are written anew; the parser takes the last one for an attempt at an old kind of WebSocket.
_NOT_PASSED_ON = frozenset({b"content-length", b"transfer-encoding", b"sec-websocket-key1"})

_END = re.compile(rb"\n\r?\n")

_STATUS_LINE = re.compile(rb"HTTP/([0-9])(?:\.([0-9]))?[ \t]+([1-9][0-9]{2})(?![0-9])")

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_LENGTH = re.compile(rb"[0-9]{1,18}")

_FORBIDDEN = re.compile(rb"[\0\r]")  # RFC 9110, 5.5: a value with one of them is not to be taken as it is


class HeadUnreadable(WhenfinalError):
    """The bytes are not the head of a reply, or it is too long. The message is fit to be shown."""


class ReplyHead:
    """Takes the bytes of a connection by `feed` until the head of the final response is whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._received_bytes = 0
        self._interims = 0
        #: Whether the body ends with the connection, because the head states neither a length nor chunks.
        self.ends_with_connection = False

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return the head, written again, and the bytes behind it; None while more is needed.

        Interim responses are dropped. Raise HeadUnreadable.
        """
        searched = max(0, len(self._buffer) - 2)
        self._buffer += data
        self._received_bytes += len(data)
        while (end := self._end_of_head(searched)) is not None:
            head, self._buffer = bytes(self._buffer[:end]), self._buffer[end:]
            searched = 0
            status, written = self._rewrite(head)
            if not 100 <= status < 200 or status == _SWITCHING_PROTOCOLS:
                rest, self._buffer = bytes(self._buffer), bytearray()
                return written, rest
            self._interims += 1
            if self._interims > INTERIM_MOST:
                raise HeadUnreadable(f"more than {INTERIM_MOST} interim responses")
        if self._received_bytes > HEAD_CAP_BYTES:
            raise HeadUnreadable(f"its head is longer than {HEAD_CAP_BYTES} bytes")
        return None

    def _end_of_head(self, searched: int) -> int | None:
        """Return where the first head ends. Raise HeadUnreadable for bytes that do not begin one."""
        if self._buffer.startswith((b"\r", b"\n")):
            # empty lines before the status line, as some servers send after a body
            self._buffer = self._buffer.lstrip(b"\r\n")
            searched = 0
        if self._buffer and not b"HTTP/".startswith(bytes(self._buffer[:5])):
            raise HeadUnreadable("it does not answer in HTTP")
        found = _END.search(self._buffer, searched)
        return found.end() if found else None

    def _rewrite(self, head: bytes) -> tuple[int, bytes]:
        first, *lines = head.rstrip(b"\r\n").split(b"\n", LINES_CAP + 1)
        found = _STATUS_LINE.match(first)
        if found is None:
            raise HeadUnreadable("it does not answer in HTTP")
        if len(lines) > LINES_CAP:
            raise HeadUnreadable(f"its head has more than {LINES_CAP} lines")
        status = int(found[3])
        fields = _fields(lines)
        framing, self.ends_with_connection = _framing(fields, status)
        kept = [each for each in fields if each[0].lower() not in _NOT_PASSED_ON]
        version = b"1.0" if found[1] + (found[2] or b"") == b"10" else b"1.1"
        written = [b"HTTP/%b %d " % (version, status), *(b": ".join(each) for each in (*kept, *framing)), b"", b""]
        return status, b"\r\n".join(written)


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return names and values. Folded lines are joined; what is no header line is dropped."""
    fields: list[tuple[bytes, list[bytes]]] = []  # parts are joined at the end, because each join copies
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            if fields and not _FORBIDDEN.search(_clean(line)):
                fields[-1][1].append(_clean(line))
            continue
        name, colon, value = line.partition(b":")
        name = name.strip()
        if colon and _NAME.fullmatch(name) and not _FORBIDDEN.search(_clean(value)):
            fields.append((name, [_clean(value)]))
    return [(name, b" ".join(parts)) for name, parts in fields]


def _clean(value: bytes) -> bytes:
    return value.strip(b" \t\r")


def _framing(fields: list[tuple[bytes, bytes]], status: int) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Return the headers that tell where the body ends, and whether only the end of the connection tells it.

    Chunks win over a length, as RFC 9112, 6.3 has it. Of lengths that differ the greatest counts, on a connection that
    is not used again.
    """
    close = (b"Connection", b"close")
    codings = _listed(fields, b"transfer-encoding")
    lengths = set(_listed(fields, b"content-length"))
    if status in _BODILESS:
        return [], False
    if codings and codings[-1].lower() == b"chunked":
        return [(b"Transfer-Encoding", b"chunked"), *([close] if lengths else [])], False
    readable = [int(length) for length in lengths if _LENGTH.fullmatch(length)]
    if any(coding.lower() != b"identity" for coding in codings) or not readable:
        return [close], True
    agreed = len(set(readable)) == 1 and len(readable) == len(lengths)
    return [(b"Content-Length", b"%d" % max(readable)), *([] if agreed else [close])], False


def _listed(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    values = (value for key, value in fields if key.lower() == name)
    return [part.strip() for value in values for part in value.split(b",") if part.strip()]
