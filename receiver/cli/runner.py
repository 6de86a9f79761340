"""How a command runs that works through the services of a process."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from receiver.cli.ledger import prepare, run_on_ledger
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services

T = TypeVar("T")


def with_services(work: Callable[[Services], Coroutine[Any, Any, T]], *, creating: bool = False) -> T:
    """Open the ledger and the providers from the settings, run the work, close them in order.

    Return what the work returns. Only with `creating` is a ledger created or its schema changed. Ctrl-C cancels the
    work, except for a submit in flight, which is finished because it may be paid. Raise CommandFailed for a ledger
    that can not be used, ConfigError for wrong settings, typer.Exit after Ctrl-C.
    """
    settings = prepare(creating=creating)

    async def opened() -> T:
        async with open_services(settings, migrating=creating) as services:
            return await work(services)

    return run_on_ledger(settings, opened)
