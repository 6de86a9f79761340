"""The options that many commands have, added to a command where the command line is built: `--url` and `-o`."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated

import typer
from typer.models import ParameterInfo

from receiver.cli.display.listing import is_wide
from receiver.cli.option_names import given_names
from receiver.cli.options import enum_option
from receiver.cli.remote import given_url

Command = Callable[..., None]


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    #: Every column, however wide the terminal is.
    WIDE = "wide"
    JSON = "json"


Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Work at the running service there, with the key in WHENFINAL_API_KEY."),
]

OutputOption = Annotated[
    Output | None, enum_option(Output, "--output", "How to print the result; --json is short for json", short="-o")
]


def at_service(command: Command) -> Command:
    """Give a command the option `--url`."""

    def run(url: str | None, /, *arguments: object, **named: object) -> None:
        given_url.set(url)
        given_names.set(names_of(command))
        command(*arguments, **named)

    return _with_option(command, Parameter("service_url", Parameter.KEYWORD_ONLY, default=None, annotation=Url), run)


def names_of(command: Command) -> frozenset[str]:
    """The options and arguments of a command, as its help names them."""
    told = (each for parameter in signature(command).parameters.values() for each in _told(parameter.annotation))
    names = (name for each in told for name in (each.default, *(each.param_decls or ()), each.metavar))
    given = (name for name in names if isinstance(name, str))  # the first declaration stands as the default
    return frozenset(part for name in given for part in name.split("/"))  # `--asymmetric/--symmetric`


def _told(annotation: object) -> tuple[ParameterInfo, ...]:
    return tuple(each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, ParameterInfo))


def with_output(command: Command) -> Command:
    """Give a command that has `--json` the option `-o` as well."""
    if "as_json" not in signature(command).parameters:
        return command

    def run(output: Output | None, /, *arguments: object, **named: object) -> None:
        is_wide.set(output is Output.WIDE)
        as_json = bool(named.pop("as_json")) or output is Output.JSON
        command(*arguments, **named, as_json=as_json)

    return _with_option(
        command, Parameter("output", Parameter.KEYWORD_ONLY, default=None, annotation=OutputOption), run
    )


def _with_option(command: Command, option: Parameter, run: Callable[..., None]) -> Command:
    """The command that typer sees: with one more option, whose value `run` gets first."""

    @wraps(command)
    def with_option(*arguments: object, **named: object) -> None:
        run(named.pop(option.name), *arguments, **named)

    own = signature(command)
    vars(with_option)["__signature__"] = Signature([*own.parameters.values(), option])  # where `inspect` looks first
    return with_option
