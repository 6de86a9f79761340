"""Seedance at the simulator: fields, lists, deletion, an end named `expired`, callbacks at each change."""

import asyncio
import json
from typing import Any

import pytest

from submitter.simulator import Limit
from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import PLATFORM_APIS, ApiClient, calling, sink

PATH = "/contents/generations/tasks"
BODY = PLATFORM_APIS["seedance"].body("a horse")
TEXT = {"type": "text", "text": "a horse"}


def _picture(role: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": PICTURE}, "role": role}


async def _delete(caller: ApiClient, task_id: str) -> int:
    url = caller.sim.base_url("seedance") + f"{PATH}/{task_id}"
    return (await caller.http.delete(url, headers=caller.headers("seedance"))).status_code


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"resolution": "4k", "ratio": "adaptive", "duration": -1, "generate_audio": False}, 200),
        ({"content": [TEXT, _picture("first_frame"), _picture("last_frame")]}, 200),
        ({"content": [TEXT, *[_picture("reference_image")] * 9]}, 200),
        ({"content": [_picture("first_frame")]}, 200),
        ({"content": None}, 400),
        ({"content": []}, 400),
        ({"content": [TEXT, _picture("last_frame")]}, 400),
        ({"content": [TEXT, _picture("first_frame"), _picture("reference_image")]}, 400),
        ({"content": [TEXT, *[_picture("reference_image")] * 10]}, 400),
        ({"content": [TEXT, {"type": "audio_url", "audio_url": {"url": PICTURE}}]}, 400),
        ({"content": [TEXT, {"type": "image_url", "image_url": PICTURE}]}, 400),
        ({"content": ["a horse"]}, 400),
        ({"duration": 3}, 400),
        ({"duration": 16}, 400),
        ({"duration": True}, 400),
        ({"resolution": "720P"}, 400),
        ({"seed": 7}, 400),
        ({"execution_expires_after": 60}, 400),
        ({"callback_url": "nowhere"}, 400),
        ({"model": "dreamina-seedance-2-0-fast-260128", "resolution": "1080p"}, 400),
        ({"model": "dreamina-seedance-2-5-260628", "duration": 30}, 200),
        ({"model": "ep-20260901", "duration": 60, "seed": 7}, 200),
    ],
)
async def test_fields_are_checked_as_documented(change: dict[str, Any], status: int) -> None:
    async with calling() as caller:
        answer = await caller.post("seedance", PATH, BODY | change)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] in {"InvalidParameter", "MissingParameter"}


async def test_a_receipt_is_an_id_and_nothing_else() -> None:
    async with calling() as caller:
        answer = (await caller.send("seedance")).json()
    assert list(answer) == ["id"]
    assert answer["id"].startswith("cgt-")


async def test_one_queued_task_too_many_is_refused() -> None:
    async with calling(limits={"seedance": Limit(concurrent=1)}) as caller:
        answers = [await caller.send("seedance") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


async def test_a_task_that_runs_too_long_ends_as_expired() -> None:
    async with calling(speed=100_000) as caller:
        task_id = await caller.submit("seedance", "x #simulate:stuck", execution_expires_after=3600)
        while (word := await caller.state("seedance", task_id)) != "expired":
            assert word in {"queued", "running"}
            await asyncio.sleep(0.005)
        body = (await caller.query("seedance", task_id)).json()
    assert (body["error"], "content" in body, body["execution_expires_after"]) == (None, False, 3600)


async def test_a_task_is_known_for_seven_days_and_a_cancelled_one_for_one() -> None:
    async with calling() as caller:
        done, canceled = await caller.submit("seedance"), await caller.submit("seedance")
        caller.sim.finish(done)
        assert await _delete(caller, canceled) == 200
        known = []
        for days in (0.9, 0.2, 5.8, 0.2):
            caller.skip(days * 86_400)
            known.append([(await caller.query("seedance", each)).status_code for each in (done, canceled)])
    assert known == [[200, 200], [200, 404], [200, 404], [404, 404]]


async def test_a_deletion_cancels_destroys_or_is_refused_by_the_state() -> None:
    async with calling() as caller:
        queued, ended = await caller.submit("seedance"), await caller.submit("seedance")
        caller.sim.finish(ended)
        assert [await _delete(caller, each) for each in (queued, ended, "cgt-none")] == [200, 200, 404]
        assert await caller.state("seedance", queued) == "cancelled"
        assert (await caller.query("seedance", ended)).status_code == 404
        assert [await _delete(caller, each) for each in (queued, ended)] == [409, 404]
    async with calling(queued_share=0.0) as caller:
        assert await _delete(caller, await caller.submit("seedance")) == 409


async def test_a_list_has_pages_and_filters() -> None:
    async with calling() as caller:
        ids = [await caller.submit("seedance") for _ in range(3)]
        caller.sim.finish(ids[1])

        async def listed(query: str) -> tuple[int, list[str]]:
            page = (await caller.get("seedance", f"{PATH}?{query}")).json()
            return page["total"], [item["id"] for item in page["items"]]

        assert await listed("") == (3, ids[::-1])
        assert await listed("page_num=2&page_size=2") == (3, ids[:1])
        assert await listed("filter.status=succeeded") == (1, [ids[1]])
        assert await listed(f"filter.task_ids={ids[0]}&filter.task_ids={ids[2]}") == (2, [ids[2], ids[0]])
        assert await listed("filter.model=other") == (0, [])
        assert (await caller.get("seedance", f"{PATH}?page_size=501")).status_code == 400


async def test_every_change_but_a_cancellation_is_posted_with_the_body_of_a_query() -> None:
    async with calling(speed=200, queued_share=0.4) as caller, sink() as place:
        task_id = await caller.submit("seedance", callback_url=place.url)
        posts = await place.wait_for(3)
        body = (await caller.query("seedance", task_id)).json()
        canceled = await caller.submit("seedance", callback_url=f"{place.url}?canceled")
        await _delete(caller, canceled)
        await caller.sim._world.tasks[canceled].posted.wait()
    assert [post.status for post in posts[:3]] == ["queued", "running", "succeeded"]
    assert json.loads(posts[2].raw) == body
    assert "cancelled" not in [post.status for post in place.received]
    assert not [name for name in posts[0].headers if "sign" in name]


async def test_only_an_end_is_posted_again_three_times() -> None:
    async with calling(speed=2_000) as caller, sink(500) as place:
        task_id = await caller.submit("seedance", callback_url=place.url)
        await place.wait_for(4)
        await caller.sim._world.tasks[task_id].posted.wait()
        while len(attempts := caller.sim.records().task(task_id).callbacks) < 4 or attempts[-1].number < 4:
            await asyncio.sleep(0.01)
    ends = [each.number for each in attempts if each.reported == "succeeded"]
    changes = [each.number for each in attempts if each.reported != "succeeded"]
    assert ends == [1, 2, 3, 4]
    assert set(changes) <= {1}
