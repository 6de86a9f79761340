"""The processes that call, from the side of the bench: one for each core that is free for them."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace

from tests.bench.calling import Called, Load
from tests.bench.case import BenchFailed, Round
from tests.bench.processes import HIAPI_SECRET, KEY, Process, Stopwatch, python

MOST = 4  # processes: what they do is little against what a service does


@dataclass(slots=True, kw_only=True, eq=False)
class Callers:
    """`cpu_s`: processor time of the load for one request, in each of its runs, by the name of what it called."""

    processes: Sequence[Process]
    cpu_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def cpu_us(self, name: str) -> float:
        """Processor time of the load for one request: the median."""
        return statistics.median(self.cpu_s[name]) * 1e6

    def call(self, name: str, load: Load, *, pids: Sequence[int], status: int) -> Round:
        """Spread a load over the processes. Processor time is that of `pids` and of all that they started.

        Raise BenchFailed when an answer has another status.
        """
        parts = split(load, len(self.processes))
        for process, part in zip(self.processes, parts, strict=False):
            process.write(json.dumps(asdict(part)))
        callers = self.processes[: len(parts)]
        for process in callers:
            process.read()
        watch = Stopwatch(pids)
        for process in callers:
            process.write("go")
        called = [Called(**json.loads(process.read())) for process in callers]
        _, cpu_s = watch.stop()
        for each in called:
            if each.statuses.keys() != {str(status)}:
                raise BenchFailed(f"{name}: each answer was to be {status}, and they were {each.statuses}")
        items = load.tasks * load.times
        self.cpu_s[name].append(sum(each.cpu_s for each in called) / items)
        return Round(
            items=items,
            wall_s=max(each.ended_s for each in called) - min(each.started_s for each in called),
            cpu_s=cpu_s,
            latencies_ms=[ms for each in called for ms in each.latencies_ms],
        )


def split(load: Load, processes: int) -> list[Load]:
    """Parts of a load for as many processes, none of them without a connection; each task is in one part."""
    parts = min(processes, load.connections, load.tasks)

    def share(of: int, part: int) -> range:
        return range(of * part // parts, of * (part + 1) // parts)

    return [
        replace(
            load,
            ports=[load.ports[at % len(load.ports)] for at in share(load.connections, part)],
            first=load.first + share(load.tasks, part).start,
            tasks=len(share(load.tasks, part)),
            connections=len(share(load.connections, part)),
        )
        for part in range(parts)
    ]


@contextmanager
def open_callers(*, on: frozenset[int] | None, processes: int) -> Iterator[Callers]:
    with ExitStack() as stack:
        started = [
            stack.enter_context(python("tests.bench.calling", KEY, HIAPI_SECRET, on=on, pipes=True))
            for _ in range(min(MOST, processes))
        ]
        yield Callers(processes=started)
