"""Options that several commands share, with their readers. A reader raises ValueError with words for a person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import PydanticCustomError

from receiver.commands.console import USAGE, CommandFailed
from receiver.durations import parse_duration_s

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pair:
    """`name=value`; the value may hold further equals signs."""

    name: str
    value: str


def parse_pair(text: str) -> Pair:
    name, sign, value = text.partition("=")
    if not sign or not name:
        message = f"{text!r} is not of the form name=value"
        raise ValueError(message)
    return Pair(name, value)


def told(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The same reader; its words reach the person without pydantic's own before them."""

    def reader(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise PydanticCustomError("unfit", "{words}", {"words": str(error)}) from None

    return reader


def one_of(words: type[StrEnum], flag: str, what: str) -> Any:  # noqa: ANN401 - as typer.Option
    """An option whose value is one of these words; its help and the answer to a wrong one name them all."""

    def parse(text: str) -> StrEnum:
        try:
            return words(text.lower())
        except ValueError:
            message = f"{text!r} is none of {listed}"
            raise ValueError(message) from None

    listed = ", ".join(words)
    metavar = flag.removeprefix("--").upper()
    return typer.Option(flag, metavar=metavar, parser=told(parse), help=f"{what}: {listed}.")


def labels_of(pairs: Sequence[Pair]) -> dict[str, str]:
    """Raise CommandFailed for a name that is given twice."""
    found = {pair.name: pair.value for pair in pairs}
    if len(found) < len(pairs):
        raise CommandFailed("--label: a name is given twice; an event has one value for each", status=USAGE)
    return found


def taking(options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The fields of a dataclass become options of a command, which is handed them as one value named `given`."""

    def spread(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in signature(command).parameters.values() if each.name != "given"]
        taken = [
            Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
            for each in fields(options)
        ]

        @wraps(command)
        def run(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 - whatever the signature below says
            given = options(**{each.name: named.pop(each.name) for each in taken})
            command(*arguments, given=given, **named)

        run.__signature__ = Signature([*own, *taken])  # type: ignore[attr-defined]  # what typer reads
        return run

    return spread


Json = Annotated[bool, typer.Option("--json", help="For programs: JSON, one value a line.")]
OlderThan = Annotated[
    float | None,
    typer.Option(
        "--older-than",
        metavar="SPAN",
        parser=told(parse_duration_s),
        help="Made at least this long ago: 90s, 10m, 2h, 1d.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Rows at most.")]
Provider = Annotated[str | None, typer.Option("--provider", help="Only this provider.")]
