"""What callbacks are sent to: the service on a ledger full of tasks that wait for their end, and its ceilings."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.callers import Callers
from tests.bench.calling import Kind, Load
from tests.bench.case import BenchFailed, Round
from tests.bench.ledgers import filled
from tests.bench.processes import Process, free_ports, python, settings, whenfinal

TAKEN, DUPLICATE, REFUSED = 204, 200, 401
WARM = 200  # callbacks before the first round


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


@contextmanager
def no_op(callers: Callers, *, on: frozenset[int] | None, plain: bool = False) -> Iterator[Taker]:
    port = free_ports(1)[0]
    arguments = [str(port)] + (["plain"] if plain else [])
    with python("tests.bench.noop", *arguments, on=on, port=port) as process:
        taker = Taker(name="no-op, no Starlette" if plain else "no-op", processes=[process], callers=callers)
        taker.take_new(WARM, 16)
        yield taker


@contextmanager
def per_request(folder: Path, callers: Callers, *, on: frozenset[int] | None) -> Iterator[Taker]:
    """Insert and commit for each request."""
    port, file = free_ports(1)[0], folder / "per-request.db"
    with python("tests.bench.committing", str(port), str(file), on=on, port=port) as process:
        taker = Taker(name="insert and commit", processes=[process], callers=callers)
        taker.take_new(WARM, 16)
        yield taker
        with closing(sqlite3.connect(file)) as ledger:
            if (rows := ledger.execute("SELECT count(*) FROM callbacks").fetchone()) != (taker.sent,):
                raise BenchFailed(f"{taker.name}: {taker.sent} callbacks were taken, and {rows[0]} are in the file")


@contextmanager
def service(
    name: str,
    folder: Path,
    url: str,
    callers: Callers,
    *,
    tasks: int,
    webs: int = 1,
    on: frozenset[int] | None,
    query: Callable[[str, str], Sequence[int]] | None = None,
    pids: Sequence[int] = (),
) -> Iterator[Taker]:
    """`whenfinal web` with its defaults. When it ends, each callback that was answered 204 has its event.

    Raise BenchFailed when one has not, or anything else has.
    """
    asyncio.run(_fill(url, tasks + WARM))
    with ExitStack() as stack:
        processes = [stack.enter_context(whenfinal("web", settings(folder, url), on=on)) for _ in range(webs)]
        taker = Taker(name=name, processes=processes, callers=callers, pids=pids)
        taker.take_new(WARM, 16)
        yield taker
        row = (query or _query_sqlite)(url, "SELECT count(*), max(seq), count(DISTINCT task) FROM events")
        if tuple(row) != (taker.sent,) * 3:
            raise BenchFailed(f"{name}: {taker.sent} callbacks were taken, and the ledger says {tuple(row)}")


async def _fill(url: str, tasks: int) -> None:
    async with filled(url, tasks):
        pass


def _query_sqlite(url: str, statement: str) -> Sequence[int]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        return tuple(file.execute(statement).fetchone())
