"""`whenfinal backup`: copy the ledger while it is in use, and note when and where."""

from pathlib import Path
from typing import Annotated

import typer

from receiver.cli.console import USAGE, CommandFailed, note
from receiver.cli.ledger import prepare, run_on_ledger
from receiver.cli.remote import is_elsewhere
from receiver.config.settings import Settings
from receiver.runtime.clock import now_ms
from receiver.runtime.wiring import open_store_from
from receiver.store.backups import LONGEST_PLACE, BackupNote
from receiver.store.errors import StoreError
from receiver.store.file_copy import back_up
from receiver.store.open import ledger_at
from receiver.store.url import LedgerServer

File = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where the copy goes. It must not exist yet.")]

Made = Annotated[
    str | None,
    typer.Option("--made", metavar="PLACE", help="Only note that another program has just made one there."),
]


def backup(*, file: File = None, made: Made = None) -> None:
    if (file is None) == (made is None):
        raise CommandFailed("give a FILE, or --made PLACE", status=USAGE)
    if is_elsewhere():
        note("WHENFINAL_URL is not used: this copies the ledger that the settings of this machine name")
    settings = prepare(creating=False)
    place = _copied(settings, file) if file is not None else _named(made or "")
    run_on_ledger(settings, lambda: _note(settings, place))


def _copied(settings: Settings, file: Path) -> str:
    ledger = ledger_at(settings.database.url)
    if isinstance(ledger, LedgerServer):
        raise CommandFailed(
            "a ledger on Postgres is copied by its own tools: run pg_dump, then `whenfinal backup --made PLACE`",
            status=USAGE,
        )
    try:
        size = back_up(ledger.path, file)
    except StoreError as error:
        raise CommandFailed(f"{error}; nothing was noted") from error
    note(f"copied {ledger} to {file}, {size:,} bytes; the copy was checked")
    return str(file.absolute())


def _named(made: str) -> str:
    place = made.strip()
    if not place or len(place) > LONGEST_PLACE or not place.isprintable():
        raise CommandFailed(f"--made is the place of the backup, at most {LONGEST_PLACE} characters", status=USAGE)
    return place


async def _note(settings: Settings, place: str) -> None:
    async with open_store_from(settings, migrating=False) as store:
        await store.backups.note(BackupNote(at_ms=now_ms(), place=place))
