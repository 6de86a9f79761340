"""Processes that are measured, and the processes that load them: started here, kept on their cores, and ended.

Where there are two cores or more, what is measured has one to itself and the load has the others. Where there is one,
or where the system pins no process, all share what there is; `cores` says so.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.bench.case import BenchFailed

ROOT = Path(__file__).resolve().parents[2]
WHENFINAL = Path(sys.executable).parent / "whenfinal"
KEY = "a-key-for-callback-tokens-0123456789"
API_KEY = "a-key-of-the-bench-that-may-do-all-0123456789"
HIAPI_SECRET = "a-secret-by-which-the-provider-signs"
START_S = 60.0
STARTS_S = 5.0  # again, for its words
NO_CPU = "processor time of the servers: this system does not tell that of another process"
_PROC = Path("/proc")
#: Fields of /proc/PID/stat, counted from the one after the name of the program.
_PARENT, _USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM = 1, 11, 12, 13, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where what is measured runs, and where the load runs. None: wherever the system puts it.

    `left_out` says why they are not apart.
    """

    server: frozenset[int] | None
    load: frozenset[int] | None
    left_out: tuple[str, ...] = ()

    @property
    def loads(self) -> int:
        """How many processes of load there is room for."""
        return len(self.load) if self.load else 1


def cores() -> Cores:
    if not hasattr(os, "sched_setaffinity"):
        return Cores(server=None, load=None, left_out=("a core for the server alone: this system pins no process",))
    return split(os.sched_getaffinity(0))


def split(free: set[int]) -> Cores:
    """The last core for what is measured, because the first often handles interrupts as well."""
    if len(free) < 2:
        return Cores(server=None, load=None, left_out=("a core for the server alone: this machine has one core",))
    *others, last = sorted(free)
    return Cores(server=frozenset({last}), load=frozenset(others))


@contextmanager
def pinned(to: frozenset[int] | None) -> Iterator[None]:
    """Keep this process, and the threads and processes that it starts meanwhile, on these cores."""
    if to is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True, kw_only=True, eq=False)
class Process:
    """A process that was started, and where it listens."""

    popen: subprocess.Popen[str]
    port: int | None = None

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float | None:
        return cpu_s_of(self.pid)

    def write(self, line: str) -> None:
        """Raise BenchFailed when the process has ended."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(line + "\n")
            self.popen.stdin.flush()
        except BrokenPipeError as error:
            raise BenchFailed(f"{_told(self.popen)} ended before its time") from error

    def read(self) -> str:
        """The next line that it prints. Raise BenchFailed when the process has ended."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise BenchFailed(f"{_told(self.popen)} ended before its time")
        return line.strip()


@dataclass(slots=True, eq=False)
class Stopwatch:
    """Wall time, and the processor time of processes and all that they started, from its start to `stop`."""

    pids: Sequence[int]
    _wall_s: float = field(init=False)
    _cpu_s: float | None = field(init=False)

    def __post_init__(self) -> None:
        self._cpu_s = self._used_s()
        self._wall_s = time.perf_counter()

    def stop(self) -> tuple[float, float | None]:
        """Seconds of wall time and of processor time; None where the system does not tell."""
        wall_s, used_s = time.perf_counter() - self._wall_s, self._used_s()
        return wall_s, None if used_s is None or self._cpu_s is None else used_s - self._cpu_s

    def _used_s(self) -> float | None:
        used = [cpu_s_of(each) for each in self.pids]
        return None if None in used else sum(each for each in used if each is not None)


def cpu_s_of(pid: int) -> float | None:
    """Processor seconds of a process and all that it started, in the ticks of the system, mostly 10 ms.

    None on a system without /proc.
    """
    if not (_PROC / "self" / "stat").exists():
        return None
    known = {int(each.name): fields for each in _PROC.glob("[0-9]*") if (fields := _stat(each))}
    family, ticks = {pid}, 0
    while True:
        children = {each for each, fields in known.items() if int(fields[_PARENT]) in family} - family
        if not children:
            break
        family |= children
    for each in family & known.keys():
        ticks += sum(int(known[each][at]) for at in (_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: Path) -> list[str] | None:
    """None when it has ended meanwhile."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def settings(folder: Path, url: str, **more: str) -> dict[str, str]:
    """The environment of a `whenfinal` that is measured: the defaults, and HiAPI's account with its secret."""
    return {
        "HOME": str(folder),
        "WHENFINAL_DATABASE_URL": url,
        "WHENFINAL_SECRET_KEYS": KEY,
        "WHENFINAL_API_KEYS": f"bench:submit+read+operate:{API_KEY}",
        "HIAPI_API_KEY": "a-key",
        "HIAPI_BASE_URL": "http://127.0.0.1:9",
        "HIAPI_WEBHOOK_SECRET": HIAPI_SECRET,
        **more,
    }


@contextmanager
def whenfinal(command: str, environment: Mapping[str, str], *, on: frozenset[int] | None = None) -> Iterator[Process]:
    """`whenfinal serve` or `web` on a free port, answering; or `worker`, started."""
    listens = command in ("serve", "web")
    port = free_ports(1)[0] if listens else None
    arguments = [str(WHENFINAL), command] + (["--port", str(port)] if listens else [])
    with started(arguments, environment, on=on, port=port) as process:
        yield process


@contextmanager
def python(
    module: str, *arguments: str, on: frozenset[int] | None = None, port: int | None = None, pipes: bool = False
) -> Iterator[Process]:
    """A module of the bench in a process of its own; with a port, it answers there before this returns."""
    command = [sys.executable, "-m", module, *arguments]
    with started(command, {}, on=on, port=port, pipes=pipes) as process:
        yield process


@contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    on: frozenset[int] | None = None,
    port: int | None = None,
    pipes: bool = False,
) -> Iterator[Process]:
    """Ends with the block. What it says is thrown away, because only that it says it costs what it costs.

    Raise BenchFailed when it does not answer at its port in time.
    """
    everything = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    errors = None if pipes else subprocess.DEVNULL
    with subprocess.Popen(command, env=everything, stdin=pipe, stdout=pipe, stderr=errors, text=True) as popen:
        try:
            if on is not None:
                os.sched_setaffinity(popen.pid, on)  # it has no second thread yet
            if port is not None and not _answers(popen, port):
                raise BenchFailed(f"{_told(popen)} does not answer: {_last_words(command, everything)}")
            yield Process(popen=popen, port=port)
        finally:
            popen.send_signal(signal.SIGKILL)


def _answers(popen: subprocess.Popen[str], port: int) -> bool:
    """A connection alone proves nothing: sockets are opened before the service behind them is."""
    deadline = time.monotonic() + START_S
    while popen.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port, timeout=START_S)) as client:
            client.request("GET", "/healthz")
            client.getresponse()
            return True
        time.sleep(0.02)
    return False


def _last_words(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a program says that does not start. It is started again for that, because nothing was kept."""
    try:
        run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=STARTS_S)
    except subprocess.TimeoutExpired:
        return "it says nothing"
    return run.stderr.strip()[-500:]


def _told(popen: subprocess.Popen[str]) -> str:
    words = [str(each) for each in popen.args] if isinstance(popen.args, list) else [str(popen.args)]
    status = "" if popen.poll() is None else f" (exit status {popen.returncode})"
    return f"`{Path(words[0]).name} {' '.join(words[1:])}`{status}"


def free_ports(count: int) -> list[int]:
    """Held together until all are known, so that they differ."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
