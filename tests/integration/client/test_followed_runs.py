"""A run that a command follows: it is stopped and named, also where the command is interrupted while it starts."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from receiver.cli.bulk import Followed
from submitter.api_runs import Run
from submitter.client import conversation
from submitter.client.client import Client
from submitter.errors import ReceiverUnreachable
from tests.support.raw_server import Peer, RawServer, reply, serving
from tests.support.service import KEYS, Served

KEY = KEYS["all"][1]

RUN = {
    "id": "run_1",
    "kind": "cancel-tasks",
    "actor": "key all",
    "state": "running",
    "expected": 9,
    "done": 0,
    "failed": 0,
    "notes": [],
    "created_at": "2026-09-21T14:20:00.000Z",
    "ended_at": None,
    "last_error": None,
}


async def _cancel_all(client: Client) -> Run:
    return await client.runs.cancel_tasks(all=True)


def _told(server: RawServer) -> list[str]:
    return [request.partition(b" HTTP")[0].decode() for request in server.requests]


@pytest.fixture(name="release")
async def _release() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture(name="slow")
async def _slow(release: asyncio.Event) -> AsyncIterator[RawServer]:
    """Answers to the start of a run when it is released."""

    async def answer(peer: Peer, number: int) -> None:
        if number == 1:
            await release.wait()
        state = "running" if number == 1 else "stopped"
        await peer.say(reply(json.dumps({**RUN, "state": state}).encode(), status=b"200 OK"))

    async with serving(answer) as server:
        yield server


async def test_ctrl_c_while_a_run_starts_stops_and_names_it(
    slow: RawServer, release: asyncio.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    followed = Followed()
    async with Client(slow.url, KEY) as client:
        following = asyncio.create_task(followed.follow(client, _cancel_all))
        await slow.until_requests(1)
        following.cancel()
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await following
    assert _told(slow) == ["POST /a/v1/tasks/cancel", "POST /a/v1/runs/run_1/stop", "GET /a/v1/runs/run_1"]
    assert followed.run is not None
    assert (followed.run.id, followed.run.state) == ("run_1", "stopped")
    assert "waiting for the start of the run" in capsys.readouterr().err


async def test_a_second_ctrl_c_gives_the_start_up(slow: RawServer, capsys: pytest.CaptureFixture[str]) -> None:
    followed = Followed()
    async with Client(slow.url, KEY) as client:
        following = asyncio.create_task(followed.follow(client, _cancel_all))
        await slow.until_requests(1)
        for _ in range(2):
            following.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await following
    assert _told(slow) == ["POST /a/v1/tasks/cancel"]
    assert "see whenfinal runs list" in capsys.readouterr().err


async def test_a_run_that_starts_at_the_service_during_ctrl_c_is_known(service: Served) -> None:
    await service.has("tsk_1", None)
    followed, is_begun = Followed(), asyncio.Event()

    async def start(client: Client) -> Run:
        is_begun.set()
        return await client.runs.refuse_tasks(all=True)

    async with Client(service.url, KEY) as client:
        following = asyncio.create_task(followed.follow(client, start))
        await is_begun.wait()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        assert followed.run is not None
        assert followed.run.is_ended
        assert [run.id for run in (await client.runs.list()).runs] == [followed.run.id]


async def test_a_start_without_an_answer_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conversation, "RETRY_PAUSES_S", (0.01,))

    async def resetting(peer: Peer, _: int) -> None:
        peer.reset()

    async with serving(resetting) as server, Client(server.url, KEY) as client:
        with pytest.raises(ReceiverUnreachable):
            await Followed().follow(client, _cancel_all)
    assert "it is not known whether a run was started; see whenfinal runs list" in capsys.readouterr().err
