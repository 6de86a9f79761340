"""What callbacks are sent to: the service on a ledger full of tasks that wait for their end, and its ceilings."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.callers import Callers, open_callers
from tests.bench.calling import Kind, Load
from tests.bench.case import BenchFailed, Round
from tests.bench.ledgers import filled
from tests.bench.processes import NO_CPU, Cores, Process, cores, cpu_s_of, free_ports, python, settings, whenfinal

TAKEN, DUPLICATE, REFUSED = 204, 200, 401
WARM, WARM_CONNECTIONS = 200, 16  # callbacks before the first round


@dataclass(slots=True, kw_only=True, eq=False)
class Taker:
    """Processes that take callbacks. `sent`: how many tasks have got theirs."""

    name: str
    processes: Sequence[Process]
    callers: Callers
    pids: Sequence[int] = ()  # of what works for them
    sent: int = 0

    def take_new(self, tasks: int, connections: int) -> Round:
        """The first callback of each of so many tasks."""
        first, self.sent = self.sent, self.sent + tasks
        return self._take(Load(ports=self._ports, first=first, tasks=tasks, connections=connections), TAKEN)

    def take_again(self, tasks: int, times: int, connections: int) -> Round:
        """Callbacks that were taken before."""
        load = Load(ports=self._ports, first=0, tasks=min(tasks, self.sent), times=times, connections=connections)
        return self._take(load, DUPLICATE)

    def refuse(self, kind: Kind, tasks: int, times: int, connections: int) -> Round:
        """Forged callbacks for tasks whose end has not come."""
        return self._take(
            Load(ports=self._ports, first=self.sent, tasks=tasks, times=times, connections=connections, kind=kind),
            REFUSED,
        )

    @property
    def _ports(self) -> list[int]:
        return [each.port for each in self.processes if each.port is not None]

    def _take(self, load: Load, status: int) -> Round:
        pids = [*(each.pid for each in self.processes), *self.pids]
        return self.callers.call(self.name, load, pids=pids, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a case is measured. `on`: the cores of what is measured; None: all."""

    folder: Path
    callers: Callers
    on: frozenset[int] | None
    left_out: tuple[str, ...]

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"


@contextmanager
def place(*, cores_are_shared: bool = False) -> Iterator[Place]:
    """A folder, and the processes that call."""
    apart = Cores(server=None, load=None) if cores_are_shared else cores()
    with (
        TemporaryDirectory(prefix="whenfinal-bench-") as folder,
        open_callers(on=apart.load, processes=apart.loads) as callers,
    ):
        left_out = apart.left_out if cpu_s_of(os.getpid()) is not None else (*apart.left_out, NO_CPU)
        yield Place(folder=Path(folder), callers=callers, on=apart.server, left_out=left_out)


@contextmanager
def no_op(place: Place, *, bare: bool = False) -> Iterator[Taker]:
    port = free_ports(1)[0]
    arguments = [str(port)] + (["bare"] if bare else [])
    with python("tests.bench.noop", *arguments, on=place.on, port=port) as process:
        taker = Taker(name="uvicorn alone" if bare else "no-op", processes=[process], callers=place.callers)
        taker.take_new(WARM, WARM_CONNECTIONS)
        yield taker


@contextmanager
def per_request(place: Place) -> Iterator[Taker]:
    """Insert and commit for each request. Raise BenchFailed at the end when a callback is not in the file."""
    port, file = free_ports(1)[0], place.folder / "per-request.db"
    with python("tests.bench.committing", str(port), str(file), on=place.on, port=port) as process:
        taker = Taker(name="insert and commit", processes=[process], callers=place.callers)
        taker.take_new(WARM, WARM_CONNECTIONS)
        yield taker
        (rows,) = query_sqlite(f"sqlite:///{file}", "SELECT count(*) FROM callbacks")
        if rows != taker.sent:
            raise BenchFailed(f"{taker.name}: {taker.sent} callbacks were taken, and {rows} are in the file")


def query_sqlite(url: str, statement: str) -> Sequence[int]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        return tuple(file.execute(statement).fetchone())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`query` gives the row of a statement; `pids` are of its server."""

    url: str
    query: Callable[[str, str], Sequence[int]] = query_sqlite
    pids: Sequence[int] = ()


@contextmanager
def service(
    place: Place, *, tasks: int, name: str = "whenfinal", ledger: Ledger | None = None, webs: int = 1
) -> Iterator[Taker]:
    """`whenfinal web` with its defaults. When it ends, each callback that was answered 204 has its event.

    Raise BenchFailed when one has not, or anything else has.
    """
    ledger = ledger or Ledger(url=f"sqlite:///{place.ledger}")
    asyncio.run(_fill(ledger.url, tasks + WARM))
    environment = settings(place.folder, ledger.url)
    with ExitStack() as stack:
        processes = [stack.enter_context(whenfinal("web", environment, on=place.on)) for _ in range(webs)]
        taker = Taker(name=name, processes=processes, callers=place.callers, pids=ledger.pids)
        taker.take_new(WARM, WARM_CONNECTIONS)
        yield taker
        row = ledger.query(ledger.url, "SELECT count(*), max(seq), count(DISTINCT task) FROM events")
        if tuple(row) != (taker.sent,) * 3:
            raise BenchFailed(f"{name}: {taker.sent} callbacks were taken, and the ledger says {tuple(row)}")


async def _fill(url: str, tasks: int) -> None:
    async with filled(url, tasks):
        pass
