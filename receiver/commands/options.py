"""Options that several commands share, with their readers. A reader raises ValueError with words for a person."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import PydanticCustomError

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
