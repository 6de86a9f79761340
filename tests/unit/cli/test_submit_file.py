"""Task requests from a file: every problem is named with its line, before anything is sent."""

import json
from typing import Any

import pytest

from receiver.cli.commands.submit_file import MOST_SHOWN, read_requests
from receiver.cli.console import CommandFailed

GOOD = '{"provider": "hiapi", "video": {"model": "m", "prompt": "p"}}'


def _numbers(text: str) -> list[int]:
    return [read.number for read in read_requests("f", text.encode(), own_key=None, key_prefix=None)]


def _refused(content: str | bytes, **options: Any) -> str:
    raw = content.encode() if isinstance(content, str) else content
    with pytest.raises(CommandFailed) as failed:
        read_requests("f", raw, own_key=options.get("own_key"), key_prefix=options.get("key_prefix"))
    assert failed.value.status == 2
    return str(failed.value)


def test_blank_lines_count_in_the_line_numbers() -> None:
    assert _numbers(f"{GOOD}\n\n\r\n{GOOD}\n") == [1, 4]


def test_an_object_may_go_over_many_lines() -> None:
    assert _numbers("\n" + json.dumps(json.loads(GOOD), indent=2)) == [2]


def test_a_byte_order_mark_is_no_part_of_the_request() -> None:
    assert _numbers("\ufeff" + GOOD) == [1]


def test_a_lines_own_key_wins_over_the_prefix() -> None:
    lines = GOOD + "\n" + GOOD[:-1] + ', "idempotency_key": "own"}'
    read = read_requests("f", lines.encode(), own_key=None, key_prefix="p")
    assert [each.key for each in read] == ["p-1", "own"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "f:1: there is nothing in it"),
        (" \n\n", "f:1: there is nothing in it"),
        ("[1, 2]", "f:1: it is not a JSON object"),
        ("7", "f:1: it is not a JSON object"),
        (b"\n\xff\xfe", "f:2: it is not UTF-8"),
        ('{\n"provider":\n}', "f:3: it is not JSON"),
        (GOOD + '\n{"provider":\n', "f:2: it is not JSON"),
        (GOOD + '\n{"raw": {"body": {"a": "\\u0000"}}}', "f:2: raw.body.a: holds NUL"),
        (GOOD + '\n{"a": NaN}', "f:2: body: holds NaN"),
        (GOOD + '\n{"a": 1, "a": 2}', "f:2: a: is given twice"),
        (GOOD + '\n{"a": ' + "9" * 5000 + "}", "f:2: body: holds a number of thousands of digits"),
        (GOOD + "\n" + "[" * 100_000, "f:2: "),
        (GOOD + "\n{}", "f:2: provider: is missing"),
        (GOOD + '\n{"provider": "hiapi", "labels": {"a": 1}}', "f:2: labels.a: is not text"),
        (GOOD[:-1] + ', "idempotency_key": 7}', "f:1: idempotency_key: is not text"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_its_line(content: str | bytes, words: str) -> None:
    assert words in _refused(content)
    assert _refused(content).endswith("nothing was submitted")


def test_all_bad_lines_are_named_up_to_a_number() -> None:
    lines = _refused("\n".join([GOOD, *["{}"] * (MOST_SHOWN + 5)])).splitlines()
    assert lines[0].startswith("f:2:")
    assert lines[-2:] == ["… and 5 more", "nothing was submitted"]


def test_one_key_is_not_for_many_requests() -> None:
    assert "use --key-prefix" in _refused(f"{GOOD}\n{GOOD}", own_key="k")
