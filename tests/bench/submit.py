"""Submits through `POST /v1/tasks` a second, beside bare POSTs of the same task to the same simulator.

The server is a real `whenfinal serve` with default settings and its own ledger (SQLite, every commit on the disk); the
simulated platforms are a process of their own. DashScope's rate budget does not count submits, so that only the queue's
rules are in the way and not its waits.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from submitter.simulator.config import BASE_PATHS, SimulatorConfig
from tests.bench.calling import ApiClient, Book
from tests.bench.case import Arm, BenchFailed, Case, Check, Found, Options, Round

TARGET = 0.30
SUBMITS, QUICK_SUBMITS = 1_500, 500  # of each arm in a round
ROUNDS, QUICK_ROUNDS = 5, 3
CONNECTIONS = 64
START_S = 60.0
WHENFINAL = Path(sys.executable).parent / "whenfinal"
KEY = "bench-key-0123456789-0123456789"
MODEL = "happyhorse-1.0-t2v"
PROMPT = "A fox runs through fresh snow at dawn, the camera low and close, breath in the cold air."
SUBMIT_PATH = "/services/aigc/video-generation/video-synthesis"


def measure(options: Options) -> Found:
    submits, rounds = (QUICK_SUBMITS, QUICK_ROUNDS) if options.is_quick else (SUBMITS, ROUNDS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whenfinal-bench-")))
        options.say("starting the simulator and the server")
        simulator_port, port = _free_port(), _free_port()
        simulated = [sys.executable, "-m", "tests.bench.simulated", str(simulator_port), "0"]
        stack.enter_context(_process(simulated, {}, simulator_port))
        origin = f"http://127.0.0.1:{simulator_port}"
        command = [str(WHENFINAL), "serve", "--port", str(port)]
        server = stack.enter_context(_process(command, _environment(folder, origin), port))
        return uvloop.run(_measure(options, origin, port, server, submits=submits, rounds=rounds))


async def _measure(
    options: Options, origin: str, port: int, server: "subprocess.Popen[bytes]", *, submits: int, rounds: int
) -> Found:
    bare, ours = Arm(name="bare POST"), Arm(name="POST /v1/tasks")
    async with httpx.AsyncClient(transport=AiohttpTransport(trust_env=False), trust_env=False) as client:
        for number in range(rounds):
            options.say(f"round {number + 1} of {rounds}")
            for arm in (bare, ours) if number % 2 == 0 else (ours, bare):
                if arm is bare:
                    arm.rounds.append(await _post_bare(client, origin, submits))
                else:
                    arm.rounds.append(await _submit(port, server.pid, submits))
                options.on_round()
    ratio = ours.ratio_to(bare)
    measured = f"{ratio:.2f}"
    check = Check(what="submits / bare POSTs", measured=measured, target=f"≥ {TARGET:.2f}", is_met=ratio >= TARGET)
    return Found(arms=(bare, ours), checks=(check,))


async def _post_bare(client: httpx.AsyncClient, origin: str, count: int) -> Round:
    url = origin + BASE_PATHS["dashscope"] + SUBMIT_PATH
    headers = {
        "authorization": f"Bearer {SimulatorConfig().key('dashscope')}",
        "content-type": "application/json",
        "x-dashscope-async": "enable",
    }
    body = json.dumps({"model": MODEL, "input": {"prompt": PROMPT}}).encode()
    numbers = iter(range(count))

    async def caller() -> None:
        for _ in numbers:
            reply = await client.post(url, content=body, headers=headers)
            if reply.status_code != 200:
                raise BenchFailed(f"the simulator answered {reply.status_code}: {reply.text}")

    cpu_s, started_s = time.process_time(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return Round(items=count, wall_s=time.perf_counter() - started_s, cpu_s=time.process_time() - cpu_s)


async def _submit(port: int, pid: int, count: int) -> Round:
    body = json.dumps({"provider": "dashscope", "video": {"model": MODEL, "prompt": PROMPT}}).encode()
    head = (
        f"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    requests = iter([head.encode() + body] * count)
    book, loop = Book(), asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: ApiClient(requests, book), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    cpu_s, started_s = _cpu_s_of(pid), time.perf_counter()
    for caller in callers:
        caller.start()
    await asyncio.gather(*(caller.done for caller in callers))
    wall_s = time.perf_counter() - started_s
    if dict(book.statuses) != {"202": count}:
        raise BenchFailed(f"not every submit was taken: {dict(book.statuses)}")
    return Round(items=count, wall_s=wall_s, cpu_s=_cpu_s_of(pid) - cpu_s, latencies_ms=book.latencies)


def _cpu_s_of(pid: int) -> float:
    """Processor time of another process, to the hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _environment(folder: Path, origin: str) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "WHENFINAL_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
        "WHENFINAL_API_KEYS": f"bench:submit:{KEY}",
        "DASHSCOPE_API_KEY": SimulatorConfig().key("dashscope"),
        "DASHSCOPE_BASE_URL": origin + BASE_PATHS["dashscope"],
    }


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """It listens when this begins, and ends with the bench."""
    everything = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **environment}
    with subprocess.Popen(command, env=everything, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BenchFailed(f"{process.args!r} does not listen")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


CASE = Case(name="submit", title="Submits through the API, beside bare POSTs to the provider", measure=measure)
