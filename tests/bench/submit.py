"""Submits through `POST /v1/tasks` a second, beside bare POSTs of the same task to the same simulator.

The server is a real `whenfinal serve` with default settings and its own ledger (SQLite, every commit on the disk); the
simulated platforms are a process of their own. DashScope's rate budget does not count submits, so that only the queue's
rules are in the way and not its waits.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from submitter.simulator.config import BASE_PATHS, SimulatorConfig
from tests.bench.calling import ApiClient, Book
from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_least, processor_time
from tests.bench.processes import (
    API_KEY,
    Cores,
    Process,
    Stopwatch,
    cores,
    free_ports,
    pinned,
    python,
    settings,
    whenfinal,
)

TARGET = 0.30
SUBMITS, QUICK_SUBMITS = 1_500, 500  # of each arm in a round
ROUNDS, QUICK_ROUNDS = 5, 3
CONNECTIONS = 64
MODEL = "happyhorse-1.0-t2v"
PROMPT = "A fox runs through fresh snow at dawn, the camera low and close, breath in the cold air."
SUBMIT_PATH = "/services/aigc/video-generation/video-synthesis"


def measure(options: Options) -> Found:
    submits, rounds = (QUICK_SUBMITS, QUICK_ROUNDS) if options.is_quick else (SUBMITS, ROUNDS)
    on = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whenfinal-bench-")))
        options.say("starting the simulator and the server")
        port = free_ports(1)[0]
        simulator = stack.enter_context(python("tests.bench.simulated", str(port), "0", on=on.load, port=port))
        environment = settings(folder, f"sqlite:///{folder / 'ledger.db'}", **_account(simulator.url))
        server = stack.enter_context(whenfinal("serve", environment, on=on.server))
        bare, ours = Arm(name="bare POST"), Arm(name="POST /v1/tasks")
        for number in range(rounds):
            options.say(f"round {number + 1} of {rounds}")
            for arm in (bare, ours) if number % 2 == 0 else (ours, bare):
                arm.rounds.append(_bare(on, simulator.url, submits) if arm is bare else _through(on, server, submits))
                options.on_round()
    checks = (at_least("submits / bare POSTs", ours.ratio_to(bare), TARGET), *processor_time(ours, bare))
    return Found(arms=(bare, ours), checks=checks, left_out=on.left_out)


def _bare(on: Cores, origin: str, count: int) -> Round:
    """The client takes the place of the server, and the simulator stays where it is."""
    with pinned(on.server):
        return uvloop.run(_post_bare(origin, count))


def _through(on: Cores, server: Process, count: int) -> Round:
    with pinned(on.load):
        return uvloop.run(_submit(server, count))


async def _post_bare(origin: str, count: int) -> Round:
    url = origin + BASE_PATHS["dashscope"] + SUBMIT_PATH
    headers = {
        "authorization": f"Bearer {SimulatorConfig().key('dashscope')}",
        "content-type": "application/json",
        "x-dashscope-async": "enable",
    }
    body = json.dumps({"model": MODEL, "input": {"prompt": PROMPT}}).encode()
    numbers = iter(range(count))

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in numbers:
            reply = await client.post(url, content=body, headers=headers)
            if reply.status_code != 200:
                raise BenchFailed(f"the simulator answered {reply.status_code}: {reply.text}")

    async with httpx.AsyncClient(transport=AiohttpTransport(trust_env=False), trust_env=False) as client:
        cpu_s, started_s = time.process_time(), time.perf_counter()
        await asyncio.gather(*(caller(client) for _ in range(CONNECTIONS)))
        return Round(items=count, wall_s=time.perf_counter() - started_s, cpu_s=time.process_time() - cpu_s)


async def _submit(server: Process, count: int) -> Round:
    body = json.dumps({"provider": "dashscope", "video": {"model": MODEL, "prompt": PROMPT}}).encode()
    head = (
        f"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {API_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    assert server.port is not None
    requests = iter([head.encode() + body] * count)
    book, loop = Book(), asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: ApiClient(requests, book), "127.0.0.1", server.port))[1]
        for _ in range(CONNECTIONS)
    ]
    watch = Stopwatch([server.pid])
    for caller in callers:
        caller.start()
    await asyncio.gather(*(caller.done for caller in callers))
    wall_s, cpu_s = watch.stop()
    if dict(book.statuses) != {"202": count}:
        raise BenchFailed(f"not every submit was taken: {dict(book.statuses)}")
    return Round(items=count, wall_s=wall_s, cpu_s=cpu_s, latencies_ms=book.latencies)


def _account(origin: str) -> Mapping[str, str]:
    key = SimulatorConfig().key("dashscope")
    return {"DASHSCOPE_API_KEY": key, "DASHSCOPE_BASE_URL": origin + BASE_PATHS["dashscope"]}


CASE = Case(name="submit", title="submits through the API, beside bare POSTs to the provider", measure=measure)
