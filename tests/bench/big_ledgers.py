"""New ends a second on ledgers that hold many finished tasks, and a service over many open ones. SQLite only.

The first part records batches in this process, without the web. The second starts `whenfinal serve` over a ledger of
open tasks of which none is due, and then makes a few due; their provider refuses connections, so that a poll fails.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from receiver.runtime.store import Store, open_store
from receiver.tasks.model.task import IncomingObservation, Recorded, Verdict
from tests.bench.calling import name_of, provider_name_of
from tests.bench.case import Arm, BenchFailed, Case, Check, Found, Options, Round
from tests.bench.checks import at_least, at_most
from tests.bench.ledgers import PROMPT, filled, now_ms
from tests.bench.processes import cores, cpu_s_of, settings, whenfinal
from tests.support.builders import a_report

BATCH = 64
BATCHES = 12  # of an arm in a round
ROUNDS, QUICK_ROUNDS = 7, 3
EMPTY, SMALL, BIG, QUICK_BIG = 0, 10_000, 1_000_000, 250_000
SHARE_OF_EMPTY = 0.95
TEN_MILLION = "a ledger of 10 M tasks: it takes 20 GB and several minutes to fill"

START_S, IDLE_PERCENT, MEMORY_MB, LATE_S = 2.0, 2.0, 100.0, 2.0
SETTLE_S, IDLE_S = 5.0, 10.0
DUE = 8  # tasks; the rate budget of the account allows ten at once
POLLED_S = 30.0  # until then all of them must have been polled

_NUMBER = "printf('%022d', n)"
_TASK = f"'tsk_' || {_NUMBER}"
_REQUEST = f'{{"model":"happyhorse-1.1/text-to-video","prompt":"{PROMPT}"}}'
LATER_MS = 600_000  # no later than a poll may be put off

#: Table → what a finished task has there; `:at` is a time, and n its number.
_FINISHED = {
    "observations": {
        "id": f"'obs_' || {_NUMBER}",
        "task": _TASK,
        "at_ms": ":at",
        "source": "'callback'",
        "state": "'succeeded'",
        "raw_state": "'success'",
        "verdict": "'applied'",
        "detail": "'{}'",
        "raw": "''",
    },
    "events": {
        "seq": "n + 1",
        "id": f"'evt_' || {_NUMBER}",
        "task": _TASK,
        "type": "'task.succeeded'",
        "at_ms": ":at",
        "body": "'{}'",
    },
    "deliveries": {
        "id": f"'dlv_' || {_NUMBER}",
        "event_seq": "n + 1",
        "event_id": f"'evt_' || {_NUMBER}",
        "event_type": "'task.succeeded'",
        "task": _TASK,
        "subscription": "'sub_everything'",
        "endpoint_id": "'sub_everything'",
        "endpoint": "'https://hooks.example/all'",
        "state": "'delivered'",
        "attempts": "1",
        "created_ms": ":at",
        "finished_ms": ":at",
    },
    "attempts": {
        "id": f"'att_' || {_NUMBER}",
        "delivery": f"'dlv_' || {_NUMBER}",
        "at_ms": ":at",
        "latency_ms": "12",
        "status": "204",
        "response": "''",
    },
}


def _task(*, is_finished: bool) -> dict[str, str]:
    return {
        "id": _TASK,
        "provider": "'hiapi'",
        "task_id": f"'tk-hiapi-' || {_NUMBER}",
        "model": "'happyhorse-1.1/text-to-video'",
        "state": "'succeeded'" if is_finished else "'running'",
        "raw_state": "'x'",
        "request": ":request",
        "request_hash": "''",
        "labels": "'{}'",
        "outputs": "'[]'",
        "adopted": "0",
        "callback_expected": "1",
        "created_ms": ":at",
        "submitted_ms": ":at",
        "final_ms": ":at" if is_finished else "NULL",
        "deadline_ms": f":at + {24 * 3_600_000}",
        "next_poll_ms": "NULL" if is_finished else f":at + {LATER_MS}",
        "polls": "0",
        "submits": "1",
    }


def _insert(file: sqlite3.Connection, table: str, values: Mapping[str, str], numbers: range) -> None:
    series = "WITH RECURSIVE series(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n < :last)"
    chosen = f"{series} SELECT {', '.join(values.values())} FROM series"
    params = {"first": numbers.start, "last": numbers.stop - 1, "at": now_ms(), "request": _REQUEST}
    file.execute(f"INSERT INTO {table} ({', '.join(values)}) {chosen}", params)


async def fill(path: Path, *, finished: int, running: int) -> None:
    """The numbers of the running tasks follow those of the finished ones. What is stored need not survive a crash."""
    async with filled(f"sqlite:///{path}", 0):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA synchronous = OFF")
        file.execute("BEGIN")
        if finished:
            _insert(file, "tasks", _task(is_finished=True), range(finished))
            for table, values in _FINISHED.items():
                _insert(file, table, values, range(finished))
            file.execute("UPDATE numbers SET value = ? WHERE name = 'events'", (finished,))
        _insert(file, "tasks", _task(is_finished=False), range(finished, finished + running))
        file.execute("COMMIT")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def measure(options: Options) -> Found:
    with TemporaryDirectory(prefix="whenfinal-bench-") as folder:
        arms, checks = asyncio.run(_measure_ends(Path(folder), options))
    with TemporaryDirectory(prefix="whenfinal-bench-") as folder:
        of_service, left_out = _measure_service(Path(folder), options)
    return Found(arms=arms, checks=[*checks, *of_service], left_out=(TEN_MILLION, *left_out))


async def _measure_ends(folder: Path, options: Options) -> tuple[list[Arm], list[Check]]:
    rounds = QUICK_ROUNDS if options.is_quick else ROUNDS
    sizes = (EMPTY, SMALL, QUICK_BIG if options.is_quick else BIG)
    async with AsyncExitStack() as stack:
        arms: list[tuple[Arm, Store, Iterator[int]]] = []
        for finished in sizes:
            options.say(f"filling a ledger with {finished:,} finished tasks")
            path = folder / f"{finished}.db"
            await fill(path, finished=finished, running=(rounds + 1) * BATCHES * BATCH)
            store = await stack.enter_async_context(open_store(f"sqlite:///{path}", clock=now_ms, migrating=False))
            numbers = iter(range(finished, finished + (rounds + 1) * BATCHES * BATCH))
            await _round(store, numbers)  # reads what later rounds find in memory
            arms.append((Arm(name=f"{finished:,} finished tasks" if finished else "nearly empty"), store, numbers))
        for number in range(rounds):
            options.say(f"round {number + 1} of {rounds}")
            for arm, store, numbers in arms if number % 2 == 0 else reversed(arms):
                arm.rounds.append(await _round(store, numbers))
                options.on_round()
    empty, *others = [arm for arm, _, _ in arms]
    checks = [at_least(f"{arm.name} / nearly empty", arm.ratio_to(empty), SHARE_OF_EMPTY) for arm in others]
    return [empty, *others], checks


async def _round(store: Store, numbers: Iterator[int]) -> Round:
    batches = [[_end(next(numbers)) for _ in range(BATCH)] for _ in range(BATCHES)]
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for batch in batches:
        outcomes = await store.ledger.record(batch, now_ms())
        if not all(isinstance(each, Recorded) and each.verdict is Verdict.APPLIED for each in outcomes):
            raise BenchFailed("a new end was not recorded as one")
    took_s, used_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Round(items=BATCHES * BATCH, wall_s=took_s, cpu_s=used_s)


def _end(number: int) -> IncomingObservation:
    return a_report(provider_task_id=provider_name_of(number), expected_task_id=name_of(number))


def _measure_service(folder: Path, options: Options) -> tuple[list[Check], list[str]]:
    """What a service over open tasks needs while nothing happens, and how late it polls what becomes due."""
    tasks, path, on = QUICK_BIG if options.is_quick else BIG, folder / "open.db", cores().server
    options.say(f"filling a ledger with {tasks:,} open tasks")
    asyncio.run(fill(path, finished=0, running=tasks))
    options.say("starting the service")
    started_s = time.perf_counter()
    with whenfinal("serve", settings(folder, f"sqlite:///{path}"), on=on) as service:
        checks = [at_most(f"start over {tasks:,} open tasks", time.perf_counter() - started_s, START_S, "s")]
        time.sleep(SETTLE_S)
        before_s = cpu_s_of(service.pid)
        time.sleep(IDLE_S)
        after_s, memory_mb = cpu_s_of(service.pid), _memory_mb(service.pid)
        options.on_round()
        late_s = _polled_after_s(path)
    checks.append(at_most(f"the last of {DUE} due tasks is polled", late_s, LATE_S, "s later"))
    if before_s is None or after_s is None or memory_mb is None:
        return checks, ["memory and processor time of an idle service: this system does not tell them"]
    checks.append(at_most("a core while nothing is due", (after_s - before_s) / IDLE_S * 100, IDLE_PERCENT, "%"))
    checks.append(at_most("memory of the service", memory_mb, MEMORY_MB, "MB"))
    return checks, []


def _memory_mb(pid: int) -> float | None:
    """What is resident, and in no file: pages of the ledger that the system has cached are not counted."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), None)


def _polled_after_s(path: Path) -> float:
    """Make tasks due, and wait until each has been polled. Raise BenchFailed when that takes too long."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=POLLED_S)) as file:
        chosen = f"id IN (SELECT id FROM tasks ORDER BY id DESC LIMIT {DUE})"
        file.execute(f"UPDATE tasks SET next_poll_ms = ? WHERE {chosen}", (now_ms(),))
        started_s = time.perf_counter()
        while (waited_s := time.perf_counter() - started_s) < POLLED_S:
            if file.execute(f"SELECT COUNT(*) FROM tasks WHERE {chosen} AND polls = 0").fetchone() == (0,):
                return waited_s
            time.sleep(0.05)
    raise BenchFailed(f"not all of {DUE} due tasks were polled within {POLLED_S:g} s")


CASE = Case(name="big_ledgers", title="ledgers of many tasks beside one that is nearly empty", measure=measure)
