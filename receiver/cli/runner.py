"""How a command runs: settings, the ledger, one event loop, and the signals that stop it."""

import asyncio
import errno
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

from receiver.cli.console import INTERRUPTED, CommandFailed, complain, require_output
from receiver.config.settings import Settings
from receiver.runtime.environment import load_settings, start_logging
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import SchemaBehind, StoreError
from receiver.store.open import ledger_at
from receiver.store.url import LedgerFile
from receiver.web.server import STOP_SIGNALS

T = TypeVar("T")


def with_services(work: Callable[[Services], Coroutine[Any, Any, T]], *, creating: bool = False) -> T:
    """Open the ledger and the providers from the settings, run the work, close them in order.

    Return what the work returns. Only with `creating` is a ledger created or its schema changed. Ctrl-C cancels the
    work, except for a submit in flight, which is finished because it may be paid. Raise CommandFailed for a ledger
    that can not be used, ConfigError for wrong settings, typer.Exit after Ctrl-C.
    """
    require_output()
    settings = load_settings()
    start_logging(_quieter(settings))
    place = ledger_at(settings.database.url)
    if not creating and isinstance(place, LedgerFile) and not place.path.exists():
        hint = "run `whenfinal serve` or `whenfinal submit` first, or set WHENFINAL_DATABASE_URL to where it is"
        raise CommandFailed(f"there is no ledger at {place.path.absolute()}; {hint}")

    async def opened() -> T:
        async with open_services(settings, migrating=creating) as services:
            return await work(services)

    try:
        with ledger_named(settings):
            return asyncio.run(opened())
    except KeyboardInterrupt:
        complain(["interrupted"])
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def ledger_named(settings: Settings) -> Iterator[None]:
    """Add the ledger's name to a StoreError, which has none, and point to the doctor. Raise CommandFailed."""
    try:
        yield
    except SchemaBehind:
        raise  # its message names the command to run
    except StoreError as error:
        place = ledger_at(settings.database.url)
        raise CommandFailed(f"the ledger {place}: {error}; `whenfinal doctor` shows how to fix it") from error


def _quieter(settings: Settings) -> Settings:
    """A command prints its result, so only warnings and errors of the log are printed beside it."""
    if settings.log.level != "info":
        return settings
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "warning"})})


@contextmanager
def stopped_by_signal() -> Iterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets, inside a running loop. A second signal ends the process at once."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def cannot_listen(host: str, port: int, error: OSError) -> CommandFailed:
    """The error for a socket that can not be bound, with how to fix it."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    hints = {
        errno.EADDRINUSE: "it is in use: stop the other program, or choose another port with --port",
        errno.EACCES: "this user is not allowed to use it: choose a port above 1023 with --port",
        errno.EADDRNOTAVAIL: "this machine has no such address: choose another with --host",
    }
    hint = hints.get(error.errno or 0, f"{error.strerror or error}: choose another with --host and --port")
    return CommandFailed(f"can not listen on {place}; {hint}")
