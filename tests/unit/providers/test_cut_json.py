"""Reading the object at the start of a cut or broken body: complete members count, cut ones do not."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submitter.providers.cut_json import DEPTH_CAP, read_start


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a":"b"}', {"a": "b"}),
        (b'{"a":"b"', {"a": "b"}),
        (b'{"a":"b', {}),
        (b'{"a":"b\\', {}),
        (b'{"a":"b\\"', {}),
        (b'{"a":"b\\u00', {}),
        (b'{"a"', {}),
        (b'{"a":', {}),
        (b'{"a":12', {}),
        (b'{"a":12,', {"a": 12}),
        (b'{"a":12 ', {"a": 12}),
        (b'{"a":tru', {}),
        (b'{"a":true', {}),
        (b'{"a":true}', {"a": True}),
        (b'{"a":null,"b":-1.5e3,"c', {"a": None, "b": -1500.0}),
        (b'{"a":{"b":"c","d":"e', {"a": {"b": "c"}}),
        (b'{"a":[1,"x",{"b":"c"', {"a": [1, "x", {"b": "c"}]}),
        (b'{"a":[],"b":{},"c":"d"', {"a": [], "b": {}, "c": "d"}),
        (b'{"a":"b"}{"a":"c"}', {"a": "b"}),
        (b'{"a":"b"} trailing', {"a": "b"}),
        (b'{"a":"say "hi" now","b":"c"}', {"a": "say "}),
        (b'{"a":"b",,"c":"d"}', {"a": "b"}),
        (b'{"a":"b",}', {"a": "b"}),
        (b'{"a" "b"}', {}),
        (b'{"a":"b":"c"}', {"a": "b"}),
        (b'{"a":"b"]', {"a": "b"}),
        (b"{,}", {}),
        (b"{}", {}),
        (b"{", {}),
        (b"", None),
        (b"[1]", None),
        (b'"text"', None),
        (b"<html>{}", None),
        (b'\xef\xbb\xbf \n{"a":"b', {}),
        (b'{"a":"\xff","b":"c', {"a": "\ufffd"}),
        (b'{"a":"line\nend","b', {"a": "line\nend"}),
        (b'{"a":NaN,"b":Infinity,"c":1', {"a": None, "b": None}),
        (b'{"a":1-2,"b":"c"}', {}),
        (b'{"a":"\\x","b":"c"}', {}),
    ],
)
def test_what_stands_before_the_break_is_read(body: bytes, found: object) -> None:
    assert read_start(body) == found


documents = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(document=documents)
@settings(max_examples=300, deadline=None)
def test_a_whole_document_is_read_as_json_reads_it(document: dict[str, object]) -> None:
    assert read_start(json.dumps(document).encode()) == document


@given(document=documents, data=st.data())
@settings(max_examples=300, deadline=None)
def test_of_a_cut_document_nothing_is_read_that_is_not_in_the_whole(
    document: dict[str, object], data: st.DataObject
) -> None:
    whole = json.dumps(document).encode()
    found = read_start(whole[: data.draw(st.integers(0, len(whole)))])
    assert found is None or _is_within(found, document)


def _is_within(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _is_within(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(map(_is_within, part, whole))
    return part == whole


@given(body=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_raise(body: bytes) -> None:
    read_start(body)
    read_start(b'{"a":' + body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 200_000,
        b'{"a":"' + b"x" * 5_000_000,
        b'{"a":"' + b'\\"' * 2_000_000,
        b'{"a":[' + b"[" * 1_000_000,
        b'{"a":' + b"9" * 1_000_000 + b",",
        b'{"a":[' + b"0," * 1_000_000,
        b"{" + b" " * 5_000_000,
    ],
    ids=["deep", "long text", "escapes", "deep list", "long number", "many values", "blanks"],
)
def test_a_hostile_body_costs_little(body: bytes) -> None:
    started_s = time.process_time()
    read_start(body)
    assert time.process_time() - started_s < 1


def test_nesting_is_read_to_a_cap() -> None:
    found = read_start(b'{"x":"y","a":' * (DEPTH_CAP + 5))
    depth = 0
    while found is not None:
        depth += 1
        inner = found.get("a")
        found = inner if isinstance(inner, dict) else None
    assert depth == DEPTH_CAP
