"""The command line as typer runs it."""

import errno
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any

import typer

from receiver.cli.command_list import COMMANDS, GROUPS, HELP, ON_THIS_MACHINE, first_sentence
from receiver.cli.console import USAGE, show, unwritten
from receiver.cli.examples import with_examples
from receiver.cli.short import load

#: What a full disk or a broken device says to a write.
_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})

_BOTH_HELPS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


def version() -> None:
    from importlib.metadata import version as version_of

    show(version_of("whenfinal"))


def _version_option(*, given: bool) -> None:
    if given:
        version()
        raise typer.Exit


def _help_without_command(context: typer.Context) -> None:
    """On stdout, as the help that was asked for; but the status is that of wrong usage."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(USAGE)


def _root(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version_option, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before any command."""
    _help_without_command(context)


def build(arguments: Collection[str]) -> typer.Typer:
    """The whole command line. Only the command whose words are among the arguments is imported."""
    app = _group(with_examples("", HELP), add_completion=True)
    app.callback(invoke_without_command=True)(_root)
    groups = {name: _group(with_examples(name, text)) for name, text in GROUPS.items()}
    for words, place, text in COMMANDS:
        group, _, name = words.rpartition(" ")
        command = _command(words, place) if set(words.split()) <= set(arguments) else _not_imported
        add = groups.get(group, app).command(
            name, help=with_examples(words, text), short_help=first_sentence(text), context_settings=_BOTH_HELPS
        )
        add(command)
    for name, group_app in groups.items():
        group_app.callback(invoke_without_command=True)(_help_without_command)
        app.add_typer(group_app, name=name, short_help=GROUPS[name])
    return app


def _command(words: str, place: str) -> Callable[..., None]:
    from receiver.cli.common_options import at_service, with_output

    command = with_output(load(place))
    return command if words in ON_THIS_MACHINE else at_service(command)


def run(arguments: Sequence[str]) -> None:
    """Run a command. Raise CommandFailed for a help that can not be written; commands see to their own output."""
    from receiver.runtime.environment import words_to_complete

    try:
        build(words_to_complete() or arguments)(prog_name="whenfinal")
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS or sys.stdout is None:
            raise
        raise unwritten(error) from error


def _group(text: str, *, add_completion: bool = False) -> typer.Typer:
    return typer.Typer(
        help=text,
        add_completion=add_completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=_BOTH_HELPS,
    )


def _not_imported() -> None:
    """Stands for every command that was not called. Its help is all that is needed of it."""
