"""How a command runs: settings, the ledger, one event loop, and a signal for those that run until told to stop."""

import asyncio
import errno
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer

from receiver.cli.console import INTERRUPTED, CommandFailed, complain
from receiver.config.settings import Settings
from receiver.runtime.environment import load_settings, start_logging
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import SchemaBehind, StoreError
from receiver.store.open import ledger_at
from receiver.store.url import LedgerFile
from receiver.web.server import STOP_SIGNALS

T = TypeVar("T")


def with_services(work: Callable[[Services], Coroutine[Any, Any, T]], *, making: bool = False) -> T:
    """Open the ledger and the providers as set, do the work, close them in order.

    Only `making` creates a ledger or changes its schema. Ctrl-C cancels the work; a paid submit in flight still comes
    to its end.
    """
    settings = load_settings()
    start_logging(_quieter(settings))
    place = ledger_at(settings.database.url)
    if not making and isinstance(place, LedgerFile):
        _must_exist(place.path)

    async def opened() -> T:
        async with open_services(settings, migrating=making) as services:
            return await work(services)

    try:
        with ledger_named(settings):
            return asyncio.run(opened())
    except KeyboardInterrupt:
        complain(["interrupted"])
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def ledger_named(settings: Settings) -> Iterator[None]:
    """Raise CommandFailed for one that can not be used: engines name neither place nor cure, the doctor names both."""
    try:
        yield
    except SchemaBehind:
        raise  # it says what to run
    except StoreError as error:
        place = ledger_at(settings.database.url)
        raise CommandFailed(f"the ledger {place}: {error}; `whenfinal doctor` names the cure") from error


def _quieter(settings: Settings) -> Settings:
    """A command that ends by itself tells its result; of the log only what went wrong belongs beside it."""
    if settings.log.level != "info":
        return settings
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "warning"})})


def _must_exist(path: Path) -> None:
    if not path.exists():
        hint = "run `whenfinal serve` or `whenfinal submit` first, or set WHENFINAL_DATABASE_URL to where it is"
        raise CommandFailed(f"there is no ledger at {path.absolute()}; {hint}")


@contextmanager
def stopped_by_signal() -> Iterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets, inside a running loop. A second signal ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        told.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield told
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def port_trouble(host: str, port: int, error: OSError) -> CommandFailed:
    """One line with the cure, for a socket that can not be had."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    hints = {
        errno.EADDRINUSE: "it is taken: stop the other program, or choose another with --port",
        errno.EACCES: "this user may not have it: choose a port above 1023 with --port",
        errno.EADDRNOTAVAIL: "this machine has no such address: choose another with --host",
    }
    hint = hints.get(error.errno or 0, f"{error.strerror or error}: choose another with --host and --port")
    return CommandFailed(f"can not listen on {place}; {hint}")
