"""The head of a reply: what odd servers send, and what a strict parser gets of it."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.http.reply_head import HEAD_CAP_BYTES, INTERIM_MOST, LINES_CAP, HeadUnreadable, ReplyHead

OK = b"HTTP/1.1 200 OK\r\n"


def _read(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines of the head that is passed on, and the bytes behind it."""
    read = ReplyHead().feed(data)
    assert read is not None
    head, rest = read
    assert head.endswith(b"\r\n\r\n")
    return head[:-4].split(b"\r\n"), rest


def test_a_plain_head_passes_with_its_headers_in_order() -> None:
    lines, rest = _read(OK + b"X-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nok")
    assert lines == [b"HTTP/1.1 200 ", b"X-A: 1", b"X-A: 2", b"Content-Length: 2"]
    assert rest == b"ok"


@given(st.lists(st.integers(1, 120), max_size=6))
def test_how_a_head_is_cut_into_packets_changes_nothing(sizes: list[int]) -> None:
    data = b"\r\n" + b"HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n" + OK + b"A: b\nContent-Length: 3\r\n\r\nend"
    ends = sorted({min(sum(sizes[:n]), len(data)) for n in range(len(sizes) + 1)} | {len(data)})
    reading, got = ReplyHead(), b""
    for start, end in pairwise(ends):
        read = reading.feed(data[start:end]) if not got else (got, b"")
        if read is not None:
            got = read[0]
    assert got == b"HTTP/1.1 200 \r\nA: b\r\nContent-Length: 3\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        (b"Content-Length: 2\r\nContent-Length: 2\r\n", [b"Content-Length: 2"]),
        (b"Content-Length: 2, 2\r\n", [b"Content-Length: 2"]),
        (b"Content-Length: 2\r\ncontent-length:2\r\n", [b"Content-Length: 2"]),
        (b"Content-Length: 2\r\nContent-Length: 9\r\n", [b"Content-Length: 9", b"Connection: close"]),
        (b"Content-Length: 2\r\nContent-Length: x\r\n", [b"Content-Length: 2", b"Connection: close"]),
        (b"Content-Length: -5\r\n", [b"Connection: close"]),
        (b"Content-Length: " + b"9" * 30 + b"\r\n", [b"Connection: close"]),
        (b"", [b"Connection: close"]),
        (b"Transfer-Encoding: chunked\r\n", [b"Transfer-Encoding: chunked"]),
        (b"Transfer-Encoding: Chunked\r\nTransfer-Encoding: chunked\r\n", [b"Transfer-Encoding: chunked"]),
        (
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            [b"Transfer-Encoding: chunked", b"Connection: close"],
        ),
        (b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n", [b"Content-Length: 2"]),
        (b"Transfer-Encoding: chunked, gzip\r\nContent-Length: 2\r\n", [b"Connection: close"]),
    ],
)
def test_where_the_body_ends_is_said_once(headers: bytes, framing: list[bytes]) -> None:
    lines, _ = _read(OK + headers + b"\r\n")
    assert lines[1:] == framing


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_status_without_a_body_has_none(status: bytes) -> None:
    lines, rest = _read(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
    assert (lines, rest) == ([b"HTTP/1.1 " + status[:3] + b" "], b"ok")


@pytest.mark.parametrize(
    ("line", "passed_on"),
    [
        (b"A: " + b"a" * 500_000, b"A: " + b"a" * 500_000),
        (b"A : b", b"A: b"),
        (b"A:b", b"A: b"),
        (b"A: b\r\n folded", b"A: b folded"),
        (b"A: with\x01 control", b"A: with\x01 control"),
        (b"A: caf\xe9 \xff\x80", b"A: caf\xe9 \xff\x80"),
        (b"A: b\nB: line ends by LF", b"A: b\r\nB: line ends by LF"),
        (b"A:", b"A: "),
    ],
)
def test_an_odd_header_passes_in_a_plain_form(line: bytes, passed_on: bytes) -> None:
    lines, _ = _read(OK + line + b"\r\nContent-Length: 0\r\n\r\n")
    assert b"\r\n".join(lines[1:-1]) == passed_on


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": no name",
        b"two words: a",
        b"n\xc3\xb6t: a",
        b"A: \0*",
        b"A: a\rb",
        b"\0: a",
        b"Sec-WebSocket-Key1: a",
    ],
)
def test_what_is_no_header_is_dropped(line: bytes) -> None:
    lines, _ = _read(OK + line + b"\r\nContent-Length: 0\r\n\r\n")
    assert lines[1:] == [b"Content-Length: 0"]


@pytest.mark.parametrize(
    ("first", "passed_on"),
    [
        (b"HTTP/1.1 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.0 200 OK", b"HTTP/1.0 200 "),
        (b"HTTP/2 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.1  999 F\xf6\xff", b"HTTP/1.1 999 "),
        (b"\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 200 "),
    ],
)
def test_an_odd_status_line_is_read(first: bytes, passed_on: bytes) -> None:
    lines, _ = _read(first + b"\r\nContent-Length: 0\r\n\r\n")
    assert lines[0] == passed_on


@pytest.mark.parametrize(
    "head", [b"hello", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\n"]
)
def test_what_is_no_http_is_unreadable_at_once(head: bytes) -> None:
    with pytest.raises(HeadUnreadable, match="does not answer in HTTP"):
        ReplyHead().feed(head)


def test_interim_responses_are_dropped_up_to_a_number() -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    lines, rest = _read(interim * INTERIM_MOST + OK + b"Content-Length: 1\r\n\r\na")
    assert (lines[0], rest) == (b"HTTP/1.1 200 ", b"a")
    with pytest.raises(HeadUnreadable, match="interim"):
        ReplyHead().feed(interim * (INTERIM_MOST + 1))


def _begun() -> ReplyHead:
    reading = ReplyHead()
    assert reading.feed(OK + b"A: ") is None
    return reading


def _feed_endlessly(reading: ReplyHead, unit: bytes) -> None:
    for _ in range(HEAD_CAP_BYTES // len(unit) + 1):
        assert reading.feed(unit) is None


@pytest.mark.parametrize("unit", [b"A: " + b"b" * 60_000 + b"\r\n", b"b" * 60_000])
def test_a_head_has_an_end(unit: bytes) -> None:
    with pytest.raises(HeadUnreadable, match="longer than"):
        _feed_endlessly(_begun(), unit)
    with pytest.raises(HeadUnreadable, match="lines"):
        ReplyHead().feed(OK + b"A: b\r\n" * (LINES_CAP + 1) + b"\r\n")


def test_many_folded_lines_cost_no_more_than_their_bytes() -> None:
    folded = OK + b"A: b\r\n" + (b" " + b"c" * 95 + b"\r\n") * (LINES_CAP - 9) + b"Content-Length: 0\r\n\r\n"
    started_s = time.process_time()
    for _ in range(10):
        assert len(_read(folded)[0]) == 3
    assert time.process_time() - started_s < 1.5  # below 0.5 s; with a copy of the value for each line 3 s


def test_a_head_in_small_packets_costs_no_more_than_its_bytes() -> None:
    reading = _begun()
    started_s = time.process_time()
    for _ in range(HEAD_CAP_BYTES // 4 - 6):
        assert reading.feed(b"bbbb") is None
    assert time.process_time() - started_s < 2  # below 0.5 s; with a copy of the head for each packet 4 s
