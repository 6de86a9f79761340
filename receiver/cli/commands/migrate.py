"""`whenfinal migrate`: update the schema of the ledger, or copy the ledger to another database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import TaskID

from receiver.cli.console import INTERRUPTED, USAGE, CommandFailed, complain, emit, note, show
from receiver.cli.display.bars import progress
from receiver.cli.display.listing import cell, table
from receiver.cli.ledger import ledger_named
from receiver.cli.options import Json
from receiver.config.settings import Settings
from receiver.runtime.clock import now_ms
from receiver.runtime.environment import load_settings
from receiver.runtime.log import start_logging
from receiver.runtime.wiring import open_store_from
from receiver.store.open import ledger_at
from receiver.store.transfer.transfer import OnProgress, TableComparison, TransferReport, transfer
from receiver.store.url import FORMS, LedgerFile, LedgerServer, read_database_url

_SHOWN = 12  # characters of a checksum in a table; --json has all

From = Annotated[
    str | None,
    typer.Option("--from", metavar="URL", help="Copy this ledger. Without it, the ledger of the settings."),
]

To = Annotated[
    str | None,
    typer.Option("--to", metavar="URL", help="Copy into this empty database. Without it, the ledger of the settings."),
]


def migrate(*, source: From = None, target: To = None, as_json: Json = False) -> None:
    settings = load_settings()
    start_logging(settings)
    if source is None and target is None:
        if as_json:
            raise CommandFailed("--json is for a copy: give --from, --to or both", status=USAGE)
        _update_schema(settings)
    else:
        _copy(source or settings.database.url, target or settings.database.url, as_json=as_json)


def _update_schema(settings: Settings) -> None:
    async def apply() -> None:
        async with open_store_from(settings, migrating=True):
            note(f"the ledger {ledger_at(settings.database.url)} is up to date")

    with ledger_named(settings):
        asyncio.run(apply())


def _copy(source_url: str, target_url: str, *, as_json: bool) -> None:
    source, target = _place("--from", source_url), _place("--to", target_url)
    try:
        with _progress_by_table() as on_progress:
            report = transfer(source_url, target_url, now_ms=now_ms(), on_progress=on_progress)
    except KeyboardInterrupt:
        complain(["interrupted; nothing was copied"])
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        emit(transfer_view(report, source, target))
    else:
        _show_table(report, source, target)
    for each in report.tables:
        if each.altered:
            note(f"{each.table}: {each.altered} rows had NUL, which Postgres can not store; the copy has U+FFFD")
    if report.different:
        names = ", ".join(report.different)
        raise CommandFailed(f"the copy of {names} differs from the source, so it was rolled back; {target} is empty")


def _place(option: str, url: str) -> LedgerFile | LedgerServer:
    place = read_database_url(url)
    if place is None:
        raise CommandFailed(f"{option} is not a database that this version can open; {FORMS}", status=USAGE)
    return place


@contextmanager
def _progress_by_table() -> Iterator[OnProgress]:
    """A bar for each table on a terminal; elsewhere one line, for the log."""
    with progress() as bar:
        lines: dict[str, TaskID] = {}

        def on_progress(name: str, step: str, done: int, total: int) -> None:
            if bar.disable and not lines:
                note("copying the ledger; do not start serve, web or worker until it is done")
            if name not in lines:
                lines[name] = bar.add_task(name, total=total)
            bar.update(lines[name], description=f"{step} {name}", completed=done, total=total)

        yield on_progress


def _show_table(report: TransferReport, source: LedgerFile | LedgerServer, target: LedgerFile | LedgerServer) -> None:
    rows = [
        (
            each.table,
            each.source.rows,
            each.target.rows,
            each.source.sha256[:_SHOWN],
            each.target.sha256[:_SHOWN],
            "same" if each.is_same else "DIFFERS",
        )
        for each in report.tables
    ]
    show(table("table", "rows", "copied", "checksum", "of the copy", "", rows=rows))
    if not report.different:
        show(cell(f"\ncopied {report.rows} rows from {source} to {target}"))
        note("set WHENFINAL_DATABASE_URL to the new ledger before you start anything; never run on both")


def transfer_view(
    report: TransferReport, source: LedgerFile | LedgerServer, target: LedgerFile | LedgerServer
) -> dict[str, object]:
    """As `--json` prints it. Neither place contains a password."""
    return {
        "from": str(source),
        "to": str(target),
        "same": not report.different,
        "rows": report.rows,
        "tables": [_table_view(each) for each in report.tables],
    }


def _table_view(each: TableComparison) -> dict[str, object]:
    return {
        "table": each.table,
        "same": each.is_same,
        "rows": each.source.rows,
        "sha256": each.source.sha256,
        "copied_rows": each.target.rows,
        "copied_sha256": each.target.sha256,
        "altered": each.altered,
    }
