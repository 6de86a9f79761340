"""`scripts/bench`: what the service does on this machine, beside what the machine could do.

Exit status 0: every target is met, or a case could not be measured here. 1: a target is missed, or a case failed to do
its work. 2: the command was not understood.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tests.bench import (
    batches,
    big_ledgers,
    delivery,
    duplicates,
    forged,
    intake,
    intake_postgres,
    isolation,
    latency,
    many_subscriptions,
    pages,
    polling,
    schedule,
    startup,
    submit,
)
from tests.bench.case import Case
from tests.bench.machine import machine, told
from tests.bench.report import WIDTH, summary, tables, values
from tests.bench.suite import Outcome, run_all

#: In the order in which they run.
CASES: Sequence[Case] = (
    intake.CASE,
    duplicates.CASE,
    forged.CASE,
    intake_postgres.CASE,
    batches.CASE,
    big_ledgers.CASE,
    polling.CASE,
    schedule.CASE,
    submit.CASE,
    isolation.CASE,
    delivery.CASE,
    latency.CASE,
    many_subscriptions.CASE,
    pages.CASE,
    startup.CASE,
)

BY_NAME: Mapping[str, Case] = {case.name: case for case in CASES}

app = typer.Typer(add_completion=False)


@app.command(epilog="Exit status: 0 no target missed, 1 a target missed or a case failed, 2 usage.")
def bench(
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This case; may be repeated.")] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="About a quarter of the load.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print values instead of tables.")] = False,
    lists: Annotated[bool, typer.Option("--list", help="Show the cases and measure nothing.")] = False,
) -> None:
    """Measure each case side by side with its ceiling in the same run."""
    console = Console(width=WIDTH)
    if lists:
        console.print(_listed())
        return
    cases = _chosen(only or ())
    facts, started_s = machine(), time.monotonic()
    if not as_json:
        console.print(Text(told(facts)), end="\n\n")
    outcomes = _measured(cases, console if not as_json else None, is_quick=quick)
    took_s = time.monotonic() - started_s
    if as_json:
        found = values(facts, outcomes, is_quick=quick, took_s=took_s)
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        console.print(Text(summary(outcomes, took_s=took_s)))
    if not all(each.is_good for each in outcomes):
        raise typer.Exit(1)


def _listed() -> Table:
    listed = Table.grid(padding=(0, 2))
    for case in CASES:
        listed.add_row(case.name, Text(case.title))
    return listed


def _chosen(names: Sequence[str]) -> Sequence[Case]:
    """In the order of the table. Raise BadParameter for a name that is not in it."""
    if unknown := [name for name in names if name not in BY_NAME]:
        raise typer.BadParameter(f"no case is called {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return [case for case in CASES if case.name in names] if names else CASES


def _measured(cases: Sequence[Case], console: Console | None, *, is_quick: bool) -> list[Outcome]:
    """Each case is printed as soon as it is known."""
    columns = (BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn())
    said = TextColumn("{task.description} ({task.fields[rounds]} rounds)")
    with Progress(*columns, said, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("starting", total=len(cases), rounds=0)
        rounds = 0

        def on_round() -> None:
            nonlocal rounds
            rounds += 1
            progress.update(bar, rounds=rounds)

        def on_case(outcome: Outcome) -> None:
            progress.advance(bar)
            if console:
                console.print(tables(outcome))

        def say(what: str) -> None:
            progress.update(bar, description=what)

        return run_all(cases, is_quick=is_quick, say=say, on_round=on_round, on_case=on_case)


if __name__ == "__main__":
    app(prog_name="scripts/bench")
