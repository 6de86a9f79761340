"""The `whenfinal` command: its groups put together, and every end of it an exit status.

0: done. 1: something is wrong with the tasks, the ledger or the network. 2: wrong usage or settings. 130: interrupted.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from receiver.cli.console import INTERRUPTED, USAGE, WRONG, CommandFailed, complain, show
from receiver.config.errors import ConfigError
from receiver.store.errors import DatabaseMisconfigured
from submitter.errors import InvalidRequest, WhenfinalError

_HELP = "One service that turns any asynchronous video provider into one reliable completion event."


def version() -> None:
    """Print the version."""
    show(version_of("whenfinal"))


def _version_asked(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        version()
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version_asked, help="Print the version.")
    ] = False,
) -> None:
    """What may stand before any command."""


#: Name, where it is, and its line in the list; in the order of the help.
Listed = tuple[str, str, str]

COMMANDS: tuple[Listed, ...] = (
    ("serve", "receiver.cli.commands.serve:serve", "Run everything in one process"),
    ("web", "receiver.cli.commands.serve:web", "Run the API and the callbacks"),
    ("worker", "receiver.cli.commands.serve:worker", "Run reconciling and webhooks"),
    ("migrate", "receiver.cli.commands.migrate:migrate", "Make the ledger, bring it up to date, or copy it elsewhere"),
    ("submit", "receiver.cli.commands.submit:submit", "Submit one order or many"),
    ("reconcile", "receiver.cli.commands.reconcile:reconcile", "Ask the providers about unfinished tasks"),
    ("events", "receiver.cli.commands.events:events", "List events in their order"),
    ("replay", "receiver.cli.commands.replay:replay", "Make a range of events due again for a subscription"),
    ("doctor", "receiver.cli.commands.doctor:doctor", "Check settings, database, clock, provider keys and public URL"),
    ("simulate", "receiver.cli.commands.simulate:simulate", "Serve the five simulated platforms"),
    ("demo", "receiver.cli.demo.command:demo", "Show the whole service against simulated providers with faults"),
    ("version", "receiver.cli.main:version", "Print the version"),
)

TASK_COMMANDS: tuple[Listed, ...] = (
    ("list", "receiver.cli.commands.tasks:list_tasks", "List tasks, the newest first"),
    ("show", "receiver.cli.commands.tasks:show_task", "Show all of one task"),
    ("explain", "receiver.cli.commands.tasks:explain", "Tell everything that happened to a task"),
    ("settle", "receiver.cli.commands.tasks:settle", "End an uncertain submit without paying again"),
    ("cancel", "receiver.cli.commands.tasks:cancel", "Ask the provider to cancel a waiting task"),
    ("download", "receiver.cli.commands.download:download", "Fetch the files of a finished task"),
)

DELIVERY_COMMANDS: tuple[Listed, ...] = (
    ("list", "receiver.cli.commands.deliveries:list_deliveries", "List webhook deliveries, the newest first"),
    ("show", "receiver.cli.commands.deliveries:show_delivery", "Show a delivery with every attempt"),
    ("redeliver", "receiver.cli.commands.deliveries:redeliver", "Make a delivery due again"),
)

SUBSCRIPTION_COMMANDS: tuple[Listed, ...] = (
    ("create", "receiver.cli.commands.subscriptions:create", "Subscribe an address to events"),
    ("list", "receiver.cli.commands.subscriptions:list_subscriptions", "List subscriptions, the newest first"),
    (
        "show",
        "receiver.cli.commands.subscriptions:show_subscription",
        "Show one subscription and what it is owed",
    ),
    ("change", "receiver.cli.commands.subscriptions:change", "Change what is said and nothing else"),
    ("disable", "receiver.cli.commands.subscriptions:disable", "Disable a subscription"),
    ("enable", "receiver.cli.commands.subscriptions:enable", "Enable a subscription"),
    ("delete", "receiver.cli.commands.subscriptions:delete", "Delete a subscription"),
    ("rotate-secret", "receiver.cli.commands.subscriptions:rotate_secret", "Give a subscription a new secret"),
    ("test", "receiver.cli.commands.subscriptions:probe", "Send a signed test now"),
)


def build(said: Collection[str]) -> typer.Typer:
    """The whole command line; of its commands only those are imported that are among the words said."""
    app = _group(_HELP, COMMANDS, said)
    app.callback()(_root)
    app.add_typer(_group("Look at tasks, and act on one by hand.", TASK_COMMANDS, said), name="tasks")
    app.add_typer(_group("Who is told of which events, and how.", SUBSCRIPTION_COMMANDS, said), name="subscriptions")
    app.add_typer(_group("Webhooks: what is owed, tried and dead.", DELIVERY_COMMANDS, said), name="deliveries")
    return app


def main() -> None:
    """The console script."""
    try:
        check_words(sys.argv[1:])
        build(sys.argv[1:])(prog_name="whenfinal")
    except KeyboardInterrupt:
        complain(["interrupted"])
        sys.exit(INTERRUPTED)
    except WhenfinalError as error:
        complain(lines_of(error))
        sys.exit(status_of(error))


def check_words(said: Sequence[str]) -> None:
    """Raise CommandFailed for bytes that are not text: no id, address or label has them, and no ledger takes them."""
    for place, word in enumerate(said, start=1):
        try:
            word.encode()
        except UnicodeEncodeError:
            raise CommandFailed(f"word {place} of the command is not UTF-8: {word!r}", status=USAGE) from None


def lines_of(error: WhenfinalError) -> list[str]:
    """A line for each problem."""
    if isinstance(error, InvalidRequest):
        return [str(violation) for violation in error.violations]
    if isinstance(error, ConfigError) and "\n" in error.problem:
        return [line.strip() for line in error.problem.splitlines() if line.strip()] + [error.hint]
    return str(error).splitlines() or [type(error).__name__]


def status_of(error: WhenfinalError) -> int:
    if isinstance(error, CommandFailed):
        return error.status
    return USAGE if isinstance(error, ConfigError | DatabaseMisconfigured | InvalidRequest) else WRONG


def load(place: str) -> Callable[..., None]:
    """The command at `module:name`."""
    module, _, name = place.partition(":")
    command: Callable[..., None] = getattr(import_module(module), name)
    return command


def _group(words: str, commands: Collection[Listed], said: Collection[str]) -> typer.Typer:
    app = typer.Typer(help=words, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for name, place, line in commands:
        app.command(name, short_help=f"{line}.")(load(place) if name in said else _unsaid)
    return app


def _unsaid() -> None:
    """In the place of a command that was not called; its line in the list is all that is needed of it."""
