"""What bodies may cost: the token comes first, all bodies at once have a bound, large ones are parsed off the loop."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from receiver.config.settings import Settings
from receiver.web import bodies
from receiver.web.bodies import LARGE_BYTES, Bodies
from receiver.web.endpoint import Endpoint
from receiver.web.routes import ROUTES
from receiver.web.schemas.tasks import NoBody
from submitter.model import TaskId, TaskState
from tests.support.service import ORDER, Served, a_callback_body, is_problem, served

JSON = {"content-type": "application/json"}
PATIENCE_S = 60.0
LARGEST = 65_536
TAKING_JSON = [route for route in ROUTES if route.body is not NoBody]


@pytest.fixture(name="narrow")
async def _narrow(tmp_path: Path) -> AsyncIterator[Served]:
    """All bodies of the API together, and those of callbacks, may hold as much as one."""
    few = {f"WHENFINAL_{name}_MAX_BYTES": str(LARGEST) for name in ("API", "BODIES", "CALLBACK")}
    async with served(tmp_path, None, **few) as service:
        await service.has()
        yield service


@asynccontextmanager
async def _posting(service: Served, path: str, sent: bytes, length: int) -> AsyncIterator[asyncio.StreamReader]:
    """A connection on which only the start of a body has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http.base_url.port)
    key = service.key("all")["Authorization"]
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {length}\r\n\r\n".encode() + sent)
    try:
        yield reader
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(PATIENCE_S):
        return int((await reader.readline()).split()[1])


@pytest.mark.parametrize("path", ["/callbacks/hiapi/forged", "/callbacks/hiapi", "/callbacks/signed/forged"])
async def test_who_has_no_token_is_refused_before_a_byte_of_the_body(service: Served, path: str) -> None:
    async with _posting(service, path, b"", 1_000_000) as reader:
        assert await _status(reader) == 401


async def test_a_right_token_is_waited_for(service: Served) -> None:
    await service.has()
    body = json.dumps(a_callback_body()).encode()
    async with _posting(service, service.callback_path(), body[:5], len(body)) as reader:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.2)


@pytest.mark.parametrize("path", ["/v1/tasks", "/callbacks/hiapi", "/callbacks/signed"])
async def test_bodies_that_are_too_much_together_are_answered_503_until_one_has_gone(narrow: Served, path: str) -> None:
    if path == "/callbacks/hiapi":
        path = narrow.callback_path()
    half = b" " * (LARGEST // 2 + 1)

    async def short() -> int:
        reply = await narrow.post(path, content=half, headers=JSON)
        if reply.status_code == 503:
            assert is_problem(reply, 503)["type"].endswith("bodies-full")
            assert int(reply.headers["retry-after"]) >= 1
        return reply.status_code

    async with _posting(narrow, path, half, LARGEST):
        async with asyncio.timeout(PATIENCE_S):
            while await short() != 503:
                await asyncio.sleep(0.01)  # the first body has not come yet
    async with asyncio.timeout(PATIENCE_S):
        while await short() == 503:
            await asyncio.sleep(0.01)
    assert await short() in {400, 401}


async def test_bodies_of_strangers_do_not_take_the_room_of_callbacks_with_a_token(narrow: Served) -> None:
    app_bodies = narrow.bodies
    async with _posting(narrow, "/callbacks/signed", b" " * LARGEST, LARGEST + 0), asyncio.timeout(PATIENCE_S):
        async with _posting(narrow, "/callbacks/signed", b" " * (LARGEST - 1), LARGEST):
            while not app_bodies.unproved.held_bytes:
                await asyncio.sleep(0.01)
            assert (await narrow.calls_back()).status_code == 204
        while app_bodies.unproved.held_bytes:
            await asyncio.sleep(0.01)


async def test_a_body_that_dwindles_is_answered_408(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length alone buys it no time."""
    monkeypatch.setattr(bodies, "BODY_WITHIN_S", 0.05)
    await service.has()
    async with _posting(service, service.callback_path(), b"{", 1_000_000) as reader:
        assert await _status(reader) == 408
    assert service.bodies.callbacks.held_bytes == 0


async def test_a_large_body_is_parsed_off_the_loop_and_a_small_one_is_not() -> None:
    """The parser of the large one waits for the loop: on the loop itself it would wait for ever."""
    served_meanwhile = threading.Event()

    def parse(body: bytes) -> str:
        if len(body) > LARGE_BYTES:
            assert served_meanwhile.wait(PATIENCE_S)
        return threading.current_thread().name

    kinds = Bodies.of(Settings())
    here = await kinds.parsed(b" " * LARGE_BYTES, parse)
    large = [asyncio.create_task(kinds.parsed(b" " * (LARGE_BYTES + 1), parse)) for _ in range(5)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in large)
    served_meanwhile.set()
    assert here == threading.current_thread().name
    assert here not in await asyncio.gather(*large)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.body is not NoBody], ids=lambda route: f"{route.method} {route.path}"
)
async def test_eight_megabytes_of_zeros_are_refused_by_every_endpoint(service: Served, route: Endpoint) -> None:
    zeros = b"[" + b"0," * (4 << 20) + b"0]"
    name = next(iter(route.body.model_fields)).encode()
    for body in (zeros, b'{"%s":%s}' % (name, zeros), b'{"raw":{"body":{"a":%s}}}' % zeros):
        reply = await service.http.request(
            route.method, route.path.replace("{id}", "tsk_1"), content=body, headers={**service.key("all"), **JSON}
        )
        assert is_problem(reply, 400)["errors"][0]["rule"] == "holds more than 10000 values"


async def test_a_callback_of_very_many_values_is_refused(service: Served) -> None:
    await service.has()
    body = b'{"taskId":"p1","a":[' + b"0," * 400_000 + b"0]}"
    is_problem(await service.calls_back(json=None, content=body, headers=JSON), 400)
    task = await service.services.store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert (task.state, task.next_poll_ms is not None) == (TaskState.RUNNING, True)  # its poll tells what happened


async def test_pictures_of_many_megabytes_are_taken(service: Served) -> None:
    picture = "data:image/png;base64," + "A" * (12 << 20)
    order = {"provider": "hiapi", "raw": {"body": {"model": "m", "pictures": [picture, picture]}}}
    assert (await service.post("/v1/tasks", order)).status_code == 202  # no provider can be reached here, so it waits
    assert service.bodies.api.held_bytes == 0
    assert "too large" in (await service.post("/v1/tasks", ORDER | {"labels": {"a": picture * 3}})).text
