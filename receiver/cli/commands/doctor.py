"""`whenfinal doctor`: what works, what does not, and how to fix it."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from receiver.cli.console import WRONG, emit, show
from receiver.cli.display.listing import cell
from receiver.cli.doctor.checks import Check, Level, broken_settings, check_settings
from receiver.cli.doctor.here import check_clock, check_database
from receiver.cli.doctor.network import check_network
from receiver.cli.options import Json
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.runtime.environment import load_settings
from submitter.http.transport import TransportLimits, open_transport

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def doctor(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing over the network.")] = False,
    as_json: Json = False,
) -> None:
    checks = asyncio.run(_run_checks(offline=offline))
    is_ok = all(check.level is not Level.FAIL for check in checks)
    if as_json:
        emit({"ok": is_ok, "checks": [_view(check) for check in checks]})
    else:
        show(_table(checks))
    if not is_ok:
        raise typer.Exit(WRONG)


async def _run_checks(*, offline: bool) -> tuple[Check, ...]:
    try:
        settings = load_settings()
    except ConfigError as error:
        return (*broken_settings(error), await check_clock())
    checks = [*check_settings(settings), *await check_database(settings), await check_clock()]
    if not offline:
        checks += await _network_checks(settings)
    return tuple(checks)


async def _network_checks(settings: Settings) -> tuple[Check, ...]:
    if not settings.providers.accounts and settings.public_url is None:
        return ()
    async with open_transport(TransportLimits()) as transport:
        return await check_network(settings, transport)


def _table(checks: Sequence[Check]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for check in checks:
        text = cell(check.what)
        if check.hint:
            text = Text("\n").join([text, cell(f"→ {check.hint}")])
        grid.add_row(Text(check.level.value.upper(), style=_STYLES[check.level]), cell(check.name), text)
    return grid


def _view(check: Check) -> dict[str, str]:
    return {"name": check.name, "level": check.level.value, "what": check.what, "cure": check.hint}
