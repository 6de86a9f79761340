"""`whenfinal migrate`: the schema brought up to date, or a whole ledger copied into another database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import TaskID

from receiver.cli.console import INTERRUPTED, USAGE, CommandFailed, complain, emit, note, progress, show
from receiver.cli.display.tables import cell, table
from receiver.cli.options import Json
from receiver.cli.runner import ledger_named
from receiver.config.settings import Settings
from receiver.runtime.environment import load_settings, start_logging
from receiver.runtime.wiring import now_ms, open_store_from
from receiver.store.open import ledger_at
from receiver.store.transfer.transfer import OnProgress, TableComparison, TransferReport, transfer
from receiver.store.url import FORMS, LedgerFile, LedgerServer, read_database_url

_SHOWN = 12  # letters of a checksum in a table; --json has all

From = Annotated[
    str | None,
    typer.Option("--from", metavar="URL", help="Copy this ledger. Left out: the one as set."),
]

To = Annotated[
    str | None,
    typer.Option("--to", metavar="URL", help="Copy into this empty database. Left out: the one as set."),
]


def migrate(*, source: From = None, target: To = None, as_json: Json = False) -> None:
    """Make the ledger, bring it up to date, or copy it elsewhere.

    Without --from and --to it sees to the schema, and is safe while others run.
    A copy needs both ledgers to itself: stop serve, web and worker first.
    The old ledger stays as it is.
    """
    settings = load_settings()
    start_logging(settings)
    if source is None and target is None:
        if as_json:
            raise CommandFailed("--json is for a copy: say --from, --to or both", status=USAGE)
        _bring_up_to_date(settings)
    else:
        _copy(source or settings.database.url, target or settings.database.url, as_json=as_json)


def _bring_up_to_date(settings: Settings) -> None:
    async def apply() -> None:
        async with open_store_from(settings, migrating=True):
            note(f"the ledger {ledger_at(settings.database.url)} is up to date")

    with ledger_named(settings):
        asyncio.run(apply())


def _copy(source_url: str, target_url: str, *, as_json: bool) -> None:
    source, target = _place("--from", source_url), _place("--to", target_url)
    try:
        with _shown() as on_progress:
            report = transfer(source_url, target_url, now_ms=now_ms(), on_progress=on_progress)
    except KeyboardInterrupt:
        complain(["interrupted; nothing was copied"])
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        emit(transfer_view(report, source, target))
    else:
        _show(report, source, target)
    for each in report.tables:
        if each.altered:
            note(f"{each.table}: {each.altered} rows held a NUL, which Postgres can not; it is U+FFFD in the copy")
    if report.different:
        names = ", ".join(report.different)
        raise CommandFailed(f"the copy of {names} differs from the source, so none was kept; {target} is empty")


def _place(option: str, url: str) -> LedgerFile | LedgerServer:
    place = read_database_url(url)
    if place is None:
        raise CommandFailed(f"{option} is not a database that this version can open; {FORMS}", status=USAGE)
    return place


@contextmanager
def _shown() -> Iterator[OnProgress]:
    """A bar for each table on a terminal; else a line, so that a log tells what goes on."""
    with progress() as bar:
        lines: dict[str, TaskID] = {}

        def told(name: str, step: str, done: int, total: int) -> None:
            if bar.disable and not lines:
                note("copying the ledger; serve, web and worker stay stopped until it is done")
            if name not in lines:
                lines[name] = bar.add_task(name, total=total)
            bar.update(lines[name], description=f"{step} {name}", completed=done, total=total)

        yield told


def _show(report: TransferReport, source: LedgerFile | LedgerServer, target: LedgerFile | LedgerServer) -> None:
    rows = [
        (
            cell(each.table),
            cell(each.source.rows),
            cell(each.target.rows),
            cell(each.source.sha256[:_SHOWN]),
            cell(each.target.sha256[:_SHOWN]),
            cell("same" if each.is_same else "DIFFERS"),
        )
        for each in report.tables
    ]
    show(table("table", "rows", "copied", "checksum", "of the copy", "", rows=rows))
    if not report.different:
        show(cell(f"\ncopied {report.rows} rows from {source} to {target}"))
        note("set WHENFINAL_DATABASE_URL to the new ledger before anything is started; never run on both")


def transfer_view(
    report: TransferReport, source: LedgerFile | LedgerServer, target: LedgerFile | LedgerServer
) -> dict[str, object]:
    """As `--json` prints it. Passwords are in neither place."""
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
