"""How a plain HTTP caller talks to each simulated platform, and a plain socket that collects callbacks."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpx

from submitter.simulator import PLATFORMS, Simulator, SimulatorConfig, running
from tests.integration.simulator.apis.platform_api import PlatformApi

PLATFORM_NAMES = PLATFORMS
PLATFORM_APIS: Mapping[str, PlatformApi] = {
    name: import_module(f"tests.integration.simulator.apis.{name.replace('-', '_')}").API for name in PLATFORM_NAMES
}


class ApiClient:
    """A client of a running simulator."""

    def __init__(self, sim: Simulator, http: httpx.AsyncClient) -> None:
        self.sim = sim
        self.http = http

    def skip(self, seconds: float) -> None:
        """Put the simulator's clock forward."""
        world, now_s = self.sim._world, self.sim._world.now_s
        world.now_s = lambda: now_s() + seconds

    def headers(self, platform: str) -> dict[str, str]:
        api = PLATFORM_APIS[platform]
        return {api.key_header: api.key_prefix + self.sim.key(platform), **api.headers}

    async def post(self, platform: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        url = self.sim.base_url(platform) + path
        return await self.http.post(url, json=body, headers=self.headers(platform) | headers)

    async def get(self, platform: str, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(self.sim.base_url(platform) + path, headers=self.headers(platform) | headers)

    async def send(self, platform: str, prompt: str = "a horse", **more: Any) -> httpx.Response:
        """A valid submit, with more top-level fields if given."""
        api = PLATFORM_APIS[platform]
        return await self.post(platform, api.submit_path, api.body(prompt) | more)

    async def submit(self, platform: str, prompt: str = "a horse", **more: Any) -> str:
        """A valid submit that must be accepted; return the task's id."""
        answer = await self.send(platform, prompt, **more)
        return PLATFORM_APIS[platform].task_id(answer.json())

    async def query(self, platform: str, task_id: str) -> httpx.Response:
        return await self.get(platform, PLATFORM_APIS[platform].status_path.format(task_id))

    async def result(self, platform: str, task_id: str) -> httpx.Response:
        """The answer that holds the result of a task."""
        api = PLATFORM_APIS[platform]
        return await self.get(platform, (api.result_path or api.status_path).format(task_id))

    async def state(self, platform: str, task_id: str) -> str:
        answer = await self.query(platform, task_id)
        return PLATFORM_APIS[platform].state(answer.json())


@asynccontextmanager
async def calling(**settings: Any) -> AsyncIterator[ApiClient]:
    """A simulator with these settings and a caller of it."""
    async with running(SimulatorConfig(**settings)) as sim, httpx.AsyncClient(verify=False) as http:
        yield ApiClient(sim, http)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One callback as it arrived."""

    headers: dict[str, str]
    raw: bytes

    @property
    def status(self) -> str:
        return str(json.loads(self.raw)["status"])


class Sink:
    """A socket that answers callbacks with `answers`, one after the other; the last one repeats."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers
        self.received: list[Received] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.url = ""
        self._arrived = asyncio.Condition()

    async def wait_for(self, count: int) -> list[Received]:
        """The callbacks, once so many have come."""
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: len(self.received) >= count), 60)
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._answer(await _read(reader), writer)
        finally:
            writer.close()
            async with self._arrived:
                self.in_flight -= 1
                self._arrived.notify_all()

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        async with self._arrived:
            self.received.append(received)
            self._arrived.notify_all()
        await asyncio.sleep(0.02)  # long enough for a second one to overlap
        head = f"HTTP/1.1 {status} x\r\nLocation: /other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())

    async def drained(self) -> None:
        """Wait until no request is being answered."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.in_flight == 0)


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
    return Received(headers=headers, raw=await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def sink(*answers: int) -> AsyncIterator[Sink]:
    """A place for callbacks."""
    place = Sink(list(answers) or [204])
    server = await asyncio.start_server(place.serve, "127.0.0.1", 0)
    place.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
    async with server:
        yield place
        await place.drained()
