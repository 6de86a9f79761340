"""The `whenfinal` command: the list of its commands, and the exit status of every outcome.

0: success. 1: a problem of the tasks, the ledger or the network. 2: wrong usage or settings. 130: interrupted.
"""

import errno
import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from receiver.cli.console import (
    INTERRUPTED,
    USAGE,
    WRONG,
    CommandFailed,
    complain,
    fill_closed_streams,
    give_up_errors,
    show,
    unwritten,
)
from receiver.config.errors import ConfigError
from receiver.store.errors import DatabaseMisconfigured
from submitter.errors import InvalidRequest, WhenfinalError

_HELP = "One service that turns any asynchronous video provider into one reliable completion event."

_MIGRATE_HELP = """Create the ledger, bring it up to date, or copy it to another database.

Without --from and --to it updates the schema, which is safe while other processes run.
A copy needs both ledgers to itself: stop serve, web and worker first.
The old ledger is not changed.
"""

_DEMO_HELP = """Run the whole service against simulated providers with faults.

At the end it counts what came out. Exit 1 if a task was lost, doubled or paid twice; each is named.
"""

_SETTLE_HELP = """Settle an uncertain submit without paying again, or end an unfinished task.

Say what you found at the provider: the id of the task, that it was never created, or how it ended.
With --look the provider's list is searched for it; without ID, for every uncertain submit.
"""

#: Every command: its words, its function below `receiver.cli`, and its help, whose first sentence stands in the list.
#: The help stands here and not at the function, so that `whenfinal --help` imports no command.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "commands.serve:serve", "Run everything in one process: the API, callbacks, polling and webhooks."),
    ("web", "commands.serve:web", "Run the API and the callbacks. A worker beside it polls and delivers."),
    (
        "worker",
        "commands.serve:worker",
        "Run polling and webhooks, on the same ledger as `web`. It listens on no port.",
    ),
    ("migrate", "commands.migrate:migrate", _MIGRATE_HELP),
    (
        "submit",
        "commands.submit:submit",
        "Submit one task or many. Exit 1 when one is refused, uncertain or, with --wait, does not succeed.",
    ),
    (
        "reconcile",
        "commands.reconcile:reconcile",
        "Poll the providers about unfinished tasks, due or not. Exit 1 when a provider gave no usable answer.",
    ),
    (
        "events",
        "commands.events:events",
        "List events in their order. With --follow it prints new events until it is stopped.",
    ),
    (
        "replay",
        "commands.replay:replay",
        "Make a range of events due again for a subscription. A running worker sends them, each under its old id.",
    ),
    (
        "doctor",
        "commands.doctor:doctor",
        "Check settings, database, clock, provider keys and public URL. Exit 1 when something must be fixed.",
    ),
    (
        "simulate",
        "commands.simulate:simulate",
        "Serve the five simulated platforms. Prints the settings for a receiver that uses them.",
    ),
    ("demo", "demo.command:demo", _DEMO_HELP),
    ("version", "main:version", "Print the version."),
    ("tasks list", "commands.tasks:list_tasks", "List tasks, newest first."),
    ("tasks show", "commands.tasks:show_task", "Show all of one task."),
    (
        "tasks explain",
        "commands.tasks:explain",
        "Show everything that happened to a task, what happens next, and what you can do.",
    ),
    (
        "tasks settle",
        "commands.settle:settle",
        _SETTLE_HELP,
    ),
    (
        "tasks cancel",
        "commands.tasks:cancel",
        "Ask the provider to cancel a waiting task. Its end is reported as any other end.",
    ),
    (
        "tasks download",
        "commands.download:download",
        "Download the files of a finished task. Run it again to resume an interrupted download.",
    ),
    (
        "providers list",
        "commands.providers:list_providers",
        "List the configured providers with their queue, tasks in flight, rate budget, pauses and alarms.",
    ),
    (
        "providers show",
        "commands.providers:show_provider",
        "Show a provider with what was learned: how long its tasks take by model, and how many callbacks do not come.",
    ),
    (
        "providers resume",
        "commands.providers:resume",
        "End the pause of polls, the hold of submits and the alarms of a provider. A running worker goes on at once.",
    ),
    (
        "subscriptions create",
        "commands.subscriptions:create",
        "Subscribe an address to events. Without conditions it gets every event about a task.",
    ),
    (
        "subscriptions list",
        "commands.subscriptions:list_subscriptions",
        "List subscriptions, newest first, with the problem of each.",
    ),
    (
        "subscriptions show",
        "commands.subscriptions:show_subscription",
        "Show one subscription and its pending deliveries, without its secret.",
    ),
    (
        "subscriptions change",
        "commands.subscriptions:change",
        "Change the given options; others stay as they are. A given condition replaces the old one.",
    ),
    (
        "subscriptions disable",
        "commands.subscriptions:disable",
        "Disable a subscription. It gets no new deliveries, and its pending deliveries wait.",
    ),
    (
        "subscriptions enable",
        "commands.subscriptions:enable",
        "Enable a subscription and reset its failures. A running worker sends its pending deliveries.",
    ),
    (
        "subscriptions delete",
        "commands.subscriptions:delete",
        "Delete a subscription. Its pending deliveries become dead letters.",
    ),
    (
        "subscriptions rotate-secret",
        "commands.subscriptions:rotate_secret",
        "Give a subscription a new secret. Until the overlap ends, webhooks are signed with both.",
    ),
    (
        "subscriptions test",
        "commands.subscriptions:probe",
        "Send one signed test now and show the answer. A delivered one closes the breaker; else the exit status is 1.",
    ),
    (
        "subscriptions resume",
        "commands.subscriptions:resume",
        "Enable a disabled subscription, close its breaker and make its pending deliveries due.",
    ),
    (
        "endpoints list",
        "commands.endpoints:list_endpoints",
        "List the hosts that tasks name in `notify`, with breaker, pending deliveries and dead letters.",
    ),
    (
        "endpoints resume",
        "commands.endpoints:resume",
        "Close the breaker of a host of `notify` and make its pending deliveries due.",
    ),
    ("deliveries list", "commands.deliveries:list_deliveries", "List webhook deliveries, newest first."),
    ("deliveries show", "commands.deliveries:show_delivery", "Show a delivery with every attempt."),
    (
        "deliveries redeliver",
        "commands.deliveries:redeliver",
        "Make a delivery due again, with all its attempts. A running worker sends it.",
    ),
)

GROUPS: dict[str, str] = {
    "tasks": "Show tasks, and settle or cancel one manually.",
    "providers": "Show the providers' accounts, and end a pause.",
    "subscriptions": "Manage which endpoint gets which events.",
    "endpoints": "Show the hosts that tasks name in `notify`, and resume one.",
    "deliveries": "Show webhook deliveries, and redeliver one.",
}


#: What a full disk or a broken device says to a write.
_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})


def version() -> None:
    show(version_of("whenfinal"))


def _version_option(*, given: bool) -> None:
    if given:
        version()
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version_option, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before any command."""


def build(arguments: Collection[str]) -> typer.Typer:
    """The whole command line. Only the command whose words are among the arguments is imported."""
    app = _group(_HELP)
    app.callback()(_root)
    groups = {name: _group(text) for name, text in GROUPS.items()}
    for words, place, text in COMMANDS:
        group, _, name = words.rpartition(" ")
        command = load(place) if set(words.split()) <= set(arguments) else _not_imported
        add = groups.get(group, app).command(name, help=text, short_help=first_sentence(text))
        add(command)
    for name, group_app in groups.items():
        app.add_typer(group_app, name=name)
    return app


def main() -> None:
    """The console script."""
    fill_closed_streams()
    try:
        check_arguments(sys.argv[1:])
        run(sys.argv[1:])
    except KeyboardInterrupt:
        complain(["interrupted"])
        sys.exit(INTERRUPTED)
    except WhenfinalError as error:
        complain(lines_of(error))
        sys.exit(status_of(error))
    finally:
        give_up_errors()


def run(arguments: Sequence[str]) -> None:
    """Run a command. Raise CommandFailed for a help that can not be written; commands see to their own output."""
    try:
        build(arguments)(prog_name="whenfinal")
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS or sys.stdout is None:
            raise
        raise unwritten(error) from error


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise CommandFailed for bytes that are not UTF-8: no id, address or label has them, and no ledger takes them."""
    for place, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise CommandFailed(f"word {place} of the command is not UTF-8: {argument!r}", status=USAGE) from None


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
    """The command at `module:function`, below `receiver.cli`."""
    module, _, name = place.partition(":")
    command: Callable[..., None] = getattr(import_module(f"receiver.cli.{module}"), name)
    return command


def first_sentence(text: str) -> str:
    return text.partition("\n")[0].partition(". ")[0].removesuffix(".") + "."


def _group(text: str) -> typer.Typer:
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _not_imported() -> None:
    """Stands for every command that was not called. Its help is all that is needed of it."""
