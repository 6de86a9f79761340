"""Any bytes give a value that JSON itself reads the same, or one refusal that says where and why."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.web import json_body
from receiver.web.json_body import MAX_DIGITS, MAX_LEVELS, MAX_VALUES, BadJson, has_too_many_marks, parse_json

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
        (b"9" * (MAX_DIGITS + 1), "body", "holds a number of thousands of digits"),
        (b"[0." + b"9" * MAX_DIGITS + b"]", "body", "holds a number of thousands of digits"),
        (b"[" + b"0," * MAX_VALUES + b"0]", "body", f"holds more than {MAX_VALUES} values"),
        (b'{"a":' + b"[[]," * MAX_VALUES, "body", f"holds more than {MAX_VALUES} values"),
        (b'["' * 9 * MAX_VALUES, "body", f"holds more than {MAX_VALUES} values"),
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


def _length(body: str) -> int:
    value = parse_json(body.encode())
    assert isinstance(value, list | dict)
    return len(value)


def test_as_many_values_as_are_allowed_are_read_and_one_more_is_not() -> None:
    for text in ("0", '""', '"\\\\\\""', "[]", "{}"):
        body = f"[{','.join([text] * (MAX_VALUES - 1))}]"
        assert _length(body) == MAX_VALUES - 1
        with pytest.raises(BadJson, match="values"):
            parse_json(
                body.replace("]", f",{text}]", 1).encode() if text != "[]" else body.replace("[", "[[],", 1).encode()
            )
    members = ",".join(f'"n{number}":"{number}"' for number in range(MAX_VALUES - 1))
    assert _length(f"{{{members}}}") == MAX_VALUES - 1


def test_what_stands_in_a_text_is_not_counted() -> None:
    prose = '[,{,\\"' * 9 * MAX_VALUES
    assert parse_json(json.dumps({"prompt": prose}).encode()) == {"prompt": prose}


@given(VALUES)
def test_no_value_that_is_allowed_is_refused_by_its_marks(value: object) -> None:
    text = json.dumps(value)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(json_body, "_MOST_MARKS", 2 * json_body._count_values(value))
        assert not has_too_many_marks(text.encode())
