"""The `whenfinal` command: its groups put together, and every end of it an exit status.

0: done. 1: something is wrong with the tasks, the ledger or the network. 2: wrong usage or settings. 130: interrupted.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version as version_of

import typer

from receiver.commands.console import INTERRUPTED, USAGE, WRONG, CommandFailed, complain, show
from receiver.commands.deliveries import list_deliveries, redeliver, show_delivery
from receiver.commands.doctoring import doctor
from receiver.commands.events import events
from receiver.commands.reconciling import reconcile
from receiver.commands.serving import migrate, serve, web, worker
from receiver.commands.simulating import simulate
from receiver.commands.submitting import submit
from receiver.commands.tasks import explain, list_tasks, settle, show_task
from receiver.demo.command import demo
from receiver.errors import ConfigError, ReceiverError
from submitter.errors import InvalidRequest, SubmitterError

_HELP = "One service that turns any asynchronous video provider into one reliable completion event."


def version() -> None:
    """Print the version."""
    show(version_of("whenfinal"))


#: In the order of the help.
COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("serve", serve),
    ("web", web),
    ("worker", worker),
    ("migrate", migrate),
    ("submit", submit),
    ("reconcile", reconcile),
    ("events", events),
    ("doctor", doctor),
    ("simulate", simulate),
    ("demo", demo),
    ("version", version),
)
TASK_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("list", list_tasks),
    ("show", show_task),
    ("explain", explain),
    ("settle", settle),
)
DELIVERY_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("list", list_deliveries),
    ("show", show_delivery),
    ("redeliver", redeliver),
)


def build() -> typer.Typer:
    """The whole command line."""
    app = _group(_HELP, COMMANDS)
    app.add_typer(_group("Look at tasks, understand one, settle an uncertain one.", TASK_COMMANDS), name="tasks")
    app.add_typer(_group("Webhooks: what is owed, tried and dead.", DELIVERY_COMMANDS), name="deliveries")
    return app


def main() -> None:
    """The console script."""
    try:
        build()(prog_name="whenfinal")
    except KeyboardInterrupt:
        complain(["interrupted"])
        sys.exit(INTERRUPTED)
    except (ReceiverError, SubmitterError) as error:
        complain(lines_of(error))
        sys.exit(status_of(error))


def lines_of(error: ReceiverError | SubmitterError) -> list[str]:
    """A line for each problem."""
    if isinstance(error, InvalidRequest):
        return [str(violation) for violation in error.violations]
    if isinstance(error, ConfigError):
        return [line.strip() for line in error.problem.splitlines() if line.strip()] + [error.cure]
    return str(error).splitlines() or [type(error).__name__]


def status_of(error: ReceiverError | SubmitterError) -> int:
    if isinstance(error, CommandFailed):
        return error.status
    return USAGE if isinstance(error, ConfigError | InvalidRequest) else WRONG


def _group(words: str, commands: tuple[tuple[str, Callable[..., None]], ...]) -> typer.Typer:
    app = typer.Typer(help=words, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for name, command in commands:
        app.command(name)(command)
    return app
