"""Orders from a file: one JSON object, over as many lines as it likes, or JSON lines, an object each.

Pure. Everything that is wrong is named with its line, all of it before anything is sent.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from receiver.strict_json import BadJson, parse_json

KEY_FIELD = "idempotency_key"  # beside the fields of POST /v1/tasks, which takes it as a header


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """`number` is where the object begins, counted from 1."""

    number: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    number: int
    problem: str


def read_order_lines(content: bytes) -> tuple[OrderLine, ...] | tuple[BadLine, ...]:
    """All lines, or all that is wrong with them."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return (BadLine(number=content.count(b"\n", 0, error.start) + 1, problem="it is not UTF-8"),)
    if not text.strip():
        return (BadLine(number=1, problem="there is nothing in it; write one JSON object, or one a line"),)
    read = list(_one_object(text) if _is_one_object(text) else _lines(text))
    bad = tuple(each for each in read if isinstance(each, BadLine))
    return bad or tuple(each for each in read if isinstance(each, OrderLine))


def _is_one_object(text: str) -> bool:
    """JSON lines begin an object on more than one line, or hold a whole one on the first; else it is one object."""
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) == 1 or (sum(line.startswith("{") for line in lines) < 2 and not _is_json(lines[0]))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _one_object(text: str) -> Iterator[OrderLine | BadLine]:
    start = text[: len(text) - len(text.lstrip())].count("\n") + 1
    yield _read(text.strip(), start)


def _lines(text: str) -> Iterator[OrderLine | BadLine]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _read(line, number)


def _read(text: str, number: int) -> OrderLine | BadLine:
    """As strict as the API: what it would refuse is refused here."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        where = number + error.lineno - 1
        return BadLine(number=where, problem=f"it is not JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError):
        pass  # the door below has better words for these
    try:
        value = parse_json(text.encode())
    except BadJson as bad:
        return BadLine(number=number, problem=str(bad.violation))
    if not isinstance(value, dict):
        return BadLine(number=number, problem="it is not a JSON object; write one object, or one a line")
    return OrderLine(number=number, body=value)
