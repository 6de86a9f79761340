"""How many new callbacks per second get from a socket into the ledger?

The arms, all of them real `whenfinal web` processes with default settings, and beside them a web server that does
nothing: they run in rounds, forwards and backwards, so that other load of the machine affects all of them. A new
callback is the end of a submitted task under its own token: checked, and then in one commit with its event, its line in
the timeline and its pending delivery. The machine also carries the load and the database.
"""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg

from tests.bench.batches import BatchCost, measure_batches
from tests.bench.ledgers import filled
from tests.support.postgres import DURABLE, Databases, own_server

ROOT = Path(__file__).resolve().parents[2]
WHENFINAL = Path(sys.executable).parent / "whenfinal"
KEY = "a-key-for-callback-tokens-0123456789"
ARMS: Mapping[str, int] = {"no-op": 1, "SQLite": 1, "Postgres": 1, "Postgres x2": 2, "Postgres x4": 4}
NOOP, SQLITE, POSTGRES = "no-op", "SQLite", "Postgres"
NOOP_TIMES = 4  # as many requests to what is so much faster
START_S = 60.0
TAKEN = 204


class BenchFailed(Exception):
    """What was measured did not do its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """Medians of the rounds. `to_sqlite` and `to_noop` are ratios of rates within a round."""

    name: str
    processes: int
    per_s: float
    lowest_per_s: float
    highest_per_s: float
    to_sqlite: float
    to_noop: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    rounds: int
    callbacks: int
    connections: int
    log_level: str
    cores: int
    server: Mapping[str, str]
    arms: Sequence[ArmResult]
    batches: Sequence[BatchCost]

    def values(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`callbacks`: in each arm in each round. `on_step` is called after every arm of a round and every batch size."""

    rounds: int
    callbacks: int
    connections: int
    log_level: str
    on_step: Callable[[], None]
    say: Callable[[str], None]


@dataclass(slots=True, kw_only=True, eq=False)
class _Arm:
    name: str
    ports: list[int]
    url: str | None  # of its ledger
    sent: int = 0
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


class _Load:
    """The process that calls."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self._popen = popen

    def run(self, arm: _Arm, wanted: Wanted) -> None:
        """One arm's part of a round."""
        count = wanted.callbacks * (NOOP_TIMES if arm.name == NOOP else 1)
        load = {"ports": arm.ports, "first": arm.sent, "count": count, "connections": wanted.connections}
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(json.dumps(load) + "\n")
        self._popen.stdin.flush()
        found = json.loads(self._popen.stdout.readline() or "null")
        if found is None or found["statuses"] != {str(TAKEN): count}:
            raise BenchFailed(f"{arm.name}: not every callback was taken: {found and found['statuses']}")
        arm.sent += count
        arm.rates.append(count / found["took_s"])
        arm.latencies += found["latencies"]


def measure(wanted: Wanted) -> Intake:
    """Raise BenchFailed when a callback was not taken, or is not in its ledger afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whenfinal-bench-")))
        databases = stack.enter_context(_databases())
        wanted.say("filling the ledgers and starting the servers")
        arms = [stack.enter_context(_arm(name, folder, databases, wanted)) for name in ARMS]
        load = _Load(stack.enter_context(_process([sys.executable, "-m", "tests.bench.calling", KEY], {}, pipes=True)))
        wanted.say("measuring")
        for number in range(wanted.rounds):
            for arm in arms if number % 2 == 0 else reversed(arms):
                load.run(arm, wanted)
                wanted.on_step()
        for arm in arms:
            _check(arm)
        wanted.say("measuring batches")
        url = databases.make()
        stack.callback(databases.drop, url)
        batches = asyncio.run(measure_batches(url, folder, on_step=wanted.on_step))
        return Intake(
            rounds=wanted.rounds,
            callbacks=wanted.callbacks,
            connections=wanted.connections,
            log_level=wanted.log_level,
            cores=len(os.sched_getaffinity(0)),
            server=_server(databases.url),
            arms=[_result(arm, by_name={each.name: each for each in arms}) for arm in arms],
            batches=batches,
        )


def _result(arm: _Arm, by_name: Mapping[str, _Arm]) -> ArmResult:
    percentiles = statistics.quantiles(arm.latencies, n=100, method="inclusive")
    return ArmResult(
        name=arm.name,
        processes=ARMS[arm.name],
        per_s=statistics.median(arm.rates),
        lowest_per_s=min(arm.rates),
        highest_per_s=max(arm.rates),
        to_sqlite=_ratio(arm, by_name[SQLITE]),
        to_noop=_ratio(arm, by_name[NOOP]),
        p50_ms=percentiles[49],
        p95_ms=percentiles[94],
    )


def _ratio(arm: _Arm, other: _Arm) -> float:
    return statistics.median(mine / theirs for mine, theirs in zip(arm.rates, other.rates, strict=True))


def _check(arm: _Arm) -> None:
    """Each callback that was answered 204 has its event, and nothing else has."""
    if arm.url is None:
        return
    asked = "SELECT count(*), max(seq), count(DISTINCT task) FROM events"
    if arm.url.startswith("sqlite"):
        with closing(sqlite3.connect(arm.url.removeprefix("sqlite:///"))) as file:
            row = file.execute(asked).fetchone()
    else:
        with closing(psycopg.connect(arm.url)) as server:
            row = server.execute(asked).fetchone()
    if row != (arm.sent,) * 3:
        raise BenchFailed(f"{arm.name}: {arm.sent} callbacks were taken, and the ledger says {row}")


def _server(url: str) -> dict[str, str]:
    """What decides whether its numbers mean anything."""
    with psycopg.connect(url) as connection:
        names = ("server_version", "fsync", "synchronous_commit")
        return {name: str((connection.execute(f"SHOW {name}".encode()).fetchone() or ("",))[0]) for name in names}


@contextmanager
def _databases() -> Iterator[Databases]:
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield Databases(url=url)
        return
    with own_server(DURABLE) as server:
        yield Databases(url=server.url)


@contextmanager
def _arm(name: str, folder: Path, databases: Databases, wanted: Wanted) -> Iterator[_Arm]:
    ports = _free_ports(ARMS[name])
    with ExitStack() as stack:
        if name == NOOP:
            url = None
            commands = [[sys.executable, "-m", "tests.bench.noop", str(port)] for port in ports]
        else:
            url = f"sqlite:///{folder / 'ledger.db'}" if name == SQLITE else databases.make()
            asyncio.run(_fill(url, wanted.rounds * wanted.callbacks))
            commands = [[str(WHENFINAL), "web", "--port", str(port)] for port in ports]
            if name != SQLITE:
                stack.callback(databases.drop, url)
        for command in commands:
            stack.enter_context(_process(command, _environment(folder, url, wanted)))
        for port in ports:
            _wait_for(port)
        yield _Arm(name=name, ports=ports, url=url)


async def _fill(url: str, tasks: int) -> None:
    async with filled(url, tasks):
        pass


def _environment(folder: Path, url: str | None, wanted: Wanted) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "WHENFINAL_DATABASE_URL": url or "",
        "WHENFINAL_LOG_LEVEL": wanted.log_level,
        "WHENFINAL_SECRET_KEYS": KEY,
        "WHENFINAL_API_KEYS": "bench:read:a-key-that-nobody-uses-0123456789",
        "HIAPI_API_KEY": "a-key",
        "HIAPI_BASE_URL": "http://127.0.0.1:9",
    }


@contextmanager
def _process(
    command: Sequence[str], environment: Mapping[str, str], *, pipes: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Ends with the bench. What it says is of no use here, but that it says it costs what it costs."""
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    everything = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    with subprocess.Popen(
        command, env=everything, stdin=pipe, stdout=pipe, stderr=None if pipes else subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def _wait_for(port: int) -> None:
    transport = httpx.HTTPTransport(retries=round(START_S))
    with httpx.Client(transport=transport, trust_env=False) as client:
        client.get(f"http://127.0.0.1:{port}/healthz")


def _free_ports(count: int) -> list[int]:
    """Held together until all are known, so that they differ."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
