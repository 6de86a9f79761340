"""The task requests in a file for `whenfinal submit`: JSON objects, checked as the API checks a body."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.cli.console import USAGE, CommandFailed
from receiver.web.json_body import BadJson, parse_json
from receiver.web.problems import Kind, Problem
from receiver.web.schemas.tasks import SubmitRequest
from receiver.web.validation import check
from submitter.errors import Violation

MOST_SHOWN = 20  # problems; the rest are counted

KEY_FIELD = "idempotency_key"  # beside the fields of POST /v1/tasks, which takes it as a header


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLine:
    """A request as the API takes it, and the line of the file where it begins, counted from 1."""

    number: int
    body: Mapping[str, Any]
    #: Its idempotency key; None where neither the line nor an option gives one.
    key: str | None
    #: Bytes of its JSON.
    size: int


class BadLine(Exception):
    """What is wrong with a line of the file."""

    def __init__(self, number: int, *problems: str) -> None:
        super().__init__(number, *problems)
        self.number = number
        self.problems = problems


def read_requests(file: str, content: bytes, *, own_key: str | None, key_prefix: str | None) -> list[RequestLine]:
    """The requests in the order of their lines.

    `own_key` is the idempotency key of the only request; with `key_prefix` the key of line 7 is `key_prefix-7`. A key
    in the line wins over both. Raise CommandFailed, which names every bad line and what is wrong with it.
    """
    found: list[RequestLine] = []
    problems: list[str] = []
    for number, text in _objects(_text(file, content)):
        key = own_key if key_prefix is None or own_key is not None else f"{key_prefix}-{number}"
        try:
            found.append(_line(text, number, key))
        except BadLine as bad:
            problems += [f"{file}:{bad.number}: {problem}" for problem in bad.problems]
    if problems:
        raise refusal(problems)
    if own_key is not None and len(found) > 1:
        message = f"--idempotency-key is for one request, and {file} holds {len(found)}; use --key-prefix"
        raise CommandFailed(message, status=USAGE)
    return found


def refusal(problems: Sequence[str]) -> CommandFailed:
    """The error for a file that nothing is submitted of."""
    more = [f"… and {len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
    return CommandFailed("\n".join([*problems[:MOST_SHOWN], *more, "nothing was submitted"]), status=USAGE)


def _text(file: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise refusal([f"{file}:{number}: it is not UTF-8"]) from None
    if not text.strip():
        raise refusal([f"{file}:1: there is nothing in it; write one JSON object, or one a line"])
    return text


def _objects(text: str) -> Iterator[tuple[int, str]]:
    """The text of each JSON object, with the number of its first line."""
    if _is_one_object(text):
        yield text[: len(text) - len(text.lstrip())].count("\n") + 1, text.strip()
    else:
        yield from ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


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


def _parsed(text: str, number: int) -> dict[str, Any]:
    """Raise BadLine for what is not one JSON object, and for JSON that the API would refuse."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise BadLine(number + error.lineno - 1, f"it is not JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError):
        pass  # because parse_json has better messages for these
    try:
        value = parse_json(text.encode())
    except BadJson as bad:
        raise BadLine(number, str(bad.violation)) from None
    if not isinstance(value, dict):
        raise BadLine(number, "it is not a JSON object; write one object, or one a line")
    return value


def _line(text: str, number: int, key: str | None) -> RequestLine:
    """Raise BadLine for what POST /v1/tasks would refuse without looking at the provider."""
    body = _parsed(text, number)
    line_key = body.pop(KEY_FIELD, None)
    if line_key is not None and not isinstance(line_key, str):
        raise BadLine(number, str(Violation(field=KEY_FIELD, rule="is not text", accepted="text")))
    try:
        check(SubmitRequest, body, Kind.INVALID)
    except Problem as error:
        raise BadLine(number, *(str(violation) for violation in error.errors)) from None
    return RequestLine(number=number, body=body, key=key if line_key is None else line_key, size=len(text))
