"""Runway: its version header, sizes in pixels, throttled tasks, and a DELETE that cancels or destroys."""

from typing import Any

import pytest

from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import ApiClient, calling

TASK = "/v1/tasks/{}"


async def _delete(caller: ApiClient, task_id: str) -> int:
    url = caller.sim.base_url("runway") + TASK.format(task_id)
    return (await caller.http.delete(url, headers=caller.headers("runway"))).status_code


async def test_without_the_version_every_call_is_a_400() -> None:
    async with calling() as caller:
        task_id = await caller.submit("runway")
        path = TASK.format(task_id)
        answers = [await caller.get("runway", path, **{"X-Runway-Version": value}) for value in ("", "2023-01-01")]
        answers.append(await caller.post("runway", "/v1/text_to_video", {}, **{"X-Runway-Version": ""}))
        assert len(caller.sim.records().tasks) == 1
    assert {answer.status_code for answer in answers} == {400}
    assert all("X-Runway-Version" in answer.json()["error"] for answer in answers)


async def test_a_receipt_names_its_most_credits_and_a_status_its_times_and_progress() -> None:
    async with calling(queued_share=0.0) as caller:
        receipt = (await caller.send("runway")).json()
        running = (await caller.query("runway", receipt["id"])).json()
        caller.sim.finish(receipt["id"])
        done = (await caller.query("runway", receipt["id"])).json()
    assert (set(receipt), receipt["estimatedCost"]) == ({"id", "estimatedCost"}, {"credits": 60})
    assert running["createdAt"].endswith("Z")
    assert 0 <= running["progress"] < 1
    assert (len(done["output"]), done["cost"], "progress" in done) == (1, {"credits": 60}, False)


async def test_tasks_above_the_slots_are_throttled_and_none_is_refused() -> None:
    async with calling(runway_slots=2, queued_share=1.0) as caller:
        first, *others = [await caller.submit("runway", f"horse {number}") for number in range(4)]
        before = [await caller.state("runway", each) for each in (first, *others)]
        caller.sim.finish(first)
        after = [await caller.state("runway", each) for each in others]
    assert before == ["PENDING", "PENDING", "THROTTLED", "THROTTLED"]
    assert after == ["PENDING", "PENDING", "THROTTLED"]


async def test_a_delete_cancels_a_waiting_task_and_destroys_a_finished_one() -> None:
    async with calling() as caller:
        waiting, finished = await caller.submit("runway"), await caller.submit("runway", "another")
        caller.sim.finish(finished)
        assert [await _delete(caller, each) for each in (waiting, finished, waiting, "none")] == [204, 204, 404, 404]
        queried = [(await caller.query("runway", each)).status_code for each in (waiting, finished)]
        states = [task.state for task in caller.sim.records().tasks]
    assert queried == [404, 404]
    assert states == ["canceled", "succeeded"]


async def test_an_account_without_credits_is_a_400_in_words() -> None:
    async with calling(quota={"runway": 0}) as caller:
        answer = await caller.send("runway")
    assert (answer.status_code, answer.json()["error"]) == (400, "You do not have enough credits to run this task.")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/text_to_video", {"model": "gen4.5", "promptText": "x", "ratio": "1280:720"}),
        ("/v1/text_to_video", {"model": "gen4.5", "promptText": "x", "ratio": "960:960", "duration": 5}),
        ("/v1/text_to_video", {"model": "gen4_turbo", "promptText": "x", "ratio": "1280:720"}),
        ("/v1/image_to_video", {"model": "veo3.1", "ratio": "1280:720"}),
        ("/v1/image_to_video", {"model": "veo3.1", "ratio": "1280:720", "promptImage": "http://a.example/1.png"}),
        (
            "/v1/image_to_video",
            {"model": "veo3.1", "ratio": "1280:720", "promptImage": [{"uri": PICTURE, "position": "last"}]},
        ),
        (
            "/v1/image_to_video",
            {"model": "gen4_turbo", "ratio": "1280:720", "promptImage": [{"uri": PICTURE, "position": "middle"}]},
        ),
        ("/v1/text_to_video", {"model": "happyhorse_1_0", "promptText": "x" * 2501}),
        ("/v1/text_to_video", {"promptText": "x"}),
    ],
)
async def test_what_a_mode_of_a_model_does_not_take_is_refused(path: str, body: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.post("runway", path, body)
        assert (answer.status_code, caller.sim.records().tasks) == (400, ())


async def test_pictures_may_be_one_address_or_a_list_with_positions() -> None:
    async with calling() as caller:
        body: dict[str, Any] = {"model": "veo3.1_fast", "ratio": "1920:1080", "duration": 8, "audio": True}
        placed = [{"uri": PICTURE, "position": "first"}, {"uri": PICTURE, "position": "last"}]
        answers = [
            await caller.post("runway", "/v1/image_to_video", body | {"promptImage": pictures})
            for pictures in (PICTURE, placed, placed[:1])
        ]
        other = await caller.post("runway", "/v1/video_to_video", {"model": "gen4_aleph", "videoUri": PICTURE})
    assert [answer.status_code for answer in (*answers, other)] == [200] * 4
