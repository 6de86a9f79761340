"""What the start of a command costs, beside the start of Python with nothing to do.

Each run is a new process of the same interpreter, in turns, with its bytecode cached as after an installation. The
ratios are of processor time, because other work of the machine stretches the rest.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_most
from tests.bench.ledgers import filled
from tests.bench.processes import WHENFINAL

RUNS, QUICK_RUNS = 15, 5  # of each arm
TASKS = 20  # of the ledger that is listed

NOTHING = "python -c pass"

#: What is started, and how many times the processor time of Python alone it may take; None where it is only shown.
STARTS: Mapping[str, tuple[Sequence[str], float | None]] = {
    "whenfinal --help": ((str(WHENFINAL), "--help"), 2.0),
    "whenfinal tasks list": ((str(WHENFINAL), "tasks", "list"), 4.0),
    "whenfinal tasks list --limit 20": ((str(WHENFINAL), "tasks", "list", "--limit", "20"), None),
    "whenfinal events": ((str(WHENFINAL), "events"), None),
    "import submitter": (("-c", "import submitter"), 3.0),
}


def measure(options: Options) -> Found:
    commands = {NOTHING: ("-c", "pass"), **{name: command for name, (command, _) in STARTS.items()}}
    arms = {name: Arm(name=name) for name in commands}
    with TemporaryDirectory() as folder:
        environment = _environment(Path(folder))
        options.say("filling a ledger")
        asyncio.run(_fill(environment["WHENFINAL_DATABASE_URL"]))
        for command in commands.values():
            _start(command, Path(folder), environment)  # caches the bytecode
        options.say("starting")
        for _ in range(QUICK_RUNS if options.is_quick else RUNS):
            for name, command in commands.items():
                arms[name].rounds.append(_start(command, Path(folder), environment))
                options.on_round()
    checks = [
        at_most(f"{name} against {NOTHING}", _cpu_us(arms[name]) / _cpu_us(arms[NOTHING]), target, "times")
        for name, (_, target) in STARTS.items()
        if target is not None
    ]
    return Found(arms=list(arms.values()), checks=checks)


async def _fill(url: str) -> None:
    async with filled(url, TASKS):
        pass


def _environment(folder: Path) -> Mapping[str, str]:
    """Of the processes: no settings but the ledger, and bytecode that is kept, out of the way of other runs."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "WHENFINAL_DATABASE_URL": f"sqlite:///{folder / 'whenfinal.db'}",
    }


def _start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Round:
    """Start it and wait for its end."""
    before, at_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, check=False)
    wall_s, after = time.perf_counter() - at_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchFailed(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Round(items=1, wall_s=wall_s, cpu_s=cpu_s, latencies_ms=(wall_s * 1000,))


def _cpu_us(arm: Arm) -> float:
    assert arm.cpu_us is not None  # every run has its own
    return arm.cpu_us


CASE = Case(name="startup", title="start of commands, in processor time of Python alone", measure=measure)
