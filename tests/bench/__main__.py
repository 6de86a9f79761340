"""`scripts/bench`: what the service does on this machine."""

import asyncio
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

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
    """How much later the others are served while one endpoint hangs."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("rounds", total=2 * rounds)
        found = asyncio.run(measure(endpoints=endpoints, rounds=rounds, on_round=lambda: progress.advance(bar)))
    if as_json:
        sys.stdout.write(json.dumps(found.values()) + "\n")
    else:
        Console().print(_table(found))


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
