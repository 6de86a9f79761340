"""The published SDKs of providers that are polled, unpatched but for their base URL, against the simulator."""

import asyncio
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


def _gemini(caller: ApiClient) -> Any:
    """google-genai 3 has Veo for the enterprise API only."""
    genai = pytest.importorskip("google.genai")
    if int(genai.__version__.partition(".")[0]) >= 3:
        pytest.skip("google-genai 3 has no Veo for the Gemini API")
    root = caller.sim.base_url("veo").removesuffix("/v1beta")
    return genai.Client(api_key=caller.sim.key("veo"), http_options={"base_url": root, "api_version": "v1beta"})


async def _generated(client: Any, prompt: str = "a horse", *, config: Any = None, **source: Any) -> Any:
    make = client.models.generate_videos
    return await asyncio.to_thread(
        make, model="veo-3.1-generate-preview", source={"prompt": prompt, **source}, config=config
    )


async def test_google_genai_follows_an_operation_to_its_file() -> None:
    async with calling() as caller:
        client = _gemini(caller)
        wanted = {"aspect_ratio": "9:16", "duration_seconds": 6, "negative_prompt": "rain"}
        made = await _generated(client, config=wanted)
        waiting = await asyncio.to_thread(client.operations.get, made)
        caller.sim.finish(made.name)
        done = await asyncio.to_thread(client.operations.get, made)
        uri = done.response.generated_videos[0].video.uri
        name = "files/" + uri.partition("/files/")[2].partition(":")[0]  # the SDK reads it from https addresses only
        film = await asyncio.to_thread(client.files.download, file=name)
        [task] = caller.sim.records().tasks
    assert (waiting.done, done.done, task.task_id) == (None, True, made.name)
    assert task.body["parameters"] == {"aspectRatio": "9:16", "durationSeconds": 6, "negativePrompt": "rain"}
    assert film == video_of(made.name, 6)


async def test_google_genai_sends_frames_and_references_as_base64() -> None:
    async with calling() as caller:
        client = _gemini(caller)
        picture = {"image_bytes": b"\x89PNG", "mime_type": "image/png"}
        first = await _generated(client, image=picture, config={"last_frame": picture})
        references = [{"image": picture, "reference_type": "ASSET"}]
        second = await _generated(client, "another", config={"reference_images": references})
        bodies = [caller.sim.records().task(each.name).body["instances"][0] for each in (first, second)]
    assert set(bodies[0]) == {"prompt", "image", "lastFrame"}
    assert bodies[1]["referenceImages"][0]["referenceType"] == "ASSET"


async def test_google_genai_shows_errors_refusals_and_withheld_videos() -> None:
    errors = pytest.importorskip("google.genai.errors")
    async with calling() as caller:
        client = _gemini(caller)
        failed, withheld = await _generated(client), await _generated(client, "another")
        caller.sim.fail(failed.name, message="bad picture")
        caller.sim.cancel(withheld.name)
        seen = [await asyncio.to_thread(client.operations.get, each) for each in (failed, withheld)]
        with pytest.raises(errors.ClientError, match="durationSeconds"):
            await _generated(client, config={"duration_seconds": 5})
    assert (seen[0].done, seen[0].error) == (True, {"code": 3, "message": "bad picture"})
    assert (seen[1].done, seen[1].error, seen[1].response.generated_videos) == (True, None, None)
    assert seen[1].response.rai_media_filtered_count == 1
