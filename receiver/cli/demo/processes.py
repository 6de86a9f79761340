"""The demo's other processes: a simulator and a receiver, started, watched, and stopped whatever happens.

Each runs in a session of its own, so that Ctrl-C reaches the demo alone and the demo ends them in order. Should the
demo be killed, they end by themselves. Nothing of the real environment reaches them, so that no real key can be spent.
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
from pathlib import Path, PurePath

import httpx

from submitter.errors import WhenfinalError
from submitter.simulator import PLATFORMS, SimulatorConfig
from submitter.simulator.config import BASE_PATHS

#: Provider seconds in one of ours: a task takes some 4 s, and a callback is missed after 6 s.
SPEED = 30.0

_HURRIED: Mapping[str, str] = {
    # A process that is killed holds its leases until they run out, and an unanswered submit until its timeout.
    "WHENFINAL_LEASE_S": "6",
    "WHENFINAL_PROVIDER_TIMEOUT_S": "5",
    "WHENFINAL_WEBHOOK_CONNECT_S": "2",
    "WHENFINAL_WEBHOOK_TIMEOUT_S": "5",
    "WHENFINAL_WEBHOOK_BACKOFF_S": "1,2,4,8,8,8,8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """`webhook` is the `whsec_…` of the tasks' own `notify`; subscriptions get theirs from the receiver."""

    api: str = field(repr=False)
    signing: str = field(repr=False)
    webhook: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are: origins without a slash at the end, and an absolute directory."""

    directory: PurePath
    simulator: str
    receiver: str


def make_environment(places: Places, keys: Keys) -> dict[str, str]:
    """All that the demo's processes know of the world."""
    simulated = SimulatorConfig()
    return {
        "HOME": str(places.directory),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "NO_COLOR": "1",
        "WHENFINAL_PUBLIC_URL": places.receiver,
        "WHENFINAL_DATABASE_URL": f"sqlite:///{places.directory / 'ledger.db'}",
        "WHENFINAL_SECRET_KEYS": keys.signing,
        "WHENFINAL_API_KEYS": f"demo:submit+read+operate:{keys.api}",
        "WHENFINAL_PROVIDER_SPEED": f"{SPEED:g}",
        "WHENFINAL_ALLOW_PRIVATE": "127.0.0.1/32",
        **_HURRIED,
        **{f"{name.upper()}_API_KEY": simulated.key(name) for name in PLATFORMS},
        **{f"{name.upper()}_BASE_URL": places.simulator + BASE_PATHS[name] for name in PLATFORMS},
        "HIAPI_WEBHOOK_SECRET": simulated.hiapi_webhook_secret or "",
    }


WHENFINAL = (sys.executable, "-c", "from receiver.cli import main; main()")

CHILD = (sys.executable, "-m", "receiver.cli.demo.child")  # ends when the demo's end of its stdin is closed

START_LIMIT_S = 60.0

STOP_LIMIT_S = 10.0  # a receiver first finishes what it has in flight

LOG_LINES = 15  # of a dead child, enough for a traceback's end

SIMULATOR, RECEIVER = "simulator", "receiver"


class ChildDied(WhenfinalError):
    """A process of the demo ended that should not have, or never began to answer."""

    def __init__(self, name: str, what: str, log: str) -> None:
        super().__init__(f"the {name} {what}; the last lines of its log:\n{log or '(nothing)'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A `whenfinal` command that has ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(slots=True, kw_only=True, eq=False)
class World:
    """Open it with `open_world`. `environment` is that of every process in it."""

    places: Places
    keys: Keys
    environment: Mapping[str, str]
    seed: int
    _children: dict[str, Process] = field(default_factory=dict)
    _commands: set[Process] = field(default_factory=set)

    @property
    def directory(self) -> Path:
        return Path(self.places.directory)

    async def start_simulator(self) -> None:
        arguments = ("--port", _port_of(self.places.simulator), "--speed", f"{SPEED:g}", "--seed", str(self.seed))
        await self._start(SIMULATOR, "simulate", *arguments)
        await self._until_answering(SIMULATOR, f"{self.places.simulator}/")

    async def start_receiver(self) -> None:
        await self._start(RECEIVER, "serve", "--port", _port_of(self.places.receiver))
        await self._until_answering(RECEIVER, f"{self.places.receiver}/healthz")

    async def kill_receiver(self) -> None:
        """As a power cut would: no clean stop, nothing flushed."""
        receiver = self._children.pop(RECEIVER)
        receiver.kill()
        await receiver.wait()

    async def watch(self) -> None:
        """Raise ChildDied as soon as one ends that nobody told to; return never."""
        while True:
            for name, child in self._children.items():
                if child.returncode is not None:
                    raise ChildDied(name, f"ended with status {child.returncode}", self.log_tail(name))
            await asyncio.sleep(0.1)

    async def command(self, *arguments: str, stdin: bytes = b"") -> CommandResult:
        """A `whenfinal` command beside the receiver, on the same ledger."""
        process = await asyncio.create_subprocess_exec(
            *WHENFINAL,
            *arguments,
            cwd=self.directory,
            env=dict(self.environment),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        self._commands.add(process)
        stdout, stderr = await process.communicate(stdin)
        self._commands.discard(process)
        return CommandResult(status=process.returncode or 0, stdout=stdout.decode(), stderr=stderr.decode())

    def log_tail(self, name: str) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    async def stop(self) -> None:
        """Ask all to stop, the receiver first, and end those that will not."""
        for child in [*self._commands, *reversed(self._children.values())]:
            await _stop(child)

    def kill_rest(self) -> None:
        """Whoever is left, when a second Ctrl-C cuts the stop short."""
        for child in [*self._commands, *self._children.values()]:
            if child.returncode is None:
                _kill_group(child)

    async def _start(self, name: str, *arguments: str) -> None:
        with self._log(name).open("ab") as log:
            self._children[name] = await asyncio.create_subprocess_exec(
                *CHILD,
                *arguments,
                cwd=self.directory,
                env=dict(self.environment),
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
        return self.directory / f"{name}.log"


@asynccontextmanager
async def open_world(*, seed: int, say: Callable[[str], None]) -> AsyncIterator[World]:
    """Simulator and receiver on free ports in a directory of their own; all is gone when it closes."""
    with tempfile.TemporaryDirectory(prefix="whenfinal-demo-", ignore_cleanup_errors=True) as directory:
        simulator, receiver = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
        places = Places(directory=Path(directory), simulator=simulator, receiver=receiver)
        keys = _new_keys()
        world = World(places=places, keys=keys, environment=make_environment(places, keys), seed=seed)
        try:
            say(f"starting the simulator on {simulator} and the receiver on {receiver}")
            await world.start_simulator()
            await world.start_receiver()
            yield world
        finally:
            try:
                await world.stop()
            finally:
                world.kill_rest()


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


def _free_ports(count: int) -> list[int]:
    """Held together until all are known, so that they differ."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _new_keys() -> Keys:
    return Keys(
        api=f"wf_{secrets.token_urlsafe(24)}",
        signing=secrets.token_urlsafe(32),
        webhook=f"whsec_{b64encode(secrets.token_bytes(32)).decode()}",
    )


def _port_of(origin: str) -> str:
    return origin.rpartition(":")[2]
