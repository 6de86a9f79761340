"""Who waits and listens to a real process: ten thousand at once, and one who does not read, on a stop."""

import asyncio
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from receiver.callbacks.model import make_callback_token
from receiver.runtime.store import open_store
from submitter.model import TaskId, TaskState
from tests.support.builders import T0, a_task
from tests.support.cli import API_KEYS, OPERATOR, TIMEOUT_S, Cli, Process
from tests.support.delivery_fixtures import publish_events

STREAMS = WAITS = 5_000
TASKS = 100  # that the waits share; one more has a single waiter
AT_ONCE = 200  # connections that are being opened
FILES = STREAMS + WAITS + 500
EVENTS = 8_000  # more than the buffers of a connection take
SECRET_KEY = "a-secret-key-of-the-tests-1"
SETTINGS = {
    "WHENFINAL_API_KEYS": API_KEYS,
    "WHENFINAL_SECRET_KEYS": SECRET_KEY,
    "WHENFINAL_PROVIDERS": "hiapi",
    "HIAPI_API_KEY": "nobody-asks-for-it",
    "HIAPI_BASE_URL": "http://127.0.0.1:9",
    "WHENFINAL_WAIT_MAX_S": "600",
    "WHENFINAL_STREAMS_MAX": str(STREAMS + WAITS),
    "WHENFINAL_STREAM_KEEPALIVE_S": "5",
}
AUTH = {"Authorization": f"Bearer {OPERATOR}"}
CALLBACK = {
    "taskId": "p0",
    "status": "success",
    "created": 1,
    "completed": 2,
    "output": [{"url": "https://cdn.example/v.mp4", "type": "video"}],
}


@pytest.fixture(name="enough_files")
def _enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"this machine lets a process open {hard} files, and {FILES} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(eq=False, frozen=True)
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def until(self, words: bytes) -> bytes:
        try:
            return await asyncio.wait_for(self.reader.readuntil(words), TIMEOUT_S)
        except asyncio.IncompleteReadError as error:
            raise AssertionError(error.partial) from None

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), TIMEOUT_S)


@dataclass(eq=False, frozen=True)
class Crowd:
    """Opens lines, `AT_ONCE` at a time, and closes them all in the end."""

    port: int
    stack: ExitStack
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def ask(self, target: str, *headers: str, begins: bytes) -> Line:
        async with self.gate:
            line = Line(*await asyncio.open_connection("127.0.0.1", self.port))
            self.stack.callback(line.writer.transport.abort)
            lines = (f"GET {target} HTTP/1.1", "Host: x", f"Authorization: Bearer {OPERATOR}", *headers, "", "")
            line.writer.write("\r\n".join(lines).encode())
            await line.until(begins)
            return line

    async def listen(self, count: int) -> list[Line]:
        opened = (self.ask("/v1/events/stream", begins=b'data: {"after":0}\n\n') for _ in range(count))
        return await asyncio.gather(*opened)

    async def wait(self, *numbers: int) -> list[Line]:
        """Return when the waits have begun: the server asks for the body, which is empty, as soon as one has."""
        return await asyncio.gather(*(self._wait(f"/v1/tasks/tsk_{number}?wait=600") for number in numbers))

    async def _wait(self, target: str) -> Line:
        return await self.ask(target, "Expect: 100-continue", begins=b"HTTP/1.1 100 Continue\r\n\r\n")


async def _open_tasks(folder: Path) -> None:
    async with open_store(f"sqlite:///{folder / 'whenfinal.db'}", clock=lambda: T0, migrating=False) as store:
        for number in range(1 + TASKS):
            task = a_task(f"tsk_{number}", provider_task_id=f"p{number}", state=TaskState.RUNNING, next_poll_ms=None)
            await store.submissions.open_task(task, T0)


def _memory_mb(server: Process) -> float:
    status = Path(f"/proc/{server.popen.pid}/status")
    if not status.exists():
        return 0.0
    return int(status.read_text().partition("VmRSS:")[2].split()[0]) / 1024


async def _received(streams: list[Line], waiter: Line) -> None:
    """Every stream has got the event, and the one waiter its answer."""
    events = await asyncio.gather(*(stream.until(b"}\n\n") for stream in streams))
    assert all(b"id: 1\nevent: task.succeeded\ndata: " in each for each in events)
    answer = await waiter.until(b'"polls":')
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"state":"succeeded"' in answer


async def _are_let_go(streams: list[Line], waits: list[Line]) -> None:
    """On a stop: each stream has come to its end, and each wait is answered with the task as it is."""
    began_s = time.monotonic()
    ends = [await stream.rest() for stream in streams]
    assert [each for each in ends if not each.endswith(b"0\r\n\r\n")][:3] == []
    answers = [await wait.rest() for wait in waits]
    is_shown = [each.startswith(b"HTTP/1.1 200") and b'"state":"running"' in each for each in answers]
    assert [each for each, so in zip(answers, is_shown, strict=True) if not so][:3] == []
    _measured("seconds until all were let go", time.monotonic() - began_s)


def _measured(name: str, value: float) -> None:
    """Shown by `pytest -s`, and by a test that fails."""
    sys.stdout.write(f"{name} {value:.3f}\n")


async def _run(server: Process, folder: Path) -> None:
    port, before_mb = int(server.url.rpartition(":")[2]), _memory_mb(server)
    await _open_tasks(folder)
    with ExitStack() as stack:
        crowd, began_s = Crowd(port=port, stack=stack), time.monotonic()
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=TIMEOUT_S) as http:
            streams = await crowd.listen(STREAMS)
            waiter, *waits = await crowd.wait(0, *(1 + number % TASKS for number in range(WAITS - 1)))
            assert (await http.get("/v1/tasks/tsk_1?wait=1", headers=AUTH)).status_code == 503
            _measured("seconds until all were seated", time.monotonic() - began_s)
            _measured("megabytes for them", _memory_mb(server) - before_mb)
            began_s = time.monotonic()
            received = asyncio.create_task(_received(streams, waiter))
            token = make_callback_token([SECRET_KEY], provider="hiapi", task_id=TaskId("tsk_0"), now_s=int(time.time()))
            assert (await http.post(f"/callbacks/hiapi/{token}", json=CALLBACK)).status_code == 204
            _measured("seconds until the callback was answered", time.monotonic() - began_s)
            assert (await http.get("/healthz")).status_code == 200
            await received
            _measured("seconds until all had received it", time.monotonic() - began_s)
        server.popen.send_signal(signal.SIGTERM)
        await _are_let_go(streams, waits)


@pytest.mark.usefixtures("enough_files")
def test_ten_thousand_wait_and_listen_in_one_process(cli: Cli) -> None:
    with cli.with_settings(**SETTINGS).running("serve", "--port", "0") as server:
        asyncio.run(_run(server, cli.folder))
        assert server.popen.wait(TIMEOUT_S) == 0


def test_a_stop_does_not_wait_for_a_client_that_does_not_read(cli: Cli) -> None:
    with cli.with_settings(**SETTINGS).running("serve", "--port", "0") as server, socket.socket() as deaf:
        host, _, port = server.url.removeprefix("http://").partition(":")
        asyncio.run(_many_events(cli.folder))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(TIMEOUT_S)
        deaf.connect((host, int(port)))
        asked = f"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATOR}\r\n\r\n"
        deaf.sendall(asked.encode())
        assert deaf.recv(12) == b"HTTP/1.1 200"
        _read_all(server)
        assert server.stop() == 0
        assert not any("graceful shutdown exceeded" in line for line in server.lines)


async def _many_events(folder: Path) -> None:
    async with open_store(f"sqlite:///{folder / 'whenfinal.db'}", clock=lambda: T0, migrating=False) as store:
        await publish_events(store, EVENTS)


def _read_all(server: Process) -> None:
    """As another client, by whose end the buffers of the deaf one are full."""
    with httpx.stream("GET", f"{server.url}/v1/events/stream?after=0", headers=AUTH, timeout=TIMEOUT_S) as stream:
        assert any(line == f"id: {EVENTS}" for line in stream.iter_lines())


@pytest.mark.parametrize(("wanted", "allowed"), [(300, 300), (100, 256), (600, 512)])
def test_a_process_may_open_as_many_files_as_it_needs_and_the_system_allows(wanted: int, allowed: int) -> None:
    program = (
        "import resource; from receiver.web.server import allow_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))\n"
        f"print(allow_files({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(allowed)] * 2
