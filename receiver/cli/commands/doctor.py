"""`whenfinal doctor`: what works, what does not, and how to fix it."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from receiver.cli.console import WRONG, emit, show
from receiver.cli.display.listing import cell
from receiver.cli.options import Json
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.runtime.doctor.checks import Check, Level, broken_settings, check_settings, view
from receiver.runtime.doctor.here import check_clock, check_database
from receiver.runtime.doctor.network import check_network
from receiver.runtime.environment import load_settings
from submitter import api_service
from submitter.http.transport import TransportLimits, open_transport

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


class FailOn(StrEnum):
    FAIL = "fail"
    WARN = "warn"


def doctor(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing over the network.")] = False,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="The lowest level with which the exit status is 1.")
    ] = FailOn.FAIL,
    as_json: Json = False,
) -> None:
    checks = asyncio.run(_run_checks(offline=offline))
    levels = {check.level for check in checks}
    if as_json:
        found = tuple(map(view, checks))
        emit(api_service.ChecksAnswer(ok=Level.FAIL not in levels, checks=found).json_values())
    else:
        show(_table(checks))
    if Level.FAIL in levels or (fail_on is FailOn.WARN and Level.WARN in levels):
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
