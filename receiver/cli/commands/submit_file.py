"""From the content of a file to orders: each line checked as the API checks a body, its idempotency key chosen."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.cli.console import USAGE, CommandFailed
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.submission import Submission
from receiver.web.json_body import BadJson, parse_json
from receiver.web.problems import Kind, Problem, ProblemError
from receiver.web.schemas.tasks import SubmitRequest
from receiver.web.validation import check
from submitter.errors import InvalidRequest, Violation

MOST_SHOWN = 20  # problems; the rest are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """`number` is its line in the file."""

    number: int
    order: TaskRequest


def read_orders(file: str, content: bytes, *, own_key: str | None, key_prefix: str | None) -> tuple[ReadOrder, ...]:
    """Raise CommandFailed that names the line of everything that is wrong."""
    lines = read_order_lines(content)
    bad = [each for each in lines if isinstance(each, BadLine)]
    if bad:
        raise refusal([f"{file}:{each.number}: {each.problem}" for each in bad])
    good = [each for each in lines if isinstance(each, OrderLine)]
    if own_key is not None and len(good) > 1:
        raise CommandFailed(
            f"--idempotency-key is for one order, and {file} holds {len(good)}; use --key-prefix", status=USAGE
        )
    return tuple(_orders(file, good, own_key, key_prefix))


def refusal(problems: Sequence[str]) -> CommandFailed:
    """Nothing was sent."""
    more = [f"… and {len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
    return CommandFailed("\n".join([*problems[:MOST_SHOWN], *more, "nothing was submitted"]), status=USAGE)


def violations_of(submission: Submission, order: TaskRequest) -> Sequence[Violation]:
    """All that the submission would refuse, so that many orders can be checked before the first is sent."""
    try:
        submission.check(order)
    except InvalidRequest as error:
        return error.violations
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """`number` is where the object begins, counted from 1."""

    number: int
    body: dict[str, Any]


def _orders(file: str, lines: Sequence[OrderLine], own_key: str | None, key_prefix: str | None) -> Iterator[ReadOrder]:
    problems: list[str] = []
    read: list[ReadOrder] = []
    for line in lines:
        key = None if key_prefix is None else f"{key_prefix}-{line.number}"
        try:
            read.append(ReadOrder(number=line.number, order=_order(line.body, key if own_key is None else own_key)))
        except ProblemError as error:
            problems += [f"{file}:{line.number}: {violation}" for violation in error.problem.errors]
    if problems:
        raise refusal(problems)
    yield from read


def _order(body: Mapping[str, Any], key: str | None) -> TaskRequest:
    """The line's own key wins over one from the command line."""
    line_key = body.get(KEY_FIELD)
    if line_key is not None and not isinstance(line_key, str):
        violation = Violation(field=KEY_FIELD, rule="is not text", accepted="text")
        raise ProblemError(Problem(Kind.INVALID, errors=(violation,)))
    body_request = check(
        SubmitRequest, {name: value for name, value in body.items() if name != KEY_FIELD}, Kind.INVALID
    )
    return body_request.task_request(key if line_key is None else line_key)


KEY_FIELD = "idempotency_key"  # beside the fields of POST /v1/tasks, which takes it as a header


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
