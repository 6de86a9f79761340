"""The published SDKs of providers that are polled, unpatched but for their base URL, against the simulator."""

from typing import Any

import pytest

from submitter.simulator.media import video_of
from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import ApiClient, calling


def _runway(caller: ApiClient, **more: Any) -> Any:
    runwayml = pytest.importorskip("runwayml")
    return runwayml.AsyncRunwayML(api_key=caller.sim.key("runway"), base_url=caller.sim.base_url("runway"), **more)


async def test_runwayml_submits_retrieves_and_finds_the_result() -> None:
    async with calling(queued_share=1.0) as caller, _runway(caller) as client:
        made = await client.text_to_video.create(
            model="gen4.5", prompt_text="a horse", ratio="1280:720", duration=5, seed=7
        )
        waiting = await client.tasks.retrieve(made.id)
        caller.sim.finish(made.id)
        done = await client.tasks.retrieve(made.id)
        film = (await caller.http.get(done.output[0])).content
        [task] = caller.sim.records().tasks
    assert (waiting.status, done.status, done.cost.credits) == ("PENDING", "SUCCEEDED", 60)
    assert (task.body["promptText"], task.headers["x-runway-version"]) == ("a horse", "2024-11-06")
    assert film == video_of(made.id, 5)


async def test_runwayml_sends_pictures_with_positions_and_reads_a_failure() -> None:
    async with calling(queued_share=0.0) as caller, _runway(caller) as client:
        pictures = [{"uri": PICTURE, "position": "first"}, {"uri": PICTURE, "position": "last"}]
        made = await client.image_to_video.create(
            model="veo3.1", prompt_image=pictures, ratio="1280:720", duration=8, audio=False, negative_prompt="rain"
        )
        running = await client.tasks.retrieve(made.id)
        caller.sim.fail(made.id, code="SAFETY.INPUT.TEXT", message="not this horse")
        failed = await client.tasks.retrieve(made.id)
    assert (running.status, failed.status) == ("RUNNING", "FAILED")
    assert 0 <= running.progress <= 1
    assert (failed.failure_code, failed.failure) == ("SAFETY.INPUT.TEXT", "not this horse")


async def test_runwayml_deletes_and_raises_its_own_errors() -> None:
    runwayml = pytest.importorskip("runwayml")
    async with calling(quota={"runway": 1}) as caller, _runway(caller, max_retries=0) as client:
        wanted = {"model": "gen4.5", "prompt_text": "a horse", "ratio": "1280:720", "duration": 5}
        made = await client.text_to_video.create(**wanted)
        await client.tasks.delete(made.id)
        with pytest.raises(runwayml.NotFoundError):
            await client.tasks.retrieve(made.id)
        with pytest.raises(runwayml.BadRequestError, match="enough credits"):
            await client.text_to_video.create(**wanted)
        async with _runway(caller, max_retries=0) as stranger:
            stranger.api_key = "wrong"
            with pytest.raises(runwayml.AuthenticationError):
                await stranger.tasks.retrieve(made.id)


async def test_runwayml_repeats_a_paid_post_after_a_503_that_created_a_task() -> None:
    """Why no submit should go through that SDK: a proxy's 503 can follow the creation of a task."""
    async with calling() as caller, _runway(caller, max_retries=1) as client:
        caller.sim.plan("runway", [["reply_proxy_503"]])
        await client.text_to_video.create(model="gen4.5", prompt_text="a horse", ratio="1280:720", duration=5)
        assert len(caller.sim.records().tasks) == 2
