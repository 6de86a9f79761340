"""The real `whenfinal` as processes: in an empty folder, with only the environment that a test sets."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support import preloaded

WHENFINAL = Path(sys.executable).parent / "whenfinal"
TIMEOUT_S = 120
OPERATOR = "operator-key-of-these-tests-0123456789"
#: Root may read and write any file, whatever its mode; so root gives these rights up first.
_RIGHTS = "-dac_override,-dac_read_search"
BOUND_BY_MODES = ("setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}") if os.geteuid() == 0 else ()
API_KEYS = f"test:submit+read+operate:{OPERATOR}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    status: int
    out: str
    err: str

    @property
    def values(self) -> list[dict[str, Any]]:
        """Every line of stdout must be JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True, kw_only=True)
class Process:
    """A command that runs until it is stopped. Its stderr is read all the time, so that it never blocks."""

    popen: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    def read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self.lines.append("")
            self._changed.notify_all()

    def line_with(self, part: str) -> str:
        """The first line of stderr that contains the part; waits for it."""
        with self._changed:
            met = self._changed.wait_for(lambda: any(part in line for line in self.lines) or self._is_over(), TIMEOUT_S)
            assert met, self.lines
            return next(line for line in self.lines if part in line)

    def _is_over(self) -> bool:
        return bool(self.lines) and self.lines[-1] == ""

    @property
    def url(self) -> str:
        return url_in(self.line_with("serving "))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(TIMEOUT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def with_settings(self, **settings: str) -> "Cli":
        return replace(self, environment={**self.environment, **settings})

    def with_prefix(self, *prefix: str) -> "Cli":
        """Run through another program."""
        return replace(self, prefix=prefix)

    def run(self, *arguments: str, stdin: str | bytes = "") -> Ended:
        """Run a command to its end; through another program it is the executable itself, else see `preloaded`."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        if not self.prefix and not any(name.startswith("PYTHON") for name in self.environment):
            forked = preloaded.run(
                arguments, folder=self.folder, environment=self.whole_environment(), stdin=content, timeout_s=TIMEOUT_S
            )
            return Ended(status=forked.status, out=forked.out.decode(), err=forked.err.decode())
        done = subprocess.run(
            [*self.prefix, WHENFINAL, *arguments],
            cwd=self.folder,
            env=self.whole_environment(),
            input=content,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ended(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Process]:
        with subprocess.Popen(
            [*self.prefix, WHENFINAL, *arguments],
            cwd=self.folder,
            env=self.whole_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if arguments[0] != "simulate" else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as popen:
            process = Process(popen=popen)
            reader = threading.Thread(target=process.read, daemon=True)
            reader.start()
            try:
                yield process
            finally:
                popen.kill()
                popen.wait()
                reader.join()

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on while the test does; what it writes goes to pipes."""
        with subprocess.Popen(
            [*self.prefix, WHENFINAL, *arguments],
            cwd=self.folder,
            env=self.whole_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as popen:
            try:
                yield popen
            finally:
                popen.kill()

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def whole_environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until_s = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.05)


@contextmanager
def at_service(cli: Cli, command: str, *, folder: Path, key: str = OPERATOR) -> Iterator[Cli]:
    """Another machine, which works on the ledger of `cli` by a real service there."""
    there = cli.with_settings(WHENFINAL_API_KEYS=API_KEYS)
    with preloaded.started(
        (command, "--port", "0"),
        folder=there.folder,
        environment=there.whole_environment(),
        says="serving ",
        timeout_s=TIMEOUT_S,
    ) as line:
        yield Cli(folder=folder, environment={"WHENFINAL_URL": url_in(line), "WHENFINAL_API_KEY": key})


def url_in(line: str) -> str:
    """The address in the line with which a server says that it is there."""
    return line.split()[1].rstrip(";")


def read_settings(simulator: Process) -> dict[str, str]:
    """The settings that `whenfinal simulate` prints."""
    simulator.line_with("stop with Ctrl-C")
    assert simulator.popen.stdout is not None
    settings: dict[str, str] = {}
    for line in simulator.popen.stdout:
        if line.startswith("#") and settings:
            return settings
        name, sign, value = line.rstrip("\n").partition("=")
        if sign and not line.startswith("#"):
            settings[name] = value
    return settings


def request_line(prompt: str = "a fox", provider: str = "hiapi", **more: Any) -> str:
    """One line of JSON."""
    model = "happyhorse-1.1/text-to-video" if provider == "hiapi" else "happyhorse-1.0-t2v"
    return json.dumps({"provider": provider, "video": {"model": model, "prompt": prompt}, **more})
