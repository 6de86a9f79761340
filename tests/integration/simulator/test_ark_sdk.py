"""Ark's published SDK against the simulator, unpatched but for its base URL; skipped where it is not installed.

`pip install byteplus-python-sdk-v2[ark]` brings the one for BytePlus. It is large, so the lock does not hold it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import ApiClient, calling

ark = pytest.importorskip("byteplussdkarkruntime")

MODEL = "dreamina-seedance-2-0-260128"
CONTENT = [
    {"type": "text", "text": "[Image 1] waves"},
    {"type": "image_url", "image_url": {"url": PICTURE}, "role": "reference_image"},
]


@asynccontextmanager
async def calling_with_sdk(key: str | None = None) -> AsyncIterator[tuple[ApiClient, Any]]:
    """The simulator and the SDK's calls of tasks."""
    async with calling() as caller:
        key = key or caller.sim.key("seedance")
        client = ark.Ark(base_url=caller.sim.base_url("seedance"), api_key=key, max_retries=0)
        try:
            yield caller, client.content_generation.tasks
        finally:
            client.close()


async def called(function: Callable[..., Any], **named: Any) -> Any:
    """A call of the synchronous SDK from a thread."""
    return await asyncio.to_thread(function, **named)


async def test_a_task_is_created_followed_to_its_link_and_listed() -> None:
    async with calling_with_sdk() as (caller, tasks):
        made = await called(tasks.create, model=MODEL, content=CONTENT, duration=4, ratio="16:9", generate_audio=False)
        waiting = await called(tasks.get, task_id=made.id)
        caller.sim.finish(made.id)
        done = await called(tasks.get, task_id=made.id)
        page = await called(tasks.list, page_num=1, page_size=5, status="succeeded")
        film = await caller.http.get(done.content.video_url)
        body = caller.sim.records().task(made.id).body
    assert (waiting.status, done.status, film.status_code) == ("queued", "succeeded", 200)
    assert (page.total, [item.id for item in page.items]) == (1, [made.id])
    assert body["content"] == CONTENT
    assert body["duration"] == 4


async def test_a_queued_task_is_cancelled_and_a_failed_one_says_why() -> None:
    async with calling_with_sdk() as (caller, tasks):
        first, second = [await called(tasks.create, model=MODEL, content=CONTENT) for _ in range(2)]
        await called(tasks.delete, task_id=first.id)
        caller.sim.fail(second.id, code="OutputVideoSensitiveContentDetected", message="refused")
        canceled, failed = [await called(tasks.get, task_id=each.id) for each in (first, second)]
    assert (canceled.status, failed.status) == ("cancelled", "failed")
    assert (failed.error.code, failed.error.message) == ("OutputVideoSensitiveContentDetected", "refused")


async def test_its_own_errors_are_raised() -> None:
    async with calling_with_sdk() as (_, tasks):
        with pytest.raises(ark._exceptions.ArkNotFoundError):
            await called(tasks.get, task_id="cgt-none")
        with pytest.raises(ark._exceptions.ArkBadRequestError):
            await called(tasks.create, model=MODEL, content=CONTENT, duration=99)
    async with calling_with_sdk("wrong") as (_, tasks):
        with pytest.raises(ark._exceptions.ArkAuthenticationError):
            await called(tasks.create, model=MODEL, content=CONTENT)
