"""The platforms' published SDKs, unpatched but for their base URL, against the simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import dashscope
import hiapi
import openai
import pytest
from dashscope.aigc.video_synthesis import VideoSynthesis  # the top-level stub leaves `list` out

from submitter.simulator.media import video_of
from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import ApiClient, calling, sink

MEDIA = [{"type": "reference_image", "url": PICTURE}]
RETIRED = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
def aimed(monkeypatch: pytest.MonkeyPatch) -> Callable[[ApiClient], None]:
    def aim(caller: ApiClient) -> None:
        monkeypatch.setattr(dashscope, "base_http_api_url", caller.sim.base_url("dashscope"))
        monkeypatch.setattr(dashscope, "api_key", caller.sim.key("dashscope"))

    return aim


async def called(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """A call of the synchronous SDK from a thread."""
    return await asyncio.to_thread(function, *given, **named)


async def submitted(**more: Any) -> Any:
    return await called(
        VideoSynthesis.async_call, model="happyhorse-1.0-r2v", prompt="[Image 1] waves", media=MEDIA, duration=4, **more
    )


async def test_dashscope_async_call_sends_what_it_was_given(aimed: Callable[[ApiClient], None]) -> None:
    async with calling() as caller:
        aimed(caller)
        receipt = await submitted(resolution="720P", ratio="9:16", watermark=False, seed=7)
        body = caller.sim.records().task(receipt.output.task_id).body
    assert (receipt.status_code, receipt.output.task_status) == (200, "PENDING")
    assert body["input"]["media"] == MEDIA
    wanted = {"resolution": "720P", "ratio": "9:16", "watermark": False, "seed": 7, "duration": 4}
    assert body["parameters"] == wanted


async def test_dashscope_fetch_follows_a_task_to_its_link(aimed: Callable[[ApiClient], None]) -> None:
    async with calling() as caller:
        aimed(caller)
        receipt = await submitted()
        assert (await called(VideoSynthesis.fetch, receipt)).output.task_status == "PENDING"
        caller.sim.finish(receipt.output.task_id)
        done = await called(VideoSynthesis.fetch, receipt.output.task_id)
        film = (await caller.http.get(done.output.video_url)).content
    assert done.output.task_status == "SUCCEEDED"
    assert film == video_of(receipt.output.task_id, 4)


async def test_dashscope_fetch_shows_why_a_task_failed(aimed: Callable[[ApiClient], None]) -> None:
    async with calling() as caller:
        aimed(caller)
        receipt = await submitted()
        caller.sim.fail(receipt.output.task_id, code="DataInspectionFailed", message="not this horse")
        failed = await called(VideoSynthesis.fetch, receipt)
    assert (failed.status_code, failed.output.task_status) == (200, "FAILED")
    assert (failed.output["code"], failed.output["message"]) == ("DataInspectionFailed", "not this horse")


async def test_dashscope_wait_returns_at_the_end(aimed: Callable[[ApiClient], None]) -> None:
    async with calling(speed=300) as caller:
        aimed(caller)
        done = await called(VideoSynthesis.wait, await submitted())
    assert done.output.task_status == "SUCCEEDED"


async def test_dashscope_list_finds_the_task(aimed: Callable[[ApiClient], None]) -> None:
    async with calling() as caller:
        aimed(caller)
        receipt = await submitted()
        page = await called(VideoSynthesis.list, status="PENDING", page_size=5)
    assert (page.status_code, page.output["total"]) == (200, 1)
    assert page.output["data"][0]["task_id"] == receipt.output.task_id


async def test_dashscope_cancel_works_once(aimed: Callable[[ApiClient], None]) -> None:
    async with calling() as caller:
        aimed(caller)
        receipt = await submitted()
        first, second = await called(VideoSynthesis.cancel, receipt), await called(VideoSynthesis.cancel, receipt)
        assert caller.sim.records().tasks[0].state == "canceled"
    assert (first.status_code, second.status_code, second.code) == (200, 400, "UnsupportedOperation")


async def test_dashscope_reports_refusals_by_code(aimed: Callable[[ApiClient], None]) -> None:
    async with calling(quota={"dashscope": 0}) as caller:
        aimed(caller)
        poor = await submitted()
        dashscope.api_key = "wrong"  # undone with the fixture
        unauthorized = await submitted()
    assert (poor.status_code, poor.code) == (400, "Arrearage")
    assert (unauthorized.status_code, unauthorized.code) == (401, "InvalidApiKey")


@asynccontextmanager
async def openai_at(caller: ApiClient, platform: str) -> AsyncIterator[openai.AsyncOpenAI]:
    base_url = caller.sim.base_url(platform) + "/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key=caller.sim.key(platform), max_retries=0) as client:
        yield client


@RETIRED
@pytest.mark.parametrize("platform", ["modelstream", "tokenbay"])
async def test_openai_creates_retrieves_and_downloads_at_the_gateways(platform: str) -> None:
    async with calling() as caller, openai_at(caller, platform) as client:
        made = await client.videos.create(model="happyhorse-1.0-t2v", prompt="a horse")
        assert made.status in {"queued", "QUEUED"}
        caller.sim.finish(made.id)
        found = await client.videos.retrieve(made.id)
        film = await (await client.videos.download_content(made.id)).aread()
    assert found.id == made.id
    assert found.status in {"completed", "SUCCESS"}
    assert film == video_of(made.id, 5)


@RETIRED
async def test_openai_sends_a_form_and_the_records_hold_it_parsed() -> None:
    async with calling() as caller, openai_at(caller, "modelstream") as client:
        made = await client.videos.create(model="happyhorse-1.0-t2v", prompt="ein Pferd \u9a6c", seconds="8")
        task = caller.sim.records().task(made.id)
    assert task.headers["content-type"].startswith("multipart/form-data")
    assert task.body == {"model": "happyhorse-1.0-t2v", "prompt": "ein Pferd \u9a6c", "seconds": "8"}
    assert made.seconds == "8"


@RETIRED
@pytest.mark.parametrize(("fault", "status"), [("", "completed"), (" #simulate:fail", "failed")])
async def test_openai_create_and_poll_ends_at_modelstream(fault: str, status: str) -> None:
    async with calling(speed=600) as caller, openai_at(caller, "modelstream") as client:
        done = await client.videos.create_and_poll(
            model="happyhorse-1.0-t2v", prompt="a horse" + fault, poll_interval_ms=50
        )
    assert done.status == status
    assert (done.error is None) == (status == "completed")


@RETIRED
async def test_openai_sends_a_first_frame_as_a_file() -> None:
    async with calling() as caller, openai_at(caller, "modelstream") as client:
        picture = ("frame.png", b"\x89PNG" * 10, "image/png")
        made = await client.videos.create(model="happyhorse-1.0-i2v", prompt="a horse", input_reference=picture)
        assert caller.sim.records().task(made.id).body["input_reference"] == "file frame.png, 40 bytes"


@RETIRED
async def test_openai_raises_its_own_errors() -> None:
    async with calling() as caller, openai_at(caller, "modelstream") as client:
        with pytest.raises(openai.BadRequestError):
            await client.videos.retrieve("task_none")
        client.api_key = "wrong"
        with pytest.raises(openai.AuthenticationError):
            await client.videos.retrieve("task_none")


HIAPI_MODEL = "happyhorse-1.1/text-to-video"


def hiapi_at(caller: ApiClient, **more: Any) -> hiapi.HiAPI:
    return hiapi.HiAPI(api_key=caller.sim.key("hiapi"), base_url=caller.sim.base_url("hiapi") + "/v1", **more)


async def test_hiapi_creates_lists_and_retrieves() -> None:
    async with calling() as caller:
        tasks = hiapi_at(caller).tasks
        made = await called(tasks.create, model=HIAPI_MODEL, input={"prompt": "a horse"})
        waiting = await called(tasks.retrieve, made.task_id)
        page = await called(tasks.list, size=5)
        caller.sim.finish(made.task_id)
        done = await called(tasks.retrieve, made.task_id)
        film = (await caller.http.get(done.output[0].url)).content
    assert (waiting.status, done.status, page.total) == ("queued", "success", 1)
    assert film == video_of(made.task_id, 5)


async def test_hiapi_runs_a_task_to_its_end() -> None:
    async with calling(speed=600) as caller:
        tasks = hiapi_at(caller).tasks
        done = await called(tasks.run, model=HIAPI_MODEL, input={"prompt": "a horse"}, poll_interval=0.05)
        bad = {"prompt": "x #simulate:fail"}
        with pytest.raises(hiapi.TaskFailed):
            await called(tasks.run, model=HIAPI_MODEL, input=bad, poll_interval=0.05)
    assert done.status == "success"


async def test_hiapi_knows_a_replay_and_a_key_of_another_body() -> None:
    async with calling() as caller:
        tasks = hiapi_at(caller).tasks
        wanted = {"model": HIAPI_MODEL, "input": {"prompt": "a horse"}, "idempotency_key": "k"}
        first, again = await called(tasks.create, **wanted), await called(tasks.create, **wanted)
        with pytest.raises(hiapi.IdempotencyKeyMismatchError):
            await called(tasks.create, **wanted | {"input": {"prompt": "another horse"}})
    assert (first.idempotent_replay, again.idempotent_replay) == (False, True)
    assert first.task_id == again.task_id


async def test_hiapi_raises_its_own_errors() -> None:
    async with calling(quota={"hiapi": 0}) as caller:
        client = hiapi_at(caller)
        with pytest.raises(hiapi.NotFoundError):
            await called(client.tasks.retrieve, "tk-hiapi-none")
        with pytest.raises(hiapi.APIError) as poor:
            await called(client.tasks.create, model=HIAPI_MODEL, input={"prompt": "x"})
        wrong = hiapi.HiAPI(api_key="wrong", base_url=caller.sim.base_url("hiapi") + "/v1")
        with pytest.raises(hiapi.AuthenticationError):
            await called(wrong.tasks.list)
    assert poor.value.status == 402


async def test_hiapi_verifies_the_simulated_callbacks() -> None:
    async with calling(speed=600) as caller, sink() as place:
        wanted = {"model": HIAPI_MODEL, "input": {"prompt": "x"}, "callback": {"url": place.url, "when": "final"}}
        made = await called(hiapi_at(caller).tasks.create, **wanted)
        [received] = await place.wait_for(1)
        secret = caller.sim._world.config.webhook_secret("hiapi")
    task = hiapi_at(caller, webhook_secret=secret).webhooks.verify(received.raw, received.headers)
    assert (task.task_id, task.status) == (made.task_id, "success")
