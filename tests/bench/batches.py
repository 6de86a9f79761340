"""What one transaction of new ends costs: statements, round trips, time.

Round trips are not counted but felt: the same batch goes over a short wire and over a long one, and the difference,
in lengths of the wire, is how often something waited for an answer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from receiver.runtime.store import Store, open_store
from receiver.tasks.model.task import IncomingObservation, Recorded, Verdict
from tests.bench.calling import name_of, provider_name_of
from tests.bench.ledgers import filled, now_ms
from tests.bench.wire import Wire, open_wire
from tests.support.builders import a_report

SIZES = (1, 16, 256)
REPEATS = 3
SHORT_S, LONG_S = 0.01, 0.11  # each way


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCost:
    """`statements` and `round_trips` of one batch on Postgres, and its milliseconds on either engine without a wire."""

    size: int
    statements: int
    round_trips: float
    postgres_ms: float
    sqlite_ms: float


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


async def measure_batches(url: str, folder: Path, *, on_step: Callable[[], None]) -> list[BatchCost]:
    """`url` is of an empty database on Postgres; `on_step` is called once for each size."""
    needed = sum(SIZES) * (3 * REPEATS + 1)
    async with (
        filled(url, needed) as postgres,
        filled(f"sqlite:///{folder / 'batches.db'}", needed) as sqlite,
        open_wire(url) as (wire, over_wire),
        open_store(over_wire, clock=now_ms, migrating=False) as far,
    ):
        tasks, of_sqlite, found = _Tasks(), _Tasks(), []
        for size in SIZES:
            await _timed(far, tasks, size)  # reads the subscriptions
            before = wire.statements
            short_ms = await _over(wire, SHORT_S, far, tasks, size)
            statements = (wire.statements - before) / REPEATS
            long_ms = await _over(wire, LONG_S, far, tasks, size)
            found.append(
                BatchCost(
                    size=size,
                    statements=round(statements),
                    round_trips=(long_ms - short_ms) / (2000 * (LONG_S - SHORT_S)),
                    postgres_ms=await _quickest(postgres, tasks, size),
                    sqlite_ms=await _quickest(sqlite, of_sqlite, size),
                )
            )
            on_step()
    return found


async def _over(wire: Wire, delay_s: float, store: Store, tasks: _Tasks, size: int) -> float:
    wire.delay_s = delay_s
    try:
        return await _quickest(store, tasks, size)
    finally:
        wire.delay_s = 0.0


async def _quickest(store: Store, tasks: _Tasks, size: int) -> float:
    """What else the machine does only ever adds to it."""
    return min([await _timed(store, tasks, size) for _ in range(REPEATS)])


async def _timed(store: Store, tasks: _Tasks, size: int) -> float:
    """Milliseconds of one batch, all of it new."""
    reports: Sequence[IncomingObservation] = tasks.reports(size)
    started_s = time.perf_counter()
    outcomes = await store.ledger.record(reports, now_ms())
    took_ms = (time.perf_counter() - started_s) * 1000
    assert all(isinstance(each, Recorded) and each.verdict is Verdict.APPLIED for each in outcomes)
    return took_ms
