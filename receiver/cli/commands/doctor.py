"""`whenfinal doctor`: what works, what does not, and how to fix it. On this machine, or at a running service."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from receiver.cli.console import WRONG, emit, show
from receiver.cli.display.listing import cell
from receiver.cli.display.times import clock_and_age
from receiver.cli.options import Json, enum_option
from receiver.cli.remote import is_elsewhere, with_client
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.runtime.clock import now_ms
from receiver.runtime.doctor.checks import Check, broken_settings, check_settings, view
from receiver.runtime.doctor.here import check_clock, check_database
from receiver.runtime.doctor.network import check_network
from receiver.runtime.environment import load_settings
from submitter import api_service
from submitter.http.transport import TransportLimits, open_transport

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


class FailOn(StrEnum):
    FAIL = "fail"
    WARN = "warn"


#: With each of them the exit status is 1.
_FAILING = {FailOn.FAIL: {"fail"}, FailOn.WARN: {"warn", "fail"}}


def doctor(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing over the network.")] = False,
    fail_on: Annotated[
        FailOn, enum_option(FailOn, "--fail-on", "The lowest level with which the exit status is 1")
    ] = FailOn.FAIL,
    as_json: Json = False,
) -> None:
    checks = _at_service(offline=offline) if is_elsewhere() else _here(offline=offline)
    levels = {check.level for check in checks}
    if as_json:
        emit(api_service.ChecksAnswer(ok="fail" not in levels, checks=tuple(checks)).json_values())
    else:
        show(_table(checks))
    if levels & _FAILING[fail_on]:
        raise typer.Exit(WRONG)


def _at_service(*, offline: bool) -> Sequence[api_service.Check]:
    return with_client(lambda client: client.checks(network=not offline)).checks


def _here(*, offline: bool) -> Sequence[api_service.Check]:
    return [view(check) for check in asyncio.run(_run_checks(offline=offline))]


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


def _table(checks: Sequence[api_service.Check]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for check in checks:
        lines = [cell(check.what), *([cell(f"→ {check.cure}")] if check.cure else [])]
        if check.since_at is not None:
            lines[0].append(f" (since {clock_and_age(check.since_at, now_ms())})", style="dim")
        grid.add_row(Text(check.level.upper(), style=_STYLES[check.level]), cell(check.name), Text("\n").join(lines))
    return grid
