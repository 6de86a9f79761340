"""The demo's other processes, a simulator and a receiver: started, watched, and always stopped.

Each runs in its own session, so that Ctrl-C reaches only the demo, which stops them in order. If the demo is killed,
they end as well. They get nothing of the real environment, so that no real key can spend money.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import httpx

from receiver.cli.simulated_accounts import account_settings
from submitter.errors import WhenfinalError
from submitter.simulator import SimulatorConfig

#: Provider seconds in one second: a task takes about 4 s, and a callback is missed after 6 s.
SPEED = 30.0

_SHORT_TIMES: Mapping[str, str] = {
    # A killed process holds its leases until they end, and an unanswered submit until its timeout.
    "WHENFINAL_LEASE_S": "6",
    "WHENFINAL_PROVIDER_TIMEOUT_S": "5",
    "WHENFINAL_WEBHOOK_CONNECT_S": "2",
    "WHENFINAL_WEBHOOK_TIMEOUT_S": "5",
    "WHENFINAL_WEBHOOK_BACKOFF_S": "1,2,4,8,8,8,8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Where everything is, and the secrets of this one run."""

    directory: Path
    #: Empty: the ledger is a file in the directory.
    database_url: str = ""
    #: The origins of the two processes, without a slash at the end.
    simulator: str
    receiver: str
    #: A key of the receiver's API with all scopes.
    api_key: str = field(default_factory=lambda: f"wf_{secrets.token_urlsafe(24)}", repr=False)
    #: Signs the callback URLs.
    signing_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    #: The secret of the tasks' own `notify`; the subscriptions get theirs from the receiver.
    notify_secret: str = field(
        default_factory=lambda: f"whsec_{b64encode(secrets.token_bytes(32)).decode()}", repr=False
    )

    @property
    def ledger_url(self) -> str:
        return self.database_url or f"sqlite:///{self.directory / 'ledger.db'}"

    def environment(self) -> dict[str, str]:
        """The whole environment of the demo's processes."""
        return {
            "HOME": str(self.directory),
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "NO_COLOR": "1",
            "WHENFINAL_PUBLIC_URL": self.receiver,
            "WHENFINAL_DATABASE_URL": self.ledger_url,
            "WHENFINAL_SECRET_KEYS": self.signing_key,
            "WHENFINAL_API_KEYS": f"demo:submit+read+operate:{self.api_key}",
            "WHENFINAL_PROVIDER_SPEED": f"{SPEED:g}",
            "WHENFINAL_ALLOW_PRIVATE": "127.0.0.1/32",
            **_SHORT_TIMES,
            **account_settings(self.simulator, SimulatorConfig()),
        }


WHENFINAL = (sys.executable, "-c", "from receiver.cli.main import main; main()")

CHILD = (sys.executable, "-m", "receiver.cli.demo.child")  # ends when the demo's end of its stdin is closed

START_LIMIT_S = 60.0

STOP_LIMIT_S = 10.0  # because a receiver first finishes what it has in flight

LOG_LINES = 15  # of a dead process, enough for the end of a traceback

_PORTS = range(20_000, 32_000)

SIMULATOR, RECEIVER = "simulator", "receiver"


class ChildDied(WhenfinalError):
    """A process of the demo ended by itself, or did not answer after its start."""

    def __init__(self, name: str, what: str, log: str) -> None:
        super().__init__(f"the {name} {what}; the last lines of its log:\n{log or '(nothing)'}")


@dataclass(slots=True, kw_only=True, eq=False)
class Processes:
    """Open them with `open_processes`."""

    setup: Setup
    seed: int
    _children: dict[str, Process] = field(default_factory=dict)
    _commands: set[Process] = field(default_factory=set)

    async def start_simulator(self) -> None:
        arguments = ("--port", _port_of(self.setup.simulator), "--speed", f"{SPEED:g}", "--seed", str(self.seed))
        await self._start(SIMULATOR, "simulate", *arguments)
        await self._until_answering(SIMULATOR, f"{self.setup.simulator}/")

    async def start_receiver(self) -> None:
        await self._start(RECEIVER, "serve", "--port", _port_of(self.setup.receiver))
        await self._until_answering(RECEIVER, f"{self.setup.receiver}/healthz")

    async def kill_receiver(self) -> None:
        """As in a power cut: no clean stop, nothing flushed."""
        receiver = self._children.pop(RECEIVER)
        receiver.kill()
        await receiver.wait()

    async def watch(self) -> None:
        """Raise ChildDied as soon as one ends by itself. Never returns."""
        while True:
            for name, child in self._children.items():
                if child.returncode is not None:
                    raise ChildDied(name, f"ended with status {child.returncode}", self.log_tail(name))
            await asyncio.sleep(0.1)

    async def command(self, *arguments: str, stdin: bytes = b"") -> CompletedProcess[str]:
        """Run a `whenfinal` command beside the receiver, on the same ledger."""
        process = await asyncio.create_subprocess_exec(
            *WHENFINAL,
            *arguments,
            cwd=self.setup.directory,
            env=self.setup.environment(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        self._commands.add(process)
        stdout, stderr = await process.communicate(stdin)
        self._commands.discard(process)
        return CompletedProcess(arguments, process.returncode or 0, stdout.decode(), stderr.decode())

    def log_tail(self, name: str) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    async def stop(self) -> None:
        """Stop all, the receiver first; kill those that do not stop in time."""
        for child in [*self._commands, *reversed(self._children.values())]:
            await _stop(child)

    def kill_rest(self) -> None:
        """Kill what is left when a second Ctrl-C interrupts `stop`."""
        for child in [*self._commands, *self._children.values()]:
            if child.returncode is None:
                _kill_group(child)

    async def _start(self, name: str, *arguments: str) -> None:
        with self._log(name).open("ab") as log:
            self._children[name] = await asyncio.create_subprocess_exec(
                *CHILD,
                *arguments,
                cwd=self.setup.directory,
                env=self.setup.environment(),
                stdin=PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _until_answering(self, name: str, url: str) -> None:
        child = self._children[name]
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            for _ in range(round(START_LIMIT_S / 0.1)):
                if child.returncode is not None:
                    raise ChildDied(name, f"ended with status {child.returncode} at its start", self.log_tail(name))
                with suppress(httpx.TransportError):
                    if (await client.get(url)).is_success:
                        return
                await asyncio.sleep(0.1)
        raise ChildDied(name, f"did not answer within {START_LIMIT_S:g} s", self.log_tail(name))

    def _log(self, name: str) -> Path:
        return self.setup.directory / f"{name}.log"


@asynccontextmanager
async def open_processes(*, seed: int, say: Callable[[str], None]) -> AsyncIterator[Processes]:
    """Simulator and receiver on free ports, with a temporary directory. Nothing is left when it closes."""
    with tempfile.TemporaryDirectory(prefix="whenfinal-demo-", ignore_cleanup_errors=True) as directory:
        simulator, receiver = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        setup = Setup(directory=Path(directory), simulator=simulator, receiver=receiver)
        processes = Processes(setup=setup, seed=seed)
        try:
            say(f"starting the simulator on {simulator} and the receiver on {receiver}")
            await processes.start_simulator()
            await processes.start_receiver()
            yield processes
        finally:
            try:
                await processes.stop()
            finally:
                processes.kill_rest()


async def _stop(child: Process) -> None:
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), STOP_LIMIT_S)
    except TimeoutError:
        _kill_group(child)
        await child.wait()


def _kill_group(child: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """All are bound at the same time, so that they differ.

    They lie below those that systems give to outgoing connections, so that none of these takes a port before its
    process listens on it.
    """
    listeners: list[socket.socket] = []
    while len(listeners) < count:
        with suppress(OSError):
            listeners.append(socket.create_server(("127.0.0.1", secrets.choice(_PORTS))))
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _port_of(origin: str) -> str:
    return origin.rpartition(":")[2]
