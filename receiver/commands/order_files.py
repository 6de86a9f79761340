"""From the content of a file to orders: each line checked as the API checks a body, its idempotency key chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.commands.console import USAGE, CommandFailed
from receiver.order_lines import KEY_FIELD, BadLine, OrderLine, read_order_lines
from receiver.orders import Order
from receiver.submission import Submission
from receiver.web.checking import check
from receiver.web.conversions import order_of
from receiver.web.problems import Kind, Problem, ProblemError
from receiver.web.shapes import TaskOrder
from submitter.errors import InvalidRequest, Violation

MOST_SHOWN = 20  # problems; the rest are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """`number` is its line in the file."""

    number: int
    order: Order


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


def violations_of(submission: Submission, order: Order) -> Sequence[Violation]:
    """All that the submission would refuse, so that many orders can be checked before the first is sent."""
    try:
        submission.check(order)
    except InvalidRequest as error:
        return error.violations
    return ()


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


def _order(body: Mapping[str, Any], key: str | None) -> Order:
    """The line's own key wins over one from the command line."""
    line_key = body.get(KEY_FIELD)
    if line_key is not None and not isinstance(line_key, str):
        violation = Violation(field=KEY_FIELD, rule="is not text", accepted="text")
        raise ProblemError(Problem(Kind.INVALID, errors=(violation,)))
    shape = check(TaskOrder, {name: value for name, value in body.items() if name != KEY_FIELD}, Kind.INVALID)
    return order_of(shape, key if line_key is None else line_key)
