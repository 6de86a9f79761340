"""How a command comes to its ledger: settings, log, one event loop, and the errors of the ledger under its name."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from receiver.cli.console import INTERRUPTED, CommandFailed, complain, require_output
from receiver.config.settings import Settings
from receiver.runtime.environment import load_settings
from receiver.runtime.log import start_logging
from receiver.store.errors import SchemaAhead, SchemaBehind, StoreError
from receiver.store.open import ledger_at
from receiver.store.url import LedgerFile

T = TypeVar("T")


def prepare(*, creating: bool) -> Settings:
    """Read the settings and start the log.

    Raise CommandFailed without an output or, unless `creating`, without a ledger; ConfigError for wrong settings.
    """
    require_output()
    settings = load_settings()
    start_logging(_quieter(settings))
    place = ledger_at(settings.database.url)
    if not creating and isinstance(place, LedgerFile) and not place.path.exists():
        hint = "run `whenfinal serve` or `whenfinal submit` first, or set WHENFINAL_DATABASE_URL to where it is"
        raise CommandFailed(f"there is no ledger at {place.path.absolute()}; {hint}")
    return settings


def run_on_ledger(settings: Settings, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the work to its end. Raise CommandFailed for a ledger that can not be used. Ctrl-C ends the process."""
    try:
        with ledger_named(settings):
            return asyncio.run(work())
    except KeyboardInterrupt:
        complain(["interrupted"])
        sys.exit(INTERRUPTED)


@contextmanager
def ledger_named(settings: Settings) -> Iterator[None]:
    """Add the ledger's name to a StoreError, which has none, and point to the doctor. Raise CommandFailed."""
    try:
        yield
    except (SchemaBehind, SchemaAhead):
        raise  # its message says what to do
    except StoreError as error:
        place = ledger_at(settings.database.url)
        raise CommandFailed(f"the ledger {place}: {error}; `whenfinal doctor` shows how to fix it") from error


def _quieter(settings: Settings) -> Settings:
    """A command prints its result, so only warnings and errors of the log are printed beside it."""
    if settings.log.level != "info":
        return settings
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "warning"})})
