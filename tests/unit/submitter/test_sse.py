"""Reading server-sent events, whatever the bytes and however they are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.client.sse import Block, BlockReader, BlockTooLarge


def _read(*chunks: bytes, cap_bytes: int = 1_000) -> list[Block]:
    reader = BlockReader(cap_bytes=cap_bytes)
    return [block for chunk in chunks for block in reader.feed(chunk)]


def test_a_block_says_what_its_fields_say() -> None:
    assert _read(b'retry: 3000\nid: 17\nevent: task.succeeded\ndata: {"seq": 17}\n\n') == [
        Block(event="task.succeeded", data='{"seq": 17}', id="17", retry_ms=3000)
    ]


def test_a_block_without_data_is_no_event_and_still_reported() -> None:
    assert _read(b"retry: 3000\n\nid: 9\n\n") == [Block(retry_ms=3000), Block(id="9")]


def test_comments_and_empty_lines_say_nothing() -> None:
    assert _read(b": keep-alive\n\n\n\n:\n\n") == []


def test_many_lines_of_data_are_one_text() -> None:
    assert _read(b"data: a\ndata:b\ndata\ndata:  c\n\n") == [Block(data="a\nb\n\n c")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_any_end_of_line_will_do(end: bytes) -> None:
    assert _read(end.join([b"id: 1", b"data: x", b"", b"data: y", b"", b""])) == [
        Block(id="1", data="x"),
        Block(data="y"),
    ]


def test_how_the_bytes_are_cut_makes_no_difference() -> None:
    text = "\ufeffid: 1\r\ndata: 完成\r\n\r\nevent: a\rdata: é\r\r: c\n\ndata: z\n\n".encode()
    whole = _read(text)
    assert whole == [Block(id="1", data="完成"), Block(event="a", data="é"), Block(data="z")]
    assert _read(*(bytes([byte]) for byte in text)) == whole
    for first, second in itertools.combinations(range(len(text)), 2):
        assert _read(text[:first], text[first:second], b"", text[second:]) == whole


def test_what_was_begun_and_not_ended_does_not_count() -> None:
    assert _read(b"id: 1\ndata: x\n") == []


@pytest.mark.parametrize(
    "line", [b"retry: soon", b"retry: -1", b"retry: 1.5", b"retry: " + b"9" * 50, b"id: 1\0", b"nonsense", b" data: x"]
)
def test_a_field_that_is_unknown_or_malformed_is_passed_over(line: bytes) -> None:
    assert _read(line + b"\ndata: x\n\n") == [Block(data="x")]


def test_bytes_that_are_no_text_are_replaced_and_cost_nothing_else() -> None:
    assert _read(b"data: a\xff\xfe\n\ndata: b\n\n") == [Block(data="a\ufffd\ufffd"), Block(data="b")]


@pytest.mark.parametrize(
    "chunk", [b"x" * 10, b"data: xxx\n", b"data:\n"], ids=["an endless line", "endless data", "endless empty data"]
)
def test_a_block_without_end_fails_at_the_cap(chunk: bytes) -> None:
    with pytest.raises(BlockTooLarge, match="100 bytes"):
        _read(*[chunk] * 200, cap_bytes=100)


def test_the_cap_is_for_each_block_and_not_for_the_stream() -> None:
    assert len(_read(*[b": keep-alive\n\ndata: x\n\n"] * 500, cap_bytes=20)) == 500


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"data: x", b"id: 1", b"\n", b"\r", b"event: e", b":", b"\0"]))
)
def test_no_bytes_raise_anything(chunks: list[bytes]) -> None:
    assert _read(*chunks) == _read(b"".join(chunks))
