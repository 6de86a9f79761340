"""A reply's body as it streams in."""

import gzip
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.errors import ReplyTooLarge
from submitter.http.reply_body import ReplyBody

BOMB = gzip.compress(b"\0" * 100_000_000)


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@given(st.binary(max_size=3_000), st.integers(1, 700), st.sampled_from([None, "gzip"]))
def test_how_a_reply_is_cut_into_chunks_changes_nothing(data: bytes, size: int, coding: str | None) -> None:
    body = ReplyBody(cap_bytes=10_000, cutting=False, coding=coding)
    for chunk in _chunks(gzip.compress(data) if coding else data, size):
        body.feed(chunk)
    assert body.end() == data


def test_a_reply_as_long_as_its_cap_is_whole_and_one_byte_more_is_too_large() -> None:
    body = ReplyBody(cap_bytes=5, cutting=False, coding=None)
    body.feed(b"12345")
    assert (body.end(), body.is_full) == (b"12345", False)
    with pytest.raises(ReplyTooLarge, match="5 bytes"):
        body.feed(b"6")


@pytest.mark.parametrize("cutting", [True, False])
def test_a_gzip_bomb_is_never_whole_in_memory(cutting: bool) -> None:
    body = ReplyBody(cap_bytes=1_000, cutting=cutting, coding="gzip")
    tracemalloc.start()
    try:
        body.feed(BOMB)
    except ReplyTooLarge:
        assert not cutting
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 500_000


def test_gzip_members_without_content_count_as_received() -> None:
    body = ReplyBody(cap_bytes=1_000, cutting=False, coding="gzip")
    with pytest.raises(ReplyTooLarge):
        body.feed(gzip.compress(b"") * 100)
