"""The Python client against the real receiver, and against servers that misbehave."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from submitter import Client
from submitter.api import Task
from submitter.client import conversation as module
from submitter.errors import ClientError, NotEnded, ReceiverRefused, ReceiverUnreachable
from submitter.model import TaskState
from submitter.simulator import Simulator
from submitter.simulator.task import TaskEndedError
from tests.support.builders import T0, a_report
from tests.support.raw_server import reply, replying, serving
from tests.support.service import KEYS, VIDEO, Served, served_with_simulator
from tests.support.stream_bytes import TASK, one_after_another, problem, replying_with

KEY = KEYS["all"][1]


@pytest.fixture(name="simulated")
async def _simulated(tmp_path: Path) -> AsyncIterator[tuple[Served, Simulator]]:
    async with served_with_simulator(tmp_path) as both:
        yield both


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSES_S", (0.01, 0.01, 0.01))


@asynccontextmanager
async def _scripted(url: str, faults: Sequence[str]) -> AsyncIterator[str]:
    """A connection each: `reset` passes the request on and loses the answer, `hang_up` passes nothing on."""
    script, port = list(faults), int(url.rpartition(":")[2])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = script.pop(0) if script else "pass"
        request = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in request.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
        request += await reader.readexactly(length)
        if fault in {"pass", "reset"}:
            answer = await _exchange(port, request)
            writer.write(answer if fault == "pass" else b"")
        elif fault != "hang_up":
            writer.write(fault.encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_task_is_submitted_and_waited_for(simulated: tuple[Served, Simulator]) -> None:
    service, sim = simulated
    async with Client(service.url, KEY) as client:
        task = await client.submit(provider="hiapi", video=VIDEO, labels={"film": "1"})
        with suppress(TaskEndedError):  # a slow machine may come after its own end
            sim.finish(task.provider_task_id or "")
        ended = await client.wait(task.id, timeout_s=30)
    assert isinstance(ended, Task)
    assert (ended.state, ended.labels, ended.is_ended) == (TaskState.SUCCEEDED, {"film": "1"}, True)
    assert ended.outputs[0].url.startswith("http")


async def test_a_raw_body_and_a_notify_address_are_taken(simulated: tuple[Served, Simulator]) -> None:
    service, _ = simulated
    raw = {"body": {"model": VIDEO["model"], "input": {"prompt": "a horse"}}}
    async with Client(service.url, KEY) as client:
        task = await client.submit(provider="hiapi", raw=raw, notify={"url": "http://127.0.0.1:9/hook"})
    assert (task.state, (task.notify_secret or "")[:6]) == (TaskState.SUBMITTED, "whsec_")
    assert "whsec_" not in repr(task)


@pytest.mark.parametrize("faults", [["reset"], ["hang_up", "reset", "reset"], ["reset", "HTTP/1.1 502 Bad\r\n\r\n"]])
async def test_a_submit_whose_answer_was_lost_is_repeated_and_paid_for_once(
    simulated: tuple[Served, Simulator], faults: list[str]
) -> None:
    service, sim = simulated
    async with _scripted(service.url, faults) as url, Client(url, KEY) as client:
        task = await client.submit(provider="hiapi", video=VIDEO)
    assert [record.task_id for record in sim.records().tasks] == [task.provider_task_id]


async def test_two_submits_are_two_tasks_and_the_same_key_is_one(simulated: tuple[Served, Simulator]) -> None:
    service, _ = simulated
    async with Client(service.url, KEY) as client:
        free = [await client.submit(provider="hiapi", video=VIDEO) for _ in range(2)]
        keyed = [await client.submit(provider="hiapi", video=VIDEO, idempotency_key="k") for _ in range(2)]
    assert (len({task.id for task in free}), len({task.id for task in keyed})) == (2, 1)


async def test_an_unreachable_receiver_is_an_error_of_its_own(service: Served) -> None:
    async with _scripted(service.url, ["hang_up"] * 4) as url, Client(url, KEY) as client:
        with pytest.raises(ReceiverUnreachable):
            await client.submit(provider="hiapi", video=VIDEO)
    async with Client("http://127.0.0.1:9", KEY) as client:
        with pytest.raises(ReceiverUnreachable):
            await client.task("tsk_1")


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 200 OK\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "HTTP/1.1 404 No\r\n\r\n",
    ],
)
async def test_another_servers_answer_is_never_taken_for_the_receivers(service: Served, answer: str) -> None:
    async with _scripted(service.url, [answer] * 4) as url, Client(url, KEY) as client:
        with pytest.raises(ReceiverUnreachable):
            await client.task("tsk_1")


@pytest.mark.parametrize("kind", ["unavailable", "stopping", "streams-full"])
async def test_what_the_receiver_cannot_do_yet_is_retried(kind: str) -> None:
    later = one_after_another(
        replying(problem(503, kind, b"Retry-After: 0")), replying(reply(json.dumps(TASK).encode()))
    )
    async with serving(later) as server, Client(server.url.removesuffix("/a"), KEY) as client:
        assert (await client.task("tsk_1")).id == "tsk_1"
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", ["provider-unavailable", "provider-throttled", "provider-denied"])
async def test_what_a_provider_refused_is_not_retried(kind: str) -> None:
    async with serving(replying(problem(503, kind))) as server, Client(server.url.removesuffix("/a"), KEY) as client:
        with pytest.raises(ReceiverRefused, match=kind):
            await client.submit(provider="hiapi", video=VIDEO)
    assert len(server.requests) == 1


async def test_a_violation_arrives_with_its_fields(service: Served) -> None:
    async with Client(service.url, KEY) as client:
        with pytest.raises(ReceiverRefused, match="422") as caught:
            await client.submit(provider="hiapi", video={**VIDEO, "duration": 99})
    problem = caught.value.problem
    assert [error.field for error in problem.errors] == ["video.duration"]
    assert (problem.status, bool(problem.request_id), isinstance(caught.value, ClientError)) == (422, True, True)


async def test_a_providers_refusal_arrives_with_its_words(simulated: tuple[Served, Simulator]) -> None:
    service, sim = simulated
    sim.plan("hiapi", [["submit_503"]] * 3)
    async with Client(service.url, KEY) as client:
        with pytest.raises(ReceiverRefused) as caught:
            await client.submit(provider="hiapi", video=VIDEO, queue_for_s=0)
        problem = caught.value.problem
        assert (await client.task(problem.task or "")).state is TaskState.REFUSED
    assert ((problem.provider or {})["name"], problem.retry_after_s is not None) == ("hiapi", True)


async def test_a_wrong_key_is_refused_without_being_shown(service: Served) -> None:
    async with Client(service.url, "a-wrong-key-of-somebody") as client:
        with pytest.raises(ReceiverRefused, match="401") as caught:
            await client.task("tsk_1")
    assert "a-wrong-key" not in str(caught.value) + repr(client)


async def test_a_name_with_odd_characters_stays_one_name(service: Served) -> None:
    async with Client(service.url, KEY) as client:
        with pytest.raises(ReceiverRefused, match="404"):
            await client.task("../events?x=1#y")


async def test_a_wait_that_is_over_says_what_it_last_saw(service: Served) -> None:
    await service.has()
    async with Client(service.url, KEY) as client:
        with pytest.raises(NotEnded, match="tsk_1 is still running"):
            await client.wait("tsk_1", timeout_s=0.1)


async def test_a_wait_outlives_a_receiver_that_hangs_up(service: Served) -> None:
    await service.has()
    async with _scripted(service.url, ["hang_up", "reset"]) as url, Client(url, KEY) as client:
        waiting = asyncio.create_task(client.wait("tsk_1", timeout_s=30))
        await service.calls_back()
        assert (await waiting).state is TaskState.SUCCEEDED


async def test_a_wait_outlives_a_receiver_that_is_away_for_long_once_it_has_answered() -> None:
    running = reply(json.dumps(TASK | {"state": "running"}).encode())
    away = [replying_with()] * 9 + [replying_with(problem(503, "streams-full", b"Retry-After: 0"))] * 5
    ended = replying(reply(json.dumps(TASK).encode()))
    script = one_after_another(replying_with(running), *away, ended)
    async with serving(script) as server, Client(server.url.removesuffix("/a"), KEY) as client, asyncio.timeout(60):
        assert (await client.wait("tsk_1")).is_ended
    assert len(server.requests) == 16


async def test_a_wait_for_a_task_that_is_gone_ends_with_the_refusal() -> None:
    running = replying(reply(json.dumps(TASK | {"state": "running"}).encode()))
    gone = replying(problem(404, "not-found"))
    async with (
        serving(one_after_another(running, gone)) as server,
        Client(server.url.removesuffix("/a"), KEY) as client,
    ):
        with pytest.raises(ReceiverRefused, match="404"):
            await client.wait("tsk_1")


async def test_events_are_read_in_order_over_many_pages(service: Served) -> None:
    for number in range(120):
        await service.has(f"tsk_{number}", f"p{number}")
    await service.services.store.ledger.record([a_report(provider_task_id=f"p{number}") for number in range(120)], T0)
    async with Client(service.url, KEY) as client:
        assert [event.seq async for event in client.events(after=5, follow=False)] == list(range(6, 121))


async def test_following_gives_events_as_they_come(service: Served) -> None:
    await service.has()
    async with Client(service.url, KEY) as client:
        following = client.events(after=0)
        first = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.1)
        await service.calls_back()
        event = await asyncio.wait_for(first, 30)
        await following.aclose()
    assert (event.type, event.task.id, event.task.state) == ("task.succeeded", "tsk_1", TaskState.SUCCEEDED)


def test_the_package_alone_loads_no_http_library() -> None:
    program = "import sys, submitter; print('httpx' in sys.modules); submitter.Client; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
