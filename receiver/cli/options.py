"""Options that several commands share, and how an option is declared from a parser, an enum or a dataclass."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import OptionInfo

from receiver.cli.console import USAGE, CommandFailed
from receiver.events.model.event import EventType
from receiver.runtime.clock import now_ms
from receiver.runtime.durations import Moment, parse_duration_s, parse_moment
from submitter.timestamps import rfc3339


@dataclass(frozen=True, slots=True)
class Pair:
    """`name=value`; the value may contain further equals signs."""

    name: str
    value: str


def parse_pair(text: str) -> Pair:
    name, sign, value = text.partition("=")
    if not sign or not name:
        message = f"{text!r} is not of the form name=value"
        raise ValueError(message)
    return Pair(name, value)


def parsed_option(
    flag: str,
    metavar: str,
    parse: Callable[[str], object],
    text: str,
    *,
    short: str | None = None,
    words: Iterable[str] = (),
) -> OptionInfo:
    """An option with a parser. A ValueError's message is printed as it is, without pydantic's words before it.

    `words` are what a shell completes it with.
    """
    known = list(words)

    def complete(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    def parse_or_explain(value: str) -> object:
        try:
            return parse(value)
        except ValueError as error:
            from pydantic_core import PydanticCustomError

            raise PydanticCustomError("invalid", "{message}", {"message": str(error)}) from None

    flags = [flag] if short is None else [flag, short]
    option: OptionInfo = typer.Option(
        *flags, metavar=metavar, parser=parse_or_explain, help=text, autocompletion=complete if known else None
    )
    return option


def enum_option(values: Iterable[StrEnum], flag: str, what: str, *, short: str | None = None) -> OptionInfo:
    """An option that takes one of these values. Its help and its error list all of them."""
    by_word = {value.value: value for value in values}
    listed = ", ".join(by_word)

    def parse(text: str) -> StrEnum:
        if text.lower() not in by_word:
            message = f"{text!r} is none of {listed}"
            raise ValueError(message)
        return by_word[text.lower()]

    return parsed_option(flag, flag.removeprefix("--").upper(), parse, f"{what}: {listed}.", short=short, words=by_word)


def options_from(dataclass_type: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option for each field of a dataclass; the command takes them as one parameter, `given`.

        @dataclass(kw_only=True)
        class FilterOptions:
            providers: Annotated[list[str] | None, typer.Option("--provider")] = None

        @options_from(FilterOptions)
        def events(*, given: FilterOptions, limit: Limit = 50) -> None:

    typer reads the options of a command from its signature: one parameter is one option. Four commands share the
    filter of `FilterOptions`, and three of them add five to eight options, which is too many parameters to list and
    to pass on. So the command that typer sees has the signature `(*, limit, providers)`: its own parameters without
    `given`, then the fields with their annotations and defaults. When it is called, it makes the dataclass from the
    fields' values and passes it as `given`. A field inherited from another dataclass counts like any other.
    """
    options = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(dataclass_type)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [parameter for parameter in signature(command).parameters.values() if parameter.name != "given"]

        @wraps(command)
        def run(*arguments: object, **named: object) -> None:
            given = dataclass_type(**{option.name: named.pop(option.name) for option in options})
            command(*arguments, given=given, **named)

        vars(run)["__signature__"] = Signature([*own, *options])  # where `inspect` looks first
        return run

    return decorate


Json = Annotated[bool, typer.Option("--json", help="For programs: JSON, one value a line.")]

OlderThan = Annotated[
    float | None,
    parsed_option("--older-than", "SPAN", parse_duration_s, "Created at least this long ago: 90s, 10m, 2h, 1d."),
]

Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Maximum number of rows.")]


Since = Annotated[
    Moment | None, parsed_option("--since", "WHEN", parse_moment, "From this time on: 2h, 1d, or RFC 3339.")
]

Until = Annotated[
    Moment | None, parsed_option("--until", "WHEN", parse_moment, "Before this time: 2h, 1d, or RFC 3339.")
]


def time_of(moment: Moment | None) -> str | None:
    """As the API writes it."""
    return None if moment is None else rfc3339(moment.resolve(now_ms()))


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; count what would be done.")]

Provider = Annotated[str | None, typer.Option("--provider", help="Only this provider.")]

Types = Annotated[list[EventType] | None, enum_option(EventType, "--type", "Only this type; may be repeated")]

Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this provider; may be repeated.")
]

Models = Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="Only this model; may be repeated.")]

Labels = Annotated[
    list[Pair] | None,
    parsed_option("--label", "NAME=VALUE", parse_pair, "Only with this label; may be repeated, and each must match."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """Which events. None where the option was not given."""

    kinds: Types = None
    providers: Providers = None
    models: Models = None
    labels: Labels = None


def labels_of(pairs: Sequence[Pair]) -> dict[str, str]:
    """Raise CommandFailed for a name that is given twice."""
    found = {pair.name: pair.value for pair in pairs}
    if len(found) < len(pairs):
        raise CommandFailed("--label: a name is given twice; an event has one value for each", status=USAGE)
    return found


def conditions_of(given: FilterOptions) -> dict[str, Any]:
    """What was given, by the names that the client has for it."""
    conditions = {
        "types": [kind.value for kind in given.kinds or ()],
        "providers": given.providers,
        "models": given.models,
        "labels": labels_of(given.labels or ()),
    }
    return {name: value for name, value in conditions.items() if value}


SECRET_MAX_BYTES = 1_024  # a secret has about a hundred

SecretFile = Annotated[
    str | None,
    typer.Option(
        "--secret-file", metavar="FILE", help="File with the secret, whsec_…; - is stdin. Without it one is made."
    ),
]


def read_secret(file: str | None) -> str | None:
    """Raise CommandFailed unless the file is one line of text. Its message quotes nothing of the file."""
    if file is None:
        return None
    try:
        text = read_input(file, SECRET_MAX_BYTES + 1).decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > SECRET_MAX_BYTES or not text.isprintable():
        raise CommandFailed(f"{file} does not hold a secret; write whsec_… in it and nothing else", status=USAGE)
    return text


def read_input(file: str, most: int = -1) -> bytes:
    """The content, or its first `most` bytes; `-` is stdin. Raise CommandFailed when it can not be read."""
    if file == "-" and sys.stdin is None:
        hint = "give the name of a file, or join a file or a pipe to the command"
        raise CommandFailed(f"standard input is closed; {hint}", status=USAGE)
    try:
        if file == "-":
            return sys.stdin.buffer.read(most)
        with Path(file).open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        name = "standard input" if file == "-" else file
        raise CommandFailed(f"{name} can not be read: {error.strerror or error}", status=USAGE) from error
