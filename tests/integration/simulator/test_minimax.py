"""MiniMax's version 2 at the simulator: fields, errors, lists, deletion, the challenge, callbacks at each change."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import PLATFORM_APIS, ApiClient, calling, sink

PATH, LIST = "/v2/video_generation", "/v2/query/video_generation"
BODY = PLATFORM_APIS["minimax"].body("a horse")
TEXT = {"type": "text", "text": "a horse"}


def _picture(role: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": PICTURE}, "role": role}


async def _delete(caller: ApiClient, task_id: str) -> tuple[int, str]:
    url = caller.sim.base_url("minimax") + f"{PATH}/{task_id}"
    answer = await caller.http.delete(url, headers=caller.headers("minimax"))
    return answer.status_code, answer.json().get("action", "")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"content": [TEXT, _picture("first_frame"), _picture("last_frame")], "ratio": None}, 200),
        ({"content": [TEXT, *[_picture("reference_image")] * 9], "ratio": "adaptive"}, 200),
        ({"content": [_picture("first_frame")]}, 400),
        ({"content": [TEXT, TEXT]}, 400),
        ({"content": [{"type": "text", "text": "x" * 7001}]}, 400),
        ({"content": [TEXT, _picture("first_frame"), _picture("reference_image")]}, 400),
        ({"content": [TEXT, *[_picture("reference_image")] * 10]}, 400),
        ({"content": None}, 400),
        ({"ratio": None}, 400),
        ({"ratio": "adaptive"}, 400),
        ({"resolution": None}, 400),
        ({"resolution": "1080P"}, 400),
        ({"duration": None}, 400),
        ({"duration": 3}, 400),
        ({"callback_url": "nowhere"}, 400),
        ({"model": "MiniMax-H3-Max", "resolution": None}, 200),
        ({"model": "MiniMax-H3-Max", "duration": 4}, 400),
        ({"model": "MiniMax-H3-Max", "content": [TEXT, _picture("reference_image")]}, 400),
    ],
)
async def test_fields_are_checked_as_documented(change: dict[str, Any], status: int) -> None:
    async with calling() as caller:
        answer = await caller.post("minimax", PATH, BODY | change)
    assert answer.status_code == status
    if status == 400:
        error = answer.json()["error"]
        assert (error["type"], error["http_code"], error["message"][-6:]) == ("bad_request_error", "400", "(2013)")


async def test_a_deletion_cancels_destroys_or_is_refused_by_the_state() -> None:
    async with calling() as caller:
        queued, ended = await caller.submit("minimax"), await caller.submit("minimax")
        caller.sim.finish(ended)
        assert [await _delete(caller, each) for each in (queued, ended)] == [(200, "cancelled"), (200, "deleted")]
        assert await caller.state("minimax", queued) == "cancelled"
        assert "invalid task_id" in (await caller.query("minimax", ended)).text
        assert [await _delete(caller, each) for each in (queued, ended)] == [(400, "")] * 2
    async with calling(queued_share=0.0) as caller:
        assert await _delete(caller, await caller.submit("minimax")) == (400, "")


async def test_a_list_has_pages_and_filters_and_ends_after_seven_days() -> None:
    async with calling() as caller:
        ids = [await caller.submit("minimax") for _ in range(3)]
        caller.sim.finish(ids[1])

        async def listed(query: str) -> tuple[int, list[str]]:
            page = (await caller.get("minimax", f"{LIST}?{query}")).json()
            return page["total"], [task["id"] for task in page["tasks"]]

        assert await listed("") == (3, ids[::-1])
        assert await listed("page_num=2&page_size=2") == (3, ids[:1])
        assert await listed("status=succeeded") == (1, [ids[1]])
        assert await listed(f"task_ids={ids[0]},{ids[2]}") == (2, [ids[2], ids[0]])
        caller.skip(7 * 86_400)
        assert await listed("") == (0, [])
        assert (await caller.query("minimax", ids[0])).status_code == 400


class _Receiver:
    """A place for callbacks that answers a challenge, or something else."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        self.bodies.append(json.loads(await reader.readexactly(length)))
        said = self.answer.replace(b"SAME", str(self.bodies[-1].get("challenge")).encode())
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        writer.close()


@asynccontextmanager
async def _receiving(answer: bytes) -> AsyncIterator[_Receiver]:
    receiver = _Receiver(answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
    async with server:
        yield receiver


async def test_an_answered_challenge_is_followed_by_every_change_with_the_body_of_a_query() -> None:
    async with calling(speed=200, queued_share=0.4) as caller, _receiving(b'{"challenge":"SAME"}') as receiver:
        task_id = await caller.submit("minimax", callback_url=receiver.url)
        while len(receiver.bodies) < 4:
            await asyncio.sleep(0.01)
        body = (await caller.query("minimax", task_id)).json()
    assert list(receiver.bodies[0]) == ["challenge"]
    assert [each["task"]["status"] for each in receiver.bodies[1:]] == ["queued", "running", "succeeded"]
    assert receiver.bodies[-1] == body


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"challenge":"another"}', b"SAME"])
async def test_a_challenge_that_is_not_answered_with_itself_is_followed_by_nothing(answer: bytes) -> None:
    async with calling(speed=1e6) as caller, _receiving(answer) as receiver:
        task_id = await caller.submit("minimax", callback_url=receiver.url)
        await caller.sim._world.tasks[task_id].posted.wait()
        assert caller.sim.records().task(task_id).callbacks == ()
    assert [list(body) for body in receiver.bodies] == [["challenge"]]


async def test_a_receiver_that_only_takes_callbacks_gets_none() -> None:
    async with calling(speed=1e6) as caller, sink() as place:
        task_id = await caller.submit("minimax", callback_url=place.url)
        await caller.sim._world.tasks[task_id].posted.wait()
    assert len(place.received) == 1
