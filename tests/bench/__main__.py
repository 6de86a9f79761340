"""`scripts/bench`: what the service does on this machine."""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench.batches import SIZES, BatchCost
from tests.bench.intake import ARMS, BenchFailed, Intake, Wanted
from tests.bench.intake import measure as measure_intake
from tests.bench.isolation import Isolation, measure

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure on this machine.")


@app.callback()
def bench() -> None:
    """Measure on this machine."""


@app.command()
def isolation(
    endpoints: Annotated[int, typer.Option(min=2, max=1000, help="subscriptions of each arm")] = 100,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="events of each arm")] = 120,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print values instead of a table")] = False,
) -> None:
    """How much later the other endpoints get their webhooks while one endpoint hangs."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("rounds", total=2 * rounds)
        found = asyncio.run(measure(endpoints=endpoints, rounds=rounds, on_round=lambda: progress.advance(bar)))
    if as_json:
        sys.stdout.write(json.dumps(found.values()) + "\n")
    else:
        Console().print(_table(found))


@app.command()
def intake(
    rounds: Annotated[int, typer.Option(min=2, max=1000, help="rounds of each arm")] = 5,
    callbacks: Annotated[int, typer.Option(min=100, max=100_000, help="new callbacks of an arm in a round")] = 1000,
    connections: Annotated[int, typer.Option(min=4, max=1000, help="open and busy at the same time")] = 64,
    log_level: Annotated[str, typer.Option(help="of the servers; at info each request is a line")] = "info",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print values instead of tables")] = False,
) -> None:
    """New callbacks a second: Postgres with 1, 2 and 4 web processes, SQLite, and a web server that does nothing."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("preparing", total=rounds * len(ARMS) + len(SIZES))
        wanted = Wanted(
            rounds=rounds,
            callbacks=callbacks,
            connections=connections,
            log_level=log_level,
            on_step=lambda: progress.advance(bar),
            say=lambda what: progress.update(bar, description=what),
        )
        try:
            found = measure_intake(wanted)
        except BenchFailed as error:
            sys.stderr.write(f"{error}\n")
            raise typer.Exit(1) from error
    if as_json:
        sys.stdout.write(json.dumps(found.values()) + "\n")
    else:
        Console().print(_rates(found), _costs(found.batches))


def _rates(found: Intake) -> Table:
    server = ", ".join(f"{name} {value}" for name, value in found.server.items())
    load = f"{found.rounds} rounds of {found.callbacks} callbacks over {found.connections} connections"
    title = f"{load}, {found.cores} cores, log at {found.log_level}"
    table = Table(title=title, caption=f"Postgres: {server}", box=SIMPLE_HEAD)
    for heading in ("arm", "per s", "least", "most", "xSQLite", "xno-op", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="left" if heading == "arm" else "right", no_wrap=True)
    for arm in found.arms:
        table.add_row(
            arm.name,
            f"{arm.per_s:,.0f}",
            f"{arm.lowest_per_s:,.0f}",
            f"{arm.highest_per_s:,.0f}",
            f"{arm.to_sqlite:.2f}",
            f"{arm.to_noop:.3f}",
            f"{arm.p50_ms:.1f}",
            f"{arm.p95_ms:.1f}",
        )
    return table


def _costs(batches: Sequence[BatchCost]) -> Table:
    table = Table(title="One batch of new callbacks, without the web: the quickest of some", box=SIMPLE_HEAD)
    for heading in ("callbacks", "statements", "round trips", "ms on Postgres", "ms on SQLite"):
        table.add_column(heading, justify="right")
    for each in batches:
        table.add_row(
            f"{each.size}",
            f"{each.statements}",
            f"{each.round_trips:.1f}",
            f"{each.postgres_ms:.1f}",
            f"{each.sqlite_ms:.1f}",
        )
    return table


def _table(found: Isolation) -> Table:
    table = Table(title=f"{found.endpoints} endpoints, {found.rounds} events an arm: due until answered, in ms")
    for heading in ("arm", "deliveries", "p50", "p95", "a round's p95", "worst", "timed out"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    for arm in (found.healthy, found.one_hung):
        table.add_row(
            arm.name,
            f"{arm.deliveries}",
            f"{arm.p50_ms:.0f}",
            f"{arm.p95_ms:.0f}",
            f"{arm.round_p95_ms:.0f}",
            f"{arm.worst_ms:.0f}",
            f"{arm.failures}",
        )
    table.add_row(
        "ratio", "", f"{found.p50_ratio:.3f}", f"{found.p95_ratio:.3f}", f"{found.round_p95_ratio:.3f}", "", ""
    )
    return table


if __name__ == "__main__":
    app()
