"""What widely used readers of server-sent events make of our stream, beside what the standard says.

The Node programs need npm's `eventsource`, which is no dependency of the project: put `node` on the PATH and the folder
of the packages in NODE_PATH, or install `eventsource` globally.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from httpx_sse import aconnect_sse

from tests.support.balancer import Balancer
from tests.support.delivery_fixtures import publish_events
from tests.support.service import Served, served
from tests.support.stream_bytes import as_fetch_event_source, as_npm_eventsource, as_the_standard_says
from tests.support.stream_listener import KEY, PATH, TIMEOUT_S

FOLLOWER = """
const { EventSource } = require("eventsource");
const source = new EventSource(process.argv[2], {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: process.argv[3] } }),
});
source.addEventListener("hello", (event) => console.log("hello " + event.lastEventId));
source.addEventListener("task.succeeded", (event) => console.log("event " + event.lastEventId));
source.addEventListener("message", () => console.log("message"));
"""


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, WHENFINAL_STREAM_KEEPALIVE_S="0.1") as service:
        yield service


async def _happen(service: Served, first: int) -> None:
    await publish_events(service.services.store, 1, first=first)
    service.services.commit_notifier.notify()


async def _bytes_until(service: Served, query: str, last: bytes) -> bytes:
    """What comes over the wire up to a text."""
    found = b""
    async with asyncio.timeout(TIMEOUT_S), service.http.stream("GET", f"{PATH}?{query}", headers=KEY) as reply:
        async for chunk in reply.aiter_bytes():
            found += chunk
            if found.endswith(last):
                break
    return found


async def test_every_kind_of_reader_gets_each_event_and_the_cursor_and_nothing_else(service: Served) -> None:
    for seq in (1, 2):
        await _happen(service, seq)
    quiet = await _bytes_until(service, "after=1", b": keep-alive\n: keep-alive\n")
    left_out = await _bytes_until(service, "after=0&type=task.failed", b'data: {"after":2}\n\n')
    for read in (as_the_standard_says, as_npm_eventsource, as_fetch_event_source):
        events, cursor = read(quiet)
        assert [(event.name, json.loads(event.data).get("seq")) for event in events] == [
            ("hello", None),
            ("task.succeeded", 2),
        ]
        assert cursor == "2"
        hellos, cursor = read(left_out)
        assert [json.loads(hello.data) for hello in hellos] == [{"after": 0}, {"after": 2}]
        assert cursor == "2"


async def test_httpx_sse_gets_json_in_every_event(service: Served) -> None:
    await _happen(service, 1)
    async with asyncio.timeout(TIMEOUT_S), aconnect_sse(service.http, "GET", f"{PATH}?after=0", headers=KEY) as source:
        found = []
        async with aclosing(source.aiter_sse()) as events:
            async for event in events:
                found.append((event.event, json.loads(event.data).get("seq"), event.id))
                if len(found) == 2:
                    break
    assert found == [("hello", None, "0"), ("task.succeeded", 1, "1")]


class Line(Balancer):
    """A line to a receiver that can be cut."""

    writers: list[asyncio.StreamWriter]

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await super().pass_on(reader, writer)

    def cut(self) -> None:
        """End its connections, and refuse new ones until `behind` is set again."""
        self.behind = ()
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@asynccontextmanager
async def _line(service: Served) -> AsyncIterator[Line]:
    line = Line(behind=[httpx.URL(service.url).port or 0])
    line.writers = []
    server = await asyncio.start_server(line.pass_on, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        line.cut()
        server.close()


def _node() -> tuple[str, dict[str, str]]:
    """The interpreter, and the environment in which it finds the package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    if npm:
        folders.append(str(Path(npm).resolve().parents[2]))
    if node is None or not any(folder and (Path(folder) / "eventsource").is_dir() for folder in folders):
        pytest.skip("node with npm's eventsource is not installed")
    return node, {**os.environ, "NODE_PATH": os.pathsep.join(folders)}


async def test_npm_eventsource_loses_nothing_over_a_restart(service: Served, tmp_path: Path) -> None:
    """It has had no event when the line breaks: only the hello told it where it was."""
    node, environment = _node()
    program = tmp_path / "follow.cjs"
    program.write_text(FOLLOWER)
    await _happen(service, 1)
    async with _line(service) as line, asyncio.timeout(TIMEOUT_S * 2):
        url = f"http://127.0.0.1:{line.port}{PATH}"
        process = await asyncio.create_subprocess_exec(
            node, str(program), url, KEY["Authorization"], env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            assert await process.stdout.readline() == b"hello 1\n"
            behind = line.behind
            line.cut()
            await _happen(service, 2)
            line.behind = behind
            heard = [await process.stdout.readline() for _ in range(2)]
            await _happen(service, 3)
            heard.append(await process.stdout.readline())
        finally:
            process.kill()
            await process.wait()
    assert heard == [b"hello 1\n", b"event 2\n", b"event 3\n"]
