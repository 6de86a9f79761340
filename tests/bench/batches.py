"""What one transaction of new ends costs: statements, round trips, time.

Round trips are not counted but felt: the same batch goes over a short wire and over a long one, and the difference,
in lengths of the wire, is how often something waited for an answer.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from receiver.runtime.store import Store, open_store
from receiver.tasks.model.task import IncomingObservation, Recorded, Verdict
from tests.bench.calling import name_of, provider_name_of
from tests.bench.case import Arm, BenchFailed, CannotMeasure, Case, Check, Found, Options, Round
from tests.bench.checks import at_most, shown
from tests.bench.intake_postgres import durable_databases
from tests.bench.ledgers import filled, now_ms
from tests.bench.wire import Wire, open_wire
from tests.support.builders import a_report

SIZES = (1, 16, 256)
REPEATS, QUICK_REPEATS = 9, 5
FELT = 3  # batches over a wire, of each length
ROUND_TRIPS = 4.5  # felt; other work of the machine adds to them
SHORT_S, LONG_S = 0.01, 0.21  # each way


class _Tasks:
    """Gives out each task once."""

    def __init__(self) -> None:
        self._next = 0

    def reports(self, count: int) -> list[IncomingObservation]:
        first, self._next = self._next, self._next + count
        return [
            a_report(provider_task_id=provider_name_of(number), expected_task_id=name_of(number))
            for number in range(first, first + count)
        ]


def measure(options: Options) -> Found:
    repeats = QUICK_REPEATS if options.is_quick else REPEATS
    with TemporaryDirectory(prefix="whenfinal-bench-") as name, ExitStack() as stack:
        try:
            databases, _ = stack.enter_context(durable_databases())
        except CannotMeasure as error:
            arms = asyncio.run(_of_sqlite(Path(name), repeats, options))
            return Found(arms=arms, checks=(), left_out=(f"batches on Postgres: {error}",))
        url = databases.make()
        stack.callback(databases.drop, url)
        arms = asyncio.run(_of_sqlite(Path(name), repeats, options))
        of_postgres, checks = asyncio.run(_of_postgres(url, repeats, options))
    return Found(arms=[*arms, *of_postgres], checks=checks)


async def _of_sqlite(folder: Path, repeats: int, options: Options) -> list[Arm]:
    async with filled(f"sqlite:///{folder / 'batches.db'}", sum(SIZES) * repeats + 1) as store:
        tasks = _Tasks()
        await _timed(store, tasks, 1)  # reads the subscriptions
        return [await _arm("SQLite", store, tasks, size, repeats, options) for size in SIZES]


async def _of_postgres(url: str, repeats: int, options: Options) -> tuple[list[Arm], list[Check]]:
    async with (
        filled(url, sum(SIZES) * (repeats + 2 * FELT + 1) + 1) as near,
        open_wire(url) as (wire, over_wire),
        open_store(over_wire, clock=now_ms, migrating=False) as far,
    ):
        tasks = _Tasks()
        await _timed(near, tasks, 1)
        arms = [await _arm("Postgres", near, tasks, size, repeats, options) for size in SIZES]
        checks = []
        for size in SIZES:
            checks += await _over(wire, far, tasks, size)
            options.on_round()
    return arms, checks


async def _arm(engine: str, store: Store, tasks: _Tasks, size: int, repeats: int, options: Options) -> Arm:
    rounds = [await _timed(store, tasks, size) for _ in range(repeats)]
    options.on_round()
    return Arm(name=f"{engine}, batch of {size}", rounds=rounds)


async def _over(wire: Wire, far: Store, tasks: _Tasks, size: int) -> list[Check]:
    """Statements and round trips of a batch. What else the machine does only adds to a time: the quickest counts."""
    await _timed(far, tasks, size)
    quickest_s, statements = [], []
    for delay_s in (SHORT_S, LONG_S):
        wire.delay_s = delay_s
        took_s = []
        for _ in range(FELT):
            before = wire.statements
            took_s.append((await _timed(far, tasks, size)).wall_s)
            statements.append(wire.statements - before)
        quickest_s.append(min(took_s))
    wire.delay_s = 0.0
    trips = (quickest_s[1] - quickest_s[0]) / (2 * (LONG_S - SHORT_S))
    return [
        at_most(f"round trips of a batch of {size}", trips, ROUND_TRIPS),
        shown(f"statements of a batch of {size}", min(statements)),
    ]


async def _timed(store: Store, tasks: _Tasks, size: int) -> Round:
    """One batch, all of it new. Processor time is that of this process, not of the server."""
    reports: Sequence[IncomingObservation] = tasks.reports(size)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    outcomes = await store.ledger.record(reports, now_ms())
    took = Round(items=size, wall_s=time.perf_counter() - wall_s, cpu_s=time.process_time() - cpu_s)
    if not all(isinstance(each, Recorded) and each.verdict is Verdict.APPLIED for each in outcomes):
        raise BenchFailed("a new end was not recorded as one")
    return took


CASE = Case(
    name="batches",
    title="one transaction of new ends: time, statements, round trips",
    measure=measure,
)
