"""Options that say which events, for the commands that subscribe to them and send them again."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import PydanticCustomError

from receiver.cli.console import USAGE, CommandFailed
from receiver.cli.display.durations import parse_duration_s
from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter

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

Types = Annotated[list[EventType] | None, one_of(EventType, "--type", "Only this type; may be repeated")]

Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME", help="Only of this provider; may be repeated.")
]

Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="NAME", help="Only of this model; may be repeated.")
]

Labels = Annotated[
    list[Pair] | None,
    typer.Option(
        "--label",
        metavar="NAME=VALUE",
        parser=told(parse_pair),
        help="Only with this label; may be repeated, and each must be there.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """None where nothing was said."""

    kinds: Types = None
    providers: Providers = None
    models: Models = None
    labels: Labels = None


def conditions_of(given: FilterOptions) -> dict[str, Any]:
    """Only what was said, by the names that the API has for it."""
    return dict(_conditions(given))


def _conditions(given: FilterOptions) -> Iterator[tuple[str, Any]]:
    if given.kinds is not None:
        yield "types", tuple(kind.value for kind in given.kinds)
    if given.providers is not None:
        yield "providers", tuple(given.providers)
    if given.models is not None:
        yield "models", tuple(given.models)
    if given.labels is not None:
        yield "labels", labels_of(given.labels)


def filter_of(given: FilterOptions) -> EventFilter:
    return EventFilter(
        types=frozenset(given.kinds or ()),
        providers=frozenset(given.providers or ()),
        models=frozenset(given.models or ()),
        labels=labels_of(given.labels or ()),
    )


LONGEST = 1_024  # bytes that are read; a secret has about a hundred

SecretFile = Annotated[
    str | None,
    typer.Option("--secret-file", metavar="FILE", help="Holds the secret, whsec_…; - is stdin. None: one is made."),
]


def read_secret(file: str | None) -> str | None:
    """Raise CommandFailed, whose words hold nothing of the file, unless it is one line of text."""
    if file is None:
        return None
    try:
        text = _content(file).decode("ascii").strip()
    except OSError as error:
        raise CommandFailed(f"{file} can not be read: {error.strerror}", status=USAGE) from error
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > LONGEST or not text.isprintable():
        raise CommandFailed(f"{file} does not hold a secret; write whsec_… in it and nothing else", status=USAGE)
    return text


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(LONGEST + 1)
    with Path(file).open("rb") as opened:
        return opened.read(LONGEST + 1)
