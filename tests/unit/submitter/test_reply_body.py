"""A reply's body as it streams in."""

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.http.reply_body import ReplyBody
from submitter.http.unpacking import unpacked

BOMB = gzip.compress(b"\0" * 100_000_000)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKING: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.compress,
    "X-GZIP ": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _raw_deflate,
    "br": bytes,  # a coding that is not asked for passes as it is
}


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def _read(data: bytes, coding: str | None, *, cap_bytes: int = 10_000, size: int = 10_000) -> tuple[bytes, bool]:
    body = ReplyBody(cap_bytes=cap_bytes, coding=coding)
    for chunk in _chunks(data, size):
        if body.is_full:
            break
        body.feed(chunk)
    return body.end()


@given(st.binary(max_size=3_000), st.integers(1, 700), st.sampled_from([None, "gzip", "X-GZIP ", "deflate", "br"]))
def test_how_a_reply_is_cut_into_chunks_changes_nothing(data: bytes, size: int, coding: str | None) -> None:
    assert _read(PACKING[coding](data), coding, size=size) == (data, True)


@pytest.mark.parametrize("coding", PACKING)
@pytest.mark.parametrize("data", [b'{"id":"a"}', b"[1]", b"<html>", b"x" * 2_000, b"", b"a"])
def test_every_form_of_packing_is_unpacked(coding: str | None, data: bytes) -> None:
    assert _read(PACKING[coding](data), coding, size=1) == (data, True)
    assert unpacked(PACKING[coding](data), coding, cap_bytes=len(data)) == data
    if data:
        assert unpacked(PACKING[coding](data), coding, cap_bytes=len(data) - 1) is None


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("plain", [b'{"id":"a"}', b"[]", b" {}", b"<html>", b"{", b"", b"nope"[:1]])
def test_a_body_that_is_not_packed_at_all_passes_as_it_is(coding: str, plain: bytes) -> None:
    assert _read(plain, coding) == (plain, True)


def test_a_body_as_long_as_its_cap_is_whole_and_one_byte_more_is_cut() -> None:
    assert _read(b"12345", None, cap_bytes=5) == (b"12345", True)
    assert _read(b"123456", None, cap_bytes=5) == (b"12345", False)
    assert _read(gzip.compress(b"1" * 100), "gzip", cap_bytes=50) == (b"1" * 50, False)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_damaged_data_gives_what_came_before_the_damage(pack: Callable[[bytes], bytes]) -> None:
    packed, coding = pack(b"a" * 5_000 + bytes(range(256)) * 10), "gzip" if pack is gzip.compress else "deflate"
    body, is_complete = _read(packed[:-20], coding)
    assert body.startswith(b"a" * 5_000)
    assert not is_complete
    body, is_complete = _read(packed[:40] + b"\xff" * 400, coding)
    assert not is_complete
    assert set(body[:100]) <= {ord("a")}


def test_bytes_behind_packed_data_belong_to_nothing() -> None:
    assert _read(gzip.compress(b"x") + b"garbage", "gzip") == (b"x", True)
    assert _read(gzip.compress(b"x") + gzip.compress(b"y"), "gzip") == (b"xy", True)
    assert _read(zlib.compress(b"x") + b"garbage", "deflate") == (b"x", True)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_never_whole_in_memory(coding: str) -> None:
    body = ReplyBody(cap_bytes=1_000, coding=coding)
    tracemalloc.start()
    try:
        body.feed(BOMB)
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert body.end() == (b"\0" * 1_000, False)
    assert peak_bytes < 500_000


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=9), st.integers(1, 30))
def test_where_gzip_members_are_cut_changes_nothing(parts: list[bytes], size: int) -> None:
    assert _read(b"".join(map(gzip.compress, parts)), "gzip", size=size) == (b"".join(parts), True)


@pytest.mark.parametrize("behind", [b"\x1f", b"\x1fx", b"x"])
def test_what_begins_like_a_gzip_member_and_is_none_belongs_to_nothing(behind: bytes) -> None:
    assert _read(gzip.compress(b"x") + behind, "gzip", size=1) == (b"x", True)


@pytest.mark.parametrize("length", range(4_090, 4_100))
def test_a_gzip_member_of_any_length_has_the_next_one_behind_it(length: int) -> None:
    first = gzip.compress(b"x" * (length - len(gzip.compress(b"", 0))), 0)
    assert len(first) == length
    assert unpacked(first + gzip.compress(b"y"), "gzip", cap_bytes=10_000) == b"x" * (length - 23) + b"y"


def test_many_gzip_members_cost_as_much_as_their_number() -> None:
    started_s = time.process_time()
    assert unpacked(gzip.compress(b"") * 200_000, "gzip", cap_bytes=1_000) == b""
    assert time.process_time() - started_s < 8  # below 1 s; with a copy of the rest for each member about a minute


def test_gzip_members_without_content_count_as_received() -> None:
    assert _read(gzip.compress(b"") * 100, "gzip", cap_bytes=1_000, size=100) == (b"", False)
