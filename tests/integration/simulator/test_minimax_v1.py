"""MiniMax's version 1 at the simulator: fields, errors within 200, the file, and words of callbacks."""

from typing import Any

import pytest

from submitter.simulator.media import video_of
from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import calling

PATH = "/v1/video_generation"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"model": "MiniMax-Hailuo-2.3", "prompt": "x", "duration": 10, "resolution": "768P"}, 0),
        ({"model": "MiniMax-Hailuo-2.3", "prompt": "x", "duration": 10, "resolution": "1080P"}, 2013),
        ({"model": "MiniMax-Hailuo-2.3", "prompt": "x", "duration": 7}, 2013),
        ({"model": "MiniMax-Hailuo-2.3", "first_frame_image": PICTURE}, 0),
        ({"model": "MiniMax-Hailuo-2.3"}, 2013),
        ({"model": "MiniMax-Hailuo-2.3", "prompt": "x" * 2001}, 2013),
        ({"model": "MiniMax-Hailuo-2.3-Fast", "prompt": "x"}, 2013),
        ({"model": "MiniMax-Hailuo-02", "first_frame_image": PICTURE, "last_frame_image": PICTURE}, 0),
        ({"model": "MiniMax-Hailuo-02", "prompt": "x", "last_frame_image": PICTURE}, 2013),
        ({"model": "T2V-01", "prompt": "x", "resolution": "720P"}, 0),
        ({"model": "T2V-01", "prompt": "x", "first_frame_image": PICTURE}, 2013),
        ({"model": "S2V-01", "subject_reference": [{"type": "character", "image": [PICTURE]}]}, 0),
        ({"model": "S2V-01", "subject_reference": [{"type": "character", "image": [PICTURE, PICTURE]}]}, 2013),
        ({"model": "MiniMax-Hailuo-2.3", "prompt": "x", "callback_url": "nowhere"}, 2013),
    ],
)
async def test_fields_are_checked_as_documented_and_refused_within_200(body: dict[str, Any], code: int) -> None:
    async with calling() as caller:
        answer = await caller.post("minimax-v1", PATH, body)
    assert (answer.status_code, answer.json()["base_resp"]["status_code"]) == (200, code)
    assert bool(answer.json()["task_id"]) is (code == 0)


async def test_an_account_without_money_is_refused_within_200() -> None:
    async with calling(quota={"minimax-v1": 0}) as caller:
        answer = await caller.send("minimax-v1")
    assert (answer.status_code, answer.json()["base_resp"]["status_code"]) == (200, 1008)


async def test_a_success_names_a_file_whose_link_a_second_call_brings() -> None:
    async with calling() as caller:
        task_id = await caller.submit("minimax-v1")
        assert (await caller.result("minimax-v1", task_id)).json()["base_resp"]["status_code"] == 2013
        caller.sim.finish(task_id)
        done = (await caller.query("minimax-v1", task_id)).json()
        file = (await caller.get("minimax-v1", f"/v1/files/retrieve?file_id={done['file_id']}")).json()["file"]
        film = (await caller.http.get(file["download_url"])).content
    assert (done["status"], "download_url" in done, file["file_id"]) == ("Success", False, done["file_id"])
    assert film == video_of(task_id, 6)


async def test_a_failure_has_its_reason_in_base_resp() -> None:
    async with calling() as caller:
        task_id = await caller.submit("minimax-v1")
        caller.sim.fail(task_id, message="output refused")
        failed = (await caller.query("minimax-v1", task_id)).json()
    assert (failed["status"], failed["base_resp"]) == ("Fail", {"status_code": 1027, "status_msg": "output refused"})
