"""Any bytes give a value that JSON itself reads the same, or one refusal that says where and why."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.web.json_body import MAX_LEVELS, BadJson, parse_json

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_plain_values_are_read_as_they_were_written(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0d8-1e9Na \n', max_size=40).map(str.encode))
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    with suppress(BadJson):
        assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"\xff", "body", "is not UTF-8 at byte 0"),
        (b'{"a":', "body", "is not JSON at character 5: Expecting value"),
        (b'{"a": {"b": 1, "b": 1}}', "b", "is given twice"),
        (b"[-Infinity]", "body", "holds -Infinity, which is not JSON"),
        (b"[1e999]", "body", "holds a number that is too large"),
        (b"9" * 5000, "body", "holds a number of thousands of digits"),
        (rb'{"a": ["", "\u0000"]}', "a.1", "holds NUL or half of a surrogate pair"),
        (rb'{"a\ud800": 1}', "a\ufffd", "holds NUL or half of a surrogate pair"),
        (b"[" * (MAX_LEVELS + 2) + b"]" * (MAX_LEVELS + 2), "body", f"is nested more than {MAX_LEVELS} levels deep"),
    ],
)
def test_a_refusal_says_where_and_why(body: bytes, field: str, rule: str) -> None:
    with pytest.raises(BadJson) as refused:
        parse_json(body)
    assert (refused.value.violation.field, refused.value.violation.rule) == (field, rule)


def test_the_deepest_value_is_still_read() -> None:
    assert parse_json(b"[" * MAX_LEVELS + b"]" * MAX_LEVELS) is not None
